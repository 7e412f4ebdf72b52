"""`rafce-train export`: a run's network as one file that was compared with the run."""

from pathlib import Path

import click

from rafce_cli.say import note, say

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "torch-export", "safetensors"]),
    default="onnx",
    show_default=True,
    help="A graph for onnxruntime, one for torch.export.load, or the bare weights.",
)
@click.option(
    "--out", type=PATH, required=True, metavar="FILE", help="A name that ends in .onnx, .pt2 or .safetensors."
)
def export(run: Path, kind: str, out: Path) -> None:
    """Write the network of RUN as one file for other programs.

    Graphs (onnx, torch-export) take `images`, float32, batch × 3 × size × size, any batch, and give the probabilities
    of emotions and AUs. The file's metadata has JSON under the key `rafce`: how to prepare the images, the emotions,
    the AU numbers and their thresholds, the licence. On random images the file's probabilities must be within 1e-5
    of the run's, else nothing is written.

    `rafce-train predict` reads .onnx and .safetensors. It does not read .pt2, because loading one runs any code that
    hides in it.

    \b
    Examples:
      rafce-train export runs/first --out model.onnx
      rafce-train export runs/first --format torch-export --out model.pt2
      rafce-train export runs/first --format safetensors --out model.safetensors
    """
    from rafce_train.export import export as write
    from rafce_train.run_folder.read import notes

    difference = write(run, kind, out)
    for text in notes(run):
        note(text)
    say(f"{out}: {kind}; on random images at most {difference:.1g} from the probabilities of {run}")
