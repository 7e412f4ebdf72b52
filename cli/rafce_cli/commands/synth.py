"""`rafce synth`: look-alikes of the licensed releases, to try everything without them."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder to write to."
)
@click.option(
    "--images",
    type=int,
    default=4601,
    show_default=True,
    help="Images of RAF-AU, at least 40; RAF-ML has 4,908/4,601 times as many.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same files."
)
def synth(out: Path, images: int, seed: int) -> None:
    """Write generated look-alikes of RAF-ML, RAF-AU and RAF-CE.

    They have the real layout, class sizes, ties and oddities of spelling; the action units follow the paper's
    Table 1. Nothing in them comes from a real image: figures on them say nothing about real faces.

    \b
    Examples:
      rafce synth --out s
      rafce build --raf-ml s/RAF-ML --raf-au s/RAF-AU
    """
    from rafce_fixtures.labels import generate
    from rafce_fixtures.release import write_release

    release = generate(images, seed)
    write_release(release, out)
    for name, rows in (("RAF-ML", release.raf_ml), ("RAF-AU", release.raf_au), ("RAF-CE", release.raf_ce)):
        click.echo(f"{out / name}: {len(rows):,} images")
