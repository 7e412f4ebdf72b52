"""What a stranger should know before using a run's network: `model_card.md`, from what the run has on record."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rafce.foreign_text import code, markdown
from rafce.intervals import FEW_GROUPS, FEW_IMAGES
from rafce.licences import licence_note
from rafce_train.config import Config, config_toml
from rafce_train.methods import find_method

Json = Mapping[str, Any]

PLACES = ("dataset", "images", "weights")
"""Options that say where things lie on one machine."""
LOSSES = {"emo": "emotion", "au": "AU", "dm": "distribution matching", "align": "alignment"}


def model_card(config: Config, metrics: Json, manifest: Json) -> str:
    """The card as Markdown; `metrics` and `manifest` are the run's and the dataset's JSON files."""
    sections = {
        f"Model card: {config.method} on facial expressions": _purpose(config, metrics),
        "Intended use": _intended_use(),
        "Data": _data(metrics, manifest),
        "Method": _method(config, metrics),
        "Figures on the test images": _figures(metrics),
        "Emotions": _emotions(metrics, manifest),
        "Action units": _action_units(metrics["test"]["action_units"]),
        "Limits": _limits(config, metrics),
        "Licence": [licence_note(manifest)],
    }
    parts = [[f"{'##' if i else '#'} {title}", *blocks] for i, (title, blocks) in enumerate(sections.items())]
    return "\n\n".join(block for part in parts for block in part) + "\n"


def _purpose(config: Config, metrics: Json) -> list[str]:
    test, selected, side = metrics["test"], metrics["selected"], config.image_size
    aus = test["action_units"]
    seen = (
        f" and for each of {len(aus['aus'])} action units (AUs)"
        if aus
        else "; it learned no action units (AUs)"
    )
    picked = {"uar": "UAR", "accuracy": "accuracy"}[selected["by"]]
    return [
        f"Looks at one aligned face, {side} × {side} pixels, and gives a probability for each of "
        f"{len(test['emotions'])} emotions{seen}. The network is a {config.backbone} as it was after epoch "
        f"{selected['epoch']}, which did best on the validation images ({picked} {_percent(selected['validation'])} %)."
    ]


def _intended_use() -> list[str]:
    return [
        "Research on facial expressions and on action units as a helper task. Faces must be cropped and aligned like "
        "those it learned from.",
        "It names the expression that annotators saw in a picture, not what a person feels. It is not for judging, "
        "sorting, watching or identifying people.",
    ]


def _data(metrics: Json, manifest: Json) -> list[str]:
    dataset = metrics["dataset"]
    sizes = ", ".join(
        f"{dataset[name]:,} {name}{_in_groups(dataset['groups'][name])}"
        for name in ("train", "validation", "test")
    )
    left_out = f"; {len(metrics['dropped']):,} left out, unreadable" if metrics["dropped"] else ""
    lines = [
        f"Images: {sizes}{left_out}. Fingerprint of the dataset's Parquet files: `{dataset['fingerprint']}`."
    ]
    inputs = manifest.get("inputs", {})
    rows = [
        (markdown(name), code(given["file"]), f"{given['lines']:,}", code(given["sha256"]))
        for name, given in inputs.items()
    ]
    return [*lines, _table(("made from", "file", "lines", "SHA-256"), rows)] if rows else lines


def _method(config: Config, metrics: Json) -> list[str]:
    method = find_method(config.method, config.with_alignment)
    losses = ", ".join(LOSSES[term] for term in method.terms)
    start = (
        f"{markdown(Path(config.weights).name)} ({metrics['weights']})"
        if metrics["weights"]
        else "random numbers"
    )
    lines = [
        f"`{config.method}`. Losses: {losses}; their weights: {method.weights_are}. The backbone started from {start}."
    ]
    if chosen := metrics.get("chosen"):
        lines.append(
            f"Fixed weights chosen on validation from the lists below: AU {chosen['rho_au']}, "
            f"alignment {chosen['rho_align']}."
        )
    options = [line for line in config_toml(config).splitlines() if line.partition(" ")[0] not in PLACES]
    return [*lines, "\n".join(["```toml", *options, "```"])]


def _figures(metrics: Json) -> list[str]:
    test, majority = metrics["test"], metrics["majority"]
    rows = [
        ("accuracy", *_rate(test["accuracy"]), _percent(majority["accuracy"]["value"])),
        ("UAR, mean recall over emotions", *_rate(test["uar"]), _percent(majority["uar"]["value"])),
        ("macro-F1 over emotions", *_rate(test["macro_f1"]), "–"),
    ]
    if aus := test["action_units"]:
        rows.append((f"macro-F1 over {aus['n_aus']} AUs", *_rate(aus["macro_f1"]), "–"))
        rows.append(
            (f"mean average precision over {aus['n_aus']} AUs", *_rate(aus["mean_average_precision"]), "–")
        )
    heading = ("figure", "%", "95 % interval", f"always {markdown(majority['emotion'])}, %")
    return [
        f"{test['n']:,} images{_in_groups(test['groups'])}, looked at once, after training. Intervals: "
        f"{_intervals(test['intervals'])}.",
        _table(heading, rows),
        f"Expected calibration error of the top emotion: {_percent(test['calibration']['expected_error'])} points.",
    ]


def _emotions(metrics: Json, manifest: Json) -> list[str]:
    counts = manifest.get("counts", {}).get("partitions", {})
    rows = [
        (
            markdown(row["emotion"]),
            str(counts.get(row["emotion"], {}).get("train", "–")),
            f"{row['support']}{_in_groups(row['groups'])}",
            *_rate(row["recall"]),
            *_rate(row["f1"]),
        )
        for row in metrics["test"]["emotions"]
    ]
    heading = ("emotion", "train n", "test n", "recall %", "95 % interval", "F1 %", "95 % interval")
    return [_table(heading, rows)]


def _action_units(figures: Json | None) -> list[str]:
    if figures is None:
        return ["Not learned by this method."]
    rows = [
        (
            f"AU{row['au']:02d}",
            str(row["train_positives"]),
            f"{row['positives']} of {row['n']}{_in_groups(row['groups'])}",
            _threshold(row),
            *_rate(row["f1"]),
            *_rate(row["average_precision"]),
        )
        for row in figures["aus"]
    ]
    heading = ("AU", "active, train", "active, test", "threshold", "F1 %", "95 % interval")
    return [_table((*heading, "average precision %", "95 % interval"), rows)]


def _threshold(row: Json) -> str:
    """The threshold of an AU, marked where it is not tuned; a dash where the AU was not learned."""
    if row["threshold"] is None:
        return "–"
    return f"{row['threshold']:.3f}{'' if row['validation_positives'] else ' †'}"


def _limits(config: Config, metrics: Json) -> list[str]:
    points = [
        *_small_emotions(metrics["test"]["emotions"]),
        *_unlearned_aus(metrics["test"]["action_units"]),
        *_untuned_aus(metrics["test"]["action_units"]),
        *_interval_limit(metrics["test"]["groups"]),
        _validation_use(config),
        "Whoever picks among several runs by their test figures must expect less of the picked one on new images.",
        *_prior_limit(config),
        "If the data above are look-alikes drawn by `rafce synth`, no figure here says anything about real faces.",
        "Nothing is known of differences by age, sex, skin colour or camera: the data do not name them.",
    ]
    return ["\n".join(f"- {point}" for point in points)]


def _small_emotions(rows: Sequence[Json]) -> Iterable[str]:
    few = [
        f"{markdown(row['emotion'])} ({row['support']})" for row in rows if 0 < row["support"] < FEW_IMAGES
    ]
    none = [markdown(row["emotion"]) for row in rows if not row["support"]]
    if few:
        yield f"Fewer than {FEW_IMAGES} test images, so that recall tells little: {', '.join(few)}."
    if none:
        yield f"No test image, so no figure: {', '.join(none)}."


def _unlearned_aus(figures: Json | None) -> Iterable[str]:
    rows = figures["aus"] if figures else []
    unknown = [row for row in rows if row["threshold"] is None]
    if names := [f"AU{row['au']:02d}" for row in unknown]:
        yield f"Known in no training image, so not learned, and empty in every prediction: {', '.join(names)}."
    silent = [row for row in rows if not row["train_positives"] and row not in unknown]
    if names := [f"AU{row['au']:02d}" for row in silent]:
        yield f"Shown by no training image, so their probabilities mean little: {', '.join(names)}."


def _untuned_aus(figures: Json | None) -> Iterable[str]:
    rows = [row for row in figures["aus"] if row["threshold"] is not None] if figures else []
    if names := [f"AU{row['au']:02d}" for row in rows if not row["validation_positives"]]:
        yield f"Shown by no validation image, so their thresholds (†) are 0.5, not tuned: {', '.join(names)}."


def _interval_limit(n_groups: int | None) -> Iterable[str]:
    if n_groups is None:
        yield "Intervals are over test images, for this trained network; how much luck was in training they do not say."
        return
    yield "Images of one group depend on each other: intervals resample whole groups, and a single group has none."
    if n_groups < FEW_GROUPS:
        yield f"Intervals over so few groups, {n_groups}, are too narrow."


def _validation_use(config: Config) -> str:
    method = find_method(config.method, config.with_alignment)
    uses = ["picked the epoch"]
    uses += ["tuned the AU thresholds"] if "au" in method.terms else []
    uses += ["taught the weights of the losses"] if method.needs_validation else []
    return f"The validation images {' and '.join(uses)}: figures on them flatter."


def _prior_limit(config: Config) -> Iterable[str]:
    method = find_method(config.method, config.with_alignment)
    if "dm" in method.terms:
        yield "Distribution matching used laboratory statistics; no label of these images went into them."
    if not method.uses_statistics:
        return
    if config.statistics == "lab":
        yield "The alignment used laboratory statistics; no label of these images went into them."
    elif config.prior_scope == "all":
        yield (
            "The alignment used AU frequencies counted on all images, test labels included, as the paper does: the "
            "figures on test images may flatter."
        )
    else:
        yield "The alignment used AU frequencies counted on training images alone: no test label touched training."


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    lines = [heading, ("---", *["---:"] * (len(heading) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _in_groups(n_groups: int | None) -> str:
    return "" if n_groups is None else f" in {n_groups:,} groups"


def _intervals(kinds: Json) -> str:
    names = {
        "rates": "accuracy",
        "recalls": "recall",
        "uar": "UAR (Zou & Donner)",
        "f1": "F1",
        "scores": "the others",
    }
    if len(set(kinds.values())) == 1:
        return str(kinds["rates"])
    return "; ".join(f"{kinds[kind]} for {name}" for kind, name in names.items())


def _rate(figure: Json) -> tuple[str, str]:
    low, high = figure["ci_low"], figure["ci_high"]
    return _percent(figure["value"]), "–" if low is None else f"{_percent(low)} to {_percent(high)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
