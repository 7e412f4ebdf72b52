"""Images whose names were made here, without knowing their suffix: found on disk whatever it is."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import ImageError, raise_all
from rafce.images import ImageFolder, folders_below
from rafce.imports.naming import DEFAULT_SUFFIX, PICTURE
from rafce.imports.repeats import HASH, hash_names
from rafce.imports.rows import ANY_SUFFIX
from rafce.imports.spool import Spool

IS_PICTURE = re.compile(PICTURE)


def with_suffixes_on_disk(spool: Spool, root: Path, path: Path) -> Spool:
    """A copy of the rows in which names that may have any suffix have that of their file below `root`.

    The same spool where no name may, or nothing is there. ImageError: two files differ in their suffix alone.
    """
    if not any(pc.any(batch.column(0)).as_py() for batch in spool.read([ANY_SUFFIX])):
        return spool
    found = _fullest(spool, [_OnDisk(folder) for folder in folders_below(root)])
    if found is None:
        return spool
    copy, faults = Spool(path, spool.schema), list[str]()
    copy.write(_renamed(batch, found, faults) for batch in spool.read())
    raise_all(faults, ImageError)
    spool.remove()
    return copy


class _OnDisk:
    """The images of a folder by their names without suffix; each folder in it is listed once, when a name asks."""

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder
        self._usual: dict[str, set[str]] = {}
        self._others: dict[str, dict[str, list[str]]] = {}

    def suffixes(self, image: str) -> list[str]:
        """The suffixes with which an image is there."""
        where, name = os.path.split(image)
        if where not in self._usual:
            self._list(where)
        stem = IS_PICTURE.sub("", name) + self.folder.suffix
        usual = [DEFAULT_SUFFIX] if stem in self._usual[where] else []
        return usual + self._others[where].get(stem, [])

    def _list(self, where: str) -> None:
        self._usual[where], self._others[where] = set(), {}
        folder = self.folder.root / where
        names = [entry.name for entry in os.scandir(folder) if not entry.is_dir()] if folder.is_dir() else []
        for stem, suffix in map(_split, sorted(names)):
            if suffix == DEFAULT_SUFFIX:
                self._usual[where].add(stem)
            elif IS_PICTURE.fullmatch(suffix):
                self._others[where].setdefault(stem, []).append(suffix)


def _split(name: str) -> tuple[str, str]:
    """A name without its suffix, and the suffix with its point."""
    stem, point, suffix = name.rpartition(".")
    return (stem, point + suffix) if point else (name, "")


def _fullest(spool: Spool, places: Sequence[_OnDisk]) -> _OnDisk | None:
    """Of the places the one that holds most images, the earlier on ties; none if none holds any."""
    n_found = [0] * len(places)
    for image, any_suffix in _images(spool):
        for i, place in enumerate(places):
            there = place.suffixes(image)
            n_found[i] += bool(there) if any_suffix else _split(image)[1] in there
    return places[n_found.index(max(n_found))] if any(n_found) else None


def _images(spool: Spool) -> Iterator[tuple[str, bool]]:
    for batch in spool.read(["image", ANY_SUFFIX]):
        columns = {name: batch.column(name).to_pylist() for name in ("image", ANY_SUFFIX)}
        yield from zip(columns["image"], columns[ANY_SUFFIX], strict=True)


def _renamed(batch: pa.RecordBatch, place: _OnDisk, faults: list[str]) -> pa.RecordBatch:
    names = batch.column("image").to_pylist()
    for row in pc.indices_nonzero(batch.column(ANY_SUFFIX)).to_pylist():
        stem, suffixes = IS_PICTURE.sub("", names[row]), place.suffixes(names[row])
        if len(suffixes) > 1:
            shown = " and ".join(place.folder.file_name(stem + suffix) for suffix in suffixes)
            faults.append(f"{place.folder.root}: expected one image called {stem}, found {shown}")
        elif suffixes:
            names[row] = stem + suffixes[0]
    image = pa.array(names, pa.string())
    columns = {"image": image, HASH: pa.array(hash_names(image))}
    return pa.record_batch(
        [columns.get(name, batch.column(name)) for name in batch.schema.names], batch.schema
    )
