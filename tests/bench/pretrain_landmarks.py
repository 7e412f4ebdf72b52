"""Train a backbone to find 19 landmarks on drawn faces: it has seen faces, and no emotion or AU label, before a run.

B batch, N faces, L landmark coordinates (38).
"""

import csv
import time
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from torch import Tensor, nn

from rafce_train.augment import batch_images
from rafce_train.cache import cached_images
from rafce_train.model import build_net

HELD_OUT = 10  # every tenth face tells R²
BATCH, RATE, MOMENTUM, WEIGHT_DECAY = 64, 0.1, 0.9, 5e-4


def read_landmarks(folder: Path) -> tuple[list[Path], Tensor]:
    """The faces that `rafce synth --landmarks` wrote, and their landmarks standardized, shape (N, L)."""
    with (folder / "landmarks.csv").open(encoding="ascii", newline="") as file:
        _, *rows = csv.reader(file)
    paths = [folder / "aligned" / f"{Path(row[0]).stem}_aligned.jpg" for row in rows]
    target_NL = torch.tensor([[float(value) for value in row[1:]] for row in rows])
    return paths, (target_NL - target_NL.mean(0)) / target_NL.std(0)


def r_squared(net: nn.Module, images_NHW3: Tensor, target_NL: Tensor, rows_N: npt.NDArray[np.int64]) -> float:
    """The share of the held-out landmarks' variance that the net explains."""
    net.eval()
    with torch.inference_mode():
        found = [
            net(batch_images(images_NHW3, part, "imagenet", "rgb")) for part in np.array_split(rows_N, 8)
        ]
    target_NL = target_NL[torch.from_numpy(rows_N)]
    residual, total = (
        (torch.cat(found) - target_NL).square().sum(),
        (target_NL - target_NL.mean(0)).square().sum(),
    )
    return float(1 - residual / total)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A safetensors file for --weights."
)
@click.option("--backbone", default="resnet18", show_default=True)
@click.option("--image-size", default=48, show_default=True)
@click.option("--epochs", default=5, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, out: Path, backbone: str, image_size: int, epochs: int, seed: int) -> None:
    """Regress the landmarks of FOLDER (made by `rafce synth --landmarks N`) and keep the backbone."""
    paths, target_NL = read_landmarks(folder)
    images_NHW3 = cached_images(paths, image_size, folder / "cache", "error", lambda *_: None).images_NHW3
    torch.manual_seed(seed)
    base = build_net(backbone, 1, 1, image_size=image_size)
    net = nn.Sequential(base.backbone, nn.Linear(base.n_features, target_NL.shape[1]))
    held_out = np.arange(len(paths)) % HELD_OUT == 0
    train_N, test_N = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    optimizer = torch.optim.SGD(
        net.parameters(), RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    steps = len(train_N) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs=epochs, steps_per_epoch=steps)
    for epoch in range(epochs):
        start = time.perf_counter()
        net.train()
        order_N = np.random.default_rng([seed, epoch]).permutation(train_N)
        for rows_B in np.split(order_N[: steps * BATCH], steps):
            found_BL = net(batch_images(images_NHW3, rows_B, "imagenet", "rgb"))
            loss = F.mse_loss(found_BL, target_NL[torch.from_numpy(rows_B)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        score = r_squared(net, images_NHW3, target_NL, test_N)
        print(f"epoch {epoch + 1}: held-out R² {score:.3f}, {time.perf_counter() - start:.0f} s", flush=True)
    save_file({name: value.contiguous() for name, value in base.backbone.state_dict().items()}, out)


if __name__ == "__main__":
    main()
