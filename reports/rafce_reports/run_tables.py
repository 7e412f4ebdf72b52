"""The tables of a run's page: figures, emotions, AUs and the surest mistakes, as grids of strings.

N test images, K emotions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from rafce.schema import emotion_slug
from rafce_reports.numbers import (
    au_label,
    between,
    in_groups,
    intervals_in_words,
    majority_uar,
    percent,
)
from rafce_reports.page import Column, Grid
from rafce_reports.runs import Run

Json = dict[str, Any]
N_MISTAKES = 20
FIGURES = {"rates": "accuracy", "uar": "UAR", "f1": "the F1 of an emotion or AU", "scores": "the others"}
OF_EMOTIONS = {"recalls": "recall", "f1": "F1"}


def figures_grid(run: Run) -> Grid:
    """Every figure over all test images with its interval, and what the majority class would have."""
    test, majority = run.test, run.metrics["majority"]
    always = {"accuracy": _with_interval(majority["accuracy"]), "uar": _with_interval(majority_uar(majority))}
    named = {
        "accuracy": "accuracy",
        "uar": "UAR, mean recall over emotions",
        "macro_f1": "macro-F1 over emotions",
    }
    rows = [(name, *_rate(test[key]), always.get(key, "–")) for key, name in named.items()]
    if aus := run.au_metrics:
        rows += [
            (f"macro-F1 over {aus['n_aus']} AUs", *_rate(aus["macro_f1"]), "–"),
            (f"mean average precision over {aus['n_aus']} AUs", *_rate(aus["mean_average_precision"]), "–"),
        ]
    heads = ("%", "95 % interval", f"always “{majority['emotion']}”, %")
    return Grid(
        "Figures on the test images",
        f"{test['n']:,} test images{in_groups(test)}, looked at once, after training. "
        f"Intervals: {intervals_in_words(test, FIGURES)}.",
        (Column("figure"), *_numbers(*heads)),
        rows,
    )


def emotions_grid(run: Run) -> Grid:
    """Recall and F1 of each emotion with support, and what it is most often taken for."""
    taken_for = most_taken_for(run)
    rows = [
        (
            row["emotion"],
            f"{row['support']:,}{in_groups(row)}",
            *_rate(row["recall"]),
            *_rate(row["f1"]),
            taken,
        )
        for row, taken in zip(run.test["emotions"], taken_for, strict=True)
    ]
    return Grid(
        "Emotions",
        f"Each emotion; n: its test images. Intervals: {intervals_in_words(run.test, OF_EMOTIONS)}.",
        (
            Column("emotion"),
            *_numbers("n", "recall, %", "95 % interval", "F1, %", "95 % interval"),
            Column("most often taken for"),
        ),
        rows,
    )


def most_taken_for(run: Run) -> list[str]:
    """For each emotion the wrong one that most of its images are taken for, with their number; first of equals."""
    names, found = [row["emotion"] for row in run.test["emotions"]], []
    wrong_KK = np.array(run.test["confusion"])
    np.fill_diagonal(wrong_KK, 0)
    for row_K in wrong_KK:
        place = int(row_K.argmax())
        found.append(f"{names[place]} ({row_K[place]:,})" if row_K[place] else "–")
    return found


def aus_grid(aus: Json) -> Grid:
    """F1 and average precision of each AU with positives counted; the AUs that count in no mean come last."""
    rows = [
        (
            f"{au_label(row['au'])}{'' if row['in_macro'] else ' *'}",
            f"{row['train_positives']:,}",
            f"{row['positives']:,} of {row['n']:,}{in_groups(row)}",
            _threshold(row),
            *_rate(row["f1"]),
            *_rate(row["average_precision"]),
            percent(row["positives"] / row["n"] if row["n"] else np.nan, 1),
        )
        for row in sorted(aus["aus"], key=lambda row: not row["in_macro"])
    ]
    heads = ("active, training", "active, test", "threshold", "F1, %", "95 % interval")
    more = ("AP, %", "95 % interval", "by chance, %")
    return Grid(
        "Action units",
        "Each AU, on the images in which it is known. Thresholds have the best F1 on validation; † not tuned: active "
        "in no validation image. –: known in no training image, so not learned. "
        "AP: average precision; by chance: that of guessing. * counts in no mean: active in no training or in no test "
        "image.",
        (Column("AU"), *_numbers(*heads, *more)),
        rows,
    )


def _threshold(row: Json) -> str:
    """An AU's threshold; a dash where it was not learned."""
    if row["threshold"] is None:
        return "–"
    return f"{row['threshold']:.3f}{'' if is_tuned(row) else ' †'}"


def is_tuned(row: Json) -> bool:
    """Whether an AU's threshold was chosen on validation; older runs do not say, and are believed to."""
    return bool(row.get("validation_positives", 1))


def mistakes(run: Run) -> pd.DataFrame:
    """The test images that are wrong, the surest first; `rank_true` is the place of the true emotion, from 1."""
    names = run.words.emotions
    columns = [f"p_{emotion_slug(name)}" for name in names]
    wrong = run.predictions[run.predictions["emotion"] != run.predictions["predicted"]]
    probability_NK = wrong[columns].to_numpy()
    true_N = wrong["emotion"].map({name: place for place, name in enumerate(names)}).to_numpy(np.int64)
    p_true_N = np.take_along_axis(probability_NK, true_N[:, None], 1)[:, 0]
    found = wrong[["image", "emotion", "predicted"]].assign(
        p_predicted=probability_NK.max(1),
        p_true=p_true_N,
        rank_true=1 + (probability_NK > p_true_N[:, None]).sum(1),
    )
    return found.sort_values(["p_predicted", "image"], ascending=[False, True]).reset_index(drop=True)


def mistakes_grid(found: pd.DataFrame, n_emotions: int, faces: Mapping[str, str] | None) -> Grid:
    """The surest mistakes, with the face where `faces` has its data URI by image name."""
    shown: list[Any] = list(found.head(N_MISTAKES).itertuples())
    rows = [
        (
            _picture(row.image, faces) if faces else row.image,
            row.emotion,
            row.predicted,
            percent(row.p_predicted, 1),
            percent(row.p_true, 1),
            f"{row.rank_true} of {n_emotions}",
        )
        for row in shown
    ]
    heads = ("p(predicted), %", "p(true), %", "place of the true one")
    return Grid(
        "Surest mistakes",
        f"The {len(shown)} surest of {len(found):,} mistakes. All are in mistakes.csv.",
        (Column("image"), Column("true"), Column("predicted"), *_numbers(*heads)),
        rows,
    )


def trials_grid(run: Run) -> Grid | None:
    """The fixed weights that were tried and what validation said; None where there was no choice."""
    if "trials" not in run.metrics:
        return None
    rows = [
        (
            f"{row['rho_au']:g}",
            f"{row['rho_align']:g}",
            str(row["epoch"]),
            percent(row["validation"], 1),
            "chosen" if row == run.metrics["chosen"] else "",
        )
        for row in run.metrics["trials"]
    ]
    heads = ("ρ of AUs", "ρ of alignment", "best epoch", "validation, %")
    caption = "Fixed weights that were tried; the best on validation is kept."
    return Grid("Fixed weights that were tried", caption, (*_numbers(*heads), Column("")), rows)


def frame_of(rows: Sequence[Json], *figures: str) -> pd.DataFrame:
    """Rows of metrics.json as a tidy frame: a figure's value keeps its name, its interval gets columns beside it."""
    flat = []
    for row in rows:
        for name in figures:
            figure = row[name]
            row = {
                **row,
                name: figure["value"],
                f"{name}_low": figure["ci_low"],
                f"{name}_high": figure["ci_high"],
            }
        flat.append({name: value for name, value in row.items() if name != "groups" or value is not None})
    return pd.DataFrame(flat)


def _picture(image: str, faces: Mapping[str, str]) -> Markup:
    return Markup('<img class="face" src="{}" alt="face"> {}').format(faces[image], image)


def _rate(figure: Json) -> tuple[str, str]:
    """A figure and its interval in percent; dashes where they do not exist."""
    value, low, high = (
        np.nan if figure[name] is None else figure[name] for name in ("value", "ci_low", "ci_high")
    )
    return percent(value, 1), between(low, high, 1)


def _with_interval(figure: Json) -> str:
    value, interval = _rate(figure)
    return value if interval == "–" else f"{value} ({interval})"


def _numbers(*heads: str) -> tuple[Column, ...]:
    return tuple(Column(head, "number") for head in heads)
