"""Damage each kind of file at random, and say what reading it gives: refused, the same numbers, others, a crash.

    python -m tests.damage.damage --times 2000

Exit code 1 where a damaged file gave other numbers, or an error that is none of rafce's own.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rafce.errors import RafceError
from tests.damage.byte_damage import DAMAGES, damaged
from tests.damage.kinds import KINDS, Kind
from tests.damage.mutants import CONSISTENT, MUTANTS, outcome_of, write_fresh
from tests.damage.run_kinds import run_kinds

OUTCOMES = ("refused", "same numbers", "wrong", "crashed")


class Outcome(NamedTuple):
    """What came of one damage."""

    what: str
    details: str = ""


def outcomes(kind: Kind, seeds: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
    """What reading gives for each damage; the file is whole again afterwards."""
    path = kind.folder / kind.file
    whole, expected = path.read_bytes(), kind.read(kind.folder)
    try:
        for seed in seeds:
            path.write_bytes(damaged(whole, seed))
            yield seed, _outcome(kind, expected)
    finally:
        path.write_bytes(whole)


def _outcome(kind: Kind, expected: Any) -> Outcome:
    try:
        found = kind.read(kind.folder)
    except RafceError as error:
        return Outcome("refused", str(error))
    except Exception as error:  # what is looked for
        return Outcome("crashed", f"{type(error).__name__}: {error}")
    return Outcome("same numbers" if found == expected else "wrong")


def damage(kinds: Sequence[Kind], times: int) -> bool:
    """Print a row a kind; whether none was read wrongly and nothing crashed."""
    print(f"| {times:,} times each | {' | '.join(OUTCOMES)} |")
    print(f"| --- |{' ---: |' * len(OUTCOMES)}")
    bad = list[str]()
    for kind in kinds:
        found = list(outcomes(kind, range(times)))
        counts = Counter(outcome.what for _, outcome in found)
        print(f"| {kind.name} | {' | '.join(f'{counts[what]:,}' for what in OUTCOMES)} |", flush=True)
        bad += [
            f"{kind.name}: {DAMAGES[seed % len(DAMAGES)].__name__}, seed {seed}: {outcome.what} {outcome.details}"
            for seed, outcome in found
            if outcome.what in OUTCOMES[2:]
        ]
    print(*bad, sep="\n")
    return not bad


def mutate(root: Path) -> bool:
    """Print the semantic mutants that were not refused and the consistent edits that were; whether there are none."""
    fresh = write_fresh(root)
    bad = list[str]()
    for name, mutant in MUTANTS.items():
        bad += [f"{name}: {what}" for what in outcome_of(mutant, fresh, root / "mutant") if what != "refused"]
    for name, edit in CONSISTENT.items():
        bad += [f"{name}: {what}" for what in outcome_of(edit, fresh, root / "mutant") if what != "read"]
    print(
        f"\n{len(MUTANTS)} contradictions, {len(CONSISTENT)} consistent edits, of these read otherwise: {len(bad)}"
    )
    print(*bad, sep="\n")
    return not bad


def main() -> int:
    """Damage every kind, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--kind", action="append", help="names, or their beginnings; all if left out")
    parser.add_argument("--list", action="store_true", help="list the semantic mutants and do nothing else")
    options = parser.parse_args()
    if options.list:
        print(*MUTANTS, *CONSISTENT, sep="\n")
        return 0

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        kinds = [kind for make in (*KINDS, run_kinds) for kind in make(root)]
        wanted = tuple(options.kind or [""])
        fine = damage([kind for kind in kinds if kind.name.startswith(wanted)], options.times)
        return 0 if mutate(root) and fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
