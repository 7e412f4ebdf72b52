"""`rafce import`: tables of other programs to the dataset folder, and on the screen what became of their rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rafce_cli.say import say_json

PATH = click.Path(path_type=Path)
MEGABYTE = 10**6
Command = Callable[..., None]

OPTIONS = (
    click.argument("inputs", type=PATH, nargs=-1, required=True, metavar="FILE|FOLDER..."),
    click.option(
        "--out",
        type=PATH,
        default=Path("rafce-data"),
        show_default=True,
        help="The dataset folder; an older one is replaced.",
    ),
    click.option(
        "--emotions",
        type=PATH,
        metavar="FILE",
        help="A table with a column `emotion`, joined on the columns that both files have: image, input, frame, "
        "video, subject. A table without such a column is matched by its file name: to `image` if it is of one image, "
        "else to `video`.",
    ),
    click.option(
        "--emotion-column",
        metavar="NAME",
        help="The column with the emotion, instead of --emotions.  [default: emotion]",
    ),
    click.option(
        "--emotion-names",
        metavar="PAIRS",
        help="Names for the labels, separated by commas: 0=neutral,1=happy.",
    ),
    click.option(
        "--unknown-emotion",
        metavar="CODES",
        help="Labels that mean no emotion, such as 8,9,10, in addition to -1, NaN, None, #N/A and the like.  "
        "[default: 8,9,10 in AffectNet's own layout]",
    ),
    click.option(
        "--unlabelled",
        type=click.Choice(["error", "drop"]),
        default="error",
        show_default=True,
        help="What to do with rows that have no emotion: stop with an error, or leave them out and count them.",
    ),
    click.option(
        "--drop-emotions", metavar="NAMES", help="Leave out the rows with these emotions: contempt,neutral."
    ),
    click.option("--image-column", metavar="NAME", help="The column that names the image."),
    click.option(
        "--group-column",
        metavar="NAME",
        help="Images with the same value (a video, a subject) depend on each other: they stay in one partition, and "
        "intervals are computed over groups.",
    ),
    click.option(
        "--min-confidence",
        type=float,
        metavar="X",
        help="Where the confidence (0 to 1) is below this, all AUs of the row are unknown.",
    ),
    click.option(
        "--unknown",
        metavar="CODES",
        help="Values that mean the AU is unknown, separated by commas, such as 9. -1 and 999 always do, unless they "
        "lie within the column's range.",
    ),
    click.option(
        "--images", type=PATH, metavar="DIR", help="The folder of the aligned images, needed for training."
    ),
    click.option(
        "--keep-folders",
        is_flag=True,
        help="Name each image by its path below --images (s1/0001.jpg) instead of its file name alone.",
    ),
    click.option(
        "--allow-missing-images",
        is_flag=True,
        help="Import even if images are missing; the manifest lists them.",
    ),
    click.option(
        "--partition-column",
        metavar="NAME",
        help="The column, in the tables or in the --emotions file, with the partition of each row. If it names no "
        "validation rows, they are taken from train.  [default: partition]",
    ),
    click.option(
        "--partition-values",
        metavar="PAIRS",
        help="What the values of that column mean, unless they are usual words (Training, dev, PublicTest): "
        "train=1,train=2,test=3.",
    ),
    click.option(
        "--split",
        metavar="SHARES",
        help="Ignore any partition column and draw the partitions with these shares of train/validation/test (3/1/1 is "
        "the same as 60/20/20).  [default: 60/20/20 if there is no partition column]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed for drawing the partitions, and for taking validation rows from train.",
    ),
    click.option(
        "--lab", type=PATH, metavar="FILE", help="A laboratory table as CSV (emotion, au, percent[, note])."
    ),
    click.option(
        "--licence",
        metavar="TEXT",
        help="What the data's licence allows, in a sentence: kept with the dataset, its reports and every model "
        "trained on it.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON."),
)


def threshold_option(help_text: str) -> Callable[[Command], Command]:
    """`--au-threshold`, which means something else in each program."""
    return click.option("--au-threshold", type=float, metavar="X", help=help_text)


def import_options(command: Command) -> Command:
    """The options that all sources have."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Make a dataset folder from tables of other programs: CSV, TSV, TXT or Parquet, of any size.

    Columns may be separated by commas, semicolons or tabs; with semicolons or tabs, numbers may have a decimal comma.
    Upper and lower case make no difference in column names. In a folder, all *.csv, *.tsv and *.parquet files are read.

    Each AU is active, inactive or unknown. It is unknown where the program does not code it, where no face was found,
    and where the cell is empty, -1, 999 or a code of --unknown. Unknown never counts as inactive, and a value outside
    the column's range is an error. Each row is one image with one face: an image in two rows is an error.

    A row without an emotion (-1, NaN, None, #N/A) is an error unless --unlabelled drop leaves it out. Names that differ
    only in case, spaces, _ or - are one emotion (Happy and happy); 1 and 1.0 are one group. A table with a column such
    as split, Usage or fold is refused until --partition-column names that column or --split ignores it. All such
    decisions are printed, and kept in the manifest under `notes`.

    \b
    Examples:
      rafce import openface videos/ --emotions emotions.csv --group-column video
      rafce import fex fex.csv --emotions emotions.csv --unlabelled drop
      rafce import table fer.csv --partition-column Usage
      rafce import table labels.parquet --au-columns AU01,AU12,smile=12
    """


@import_.command(short_help="OpenFace 2: AU01_c and AU01_r, one file per video or image.")
@import_options
@threshold_option(
    "Count an AU as active from this intensity (0 to 5) up, instead of using OpenFace's presence."
)
def openface(**options: Any) -> None:
    """Import OpenFace 2 output: one CSV file per video (FeatureExtraction) or per image (FaceLandmarkImg).

    AU01_c is presence; an AU that has only AU01_r is active from intensity 1 up. Images are named <video>_<frame, six
    digits>.jpg; the video is named by the column `video` or `input`, or else by the file. An image with a file of its
    own is named after that file. With --images, these images may have any suffix. Where `success` is 0, or the file of
    an image has no rows, all AUs are unknown.

    \b
    Examples:
      rafce import openface videos/ --emotions emotions.csv --group-column video
      rafce import openface s01.csv s02.csv --emotions emotions.csv --min-confidence 0.8
      rafce import openface videos/ --emotions emotions.csv --au-threshold 2 --images frames/
    """
    _import("openface", **options)


@import_.command(short_help="py-feat (Fex): AU01 from 0 to 1.")
@import_options
@threshold_option("Count an AU as active from this probability up.  [default: 0.5]")
def fex(**options: Any) -> None:
    """Import py-feat output (Fex): AU01 from 0 to 1, `input` the image or video, `frame`.

    Images are named after the file in `input`, or <video>_<frame, six digits>.jpg if that is a video. The seven
    emotions in the table are py-feat's predictions, not labels: say where the labels are.

    \b
    Examples:
      rafce import fex faces.csv --emotions emotions.csv
      rafce import fex faces.csv --emotion-column label --min-confidence 0.9
      rafce import fex videos/ --emotions emotions.parquet --group-column input --au-threshold 0.7
    """
    _import("fex", **options)


@import_.command(short_help="LibreFace: au_1 and au_1_intensity, one file per video or image.")
@import_options
@threshold_option(
    "Count an AU as active from this intensity (0 to 5) up, instead of using LibreFace's presence."
)
def libreface(**options: Any) -> None:
    """Import LibreFace output: one CSV file per video or image, au_1 presence, au_1_intensity from 0 to 5.

    An AU that has only an intensity is active from 1 up. The column `facial_expression` is LibreFace's prediction, not
    a label: say where the labels are.

    \b
    Examples:
      rafce import libreface videos/ --emotions emotions.csv --group-column video
      rafce import libreface s01.csv --emotions emotions.csv --au-threshold 2
      rafce import libreface videos/ --emotions emotions.csv --images frames/
    """
    _import("libreface", **options)


@import_.command(short_help="Any CSV or Parquet table: one row per image, one column per AU.")
@import_options
@click.option(
    "--au-columns",
    metavar="NAMES",
    help="Columns that code AUs, separated by commas: AU01,AU12, or smile=12 if the name has no number.  "
    "[default: every column named like AU01 or au_1]",
)
@threshold_option(
    "Count an AU as active from this value up; values are intensities from 0 to 5 or A to E. Without it, AU columns "
    "may hold only 0 and 1 (or false and true)."
)
@click.option(
    "--au-range",
    metavar="LOW,HIGH",
    help="The lowest and the highest value of an AU column, with --au-threshold: 0,100 for percentages, -10,10 for "
    "evidence.  [default: 0,5]",
)
def table(**options: Any) -> None:
    """Import any CSV or Parquet table with one row per image and one column per AU.

    It needs a column `image` (or --image-column) or `frame`, and a column `emotion` (or --emotion-column, --emotions).
    A column `partition` (train, validation, test or another usual word) is used as it is.

    \b
    Examples:
      rafce import table labels.csv --images faces/ --keep-folders --emotion-names 0=neutral,1=happy --unlabelled drop
      rafce import table labels.parquet --emotion-column class --group-column subject --partition-column Usage
      rafce import table bp4d.csv --au-threshold 2 --unknown 9 --emotions emotions.csv
    """
    _import("table", **options)


def _import(source: str, as_json: bool, **options: Any) -> None:
    from rafce.imports.importing import import_dataset
    from rafce.imports.options import ImportOptions
    from rafce_cli.progress import progress_bar

    with progress_bar("reading, MB") as show:
        manifest = import_dataset(
            ImportOptions(source, **options), lambda done, total: show(done // MEGABYTE, total // MEGABYTE)
        )
    if as_json:
        say_json(manifest)
        return
    from rafce_cli.import_summary import print_summary

    print_summary(manifest, options["out"])
