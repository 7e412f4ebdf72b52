"""`rafce analyze`: a dataset folder to its reports, and Table 1 in short on the screen."""

from pathlib import Path
from typing import Any

import click

from rafce_cli.say import say_json

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("dataset", type=FOLDER, default=Path("rafce-data"))
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Where the reports go; `reports` in the dataset folder if left out.",
)
@click.option(
    "--scope",
    type=click.Choice(["all", "train", "validation", "test"]),
    default="all",
    show_default=True,
    help="The images that the tables count: all of them, as the paper does, or one partition.",
)
@click.option(
    "--lab-n",
    type=click.IntRange(min=1),
    default=230,
    show_default=True,
    help="How many subjects stand behind the laboratory's percentages.",
)
@click.option(
    "--with-images", is_flag=True, help="Show one example face of each emotion in Figure 1. Mind the licence."
)
@click.option(
    "--co-occurrence/--no-co-occurrence",
    default=None,
    help="Count pairs of AUs, which takes longer than all else; by default on up to a million images.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many threads count the samples; one for each core, up to four, if left out.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Let the workers of a Dask scheduler count the samples, such as tcp://10.0.0.1:8786. They must see the files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def analyze(
    dataset: Path, out: Path | None, jobs: int | None, scheduler: str | None, as_json: bool, **options: Any
) -> None:
    """Make Table 1, the figures and report.html from the dataset folder DATASET (rafce-data if left out).

    Every table is written as CSV and Parquet, every figure as PNG and SVG. Older reports are replaced. The samples
    may be one Parquet file or a folder of them, and larger than memory. Where images come in groups (videos,
    subjects), every interval is over groups.

    \b
    Examples:
      rafce analyze
      rafce analyze rafce-data --scope train --out train-reports
      rafce analyze frames --co-occurrence --jobs 2
      rafce analyze --json
    """
    from rafce.dataset import read_dataset
    from rafce_cli.counting import Counting
    from rafce_reports.analysis import AnalyzeOptions, analyze
    from rafce_reports.dataset_report import write_reports

    out = out or dataset / "reports"
    counting = Counting(jobs, scheduler)
    analysis = analyze(read_dataset(dataset), AnalyzeOptions(**options), counting)
    summary = write_reports(analysis, out)
    if as_json:
        told = {"folder": str(out), "seconds": counting.seconds, **summary}
        say_json(told)
        return
    from rafce_cli.analyze_summary import print_summary

    print_summary(analysis, counting.seconds, out)
