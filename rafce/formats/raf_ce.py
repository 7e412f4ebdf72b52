"""The official RAF-CE release: class, AUs and partition of each image (Li et al. 2023, section 3.1)."""

from pathlib import Path
from typing import NamedTuple

from rafce.errors import LabelError, raise_all
from rafce.formats.lines import ReadBytes, read_rows, split_fields
from rafce.formats.raf_au import AuRow, read_raf_au
from rafce.reading import read_file
from rafce.taxonomy import COMPOUND_EMOTIONS

EMOTION_FILE = "RAFCE_emolabel.txt"
AU_FILE = "RAFCE_AUlabel.txt"
PARTITION_FILE = "RAFCE_partition.txt"
PARTITION_CODES = ("train", "test", "validation")  # 0, 1 and 2: test comes before validation


class CodeRow(NamedTuple):
    """An image and an integer code: its class 0–13 or its partition 0–2."""

    image: str
    code: int


class OfficialRow(NamedTuple):
    """What RAF-CE says of an image: emotion id, partition name and AU label."""

    image: str
    emotion_id: int
    partition: str
    au: AuRow


def read_raf_ce(folder: Path, read: ReadBytes = read_file) -> list[OfficialRow]:
    """The three files of a RAF-CE folder joined by image name, in the order of the emotion file.

    LabelError lists bad lines, and images that not all three files name.
    """
    if not folder.is_dir():
        raise LabelError(f"{folder}: expected the RAF-CE folder with {EMOTION_FILE} in it, found none")
    emotions = read_rows(folder / EMOTION_FILE, parse_emotion, read)
    aus = {row.image: row for row in read_raf_au(folder / AU_FILE, read)}
    partitions = {row.image: row.code for row in read_rows(folder / PARTITION_FILE, parse_partition, read)}
    names = {row.image for row in emotions}
    _check_same_images(folder, {EMOTION_FILE: names, AU_FILE: set(aus), PARTITION_FILE: set(partitions)})
    return [
        OfficialRow(image, code, PARTITION_CODES[partitions[image]], aus[image]) for image, code in emotions
    ]


def parse_emotion(line: str) -> CodeRow:
    """One line of RAFCE_emolabel.txt."""
    return _parse_code(line, len(COMPOUND_EMOTIONS), "a class")


def parse_partition(line: str) -> CodeRow:
    """One line of RAFCE_partition.txt: 0 train, 1 test, 2 validation."""
    return _parse_code(line, len(PARTITION_CODES), "a partition")


def _parse_code(line: str, n_codes: int, what: str) -> CodeRow:
    image, field = split_fields(line, 2, f"an image name and {what} from 0 to {n_codes - 1}")
    if not (field.isascii() and field.isdigit() and len(field) <= 3 and int(field) < n_codes):
        raise LabelError(f"expected {what} from 0 to {n_codes - 1}, found {field!r}")
    return CodeRow(image, int(field))


def _check_same_images(folder: Path, names_by_file: dict[str, set[str]]) -> None:
    everywhere = set.union(*names_by_file.values())
    raise_all(
        [
            f"{folder / file}: expected {image} as in {_having(image, names_by_file)}, found no line for it"
            for file, names in names_by_file.items()
            for image in sorted(everywhere - names)
        ]
    )


def _having(image: str, names_by_file: dict[str, set[str]]) -> str:
    """The files that name an image."""
    return " and ".join(file for file, names in names_by_file.items() if image in names)
