"""Damage every kind of file that the trainer wrote and reads again: it is refused, or gives the same numbers.

    python tests/bench/damage_runs.py RUN IMAGE… --times 2000

RUN is a finished run, which is copied; the images fill a cache. Exit code 1 when a damaged file gave other numbers, or
an error that is not one of the program's own. `KINDS` and `damaged` are there for other scripts.
"""

import argparse
import hashlib
import io
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from rafce.errors import RafceError
from rafce_train.cache import cached_images
from rafce_train.checkpoint import load_options, load_state
from rafce_train.export import export
from rafce_train.run_folder.read import read_finished
from rafce_train.saved import open_model

REFUSED, SAME, WRONG, CRASHED = "refused", "the same numbers", "OTHER NUMBERS", "CRASHED"


class Kind(NamedTuple):
    """A kind of file: where it lies, all that its readers take from it, and what to put back after a damage."""

    file: Path
    numbers: Callable[[], object]
    restore: Callable[[], None]


def kinds(run: Path, images: Sequence[Path], place: Path) -> dict[str, Kind]:
    """Every kind, with files of its own below `place`."""
    copy = place / "run"
    shutil.copytree(run, copy)
    names = ("config.toml", "history.parquet", "metrics.json", "predictions.parquet", "SHA256SUMS")
    found = {name: _kind(copy / name, lambda: _finished(copy)) for name in names}
    found["config.toml (to resume)"] = _kind(copy / "config.toml", lambda: load_options(copy))
    found["state.pt"] = _kind(copy / "state.pt", lambda: _saved(load_state(copy)))
    found["weights.safetensors"] = _kind(copy / "weights.safetensors", lambda: _answers(copy))
    for kind, suffix in (("safetensors", "safetensors"), ("onnx", "onnx")):
        path = place / f"model.{suffix}"
        export(run, kind, path)
        found[f"exported .{suffix}"] = _kind(path, lambda path=path: _answers(path))  # type: ignore[misc]
    return found | _cache_kinds(images, place / "cache")


def _kind(path: Path, numbers: Callable[[], object]) -> Kind:
    content = path.read_bytes()
    return Kind(path, numbers, lambda: [path.write_bytes(content)].clear())


def _finished(run: Path) -> object:
    found = read_finished(run)
    return found.config, found.metrics, repr(found.history.to_pydict()), repr(found.predictions.to_pydict())


def _saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return hashlib.sha256(buffer.getvalue()).digest()


def _answers(path: Path) -> object:
    """What a network says of two images, and all that it says of itself."""
    model = open_model(path, "cpu")
    side = model.facts.preprocessing.image_size
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return model.facts, [probabilities.tobytes() for probabilities in model.look(images)]


def _cache_kinds(images: Sequence[Path], folder: Path) -> dict[str, Kind]:
    def numbers() -> bytes:
        cache = cached_images(images, 32, folder, "error", lambda done, total: None)
        cache.check(np.arange(len(images)))
        return cache.images_NHW3.numpy().tobytes()

    numbers()
    (entry,) = folder.glob("*px-*")
    whole = folder.with_name("whole")
    shutil.copytree(entry, whole)

    def restore() -> None:
        shutil.rmtree(entry, ignore_errors=True)
        shutil.copytree(whole, entry)

    names = ("images.uint8", "files.parquet", "index.json")
    return {f"image cache: {name}": Kind(entry / name, numbers, restore) for name in names}


def damaged(content: memoryview, draw: np.random.Generator) -> bytes:
    """A copy with one random damage: flipped, overwritten, lost, doubled or added bytes."""
    start = int(draw.integers(len(content)))
    stop = min(len(content), start + int(draw.integers(1, 64)))
    some = draw.bytes(stop - start)
    flipped = bytes([content[start] ^ 1 << int(draw.integers(8))])
    parts = (
        (content[:start], flipped, content[start + 1 :]),
        (content[:start], some, content[stop:]),
        (content[:start], bytes(stop - start), content[stop:]),
        (content[:start],),
        (content[:start], content[stop:]),
        (content[:stop], content[start:]),
        (content, some),
    )
    return b"".join(parts[int(draw.choice(len(parts), p=(0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05)))])


def outcomes(kind: Kind, times: int, seed: int = 0) -> Iterator[str]:
    """What comes of each of so many damages; the file is whole again after each."""
    draw, content, expected = np.random.default_rng(seed), kind.file.read_bytes(), kind.numbers()
    for _ in range(times):
        kind.file.write_bytes(damaged(memoryview(content), draw))
        try:
            yield SAME if kind.numbers() == expected else WRONG
        except RafceError:
            yield REFUSED
        except Exception as error:
            yield f"{CRASHED}: {type(error).__name__}: {str(error)[:100]}"
        finally:
            kind.restore()


def main() -> int:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--times", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    is_bad = False
    print("| file | damages | refused | the same numbers | other numbers or a crash |\n|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as place:
        for name, kind in kinds(arguments.run, arguments.images, Path(place)).items():
            found = Counter(outcomes(kind, arguments.times))
            bad = arguments.times - found[REFUSED] - found[SAME]
            print(f"| {name} | {arguments.times} | {found[REFUSED]} | {found[SAME]} | {bad} |", flush=True)
            if bad:
                print(
                    {text: times for text, times in found.items() if text not in (REFUSED, SAME)},
                    file=sys.stderr,
                )
            is_bad = is_bad or bad > 0
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main())
