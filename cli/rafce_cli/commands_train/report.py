"""`rafce-train report`: the page of a finished run, made anew from its files."""

from pathlib import Path

import click

from rafce_cli.say import note, say

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=PATH)
@click.option("--with-images", is_flag=True, help="Show the faces of the surest mistakes. Mind the licence.")
@click.option(
    "--dataset",
    type=PATH,
    metavar="DIR",
    help="Where the dataset, which says where faces lie, was moved to.",
)
@click.option("--images", type=PATH, metavar="DIR", help="Where the faces were moved to.")
def report(run: Path, with_images: bool, dataset: Path | None, images: Path | None) -> None:
    """Write the page of RUN again, RUN/report/report.html, from the files in RUN alone.

    Loss and weight curves, confusion matrix, emotions and AUs with intervals, the surest mistakes, calibration, limits.
    `rafce-train run` writes it at its end; this is for runs without one, or to see the faces of the mistakes.

    \b
    Examples:
      rafce-train report runs/first
      rafce-train report runs/first --with-images
    """
    places = [name for name, place in (("--dataset", dataset), ("--images", images)) if place is not None]
    if places and not with_images:
        raise click.UsageError(
            f"{', '.join(places)}: expected --with-images beside: only faces are looked for there"
        )
    from rafce_reports.run_report import find_faces, write_run_report
    from rafce_train.run_folder.read import notes

    for text in notes(run):
        note(text)
    faces = find_faces(run, images, dataset) if with_images else None
    say(str(write_run_report(run, faces)))
