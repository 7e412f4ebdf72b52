"""`rafce-train predict`: images to probabilities, as a file or on the screen."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rafce.foreign_text import brief
from rafce_cli.groups import UserError
from rafce_cli.progress import progress_bar
from rafce_cli.say import note, say

if TYPE_CHECKING:
    from rafce_train.facts import Facts
    from rafce_train.predict import Predicted

PATH = click.Path(path_type=Path)
SOME_UNREADABLE = 3


@click.command()
@click.argument("run", type=PATH)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE|FOLDER|LIST…")
@click.option(
    "--out", type=PATH, metavar="FILE", help="A .parquet or .csv to write; to the screen if left out."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1, max=100_000),
    default=64,
    show_default=True,
    help="Images looked at at once.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; an .onnx computes on the CPU.",
)
def predict(run: Path, images: tuple[str, ...], out: Path | None, batch_size: int, device: str) -> None:
    """Say which emotion and AUs the network of RUN sees in images of aligned faces, framed as those it learned from.

    RUN is a run folder, or an .onnx or .safetensors that `rafce-train export` wrote. A FOLDER stands for all images
    in it and below; a LIST is a .txt file of paths, a line each, or - for standard input.

    A row an image: image, predicted (the top emotion), a probability for each emotion (p_happily_surprised) and AU
    (p_AU01), and AU01 and so on: 1 where that probability reaches the threshold tuned on validation, else 0. All about
    AUs is empty where the run learned none. Without --out: a short table on a terminal, else all of it as CSV.

    Images that cannot be read are named on standard error and left out. Exit code 0 when all could be read, 3 when
    some could not, 2 for bad input.

    \b
    Examples:
      rafce-train predict runs/first face.jpg
      rafce-train predict runs/first faces --out predictions.parquet
      find faces -name '*.png' | rafce-train predict runs/first - > predictions.csv
      rafce-train predict model.onnx faces
    """
    from rafce_train.predict import check_table_output, image_paths
    from rafce_train.predict import predict as look
    from rafce_train.run_folder.read import notes
    from rafce_train.saved import open_model

    if out is not None:
        check_table_output(out)
    paths = image_paths(images, _standard_input)
    model = open_model(run, device)
    for text in notes(run):
        note(text)
    with progress_bar("looking at images") as progress:
        predicted = look(model, paths, batch_size, progress)
    for image in predicted.bad:
        say(brief(f"{image.path}: {image.reason}"), err=True)
    _show(predicted, model.facts, out)
    if predicted.bad:
        raise click.exceptions.Exit(SOME_UNREADABLE)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UserError("-: expected a list of images on standard input, found it closed")
    return sys.stdin.buffer.read()


def _show(predicted: "Predicted", facts: "Facts", out: Path | None) -> None:
    from rafce_train.predict import csv_bytes, write_predictions

    if out is not None:
        write_predictions(predicted.table, out)
        left_out = f", {len(predicted.bad):,} left out" if predicted.bad else ""
        say(f"{out}: {predicted.table.num_rows:,} images{left_out}")
    elif sys.stdout.isatty():
        from rafce_cli.prediction_table import print_predictions

        print_predictions(predicted.table, facts)
    else:
        sys.stdout.buffer.write(csv_bytes(predicted.table))
