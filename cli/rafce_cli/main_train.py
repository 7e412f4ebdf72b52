"""`rafce-train`: the command group of the trainer; says what to install while torch is absent."""

from importlib.util import find_spec

from rafce_cli.groups import CONTEXT, UserError, lazy_group

NEEDED = ("torch", "torchvision", "sklearn", "safetensors", "tensorboard")


def require_extra() -> None:
    """UserError naming what is absent of the extra `train`; nothing is imported to find out."""
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise UserError(f"rafce-train needs {', '.join(absent)}: pip install 'rafce[train]'")


rafce_train = lazy_group(
    name="rafce-train",
    package="rafce_cli.commands_train",
    commands={
        "run": "Train a network on a dataset folder and write a run folder.",
        "compare": "Train several methods, or take runs that are there, and compare them.",
        "evaluate": "Make a run's figures again from its weights and compare them.",
        "predict": "Say which emotion and AUs a run sees in any images.",
        "explain": "Show where a run looks, and whether action units act there.",
        "report": "Write a run's page: curves, tables, mistakes, calibration.",
        "export": "Write a run's network as one checked file for other programs.",
    },
    help_text="""Learn compound expressions with action units as a helper task.

    \b
    Examples:
      rafce-train run
      rafce-train run rafce-data --method stl --epochs 10
      rafce-train compare
      rafce-train predict runs/first face.jpg
    """,
    context_settings=CONTEXT,
    guard=require_extra,
)
