"""`SHA256SUMS` of a run folder, in the format of `sha256sum -c`: whoever reads a file of a run checks it first.

It lists `config.toml` from the start, and all files that later commands read once the run is finished. `state.pt`
changes while a run trains and carries a digest of its own. A run of an older release has none.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rafce.atomic import write_bytes
from rafce.errors import RafceError, TrainingError, raise_all
from rafce.reading import read_file
from rafce_train.run_folder.schema import METRICS, SUMS

LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\]+)")


@dataclass(frozen=True)
class Sums:
    """The digests on record for a run folder; None where the folder has no `SHA256SUMS`."""

    folder: Path
    digests: dict[str, str] | None

    def read(self, name: str, error: type[RafceError] = TrainingError) -> bytes:
        """The content of a file, checked; `error` where it is absent, unlisted or not the one on record."""
        path = self.folder / name
        try:
            content = read_file(path)
        except FileNotFoundError:
            raise error(f"{self.folder}: expected a run folder with {name} in it, found none") from None
        except OSError as problem:
            raise error(f"{path}: cannot be read: {problem.strerror}") from None
        self.check(name, content, error)
        return content

    def check(self, name: str, content: bytes, error: type[RafceError] = TrainingError) -> None:
        """`error` unless the content of this name is the one on record; nothing is checked where there is no record."""
        if self.digests is None:
            return
        path = self.folder / name
        if name not in self.digests:
            raise error(f"{path}: expected a line about it in {SUMS}, found none")
        found = hashlib.sha256(content).hexdigest()
        if found != self.digests[name]:
            raise error(
                f"{path}: expected the file that {SUMS} lists, SHA-256 {self.digests[name]}, found {found}: "
                "it is damaged or was changed"
            )

    def has(self, name: str) -> bool:
        """Whether a file is on record, or there is no record to be on."""
        return self.digests is None or name in self.digests


def read_sums(folder: Path) -> Sums:
    """The digests on record; TrainingError when `SHA256SUMS` is there and is not of its format."""
    path = folder / SUMS
    try:
        text = read_file(path).decode("utf-8")
    except FileNotFoundError:
        return Sums(folder, None)
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: expected lines of sha256sum: {error}") from None
    lines = text.split("\n")
    matches = [LINE.fullmatch(line) for line in lines[:-1]]
    faults = [
        f"{path}:{number}: expected a SHA-256 and a file name as sha256sum writes them, found {line[:100]!r}"
        for number, (line, match) in enumerate(zip(lines, matches, strict=False), 1)
        if match is None
    ]
    names = [match[2] for match in matches if match]
    faults += [f"{path}: expected {name} once" for name in sorted(set(names)) if names.count(name) > 1]
    if lines[-1] or not names:
        faults.append(f"{path}: expected whole lines, found an end within one, or none")
    raise_all(faults, TrainingError)
    return Sums(folder, {match[2]: match[1] for match in matches if match})


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Put these files of a run folder on record; OutputError where that cannot be written."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)}
    text = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    write_bytes(folder / SUMS, text.encode())


def is_finished(folder: Path) -> bool:
    """Whether a run has looked at its test images and put on record what it found."""
    return (folder / METRICS).is_file() and read_sums(folder).has(METRICS)
