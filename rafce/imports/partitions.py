"""Partitions that tables have: which column says them, what its values mean, and a validation part where none is."""

import re
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import ConfigError, DatasetError, LabelError, raise_all
from rafce.imports.files import BLOCK_BYTES, TableFile, is_text, read_blocks
from rafce.imports.options import DEFAULT_SPLIT, ImportOptions
from rafce.imports.source import listed
from rafce.imports.spellings import word_key
from rafce.imports.values import names
from rafce.schema import PARTITIONS
from rafce.split import grouped_split, stratified_split

# N rows, G groups
IntArray = npt.NDArray[np.int64]
ObjectArray = npt.NDArray[np.object_]

PARTITION = "partition"
TRAIN, VALIDATION, TEST = PARTITIONS
WORDS = {
    TRAIN: re.compile(r"train|training|tr|trn"),
    VALIDATION: re.compile(
        r"validation|validate|validating|valid|val|va|vl|dev|devel|development|publictest"
    ),
    TEST: re.compile(r"test|testing|te|tst|ts|privatetest"),
}
"""Usual words by `word_key`; PublicTest and PrivateTest are FER2013's (Goodfellow et al. 2013)."""
AFTER_WORD = re.compile(r"(set|split|subset|partition|part|data|fold|images)$")
NAMES = re.compile(
    r"(data|dataset|image|sample|subject|participant|group|video|k|cv|outer|inner|official|random|train|test|val|valid"
    r"|validation|dev|or|my)*(partition|usage|split|subset|fold)s?(id|name|type|label|number|index|idx|no|nr|\d)*"
    r"|(which)?sets?(id|name|type|label)?|(is|in)?(train|training|test|testing|holdout|heldout)(set)?"
    r"|(is|in)(val|validation|dev)(set)?|(holdout|heldout|validation)set"
    r"|(train|test|val|valid|validation|dev){2,}(set)?"
)
"""Columns that may say the partition of each row, by `word_key`."""
SHARES = (0.75, 0.25)  # of train and validation together, as in 60/20/20
IN_NAMES = {
    TRAIN: r"(?i)(^|[/\\_-])train(ing)?(_?set)?[/\\_-]",
    TEST: r"(?i)(^|[/\\_-])(private)?test(ing)?(_?set)?[/\\_-]",
}
OTHER_VALUES = "(--partition-values train=NAME,… says what other values mean)"
MOST_COLUMNS = 2000  # of a wider table only the names of columns are looked at
MOST_VALUES, FEW_VALUES = 20, 5
LONG_WORD = 4
MOST_LETTERS = 60


class Carved(NamedTuple):
    """The partition of each row, and how many of train became validation, where that had none."""

    partition_N: ObjectArray
    n_carved: int


# --- which column ---


def own_partition(file: TableFile, options: ImportOptions) -> str | None:
    """The column of a file that is taken for the partition, None where it has none or --split draws it."""
    return None if options.split is not None else file.find(options.partition_column or PARTITION)


def check_partition_columns(
    tables: Sequence[TableFile], beside: TableFile | None, options: ImportOptions
) -> str:
    """What to say of columns that look like partitions and are not used because of --split; "" if there are none.

    LabelError: no file has the column of --partition-column, or a file has a column that looks like partitions and no
    option says what it is, be it beside a column `partition`. `beside` is the emotions file.
    """
    files = [*tables, *([] if beside is None else [beside])]
    if used := {own for file in files if (own := own_partition(file, options))}:
        return _check_others(files, used, options, (tables[0], beside))
    if options.partition_column is not None:
        raise LabelError(
            f"{tables[0].path}: expected a column {options.partition_column} (--partition-column), "
            f"found {listed(tables[0].columns)}"
        )
    # the tables of a folder are alike, so that the values of one will do
    found = {file.path: _alike(file, options, file in (tables[0], beside)) for file in files}
    if options.split is not None:
        names = sorted({name for names in found.values() for name in names})
        return f"Not used, since --split draws the partitions: column {', '.join(names)}." if names else ""
    _check_file_names(tables)
    _refuse(found)
    if options.partition_values is not None:
        raise ConfigError(
            "--partition-values: expected --partition-column NAME too, found no column of partitions"
        )
    return ""


def _check_others(
    files: Sequence[TableFile],
    used: Collection[str],
    options: ImportOptions,
    looked_into: Collection[TableFile | None],
) -> str:
    """What to say of columns beside the one that --partition-column names; LabelError: it names none."""
    found = {
        file.path: [name for name in _alike(file, options, file in looked_into) if name not in used]
        for file in files
    }
    names = sorted({name for others in found.values() for name in others})
    if names and options.partition_column is not None:
        return f"Not used, since --partition-column names another: column {', '.join(names)}."
    raise_all(
        [
            f"{path}: expected --partition-column to name the column to use, found {name} beside {PARTITION}: "
            "both may say the partition of each row"
            for path, others in found.items()
            for name in others
        ]
    )
    return ""


def _refuse(found: Mapping[Path, Sequence[str]]) -> None:
    """LabelError for each of these columns."""
    raise_all(
        [
            f"{path}: expected --partition-column {name} to use it, or --split {DEFAULT_SPLIT} to draw partitions "
            f"without it, found a column {name} that may say the partition of each row"
            for path, names in found.items()
            for name in names
        ]
    )


def _check_file_names(tables: Sequence[TableFile]) -> None:
    """LabelError for tables, or folders of tables, that are called train, test or alike."""
    for paths in ([table.path for table in tables], [table.path.absolute().parent for table in tables]):
        found = {usual_partition(path.stem): path for path in reversed(paths)}
        if len(found) > 1 and None not in found:
            raise LabelError(
                f"{', '.join(map(str, found.values()))}: expected a column of partitions in each table "
                f"(--partition-column NAME), or --split {DEFAULT_SPLIT} to draw partitions over all of them, "
                "found files that are called as partitions"
            )


def _alike(file: TableFile, options: ImportOptions, look_inside: bool) -> list[str]:
    """The columns that look like partitions, by name or by their first values, and that no option takes for more."""
    coded = [text.rpartition("=")[0] or text for text in (options.au_columns or "").split(",")]
    chosen = [options.emotion_column, options.image_column, options.group_column, *coded, "emotion", "image"]
    taken = {name.strip().casefold() for name in chosen if name is not None}
    rest = [name for name in file.columns if name and name.casefold() not in taken]
    named = [name for name in rest if _is_telling(name)]
    others = [name for name in rest if not _is_telling(name)]
    if not look_inside or len(others) > MOST_COLUMNS:
        return named
    return [*named, *_by_values(file, others)]


@lru_cache(1 << 16)
def _is_telling(name: str) -> bool:
    return NAMES.fullmatch(word_key(name)) is not None


def _by_values(file: TableFile, names: Sequence[str]) -> list[str]:
    """Of these columns those whose first values are all usual words for partitions."""
    try:
        block = next(read_blocks(file, names, []), None) if names and _starts_well(file) else None
    except LabelError:
        block = None  # what is wrong with the file is said when it is read
    if block is None:
        return []
    return [name for name in names if is_text(block.columns[name].type) and _are_words(block.columns[name])]


def _starts_well(file: TableFile) -> bool:
    """Whether the beginning of a file is text, as far as one block is read and another one ahead."""
    if file.is_parquet:
        return True
    with file.path.open("rb") as stream:
        start = stream.read(2 * BLOCK_BYTES)
    try:
        getincrementaldecoder("utf-8")().decode(start, final=len(start) < 2 * BLOCK_BYTES)
    except UnicodeDecodeError:
        return False
    return b"\0" not in start


def _are_words(column: pa.Array) -> bool:
    """Whether all values are usual words, or few values have a long word for train among them: train, holdout."""
    values = [value for value in names(column).unique().to_pylist() if value is not None]
    if not 0 < len(values) <= MOST_VALUES:
        return False
    long = {usual_partition(value) for value in values if len(value) >= LONG_WORD}
    found = {usual_partition(value) for value in values}
    all_usual = None not in found and bool(long) and (len(found) > 1 or TRAIN in found)
    return all_usual or (TRAIN in long and len(values) <= FEW_VALUES)


# --- what its values mean ---


def usual_partition(text: str) -> str | None:
    """The partition that a usual word stands for, such as Training, val or Test_Set; None for any other text."""
    key = word_key(text)
    bare = AFTER_WORD.sub("", key)
    return next(
        (name for name, words in WORDS.items() if words.fullmatch(key) or words.fullmatch(bare)), None
    )


class PartitionValues:
    """What the values of a column mean, those of --partition-values before the usual words; counts what it read."""

    def __init__(self, options: ImportOptions) -> None:
        self._given = parse_partition_values(options.partition_values)
        self.read_as: Counter[tuple[str, str]] = Counter()

    def index(self, text: pa.Array, is_counted: bool = True) -> pa.Array:
        """The number of the partition of each text, null where none is known."""
        encoded = text.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        meant = {value: self._given.get(word_key(value)) or usual_partition(value) for value in values}
        if is_counted:
            for entry in text.drop_null().value_counts().to_pylist():
                self.read_as[entry["values"], meant[entry["values"]] or ""] += entry["counts"]
        numbers = [None if name is None else PARTITIONS.index(name) for name in meant.values()]
        return pa.array(numbers, pa.int8()).take(encoded.indices)


def parse_partition_values(text: str | None) -> Mapping[str, str]:
    """The partition of each value by its key; ConfigError: no pairs, another partition, a value with two."""
    given: dict[str, str] = {}
    for pair in [] if text is None else text.split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if name not in PARTITIONS or not (equals and value):
            raise ConfigError(
                "--partition-values: expected pairs such as train=Training,validation=PublicTest,test=PrivateTest "
                f"of {', '.join(PARTITIONS)} and a value of the column, found {pair!r}"
            )
        if given.setdefault(word_key(value), name) != name:
            raise ConfigError(f"--partition-values: expected one partition for {value}, found {name} too")
    return given


class NamesLikePartitions:
    """Finds images whose names say train and test, as RAF-DB's do: train_00001.jpg, test_0001.jpg."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def look(self, name: pa.Array) -> None:
        """Look at the names or paths of a block."""
        for part, pattern in IN_NAMES.items():
            if part not in self._found:
                row = pc.index(pc.match_substring_regex(name, pattern), True).as_py()
                self._found |= {part: name[row].as_py()} if row >= 0 else {}

    @property
    def note(self) -> str:
        """What to say where partitions are drawn over such images; "" where there are none."""
        if len(self._found) < len(IN_NAMES):
            return ""
        shown = " and ".join(self._found[part][-MOST_LETTERS:] for part in IN_NAMES)
        return (
            f"Partitions are drawn, although names of images may say them ({shown}): see --partition-column."
        )


# --- a part that is not there ---


def with_validation(
    partition_N: ObjectArray, emotion_N: IntArray, group_N: IntArray | None, seed: int
) -> Carved:
    """Partitions in which validation is taken from train where no row has it, as `SHARES` say.

    Emotions are divided alike, groups stay whole. Nothing is taken where train has fewer than two groups.
    """
    train_N = np.flatnonzero(partition_N == TRAIN)
    if (partition_N == VALIDATION).any() or not len(train_N):
        return Carved(partition_N, 0)
    names = (TRAIN, VALIDATION)
    if group_N is None:
        parted_N = stratified_split(emotion_N[train_N], SHARES, seed, names)
    elif len(np.unique(group_N[train_N])) < len(names):
        return Carved(partition_N, 0)
    else:
        parted_N = grouped_split(emotion_N[train_N], group_N[train_N], SHARES, seed, names)
    carved_N = partition_N.copy()
    carved_N[train_N] = parted_N
    return Carved(carved_N, int((parted_N == VALIDATION).sum()))


def check_whole_groups(partition_N: ObjectArray, group_N: IntArray, names: Sequence[str]) -> None:
    """DatasetError for groups of which rows lie in two partitions."""
    places = {name: np.unique(group_N[partition_N == name]) for name in PARTITIONS}
    n_places_G = np.bincount(np.concatenate(list(places.values())), minlength=len(names))
    raise_all(
        [
            f"samples: group {names[group]}: expected in one partition, found in "
            f"{' and '.join(name for name, of_name in places.items() if group in of_name)}"
            for group in np.flatnonzero(n_places_G > 1).tolist()
        ],
        DatasetError,
    )
