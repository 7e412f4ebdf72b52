"""`rafce synth`: look-alikes of the licensed releases, to try everything without them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rafce_cli.say import say

if TYPE_CHECKING:
    from rafce_fixtures.labels import Release

PATH = click.Path(path_type=Path)
REAL_SIZE = 4601


@click.command()
@click.option("--out", type=PATH, metavar="DIR", help="A new or empty folder to write to.")
@click.option(
    "--images",
    type=int,
    help=f"Images of RAF-AU, at least 40; RAF-ML has 4,908/4,601 times as many.  [default: {REAL_SIZE}]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same files."
)
@click.option("--no-faces", is_flag=True, help="Write the label files only.")
@click.option(
    "--labels",
    type=PATH,
    metavar="FILE",
    help="Instead of a release: a face for each line of this RAFAU_label.txt.",
)
@click.option(
    "--landmarks",
    type=click.IntRange(min=1, max=10**7),
    metavar="N",
    help="Instead of a release: N unlabelled faces and landmarks.csv, to pre-train a backbone on.",
)
@click.option("--contact-sheet", type=PATH, metavar="FILE", help="Also, or only: a PNG of every action unit.")
def synth(out: Path | None, contact_sheet: Path | None, seed: int, **options: Any) -> None:
    """Write generated look-alikes of RAF-ML, RAF-AU and RAF-CE.

    They have the real layout, class sizes, ties and oddities of spelling; the action units follow the paper's
    Table 1. The aligned faces of RAF-AU are drawings on which every action unit moves what it moves in life.
    Nothing comes from a real image: figures on look-alikes say nothing about real faces.

    \b
    Examples:
      rafce synth --out s
      rafce build --raf-ml s/RAF-ML --raf-au s/RAF-AU
      rafce synth --labels RAF-AU/RAFAU_label.txt --out RAF-AU/aligned
      rafce synth --contact-sheet aus.png
    """
    _check_together(out, contact_sheet, **options)
    if contact_sheet is not None:
        _draw_sheet(contact_sheet, seed)
    if out is None:
        return
    if options["labels"] is not None:
        _draw_labels(out, options["labels"], seed)
    elif options["landmarks"] is not None:
        _draw_landmarks(out, options["landmarks"], seed)
    else:
        _write_release(out, options["images"] or REAL_SIZE, seed, with_faces=not options["no_faces"])


def _check_together(
    out: Path | None,
    contact_sheet: Path | None,
    images: int | None,
    no_faces: bool,
    labels: Path | None,
    landmarks: int | None,
) -> None:
    if out is None and contact_sheet is None:
        raise click.UsageError("expected --out DIR or --contact-sheet FILE, found neither")
    given = {"--labels": labels, "--landmarks": landmarks, "--images": images, "--no-faces": no_faces or None}
    named = [name for name, value in given.items() if value is not None]
    if out is None and named:
        raise click.UsageError(f"expected --out DIR with {named[0]}, found none")
    if len(named) > 1 and named[0] in ("--labels", "--landmarks"):
        raise click.UsageError(f"expected {named[0]} without {named[1]}, found both")


def _write_release(out: Path, images: int, seed: int, with_faces: bool) -> None:
    from rafce_fixtures.labels import generate
    from rafce_fixtures.release import staged_folder, write_labels

    release = generate(images, seed)
    with staged_folder(out) as staging:
        write_labels(release, staging)
        if with_faces:
            _draw_release(release, staging / "RAF-AU" / "aligned", seed)
    for name, rows in (("RAF-ML", release.raf_ml), ("RAF-AU", release.raf_au), ("RAF-CE", release.raf_ce)):
        faces = ", each with a face" if with_faces and name == "RAF-AU" else ""
        say(f"{out / name}: {len(rows):,} images{faces}")


def _draw_release(release: "Release", folder: Path, seed: int) -> None:
    from rafce_fixtures.faces import write_faces

    folder.mkdir()
    labels = release.labels()
    with _progress(len(labels)) as advance:
        write_faces(labels, folder, seed, basics=release.basics(), progress=advance)


def _draw_labels(out: Path, labels: Path, seed: int) -> None:
    from rafce.formats.raf_au import find_raf_au, read_raf_au
    from rafce_fixtures.faces import write_faces
    from rafce_fixtures.release import staged_folder

    rows = read_raf_au(find_raf_au(labels))
    with staged_folder(out) as staging, _progress(len(rows)) as advance:
        write_faces({row.image: row.label for row in rows}, staging, seed, progress=advance)
    say(f"{out}: {len(rows):,} faces")


def _draw_landmarks(out: Path, n: int, seed: int) -> None:
    from rafce_fixtures.landmark_faces import LANDMARKS_FILE, write_landmark_faces
    from rafce_fixtures.release import staged_folder

    with staged_folder(out) as staging, _progress(n) as advance:
        write_landmark_faces(staging, n, seed, progress=advance)
    say(f"{out}: {n:,} faces and {LANDMARKS_FILE}")


def _draw_sheet(path: Path, seed: int) -> None:
    from rafce_fixtures.contact_sheet import contact_sheet
    from rafce_fixtures.release import write_picture

    write_picture(contact_sheet(seed), path)
    say(f"{path}: every action unit beside the neutral face")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """What to call with the number of faces drawn; None where no one watches."""
    from rich.progress import Progress

    from rafce_cli.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        yield partial(bar.advance, bar.add_task("drawing faces", total=total))
