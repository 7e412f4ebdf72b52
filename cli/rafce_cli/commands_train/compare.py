"""`rafce-train compare`: a plan of runs, or run folders that are there, to tables, tests and a page."""

from pathlib import Path
from typing import Any

import click

from rafce_cli.config_options import GroupedCommand, config_options
from rafce_cli.say import note, say, say_json
from rafce_train.config import options as config_fields

PATH = click.Path(path_type=Path)
FIELDS = {"methods": "method", "statistics": "statistics", "alignment": "alignment"}
OF_THE_PLAN = ("method", "statistics", "alignment", "seed")
PRODUCT: dict[str, Any] = {
    "methods": ["stl", "mtl", "am", "mal", "mal2", "mml"],
    "statistics": ["wild", "lab"],
    "alignment": ["paper"],
    "seeds": 3,
}
"""What is trained if nothing else is asked for: the methods and statistics of section 5.3."""


def _listed(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """The items between commas, each once; all of them among the choices of the field of that name."""
    if value is None:
        return None
    choices = config_fields()[FIELDS[str(param.name)]][1].choices
    items = list(dict.fromkeys(item.strip() for item in value.split(",")))
    for item in items:
        if item not in choices:
            raise click.BadParameter(f"expected of {', '.join(choices)}, found {item!r}", ctx, param)
    return items


def _choices(option: str) -> str:
    return ", ".join(config_fields()[FIELDS[option]][1].choices)


def _with_default(name: str, text: str) -> str:
    default = PRODUCT[name]
    return f"{text}  [default: {','.join(default) if isinstance(default, list) else default}]"


@click.command(cls=GroupedCommand)
@click.argument("places", type=PATH, nargs=-1, metavar="[DATASET | RUN RUN…]")
@click.option(
    "--methods",
    callback=_listed,
    metavar="METHOD[,METHOD…]",
    help=_with_default("methods", f"Of {_choices('methods')}."),
)
@click.option(
    "--statistics",
    callback=_listed,
    metavar="NAME[,NAME…]",
    help=_with_default("statistics", f"For methods that use any: {_choices('statistics')}."),
)
@click.option(
    "--alignment",
    callback=_listed,
    metavar="NAME[,NAME…]",
    help=_with_default("alignment", f"For methods that use statistics: {_choices('alignment')}."),
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1, max=1000),
    metavar="N",
    help=_with_default("seeds", "Train everything N times, with seeds 0 … N-1."),
)
@click.option(
    "--out", type=PATH, default=Path("comparison"), show_default=True, metavar="DIR", help="Where results go."
)
@click.option(
    "--config", type=PATH, metavar="FILE", help="A config.toml to start from; options given here override it."
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON, progress on standard error.")
@config_options("dataset", *OF_THE_PLAN)
def compare(places: tuple[Path, ...], out: Path, as_json: bool, **given: Any) -> None:
    """Train methods on DATASET (rafce-data if left out) and compare them, or compare the runs given.

    Makes Table 2, Table 3, Figure 5, paired tests and comparison.html in comparison/; the runs live in
    comparison/runs/METHOD-STATISTICS-ALIGNMENT-SEED, with none-none where a method uses no statistics. A run that is
    there with the same options and dataset is reused, one that was interrupted goes on: after any end, the same
    command again finishes the work. Lab statistics with --alignment bayes are left out, and all that needs lab
    statistics where DATASET has none.

    All options of `rafce-train run` hold for every run whose method they concern.

    \b
    Examples:
      rafce-train compare
      rafce-train compare rafce-data --methods stl,mml --statistics wild --seeds 5
      rafce-train compare --methods am,mml --alignment paper,bayes --epochs 10 --backbone resnet18
      rafce-train compare runs/first runs/second
    """
    from rafce_reports.comparison import compare_runs
    from rafce_reports.comparison_report import check_place, write_comparison

    chosen = {name: value for name, value in given.items() if value is not None}
    check_place(out)
    if _are_runs(places):
        _refuse_beside_runs(chosen)
        comparison = compare_runs(places)
    else:
        dataset = str(places[0]) if places else None
        comparison = _trained(chosen, dataset, out)
    for text in comparison.notes:
        note(text)
    summary = write_comparison(comparison, out)
    if as_json:
        say_json({"folder": str(out), **summary})
        return
    from rafce_cli.comparison_summary import print_summary

    print_summary(comparison, out)


def _trained(chosen: dict[str, Any], dataset: str | None, out: Path) -> Any:
    from rafce_cli.comparison_screen import make_screen
    from rafce_reports.comparison import compare_runs
    from rafce_reports.run_report import REPORT, write_run_report
    from rafce_train.compare import carry_out, possible
    from rafce_train.run import Stopped

    plan = possible(_plan(chosen, dataset))
    try:
        with make_screen() as screen:
            runs = carry_out(plan, out / "runs", screen)
    except Stopped as stop:
        say(f"stopped and saved in {stop.folder}; the same command again goes on", err=True)
        raise click.exceptions.Exit(128 + stop.number) from None
    for run in runs:
        if not (run / REPORT).exists():
            write_run_report(run)
    return compare_runs(runs, Path(plan.runs[0].config.dataset), plan.left_out)


def _plan(chosen: dict[str, Any], dataset: str | None) -> Any:
    from rafce_train.config import read_config
    from rafce_train.plan import make_plan

    product = {name: chosen.pop(name, default) for name, default in PRODUCT.items()}
    config = chosen.pop("config", None)
    values = {
        **(read_config(config) if config else {}),
        **chosen,
        **({"dataset": dataset} if dataset else {}),
    }
    return make_plan(values, *product.values())


def _are_runs(places: tuple[Path, ...]) -> bool:
    """Whether the places are run folders; a single one can only be a dataset."""
    if len(places) == 1 and (places[0] / "config.toml").is_file():
        raise click.UsageError(f"{places[0]} is a run folder: expected a dataset, or at least two runs")
    return len(places) > 1


def _refuse_beside_runs(chosen: dict[str, Any]) -> None:
    if chosen:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in chosen)
        raise click.UsageError(
            f"{names}: runs that are there keep their options; only --out and --json go with them"
        )
