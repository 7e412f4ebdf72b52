"""`rafce`: the command group; a command's module is imported only when it is called or asked for help."""

from rafce_cli.groups import CONTEXT, lazy_group

rafce = lazy_group(
    name="rafce",
    package="rafce_cli.commands",
    commands={
        "build": "Make the dataset folder from RAF-ML and RAF-AU, or from RAF-CE.",
        "import": "Make the dataset folder from OpenFace, py-feat or LibreFace output, or any table.",
        "analyze": "Make Table 1, Figure 2 and the report from a dataset folder.",
        "synth": "Write look-alike releases: labels in the real format, and faces.",
    },
    help_text="""Compound expressions in the wild: from RAF-ML and RAF-AU to RAF-CE and its action-unit statistics.

    \b
    Examples:
      rafce synth --out look-alike --images 4601
      rafce build --raf-ml look-alike/RAF-ML --raf-au look-alike/RAF-AU
      rafce analyze
      rafce import openface videos/ --emotions emotions.csv --group-column video

    Training is the other command: rafce-train --help.
    """,
    context_settings=CONTEXT,
)
