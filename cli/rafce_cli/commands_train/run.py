"""`rafce-train run`: a dataset folder to a run folder, with progress, and the test figures on the screen."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rafce_cli.config_options import GroupedCommand, config_options
from rafce_cli.groups import UserError
from rafce_cli.say import say, say_json

PATH = click.Path(path_type=Path)
MAY_MOVE = ("dataset", "images")


@click.command(cls=GroupedCommand)
@click.argument("dataset", required=False)
@click.option("--out", type=PATH, metavar="RUN", help="A new run folder.  [default: runs/<time>-<method>]")
@click.option(
    "--config", type=PATH, metavar="FILE", help="A config.toml to start from; options given here override it."
)
@click.option(
    "--resume", type=PATH, metavar="RUN", help="Go on with a run that was stopped, killed or cut off."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the metrics as JSON, progress on standard error."
)
@config_options("dataset")
def run(out: Path | None, config: Path | None, resume: Path | None, as_json: bool, **options: Any) -> None:
    """Train a network on DATASET (made by `rafce build` or `rafce import`, rafce-data if left out) and test it once.

    Writes a run folder: config.toml (--config repeats the run), history.parquet, weights.safetensors (the best
    epoch on validation), predictions.parquet and metrics.json (test images), SHA256SUMS, TensorBoard events, report/.

    Ctrl-C finishes the step, saves and says how to go on; a run can be gone on with after any end. Exit code 0 when
    done, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.

    Started by torchrun or by Slurm's srun, several processes train together and divide each batch among them.

    \b
    Examples:
      rafce-train run
      rafce-train run rafce-data --method stl --epochs 10 --out runs/first
      rafce-train run --weights casia_resnet34.pth --augment standard
      rafce-train run --method mtl --rho-au 0.03,0.1,0.3,1
      rafce-train run --config runs/first/config.toml --seed 1
      rafce-train run --resume runs/first
      torchrun --no-python --nproc-per-node 4 rafce-train run --batch-size 64 --sync-batchnorm
    """
    # among several ranks torch would show a stack beside every lost connection
    if "MASTER_ADDR" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from rafce_cli.training_screen import make_screen
    from rafce_cli.training_summary import print_summary
    from rafce_reports.run_report import write_run_report
    from rafce_train.ranks import SaidElsewhereError, joined
    from rafce_train.run import Stopped

    given = {name: value for name, value in options.items() if value is not None}
    if resume is not None:
        _refuse_beside_resume(out, config, given)
    try:
        with joined() as ranks, make_screen(is_shown=ranks.is_first) as screen:
            folder, metrics = (
                _resumed(resume, given, screen, ranks)
                if resume
                else _started(out, config, given, screen, ranks)
            )
    except Stopped as stop:
        if ranks.is_first:
            say(f"stopped and saved; go on with: rafce-train run --resume {stop.folder}", err=True)
        raise click.exceptions.Exit(128 + stop.number) from None
    except SaidElsewhereError:
        raise click.exceptions.Exit(UserError.exit_code) from None
    if not ranks.is_first:
        return
    write_run_report(folder)
    if as_json:
        say_json(metrics)
    else:
        print_summary(metrics, folder)


def _started(
    out: Path | None, config: Path | None, given: dict[str, Any], screen: Any, ranks: Any
) -> tuple[Path, dict[str, Any]]:
    from rafce_train.config import config_from, read_config
    from rafce_train.run import start

    chosen = config_from({**(read_config(config) if config else {}), **given})
    now = ranks.from_first(datetime.now)
    folder = out or Path("runs") / f"{now:%Y%m%d-%H%M%S}-{chosen.method}"
    return folder, start(chosen, folder, screen, ranks)


def _resumed(folder: Path, given: dict[str, Any], screen: Any, ranks: Any) -> tuple[Path, dict[str, Any]]:
    from rafce_train.run import resume

    return folder, resume(folder, screen, ranks, **given)


def _refuse_beside_resume(out: Path | None, config: Path | None, given: dict[str, Any]) -> None:
    others = [name for name, value in (("--out", out), ("--config", config)) if value is not None]
    others += [f"--{name.replace('_', '-')}" for name in given if name not in MAY_MOVE]
    if others:
        raise click.UsageError(
            f"--resume takes the options from the run's own config.toml: {', '.join(others)} cannot be given "
            "(DATASET and --images can, if they were moved)"
        )
