"""Break a copy of the code in one place at a time and see that the tests of that place notice: `make mutants`.

    python tests/mutants/run_mutants.py [--only NAME] [--jobs N] [--check]

The faults stand in `faults.py`. Each is applied alone to a copy of the tree, and its tests run there. It is killed when
one of them fails by an assertion. One that none notices has survived; one that does not apply, does not import, or
breaks a test in any other way is an error. The exit code is 1 unless all are killed.
"""

import argparse
import ast
import contextlib
import importlib
import json
import multiprocessing
import os
import re
import runpy
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
LONGEST = 300
"""Seconds that the tests of one fault may take."""
MACRO = re.compile(r"{%-? macro (\w+)\(.*?endmacro -?%}", re.DOTALL)
KILLED, SURVIVED, ERROR = "killed", "survived", "error"

Json = dict[str, Any]


class Place(NamedTuple):
    """A definition in a file: its dotted name, and where its text begins and ends."""

    file: Path
    name: str
    start: int
    end: int


class Mutant(NamedTuple):
    """A fault that applies: definition and snippet, the file to change, its new text, the ids of the owning tests."""

    title: str
    file: Path
    text: str
    tests: tuple[str, ...]


class MutantError(Exception):
    """A fault of the list that does not fit the code."""


# --- finding definitions and tests


def sources(root: Path) -> list[Path]:
    """The package folders that the wheel is made of, below the root."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [root / name for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


@cache
def places(root: Path) -> tuple[Place, ...]:
    """Every function, class, method and module constant of the packages, and every macro of their templates."""
    files = [file for package in sources(root) for file in sorted(package.rglob("*"))]
    of = {".py": _places_in, ".html": _macros_in}
    return tuple(place for file in files if file.suffix in of for place in of[file.suffix](file))


def _macros_in(file: Path) -> Iterator[Place]:
    for macro in MACRO.finditer(file.read_text(encoding="utf-8")):
        yield Place(file, f"{file.stem}.{macro[1]}", macro.start(), macro.end())


def _places_in(file: Path) -> Iterator[Place]:
    text = file.read_text(encoding="utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for name, node in _definitions(ast.parse(text), f"{file.parent.name}.{file.stem}"):
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        yield Place(file, name, starts[first - 1], starts[(node.end_lineno or first)])


def _definitions(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.stmt]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{inside}.{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, f"{inside}.{child.name}")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            yield from ((f"{inside}.{name}", child) for name in names)


@cache
def test_ids(root: Path) -> dict[str, tuple[str, ...]]:
    """Test functions by name, as pytest calls them from the root."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                test_id = f"{file.relative_to(root).as_posix()}::{node.name}"
                found[node.name] = (*found.get(node.name, ()), test_id)
    return found


def mutant_of(fault: Any, root: Path) -> Mutant:
    """The fault as a changed file; MutantError when definition, snippet or tests are not there exactly once."""
    named = [place for place in places(root) if f".{place.name}".endswith(f".{fault.place}")]
    if not named:
        raise MutantError(f"{fault.place}: no such definition")
    counts = [_text(place).count(fault.old) for place in named]
    # several private helpers may share a name: the snippet tells which is meant
    holding = [place for place, n in zip(named, counts, strict=True) if n]
    if len(holding) != 1 or max(counts) != 1:
        raise MutantError(f"{fault.place}: expected {fault.old!r} once, found it {sum(counts)} times")
    (place,) = holding
    text = place.file.read_text(encoding="utf-8")
    body = _text(place).replace(fault.old, fault.new)
    changed = text[: place.start] + body + text[place.end :]
    if _meaning(changed, place.file, fault) == _meaning(text, place.file, fault):
        raise MutantError(f"{fault.place}: {fault.new!r} means the same")
    title = " ".join(f"{fault.place}: {fault.old} -> {fault.new}".split())
    return Mutant(title, place.file.relative_to(root), changed, _owners(fault, root))


def _text(place: Place) -> str:
    return place.file.read_text(encoding="utf-8")[place.start : place.end]


def _meaning(text: str, file: Path, fault: Any) -> str:
    """What tells a text from another that means the same; MutantError where it is no Python."""
    try:
        return ast.dump(ast.parse(text)) if file.suffix == ".py" else text
    except SyntaxError as error:
        raise MutantError(f"{fault.place}: {fault.new!r} is no Python: {error.msg}") from None


def _owners(fault: Any, root: Path) -> tuple[str, ...]:
    for name in fault.tests:
        if len(test_ids(root).get(name, ())) != 1:
            raise MutantError(
                f"{fault.place}: expected one test {name}, found {len(test_ids(root).get(name, ()))}"
            )
    return tuple(test_ids(root)[name][0] for name in fault.tests)


# --- running tests on a copy


def copy_tree(root: Path, target: Path) -> None:
    """The packages, the tests and the files beside them; nothing that a build or a run left there."""
    unwanted = shutil.ignore_patterns("__pycache__", ".*")
    for folder in [*sources(root), root / "tests"]:
        shutil.copytree(folder, target / folder.relative_to(root), ignore=unwanted)
    for file in root.iterdir():
        if file.is_file():
            shutil.copy(file, target)


class Watcher:
    """A pytest plugin that remembers how the first failure came about."""

    def __init__(self) -> None:
        self.n_passed, self.verdict, self.why = 0, SURVIVED, ""

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.verdict, self.why = ERROR, f"collection: {str(report.longrepr).splitlines()[-1]}"

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.excinfo is None:
            self.n_passed += call.when == "call"
        elif call.excinfo.typename != "Skipped" and self.verdict == SURVIVED:
            is_assertion = call.when == "call" and call.excinfo.typename in ("AssertionError", "Failed")
            self.verdict = KILLED if is_assertion else ERROR
            lines = call.excinfo.exconly().splitlines()
            self.why = f"{item.name}: {lines[0] if lines else ''}"


def run_tests(copy: Path, tests: Sequence[str], module: Path | None) -> Json:
    """How the tests come out on the copy, in a process of its own; `module` is imported first."""
    answer = copy / "verdict.json"
    answer.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            answer.write_text(json.dumps(_in_child(copy, tests, module)))
        os._exit(0)
    deadline = time.monotonic() + LONGEST * max(1, len(tests) // 8)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return {"verdict": ERROR, "why": "its tests do not come to an end"}
        time.sleep(0.02)
    if not answer.exists():
        return {"verdict": ERROR, "why": "its tests ended the process"}
    found: Json = json.loads(answer.read_text())
    return found


def _in_child(copy: Path, tests: Sequence[str], module: Path | None) -> Json:
    import pytest

    os.chdir(copy)
    sys.path[:0] = sorted({str(folder.parent) for folder in sources(copy)})
    log = os.open(copy / "log.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if module is not None and module.suffix == ".py":
        try:
            _import(copy, module)
        except Exception as error:  # whatever a broken module does when it is imported
            return {"verdict": ERROR, "why": f"import: {type(error).__name__}: {error}"}
    watcher = Watcher()
    quiet = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    code = pytest.main([*quiet, "--basetemp", str(copy / "basetemp"), *tests], plugins=[watcher])
    if watcher.verdict == SURVIVED and (code != 0 or not watcher.n_passed):
        return {
            "verdict": ERROR,
            "why": f"pytest ended with code {int(code)}, {watcher.n_passed} tests passed",
        }
    return {"verdict": watcher.verdict, "why": watcher.why}


def _import(copy: Path, module: Path) -> None:
    package = next(folder for folder in sources(copy) if (copy / module).is_relative_to(folder))
    name = ".".join((copy / module).relative_to(package.parent).with_suffix("").parts)
    found = importlib.import_module(name).__file__
    if not found or not Path(found).is_relative_to(copy):
        raise ImportError(f"{name} was imported from {found}, not from the copy")


# --- the command


def steady_hypothesis() -> None:
    """The same examples in every run, and no search for the smallest one that fails."""
    from hypothesis import Phase, settings

    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate),
    )
    settings.load_profile("mutants")


_COPY: Path
SECONDS_APART = 10


def start_worker(whole: Path, scratch: Path) -> None:
    """A copy of the tree for each process that works through faults."""
    global _COPY  # a worker has nothing else to keep it in
    _COPY = Path(tempfile.mkdtemp(dir=scratch)) / "tree"
    shutil.copytree(whole, _COPY)


def try_mutant(mutant: Mutant) -> Json:
    """Whether the tests of a fault notice it; the copy is whole again afterwards."""
    target, begun = _COPY / mutant.file, time.monotonic()
    whole, times = target.read_bytes(), (target.stat().st_atime_ns, target.stat().st_mtime_ns)
    target.write_text(mutant.text, encoding="utf-8")
    # a compiled file knows its source by size and whole seconds alone: a fault as long as what it replaces,
    # made within a second of the source, would not be seen
    os.utime(target, ns=(times[0], times[1] + SECONDS_APART * 10**9))
    try:
        found = run_tests(_COPY, mutant.tests, mutant.file)
    finally:
        target.write_bytes(whole)
        os.utime(target, ns=times)  # the compiled file that belongs to it goes by this
        shutil.rmtree(_COPY / "basetemp", ignore_errors=True)
    return {**found, "title": mutant.title, "seconds": time.monotonic() - begun}


def run(mutants: Sequence[Mutant], root: Path, jobs: int, inherited: Sequence[str]) -> list[Json]:
    """Every fault's outcome, said as it comes; none where a test fails without any fault.

    The `inherited` modules are imported once, for every run of tests to begin with.
    """
    for name in inherited:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    steady_hypothesis()
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary).resolve()
        copy_tree(root, scratch / "whole")
        sys.dont_write_bytecode = False  # compiled here once for all copies
        whole = run_tests(scratch / "whole", tests, None)
        sys.dont_write_bytecode = True  # two texts of one size within a second share a time stamp
        if whole["verdict"] != SURVIVED:
            print(f"without any fault the tests do not pass: {whole['why']}")
            return []
        print(f"without any fault the {len(tests)} owning tests pass", flush=True)
        shutil.rmtree(scratch / "whole" / "basetemp", ignore_errors=True)
        fork = multiprocessing.get_context("fork")
        with fork.Pool(jobs, start_worker, (scratch / "whole", scratch)) as pool:
            return [said(outcome) for outcome in pool.imap(try_mutant, mutants)]


def said(outcome: Json) -> Json:
    """The outcome, after a line about it, and why, unless an assertion failed."""
    why = f"\n         {outcome['why']}" if outcome["verdict"] == ERROR else ""
    print(f"{outcome['verdict']:<8} {outcome['title']} ({outcome['seconds']:.1f} s){why}", flush=True)
    return outcome


def main() -> int:
    """Read the options, check the list, run it, print the totals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", default="", metavar="NAME", help="faults whose definition or subject contains NAME"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="faults at a time")
    parser.add_argument("--check", action="store_true", help="only see that every fault applies")
    parser.add_argument(
        "--subjects", action="store_true", help="count the faults of each figure, table and module"
    )
    parser.add_argument("--root", type=Path, default=HERE.parents[1], help="the tree to copy")
    parser.add_argument("--faults", type=Path, default=HERE / "faults.py", help="the list of faults")
    given = parser.parse_args()
    listed = runpy.run_path(str(given.faults))
    faults = [fault for fault in listed["FAULTS"] if given.only in fault.place or given.only in fault.of]
    mutants, misfits = [], []
    for fault in faults:
        try:
            mutants.append(mutant_of(fault, given.root.resolve()))
        except MutantError as error:
            misfits.append(str(error))
    print("".join(f"error    {text}\n" for text in misfits), end="")
    if given.subjects:
        print(
            "".join(f"{n:>3} of {name}\n" for name, n in Counter(fault.of for fault in faults).items()),
            end="",
        )
    if given.check or misfits:
        print(f"{len(faults)} faults: {len(mutants)} apply, {len(misfits)} do not")
        return int(bool(misfits))
    begun = time.monotonic()
    outcomes = run(mutants, given.root.resolve(), given.jobs, listed.get("INHERITED", ()))
    verdicts = [outcome["verdict"] for outcome in outcomes]
    counted = ", ".join(f"{verdicts.count(word)} {word}" for word in (KILLED, SURVIVED, ERROR))
    print(f"{len(faults)} faults: {counted}, in {time.monotonic() - begun:.0f} s")
    return int(not faults or verdicts.count(KILLED) != len(faults))


if __name__ == "__main__":
    sys.exit(main())
