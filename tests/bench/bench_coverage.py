"""Do intervals hold what they say? How often they cover the truth, and how often tests find what is not there.

Simulated test sets of the official sizes. Every image of an emotion is right with that emotion's recall; an error goes
to another emotion in proportion to its size. Three seeds share the outcome of an image with probability 0 or 0.5, two
systems of equal recalls too. All intervals and tests are the project's own functions.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rafce import intervals
from rafce.intervals import Estimate
from rafce.paired import Calls, flip_test, macro_f1_swap_tests, mcnemar, net_difference, uar_differences
from rafce.reference import paper_table2
from rafce_train.metrics import macro_f1

# B data sets, 2 systems, S seeds, N images, K emotions
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SIZES = np.array([126, 54, 36, 44, 25, 178, 43, 113, 6, 44, 194, 37, 1, 8])
"""Images of each emotion in the official test part of RAF-CE, in the paper's order."""
EMOTION_N = np.repeat(np.arange(len(SIZES)), SIZES)
STARTS = np.concatenate([[0], SIZES.cumsum()[:-1]])
SHARES = (0.0, 0.5)
SEEDS = 3
LEVEL = 0.05
BATCH = 100
FLIPS, SWAPS = 999, 499


class Outcomes(NamedTuple):
    """What two systems of three seeds make of each image, shapes (B, 2, S, N)."""

    right: BoolArray
    called: npt.NDArray[np.int8]


class Asked(NamedTuple):
    """What is asked of a figure in percent, over its settings."""

    name: str
    least: float
    most: float
    found: list[float]

    def line(self) -> str:
        """The range found, and whether it keeps to what is asked."""
        low, high = min(self.found), max(self.found)
        limits = f"at least {self.least:g}" if self.most == 100 else f"{self.least:g} to {self.most:g}"
        limits = f"at most {self.most:g}" if self.least == 0 else limits
        kept = "kept" if self.least <= low and high <= self.most else "MISSED"
        return f"- {self.name}: {low:.1f} to {high:.1f} % (asked: {limits}): {kept}"


def recalls() -> dict[str, FloatArray]:
    """The recalls of each system in the paper's Table 2, and equal ones."""
    table = paper_table2().query("measure == 'recall'")
    of_paper = {
        f"Table 2, {name}": part["percent"].to_numpy() / 100 for name, part in table.groupby("method")
    }
    return {**of_paper, "all 0.15": np.full(len(SIZES), 0.15), "all 0.5": np.full(len(SIZES), 0.5)}


def confusion_rates(recall_K: FloatArray) -> FloatArray:
    """How often an image of an emotion (row) is called another (column)."""
    wrong_KK = np.tile(SIZES.astype(float), (len(SIZES), 1))
    np.fill_diagonal(wrong_KK, 0)
    wrong_KK *= ((1 - recall_K) / wrong_KK.sum(1))[:, None]
    return wrong_KK + np.diag(recall_K)


def draw(
    random: np.random.Generator, recall_K: FloatArray, n: int, of_seeds: float, of_systems: float
) -> Outcomes:
    """Outcomes that seeds, and systems, share with these probabilities."""
    place_BSN = random.random((n, 2, SEEDS, len(EMOTION_N)), np.float32)
    shared = random.random((n, 2, 1, len(EMOTION_N)), np.float32) < of_seeds
    place_BSN = np.where(shared, place_BSN[:, :, :1], place_BSN)
    # all seeds of an image at once: else the seeds of one system would share less than those of the other
    shared = random.random((n, 1, len(EMOTION_N)), np.float32) < of_systems
    place_BSN[:, 1] = np.where(shared, place_BSN[:, 0], place_BSN[:, 1])
    called = np.empty(place_BSN.shape, np.int8)
    for k, (first, size) in enumerate(zip(STARTS, SIZES, strict=True)):
        edges = confusion_rates(recall_K)[k].cumsum()
        edges[-1] = 1  # not less by rounding
        of_class = place_BSN[..., first : first + size]
        called[..., first : first + size] = np.searchsorted(edges.astype(np.float32), of_class, "right")
    return Outcomes(called == EMOTION_N, called)


def hits_by_emotion(right_BN: FloatArray) -> FloatArray:
    """Right images of each emotion, shape (B, K)."""
    return np.add.reduceat(right_BN.astype(np.float64), STARTS, axis=-1)


def covered(found: Estimate, truth: float) -> float:
    """Share of the intervals that hold the truth, in percent."""
    return 100 * float(np.mean((found.low <= truth) & (truth <= found.high)))


def accuracy_covered(
    random: np.random.Generator, recall_K: FloatArray, n: int, of_seeds: float
) -> list[float]:
    """Coverage of accuracy, one seed and three, of test sets whose class sizes are drawn too."""
    class_BN = random.choice(len(SIZES), (n, SIZES.sum()), p=SIZES / SIZES.sum())
    place_BSN = random.random((n, SEEDS, SIZES.sum()))
    place_BSN = np.where(random.random((n, 1, SIZES.sum())) < of_seeds, place_BSN[:, :1], place_BSN)
    right_BSN = place_BSN < recall_K[class_BN][:, None]
    truth = float(recall_K @ SIZES / SIZES.sum())
    counts = (right_BSN[:, 0].sum(1), right_BSN.mean(1).sum(1))
    return [covered(Estimate(count, *intervals.wilson(count, SIZES.sum())), truth) for count in counts]


def macro_f1_covered(outcomes: Outcomes, recall_K: FloatArray) -> float:
    """Coverage of macro-F1 of one seed."""
    rates_KK = confusion_rates(recall_K)
    f1_K = 2 * SIZES * recall_K / (SIZES + SIZES @ rates_KK)
    found = [
        macro_f1(cells(outcomes.called[first : first + BATCH, 0, 0]))
        for first in range(0, len(outcomes.called), BATCH)
    ]
    merged = Estimate(*(np.concatenate(of) for of in zip(*found, strict=True)))
    return covered(merged, float(f1_K.mean()))


def cells(called_BN: npt.NDArray[np.int8]) -> BoolArray:
    """Hits, false alarms and misses, shape (3, N, B, K)."""
    called_NBK = called_BN.T[..., None] == np.arange(len(SIZES))
    true_NBK = (EMOTION_N[:, None] == np.arange(len(SIZES)))[:, None] & np.ones_like(called_NBK)
    return np.stack([true_NBK & called_NBK, called_NBK & ~true_NBK, true_NBK & ~called_NBK])


def uar_tests(right: BoolArray) -> float:
    """How often the test of UAR finds a difference between equal systems, in percent; right of shape (B, 2, S, N)."""
    p_B = [
        flip_test(uar_differences(net_difference(a.T, b.T), EMOTION_N), FLIPS, seed)
        for seed, (a, b) in enumerate(right)
    ]
    return 100 * float(np.mean(np.array(p_B) <= LEVEL))


def accuracy_tests(right: BoolArray) -> float:
    """The same for accuracy."""
    return 100 * float(np.mean([mcnemar(net_difference(a.T, b.T)) <= LEVEL for a, b in right]))


def macro_f1_tests(called: npt.NDArray[np.int8]) -> float:
    """The same for macro-F1; called of shape (B, 2, N)."""
    judged_1K = np.ones((1, len(SIZES)), np.bool_)
    p: list[float] = []
    for first in range(0, len(called), BATCH):
        systems = [Calls(*one_net(of), judged_1K) for pair in called[first : first + BATCH] for of in pair]
        pairs = [(i, i + 1) for i in range(0, len(systems), 2)]
        p += macro_f1_swap_tests(systems, SIZES, pairs, SWAPS, first).tolist()
    return 100 * float(np.mean(np.array(p) <= LEVEL))


def one_net(called_N: npt.NDArray[np.int8]) -> tuple[FloatArray, FloatArray]:
    """Hits and calls of one net by image, shapes (N, 1, K)."""
    called_N1K = (called_N[:, None] == np.arange(len(SIZES)))[:, None].astype(np.float64)
    return called_N1K * (EMOTION_N[:, None] == np.arange(len(SIZES)))[:, None], called_N1K


def coverage_rows(random: np.random.Generator, n: int, n_macro: int) -> Iterator[tuple[str, list[float]]]:
    """Coverage of figures: UAR of one seed, of three at either share, accuracy likewise, macro-F1."""
    for name, recall_K in recalls().items():
        truth, found = float(recall_K.mean()), []
        for share in SHARES:
            right = draw(random, recall_K, n, share, 0).right[:, 0]
            counts = [right[:, 0], right.mean(1)][share > 0 :]
            found += [covered(intervals.mean_recall(hits_by_emotion(of), SIZES), truth) for of in counts]
        for share in SHARES:
            found += accuracy_covered(random, recall_K, n, share)[share > 0 :]
        macro = macro_f1_covered(draw(random, recall_K, n_macro, 0, 0), recall_K)
        yield name, [*found, macro]


def difference_rows(random: np.random.Generator, n: int, n_macro: int) -> Iterator[tuple[str, list[float]]]:
    """Of two systems of equal recalls: coverage of their differences, and how often each test finds one."""
    for name, recall_K in recalls().items():
        for of_systems in SHARES:
            one = draw(random, recall_K, n, 0, of_systems)
            three = draw(random, recall_K, n, 0.5, of_systems).right
            found = [uar_difference_covered(one.right[:, :, :1]), uar_difference_covered(three)]
            found += [accuracy_difference_covered(one.right[:, :, :1])]
            found += [uar_tests(one.right[:, :, :1]), uar_tests(three[: 4 * n_macro])]
            found += [accuracy_tests(one.right[:n_macro, :, :1]), macro_f1_tests(one.called[:n_macro, :, 0])]
            yield f"{name} | {of_systems:g}", found


def uar_difference_covered(right: BoolArray) -> float:
    """Coverage of the difference in UAR of equal systems; right of shape (B, 2, S, N)."""
    a, b = (intervals.mean_recall(hits_by_emotion(right[:, i].mean(1)), SIZES) for i in (0, 1))
    return covered(intervals.difference(a, b), 0)


def accuracy_difference_covered(right: BoolArray) -> float:
    """The same for accuracy."""
    difference_BN = right[:, 0].mean(1) - right[:, 1].mean(1)
    better, worse = (np.maximum(sign * difference_BN, 0).sum(1) for sign in (1, -1))
    return covered(intervals.paired_difference(better, worse, SIZES.sum()), 0)


def table(heads: list[str], n_stubs: int, rows: list[tuple[str, list[float]]]) -> str:
    """Markdown, percentages to one decimal."""
    rule = ["---"] * n_stubs + ["---:"] * (len(heads) - n_stubs)
    lines = [heads, rule, *([name, *(f"{value:.1f}" for value in values)] for name, values in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-sets", type=int, default=5000)
    parser.add_argument("--macro", type=int, default=500, help="data sets of macro-F1 and of McNemar's test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    figures = list(coverage_rows(random, options.data_sets, options.macro))
    differences = list(difference_rows(random, options.data_sets, options.macro))
    print(
        f"Coverage of 95 % intervals, %, {options.data_sets:,} data sets each (macro-F1 {options.macro:,}):\n"
    )
    heads = ["recalls", "UAR", "UAR, 3 seeds that share 0", "share 0.5", "accuracy, sizes drawn"]
    print(table([*heads, "3 seeds that share 0", "share 0.5", "macro-F1"], 1, figures), end="\n\n")
    print("Two systems of equal recalls. Data sets of McNemar and macro-F1: ", end="")
    print(f"{options.macro:,}, of the test with 3 seeds, which share 0.5: {4 * options.macro:,}:\n")
    heads = ["recalls", "correlation", "UAR difference covered", "3 seeds", "accuracy difference covered"]
    tests = ["UAR test < 0.05", "3 seeds", "McNemar < 0.05", "macro-F1 test < 0.05"]
    print(table([*heads, *tests], 2, differences), end="\n\n")
    for asked in targets([row for _, row in figures], [row for _, row in differences]):
        print(asked.line())


def targets(figures: list[list[float]], differences: list[list[float]]) -> list[Asked]:
    """What is asked of which columns."""
    columns, of_two = list(zip(*figures, strict=True)), list(zip(*differences, strict=True))
    return [
        Asked("UAR, one seed", 93, 98, list(columns[0])),
        Asked("UAR, three seeds", 93, 100, [*columns[1], *columns[2]]),
        Asked("accuracy, class sizes drawn", 93, 97, list(columns[3])),
        Asked("difference in UAR, one seed and three", 93, 100, [*of_two[0], *of_two[1]]),
        Asked("UAR test, false positives in each setting", 0, 6.5, list(of_two[3])),
        Asked("UAR test, false positives over all settings", 0, 5.5, [float(np.mean(of_two[3]))]),
    ]


if __name__ == "__main__":
    main()
