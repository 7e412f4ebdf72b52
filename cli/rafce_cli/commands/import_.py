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
        help="A table with a column `emotion`, joined on the columns that both share: image, input, frame, "
        "video, subject. The file of an OpenFace or LibreFace table names its video, or its image where it has one.",
    ),
    click.option(
        "--emotion-column",
        metavar="NAME",
        help="Instead of --emotions: the column that has the emotion.  [default: emotion]",
    ),
    click.option(
        "--emotion-names",
        metavar="PAIRS",
        help="Names for labels, with commas between: 0=neutral,1=happy.",
    ),
    click.option(
        "--unknown-emotion",
        metavar="CODES",
        help="Labels that are no emotion, such as 8,9,10, beside -1, NaN, None, #N/A and alike.  "
        "[default: 8,9,10 in AffectNet's own layout]",
    ),
    click.option(
        "--unlabelled",
        type=click.Choice(["error", "drop"]),
        default="error",
        show_default=True,
        help="Refuse rows that have no emotion, or leave them out and count them.",
    ),
    click.option(
        "--drop-emotions", metavar="NAMES", help="Leave out the rows of these emotions: contempt,neutral."
    ),
    click.option("--image-column", metavar="NAME", help="The column that names the image."),
    click.option(
        "--group-column",
        metavar="NAME",
        help="Images with the same value (video, subject) depend on each other: they stay in one partition, and "
        "intervals are over groups.",
    ),
    click.option(
        "--min-confidence",
        type=float,
        metavar="X",
        help="Below this confidence, from 0 to 1, all AUs of a row are unknown.",
    ),
    click.option(
        "--unknown",
        metavar="CODES",
        help="Values that mean that an AU is unknown, with commas between, such as 9; -1 and 999 do anyway where "
        "they are outside the column's range.",
    ),
    click.option("--images", type=PATH, metavar="DIR", help="The aligned images, to train on."),
    click.option(
        "--keep-folders",
        is_flag=True,
        help="Call an image by its path below --images (s1/0001.jpg), not by its last part alone.",
    ),
    click.option(
        "--allow-missing-images",
        is_flag=True,
        help="Import although images are missing; the manifest lists them.",
    ),
    click.option(
        "--partition-column",
        metavar="NAME",
        help="The column, of the tables or of the --emotions file, that has the partition of each row; validation is "
        "taken from train where it has none.  [default: partition]",
    ),
    click.option(
        "--partition-values",
        metavar="PAIRS",
        help="What its values mean where they are no usual words (Training, dev, PublicTest): train=1,train=2,test=3.",
    ),
    click.option(
        "--split",
        metavar="SHARES",
        help="Draw the partitions by these shares of train/validation/test (3/1/1 is the same), whatever a column "
        "says.  [default: 60/20/20 without a column of partitions]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of the split, and of the validation part where it is taken from train.",
    ),
    click.option(
        "--lab", type=PATH, metavar="FILE", help="A laboratory table as CSV (emotion, au, percent[, note])."
    ),
    click.option(
        "--licence",
        metavar="TEXT",
        help="What the makers of the data allow, in a sentence: kept with the dataset, its reports and what is trained "
        "on it.",
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
    """Make the dataset folder from tables of other programs: CSV, TSV, TXT or Parquet, of any size.

    Commas, semicolons or tabs may separate the columns; beside the latter two numbers may have a decimal comma. Names
    of columns are matched without regard to capitals. Of a folder *.csv, *.tsv and *.parquet are read.

    An AU is active, inactive or unknown: unknown where the program does not code it, where its cell is empty, -1, 999
    or a code of --unknown, and where no face was seen. Unknown never counts as inactive; a value outside the range of
    its column is an error. A row is an image with one face: an image that stands in two rows is an error.

    A row without an emotion (-1, NaN, None, #N/A) is an error, or left out by --unlabelled drop. Happy and happy,
    Happily_Surprised and happily surprised are one emotion, 1 and 1.0 one group. A table with a column such as
    split, Usage or fold is refused until --partition-column names it or --split says that it is not used. Whatever
    was decided is printed, and kept in the manifest as `notes`.

    \b
    Examples:
      rafce import openface videos/ --emotions emotions.csv --group-column video
      rafce import fex fex.csv --emotions emotions.csv --unlabelled drop
      rafce import table fer.csv --partition-column Usage
      rafce import table labels.parquet --au-columns AU01,AU12,smile=12
    """


@import_.command(short_help="OpenFace 2: AU01_c and AU01_r, a file a video or an image.")
@import_options
@threshold_option("Take an AU as active from this intensity (0 to 5) on, in place of OpenFace's presence.")
def openface(**options: Any) -> None:
    """Import what OpenFace 2 wrote: a CSV file a video (FeatureExtraction) or an image (FaceLandmarkImg).

    AU01_c is presence; an AU that has only AU01_r is active from an intensity of 1 on. An image is called
    <video>_<frame, six digits>.jpg, where a column `video` or `input`, else the file, names the video; it is called
    after its file where that is of one image. With --images it may have any suffix. Where `success` is 0, or the table
    of an image has no row, all AUs are unknown.

    \b
    Examples:
      rafce import openface videos/ --emotions emotions.csv --group-column video
      rafce import openface s01.csv s02.csv --emotions emotions.csv --min-confidence 0.8
      rafce import openface videos/ --emotions emotions.csv --au-threshold 2 --images frames/
    """
    _import("openface", **options)


@import_.command(short_help="py-feat (Fex): AU01 from 0 to 1.")
@import_options
@threshold_option("Take an AU as active from this probability on.  [default: 0.5]")
def fex(**options: Any) -> None:
    """Import what py-feat wrote (Fex): AU01 from 0 to 1, `input` the image or video, `frame`.

    An image is called as the file in `input`; where that is a video, <video>_<frame, six digits>.jpg. The
    seven emotions in the table are py-feat's predictions, no labels: say which labels to take.

    \b
    Examples:
      rafce import fex faces.csv --emotions emotions.csv
      rafce import fex faces.csv --emotion-column label --min-confidence 0.9
      rafce import fex videos/ --emotions emotions.parquet --group-column input --au-threshold 0.7
    """
    _import("fex", **options)


@import_.command(short_help="LibreFace: au_1 and au_1_intensity, a file a video or an image.")
@import_options
@threshold_option("Take an AU as active from this intensity (0 to 5) on, in place of LibreFace's presence.")
def libreface(**options: Any) -> None:
    """Import what LibreFace wrote: a CSV file a video or an image, au_1 presence, au_1_intensity from 0 to 5.

    An AU that has only an intensity is active from 1 on. The column `facial_expression` is LibreFace's prediction, no
    label: say which labels to take.

    \b
    Examples:
      rafce import libreface videos/ --emotions emotions.csv --group-column video
      rafce import libreface s01.csv --emotions emotions.csv --au-threshold 2
      rafce import libreface videos/ --emotions emotions.csv --images frames/
    """
    _import("libreface", **options)


@import_.command(short_help="Any CSV or Parquet table: a row an image, a column an AU.")
@import_options
@click.option(
    "--au-columns",
    metavar="NAMES",
    help="Columns that code AUs, with commas between: AU01,AU12, or smile=12 where the name has no number.  "
    "[default: all called AU01, au_1 or alike]",
)
@threshold_option(
    "Take an AU as active from this value on, of intensities from 0 to 5 or A to E; without it only 0 and 1 (or false "
    "and true) may stand there."
)
@click.option(
    "--au-range",
    metavar="LOW,HIGH",
    help="The least and the most that a column of AUs can have, with --au-threshold: 0,100 for percentages, -10,10 for "
    "evidence.  [default: 0,5]",
)
def table(**options: Any) -> None:
    """Import any CSV or Parquet table with a row an image and a column an AU.

    It needs a column `image` (or --image-column) or `frame`, and a column `emotion` (or --emotion-column, --emotions).
    A column `partition` (train, validation, test and other usual words) is taken as it is.

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
