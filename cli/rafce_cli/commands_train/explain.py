"""`rafce-train explain`: Grad-CAM maps of a run's test images as Figure 4, and how much of them lies where AUs act."""

from importlib.util import find_spec
from pathlib import Path

import click

from rafce_cli.groups import UserError
from rafce_cli.progress import progress_bar
from rafce_cli.say import note, say_json

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--against", type=PATH, metavar="RUN", help="Another run on the same test images, to compare with."
)
@click.option("--au", type=int, metavar="N", help="Explain this AU too, in the test images that show it.")
@click.option(
    "--layer", metavar="NAME", help="The layer of the maps.  [default: the last with at least 7 × 7 places]"
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Images in Figure 4 at most.",
)
@click.option("--out", type=PATH, metavar="DIR", help="Where results go; `explain` in RUN if left out.")
@click.option("--dataset", metavar="DIR", help="Where the dataset folder lies, if it was moved.")
@click.option("--images", metavar="DIR", help="Where the images lie, if they were moved.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    help="Where to compute, if not as the run did.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def explain(
    run: Path,
    against: Path | None,
    au: int | None,
    layer: str | None,
    examples: int,
    out: Path | None,
    as_json: bool,
    **places: str | None,
) -> None:
    """Show where RUN sees the emotions of its test images, and measure whether that is where action units act.

    Grad-CAM for the true emotion of every test image. Figure 4 shows images where RUN is right (and the run of
    --against wrong) with the boxes of their AUs; a table says which share of the maps lies inside these boxes, beside
    what a uniform map would have there, and what the run's mean map over the other images has: it knows where a face
    is, but not which AUs this one shows. Boxes are right for aligned faces only; an AU coded on one side is boxed on
    both.

    Writes figure4.png/.svg, attention.csv/.parquet (a row an image), attention_means.csv/.parquet, summary.json. The
    figures show faces: pass them on only if the licence of the images allows that (RAF's does not).

    \b
    Examples:
      rafce-train explain runs/first
      rafce-train explain runs/mml --against runs/mtl --au 12
      rafce-train explain runs/first --layer layer4 --examples 24 --out layer4
    """
    if find_spec("captum") is None:
        raise UserError("rafce-train explain needs captum: pip install 'rafce[explain]'")
    from rafce.schema import Vocabulary
    from rafce_reports.explain_report import Look, check_explanation, write_explanation
    from rafce_train.explain import Options
    from rafce_train.explain import explain as look

    out = out or run / "explain"
    check_explanation(out)
    given = {name: place for name, place in places.items() if place is not None}
    runs = [run] if against is None else [run, against]
    notes: dict[str, None] = {}  # two runs have much the same to say
    with progress_bar("images and maps") as progress:
        subjects, outcomes = look(runs, Options(au, layer, examples), notes.setdefault, progress, **given)
    for text in notes:
        note(text)
    data = subjects[0].feed.data
    looks = [Look(subject.name, *subject.layer) for subject in subjects]
    summary = write_explanation(outcomes, looks, Vocabulary(data.emotions, data.aus), out)
    if as_json:
        say_json({"folder": str(out), **summary})
        return
    from rafce_cli.explain_summary import print_summary

    print_summary(summary, out)
