"""Each kind of file that the trainer writes and reads again, with what its readers take from it."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rafce.build import BuildOptions, build_dataset
from rafce_fixtures.labels import generate
from rafce_fixtures.release import write_release
from rafce_train.cache import cached_images
from rafce_train.checkpoint import load_options, load_state
from rafce_train.config import Config
from rafce_train.data import find_images, read_data
from rafce_train.export import export
from rafce_train.run import start
from rafce_train.run_folder.read import read_finished
from rafce_train.saved import open_model
from tests.damage.kinds import Kind

RUN_FILES = ("config.toml", "history.parquet", "metrics.json", "predictions.parquet", "SHA256SUMS")
CACHE_FILES = ("images.uint8", "files.parquet", "index.json")
SIDE = 32
N_IMAGES = 20
"""More than a block of the image cache."""
TINY: dict[str, Any] = {
    "method": "mtl",
    "backbone": "shufflenet_v2_x0_5",
    "image_size": SIDE,
    "batch_size": 8,
    "epochs": 1,
    "device": "cpu",
}


def run_kinds(root: Path) -> list[Kind]:
    """Every kind, of a run on look-alike labels and images of noise."""
    root.mkdir(parents=True, exist_ok=True)
    dataset = _dataset(root / "release")
    start(Config(dataset=str(dataset), **TINY), root / "finished", _Silent())
    return kinds_of(root / "finished", find_images(read_data(dataset)), root)


def kinds_of(run: Path, images: Sequence[Path], root: Path) -> list[Kind]:
    """Every kind, with copies of a finished run, files exported from it and a cache of images below `root`."""
    for name in ("run", "to-resume"):
        shutil.copytree(run, root / name)
    kinds = [Kind(f"run, {file}", root / "run", file, _finished) for file in RUN_FILES]
    kinds.append(Kind("run, weights.safetensors", root / "run", "weights.safetensors", _answers))
    kinds.append(Kind("resume, config.toml", root / "to-resume", "config.toml", load_options))
    kinds.append(Kind("resume, state.pt", root / "to-resume", "state.pt", _state))
    for kind in ("safetensors", "onnx"):
        folder, file = root / kind, f"model.{kind}"
        folder.mkdir()
        export(run, kind, folder / file)
        kinds.append(Kind(f"exported, {kind}", folder, file, _answers_of(file)))
    return kinds + _cache_kinds(images[:N_IMAGES], root / "cache")


def _finished(run: Path) -> Any:
    found = read_finished(run)
    return found.config, found.metrics, repr(found.history.to_pydict()), repr(found.predictions.to_pydict())


def _state(run: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(load_state(run), buffer)
    return hashlib.sha256(buffer.getvalue()).digest()


def _answers(path: Path) -> Any:
    """What a network says of two images, and all that it says of itself."""
    model = open_model(path, "cpu")
    side = model.facts.preprocessing.image_size
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return model.facts, [probabilities.tobytes() for probabilities in model.look(images)]


def _answers_of(file: str) -> Callable[[Path], Any]:
    return lambda folder: _answers(folder / file)


def _cache_kinds(images: Sequence[Path], folder: Path) -> list[Kind]:
    """Read in a copy: a reader that finds damage removes the entry, and makes it anew."""

    def read(entry: Path) -> Any:
        with tempfile.TemporaryDirectory() as place:
            shutil.copytree(entry, Path(place) / entry.name)
            return _pixels(images, Path(place))

    _pixels(images, folder)
    (entry,) = folder.glob("*px-*")
    return [Kind(f"image cache, {file}", entry, file, read) for file in CACHE_FILES]


def _pixels(images: Sequence[Path], folder: Path) -> bytes:
    cache = cached_images(images, SIDE, folder, "error", lambda done, total: None)
    cache.check(np.arange(len(images)))
    return cache.images_NHW3.numpy().tobytes()


def _dataset(root: Path) -> Path:
    release = generate(60, seed=0)
    write_release(release, root)
    random = np.random.default_rng(0)
    aligned = root / "RAF-AU" / "aligned"
    aligned.mkdir()
    for row in release.raf_au:
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(aligned / row.image.replace(".jpg", "_aligned.jpg"))
    build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=root / "data"))
    return root / "data"


class _Silent:
    """A screen that shows nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None
