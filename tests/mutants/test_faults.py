"""The list of faults fits the code; the script tells a fault that was noticed from one that was not, or that broke."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEAST, LEAST_EACH = 60, 2
BESIDE_FIGURES_AND_TABLES = {
    *("frequencies", "counting", "sides of the face", "association", "groups", "association over groups"),
    *("laboratory against wild", "AUs as a classifier", "intervals", "paired tests", "metrics", "bootstrap"),
    *(
        "the paper's sentences",
        "where maps lie",
        "table1",
        "sentence_row",
        "matrix",
        "model card",
        "run page",
    ),
    *("grid on a page", "table 1 on a page", "printed table on a page"),
    *("pairs of a comparison", "ties", "split", "weights report", "schedule", "base learning", "losses"),
}


def mutants(*options) -> subprocess.CompletedProcess:
    command = [sys.executable, HERE / "run_mutants.py", *options]
    return subprocess.run(command, capture_output=True, text=True)


def makers_of_figures_and_tables() -> set[str]:
    """The functions of the reports that give a figure, a grid or a printed table."""
    found = set()
    for file in (ROOT / "reports").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.returns and not node.name.startswith("_"):
                given = ast.unparse(node.returns).split(" | ")[0]
                if given in ("Figure", "Grid", "Printed"):
                    found.add(node.name)
    return found - {"new_figure"}


def subjects() -> Counter:
    done = mutants("--check", "--subjects")
    assert done.returncode == 0, done.stdout
    return Counter({name: int(n) for n, name in re.findall(r"^ *(\d+) of (.+)$", done.stdout, re.MULTILINE)})


def test_every_fault_of_the_list_applies_and_each_figure_table_and_module_has_two():
    found = subjects()
    assert found.total() >= LEAST
    expected = makers_of_figures_and_tables() | BESIDE_FIGURES_AND_TABLES
    assert {name for name in expected if found[name] < LEAST_EACH} == set()


# --- the script, on a tree of its own


CODE = '''"""A module."""

HALF = 0.5


class Scale:
    """A factor."""

    def twice(self, x):
        """Twice x."""
        return 2 * x


def half(x):
    """Half of x."""
    return HALF * x


def helper(x):
    """x and one."""
    return x + 1
'''
TESTS = """from pathlib import Path

import thing
from thing.code import Scale, half, helper


def test_half():
    assert half(4) == 2


def test_twice():
    assert Scale().twice(3) == 6


def test_nothing():
    helper(1)


def test_page():
    assert "<b>one</b>" in (Path(thing.__file__).parent / "page.html").read_text()


def test_that_fails():
    assert half(4) == 3
"""


@pytest.fixture
def tree(tmp_path):
    """A package of one module with its tests, and a writer of lists of faults."""
    root = tmp_path / "tree"
    (root / "thing").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "thing" / "__init__.py").write_text("")
    (root / "thing" / "code.py").write_text(CODE)
    (root / "thing" / "page.html").write_text(
        "{% macro cell(x) -%}\n<b>one</b>\n{%- endmacro %}\n<i>one</i>\n"
    )
    (root / "tests" / "test_code.py").write_text(TESTS)
    (root / "pyproject.toml").write_text('[tool.hatch.build.targets.wheel]\npackages = ["thing"]\n')

    def run(*faults, options=()):
        rows = ", ".join(
            f"Fault('of', {place!r}, {old!r}, {new!r}, ({test!r},))" for place, old, new, test in faults
        )
        head = "from collections import namedtuple\nFault = namedtuple('Fault', 'of place old new tests')\n"
        (tmp_path / "faults.py").write_text(f"{head}FAULTS = [{rows}]\n")
        return mutants("--root", root, "--faults", tmp_path / "faults.py", "--jobs", "1", *options)

    return run


def test_killed_survived_and_broken_faults_are_told_apart_and_the_tree_is_untouched(tree, tmp_path):
    before = {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*.*")}
    done = tree(
        ("half", "HALF * x", "x * x", "test_half"),
        ("HALF", "0.5", "0.25", "test_half"),
        ("Scale.twice", "2 * x", "3 * x", "test_twice"),
        ("cell", "one", "two", "test_page"),
        ("helper", "x + 1", "x - 1", "test_nothing"),
        ("half", "HALF * x", "WHOLE * x", "test_half"),
        ("HALF", "HALF = 0.5", "HALF = 0.5 / 0", "test_half"),
    )
    assert [line.split()[0] for line in done.stdout.splitlines() if "->" in line] == [
        *("killed", "killed", "killed", "killed", "survived", "error", "error"),
    ]
    assert "test_half: NameError" in done.stdout
    assert "import: ZeroDivisionError" in done.stdout
    assert "7 faults: 4 killed, 1 survived, 2 error, in " in done.stdout
    assert done.returncode == 1
    assert {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*.*")} == before


def test_all_killed_is_code_0_and_only_chooses_by_definition(tree):
    faults = ("half", "HALF * x", "x * x", "test_half"), ("helper", "x + 1", "x - 1", "test_nothing")
    assert tree(*faults, options=("--only", "half")).returncode == 0
    assert tree(*faults, options=("--only", "help")).returncode == 1
    assert tree(*faults, options=("--only", "neither")).returncode == 1


def test_tests_that_fail_without_a_fault_end_the_run(tree):
    done = tree(("half", "HALF * x", "x * x", "test_that_fails"))
    assert "without any fault the tests do not pass: test_that_fails" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("third", "x", "y", "test_half"), "third: no such definition"),
        (("half", "z * z", "x", "test_half"), "half: expected 'z * z' once, found it 0 times"),
        (("helper", "x", "y", "test_half"), "helper: expected 'x' once, found it 3 times"),
        (("helper", "x + 1", "x +", "test_half"), "helper: 'x +' is no Python"),
        (("helper", "x + 1", "(x + 1)", "test_half"), "helper: '(x + 1)' means the same"),
        (("helper", "x + 1", "x", "test_other"), "helper: expected one test test_other, found 0"),
    ],
)
def test_a_fault_that_does_not_apply_is_an_error(tree, fault, message):
    done = tree(fault)
    assert f"error    {message}" in done.stdout
    assert "1 faults: 0 apply, 1 do not" in done.stdout
    assert done.returncode == 1
