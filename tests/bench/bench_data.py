"""How long images take, from JPEG to tensor, beside torchvision's ImageFolder with a DataLoader, and beside a step."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, models
from torchvision.transforms import v2

from rafce_train.augment import NORMALIZATIONS, batch_images, draw_jitter
from rafce_train.cache import cached_images
from rafce_train.sampling import SAMPLERS, batches

N_IMAGES, SIDE, SIZE, BATCH, THREADS, N_STEPS, N_EPOCHS = 2000, 100, 112, 16, 2, 7, 3
WORKERS = (0, THREADS)


def write_images(folder: Path) -> list[Path]:
    """JPEGs of 100 × 100 pixels, as aligned faces are: smooth, with some grain."""
    random = np.random.default_rng(0)
    paths = [folder / f"{i:04d}.jpg" for i in range(N_IMAGES)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        grain = random.normal(0, 6, (SIDE, SIDE, 1))
        pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) + grain
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def cached_batches(images_NHW3: torch.Tensor, epoch: int) -> Iterator[torch.Tensor]:
    """An epoch of augmented batches as the trainer makes them."""
    rows_N = np.arange(N_IMAGES)
    for rows_B in batches(SAMPLERS["shuffle"](rows_N, np.zeros_like(rows_N), 0, epoch), BATCH):
        jitter = draw_jitter("standard", rows_B, SIZE, 0, epoch)
        yield batch_images(images_NHW3, rows_B, "imagenet", "rgb", jitter)


def image_folder(root: Path, workers: int) -> DataLoader[torch.Tensor]:
    """The same work in the usual way."""
    steps = [
        v2.Resize((SIZE, SIZE)),
        v2.RandomHorizontalFlip(),
        v2.RandomCrop(SIZE, padding=4, padding_mode="edge"),
        v2.ColorJitter(0.2, 0.2, 0.2),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(*NORMALIZATIONS["imagenet"]),
    ]
    folder = datasets.ImageFolder(str(root), transform=v2.Compose(steps))
    return DataLoader(folder, BATCH, shuffle=True, drop_last=True, num_workers=workers)


def cached_epoch(images_NHW3: torch.Tensor, epoch: int) -> None:
    """Make every batch and drop it."""
    for _ in cached_batches(images_NHW3, epoch):
        pass


def image_folder_epoch(root: Path, workers: int) -> None:
    """Make every batch and drop it, start of the workers included."""
    for _ in image_folder(root, workers):
        pass


def in_turn(*epochs: Callable[[], None]) -> list[float]:
    """Median seconds of each, the ways taking turns."""
    turns = [[seconds(epoch) for epoch in epochs] for _ in range(N_EPOCHS)]
    return [statistics.median(column) for column in zip(*turns, strict=True)]


def step_seconds() -> float:
    """One single-task training step of ResNet-34, median."""
    net = models.resnet34(num_classes=14)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
    images_B3HW, emotion_B = torch.randn(BATCH, 3, SIZE, SIZE), torch.arange(BATCH) % 14

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images_B3HW), emotion_B).backward()
        optimizer.step()

    return statistics.median([seconds(step) for _ in range(N_STEPS)][2:])


def main() -> None:
    """Print a row a figure."""
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name) / "root", Path(name) / "cache"
        (root / "faces").mkdir(parents=True)
        paths = write_images(root / "faces")
        build = seconds(cached_images, paths, SIZE, folder, "error", lambda *_: None)
        images_NHW3 = cached_images(paths, SIZE, folder, "error", lambda *_: None).images_NHW3
        ours, *theirs = in_turn(
            partial(cached_epoch, images_NHW3, 0),
            *(partial(image_folder_epoch, root, workers) for workers in WORKERS),
        )
    step = step_seconds()
    print(f"| {N_IMAGES:,} JPEGs to augmented batches of {BATCH} at {SIZE} px | s an epoch | × rafce-train |")
    print("| --- | ---: | ---: |")
    print(f"| rafce-train, from its cache | {ours:.2f} | 1.0 |")
    for workers, wall in zip(WORKERS, theirs, strict=True):
        print(f"| ImageFolder and DataLoader, {workers} workers | {wall:.2f} | {wall / ours:.1f} |")
    print(f"\n- The cache is made once, in {build:.2f} s: {N_IMAGES / build:.0f} images/s.")
    print(f"- Data over one ResNet-34 step: {100 * ours / (N_IMAGES // BATCH) / step:.2f} % (under 3 %).")


if __name__ == "__main__":
    main()
