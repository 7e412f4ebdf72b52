"""What images and videos are called: by their paths in a table, or after a video and the number of a frame."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from rafce.imports.options import ImportOptions

PICTURES = "jpe?g|jpe|jfif|png|bmp|dib|tiff?|webp|gif|p[gbpn]m|jp2|avif|heic"
VIDEOS = "mp4|m4v|avi|mov|mkv|webm|wmv|mpe?g|mts|m2ts|flv|3gp|ogv"
PICTURE = rf"(?i)\.({PICTURES})$"
FILE_SUFFIX = rf"(?i)\.({PICTURES}|{VIDEOS})$"
NOT_BELOW = r"^$|^/|^[A-Za-z]:|/$|(^|/)\.\.?(/|$)"
ROOT = r"^([A-Za-z]:)?[/\\]+"
DEFAULT_SUFFIX = ".jpg"
FRAME_DIGITS = 6


@dataclass(frozen=True)
class Naming:
    """How paths become names: their last part alone, or with folders where these are kept.

    An absolute path below one of `roots` (the folder of --images, as it is written and where its links lead) becomes
    relative to it. With `by_stem` images join by their names without suffix and folders: a table stands for each image.
    """

    keep_folders: bool = False
    roots: tuple[str, ...] = ()
    by_stem: bool = False

    @classmethod
    def of(cls, options: ImportOptions) -> "Naming":
        """What the options ask for."""
        folder = options.images
        roots = () if folder is None else (os.path.normpath(folder.absolute()), os.path.realpath(folder))
        return cls(options.keep_folders, tuple(dict.fromkeys(roots)))

    @property
    def expected(self) -> str:
        """What `fits` a name, in words."""
        if self.keep_folders:
            absolute = f"; absolute: below {self.roots[0]}" if self.roots else ""
            return f"the path of an image below a folder (--keep-folders{absolute})"
        return "the name of an image"

    def images(self, path: pa.Array) -> pa.Array:
        """The names of images by their paths; one that is not `fits` is no name.

        An image called by a number is not 1.0, which is how pandas writes a column of numbers with a gap, but 1.
        """
        path = pc.replace_substring_regex(path, r"(^|[/\\])([0-9]+)\.0+$", r"\1\2")
        kept = pc.replace_substring_regex(pc.replace_substring_regex(path, r"[/\\]+", "/"), r"^(\./)+", "")
        if not self.keep_folders:
            kept = pc.replace_substring_regex(kept, r"^.*/", "")
        is_absolute = pc.starts_with(path, "/") if self.roots else None
        if is_absolute is None or not pc.any(is_absolute).as_py():
            return kept
        below = _by_folder(path, self._below)
        return pc.if_else(pc.and_(is_absolute, below.is_valid()), below, kept)

    def fits(self, image: pa.Array) -> pa.Array:
        """Whether each is the name of an image: of a file below a folder, never of one above it."""
        return pc.invert(pc.match_substring_regex(image, NOT_BELOW))

    def videos(self, path: pa.Array) -> pa.Array:
        """The names of videos: those of images without suffix; a path that is absolute loses its root."""
        named = pc.replace_substring_regex(self.images(path), FILE_SUFFIX, "")
        return pc.replace_substring_regex(named, ROOT, "")

    def stems(self, path: pa.Array) -> pa.Array:
        """The last part of each path without the suffix of an image."""
        return pc.replace_substring_regex(pc.replace_substring_regex(path, r"^.*[/\\]", ""), PICTURE, "")

    def _below(self, folder: str) -> str | None:
        """An absolute folder as it lies below a root: "" or "s1/"; None if it does not."""
        plain = os.path.normpath("/" + folder.lstrip("/")) if ".." not in folder.split("/") else None
        for path in filter(None, (plain, os.path.realpath(folder))):
            for root in self.roots:
                if path == root:
                    return ""
                if path.startswith(root.rstrip("/") + "/"):
                    return path[len(root.rstrip("/")) + 1 :] + "/"
        return None


def is_picture(name: pa.Array) -> pa.Array:
    """Whether each name has the suffix of an image."""
    return pc.match_substring_regex(name, PICTURE)


def has_folders(path: pa.Array) -> bool:
    """Whether any path is more than a name."""
    return bool(pc.any(pc.match_substring_regex(path, r"[/\\]")).as_py())


def frame_images(video: pa.Array, frame: pa.Array) -> pa.Array:
    """<video>_<frame, six digits>.jpg of each row."""
    number = pc.utf8_lpad(frame.cast(pa.string()), FRAME_DIGITS, "0")
    return pc.binary_join_element_wise(video, "_", number, DEFAULT_SUFFIX, "")


def with_suffix(name: pa.Array) -> pa.Array:
    """Each name, with .jpg where it has no suffix of an image."""
    return pc.if_else(is_picture(name), name, pc.binary_join_element_wise(name, DEFAULT_SUFFIX, ""))


def _by_folder(path: pa.Array, relative: Callable[[str], str | None]) -> pa.Array:
    """Each path with its folder replaced, null where there is none; a folder is looked at once."""
    folder = pc.replace_substring_regex(path, r"[^/]*$", "").dictionary_encode()
    replaced = [relative(text) if text.startswith("/") else None for text in folder.dictionary.to_pylist()]
    of_row = pa.array(replaced, pa.string()).take(folder.indices)
    return pc.binary_join_element_wise(of_row, pc.replace_substring_regex(path, r"^.*/", ""), "")
