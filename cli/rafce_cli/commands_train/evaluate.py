"""`rafce-train evaluate`: a run's figures made again from its weights, and compared with what the run wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rafce.errors import first_faults
from rafce_cli.progress import progress_bar
from rafce_cli.say import note, say, say_json

if TYPE_CHECKING:
    from rafce_train.evaluate import Evaluation

PATH = click.Path(path_type=Path)
DIFFERENT = 1
ON_RECORD = {
    "test": "all figures",
    "validation": "the dataset and the figure that picked the epoch",
    "train": "the dataset, the only thing about training images on record,",
}


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--partition",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="The images to look at.",
)
@click.option("--dataset", metavar="DIR", help="Where the dataset folder lies, if it was moved.")
@click.option("--images", metavar="DIR", help="Where the images lie, if they were moved.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    help="Where to compute, if not as the run did.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the figures as JSON, laid out as in metrics.json."
)
def evaluate(run: Path, partition: str, as_json: bool, **places: str | None) -> None:
    """Make the figures of RUN again from its weights alone, and compare them with its metrics.json.

    On test images every figure equals the run's on the same device; a run that is not finished has not looked at them,
    and is not shown them here. Validation picked the epoch and tuned the AU thresholds, so its figures flatter, and
    those on training images more so.

    Exit code 0 when nothing differs, 1 when something does (each figure is named), 2 for bad input.

    \b
    Examples:
      rafce-train evaluate runs/first
      rafce-train evaluate runs/first --partition validation --json
    """
    from rafce_train.evaluate import evaluate as look

    given = {name: place for name, place in places.items() if place is not None}
    with progress_bar("decoding images") as decoding:
        evaluation = look(run, partition, note, decoding, **given)
    if as_json:
        say_json(evaluation.figures)
    else:
        _print(evaluation, partition)
    _compare(evaluation, partition, run)


def _print(evaluation: "Evaluation", partition: str) -> None:
    from rafce_cli.console import Console
    from rafce_cli.training_summary import counted, emotion_table, figure_lines

    figures, console = evaluation.figures, Console(highlight=False)
    console.print(emotion_table(figures[partition]["emotions"], f"{partition.capitalize()} images"))
    heading = f"{figures['method']}, epoch {figures['epoch']}, {counted(figures[partition], partition)}"
    for line in (heading, *figure_lines(figures[partition], figures["majority"])):
        console.print(line, soft_wrap=True, markup=False)


def _compare(evaluation: "Evaluation", partition: str, run: Path) -> None:
    """Say on standard error how the figures stand to those on record; exit code 1 when they differ."""
    found, record = evaluation.differences, run / "metrics.json"
    if found is None:
        say(f"{record}: not there yet, nothing to compare with", err=True)
    elif not found:
        say(f"{record}: {ON_RECORD[partition]} equal", err=True)
    else:
        say("\n".join([f"{record}: {len(found)} figures differ:", *first_faults(found)]), err=True)
        raise click.exceptions.Exit(DIFFERENT)
