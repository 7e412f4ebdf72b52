"""Where the images lie and what they are called on disk: NNNN.jpg or NNNN_aligned.jpg, found by name, never opened."""

import os
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from rafce.errors import MAX_FAULTS, ImageError, raise_all

SUFFIXES = ("_aligned", "")
BESIDE_LABELS = ("aligned/aligned", "aligned")  # some archives unzip to a nested folder
BESIDE_LABELS_ML = tuple(f"{parent}/{sub}" for parent in ("Image", "../Image") for sub in BESIDE_LABELS)


class ImageFolder(NamedTuple):
    """A folder of images and what stands between a label's name and its extension there; names may have folders."""

    root: Path
    suffix: str

    def file_name(self, image: str) -> str:
        """The name on disk of an image of the label file: 0001.jpg is 0001_aligned.jpg in an aligned folder."""
        name = PurePosixPath(image)
        return str(name.with_name(f"{name.stem}{self.suffix}{name.suffix}"))

    def path_of(self, image: str) -> Path:
        """Where an image should lie; ImageError for a name that leads out of the folder."""
        check_inside(self.root, [self.file_name(image)])
        return self.root / self.file_name(image)


def find_beside(label_file: Path, names: Iterable[str]) -> ImageFolder | None:
    """The aligned folder beside a label file, if there is one."""
    places = [label_file.parent / relative for relative in (*BESIDE_LABELS, *BESIDE_LABELS_ML)]
    return _best(_spelled(places), names)


def find_in(root: Path, names: Iterable[str]) -> ImageFolder:
    """The images of a folder that the user names: in it, or in its aligned (or nested) folder; ImageError if absent."""
    folder = _best(folders_below(root), names)
    if folder is None:
        raise ImageError(f"{root}: expected a folder of images, found none")
    return folder


def folders_below(root: Path) -> list[ImageFolder]:
    """Where images may lie in a folder that the user names, each place with both spellings."""
    return _spelled([root, *(root / relative for relative in BESIDE_LABELS)])


def _spelled(candidates: Iterable[Path]) -> list[ImageFolder]:
    roots = [root.resolve() for root in candidates if root.is_dir()]
    return [ImageFolder(root, suffix) for root in roots for suffix in SUFFIXES]


def _best(folders: Sequence[ImageFolder], names: Iterable[str]) -> ImageFolder | None:
    """The folder and spelling that holds most of the images, the earlier on ties; plain names if none does."""
    present = {folder.root: Present(folder.root) for folder in folders}
    n_found = [0] * len(folders)
    for name in names:  # once: there may be more names than fit into memory
        for i, folder in enumerate(folders):
            n_found[i] += folder.file_name(name) in present[folder.root]
    if folders and not any(n_found):
        return folders[0]._replace(suffix="")
    return folders[n_found.index(max(n_found))] if folders else None


class Present:
    """The files below a folder by name; each folder is listed once, when a name asks for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[str, set[str]] = {}

    def __contains__(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder not in self._listed:
            self._listed[folder] = _listing(self.root / folder)
        return file in self._listed[folder]


def _listing(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def check_inside(root: Path, files: Iterable[str]) -> None:
    """ImageError names the files that do not lie in the folder: absolute, with `..`, or through a link that leaves it.

    Each folder is listed once, when a name asks for it.
    """
    home, links, faults = os.path.realpath(root), dict[str, set[str]](), list[str]()
    for file in files:
        check_name(root, file)
        folder, _, name = file.rpartition("/")
        if folder not in links:
            links[folder] = _links_out(root / folder, home)
        if name in links[folder] or OUT in links[folder]:
            faults.append(
                f"{root / file}: expected an image in {root}, found a link that leads out of it "
                "(--images names the folder itself)"
            )
    raise_all(faults, ImageError)


def check_name(root: Path, file: str) -> None:
    """ImageError for a name that could lead out of the folder of the images."""
    if _may_leave(file):
        raise ImageError(f"{file!r}: expected the name of an image in {root}, found one that leads out of it")


def _may_leave(file: str) -> bool:
    """Whether a name could lead out of the folder that it is looked for in, on this system or another."""
    if not any(odd in file for odd in ("..", ":", "\\", "\0")):  # to take apart a million names takes long
        return file.startswith("/") or not file
    there = PureWindowsPath(file)  # knows both kinds of slash
    return bool(there.root) or there.drive[:1].isalpha() or ".." in there.parts or "\0" in file


OUT = "/"
"""No file is called so: it stands for all files of a folder that is reached through a link that leads out."""


def _links_out(folder: Path, home: str) -> set[str]:
    """The names in a folder that are links to elsewhere than below `home`."""
    if not _is_below(os.path.realpath(folder), home):
        return {OUT}
    try:
        with os.scandir(folder) as entries:
            links = [entry.name for entry in entries if entry.is_symlink()]
    except OSError:
        return set()
    return {name for name in links if not _is_below(os.path.realpath(folder / name), home)}


def _is_below(path: str, home: str) -> bool:
    return path == home or path.startswith(home.rstrip(os.sep) + os.sep)


def missing_images(folder: ImageFolder, names: Iterable[str]) -> list[str]:
    """The label names whose image is not in the folder, in their order."""
    present = Present(folder.root)
    return [name for name in names if folder.file_name(name) not in present]


def require_images(folder: ImageFolder, missing: list[str], n_wanted: int, hint: str = "") -> None:
    """ImageError with the count and the first names when any image is missing, and what is there in their place."""
    if not missing:
        return
    files = [folder.file_name(name) for name in missing[:MAX_FAULTS]]
    more = f" … and {len(missing) - MAX_FAULTS} more" if len(missing) > MAX_FAULTS else ""
    raise ImageError(
        f"{folder.root}: expected {n_wanted} images, {len(missing)} of them are missing: {', '.join(files)}{more}\n"
        + _found_instead(folder.root, files)
        + (f"{hint}\n" if hint else "")
        + "(--allow-missing-images builds without them and lists them in the manifest)"
    )


def _found_instead(root: Path, files: Sequence[str]) -> str:
    """The files whose names differ from missing ones in suffix, capitals or `_aligned` alone, a line, or nothing."""
    similar: dict[str, list[str]] = {}
    folders = dict.fromkeys(name.rpartition("/")[0] for name in files)
    for where, place in product(folders, ("", *(f"{sub}/" for sub in BESIDE_LABELS))):
        for name in sorted(_listing(root / place / where)):
            path = f"{where}/{name}" if where else name
            similar.setdefault(_without_spelling(path), []).append(f"{place}{path}")
    found = [path for name in files for path in similar.get(_without_spelling(name), ())]
    return f"(found {', '.join(found[:MAX_FAULTS])}: names must agree to the letter)\n" if found else ""


def _without_spelling(name: str) -> str:
    """A name without its suffix if it has one, without `_aligned`, in small letters."""
    stem, point, _ = name.rpartition(".")
    return (stem if point else name).casefold().removesuffix(SUFFIXES[0])
