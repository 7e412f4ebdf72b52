"""`rafce build`: the releases to the dataset folder, and on the screen how many images went where."""

from pathlib import Path
from typing import Any

import click

from rafce_cli.say import say_json

INPUT = click.Path(path_type=Path)


@click.command()
@click.option(
    "--raf-ml",
    type=INPUT,
    metavar="PATH",
    help="RAF-ML: the release folder, its EmoLabel folder, or distribution.txt.",
)
@click.option("--raf-au", type=INPUT, metavar="PATH", help="RAF-AU: the release folder, or RAFAU_label.txt.")
@click.option(
    "--rafce",
    "raf_ce",
    type=INPUT,
    metavar="PATH",
    help="The official RAF-CE folder: its classes and partition win. Alone it builds too.",
)
@click.option(
    "--out",
    type=INPUT,
    default=Path("rafce-data"),
    show_default=True,
    help="The dataset folder; an older one is replaced.",
)
@click.option(
    "--ties",
    type=click.Choice(["first", "frequent", "discard"]),
    default="first",
    show_default=True,
    help="When the second and third emotion tie: the earlier column, the class with most untied images, or none.",
)
@click.option(
    "--null-au",
    type=click.Choice(["negative", "drop"]),
    default="negative",
    show_default=True,
    help="What the label `null` means: no AU active, or an image to leave out.",
)
@click.option(
    "--images", type=INPUT, metavar="DIR", help="The aligned images, where they do not lie beside the labels."
)
@click.option(
    "--allow-missing-images", is_flag=True, help="Build although images are missing; the manifest lists them."
)
@click.option(
    "--split",
    default="60/20/20",
    show_default=True,
    help="Shares of train/validation/test (3/1/1 is the same), without an official partition.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split.")
@click.option(
    "--lab",
    type=INPUT,
    metavar="FILE",
    help="CSV (emotion, au, percent[, note]) that replaces the laboratory table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def build(as_json: bool, **options: Any) -> None:
    """Make the dataset folder from RAF-ML and RAF-AU, from RAF-CE, or from all three.

    Images stay where they are. Rebuilding from the same files gives the same bytes.

    \b
    Examples:
      rafce build --raf-ml RAF-ML --raf-au RAF-AU
      rafce build --raf-ml RAF-ML --raf-au RAF-AU --rafce RAF-CE --out rafce-official
      rafce build --rafce RAF-CE
    """
    from rafce.build import BuildOptions, build_dataset

    manifest = build_dataset(BuildOptions(**options))
    if as_json:
        say_json(manifest)
        return
    from rafce_cli.build_summary import print_summary

    print_summary(manifest, options["out"])
