"""Samples whose columns contradict each other: `emotion` and the AU columns count, the rest follows from them."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.formats.raf_au import NULL, TOKEN
from rafce.planes import BoolArray, ByteArray, bool_planes, mask_of, numbers, packed, valid
from rafce.schema import MAX_MASK_AUS, PARTITIONS, SOURCES, Vocabulary, au_column
from rafce.taxonomy import BASIC_EMOTIONS

# N rows, A action units, Q bytes that hold A bits, D different texts, P probabilities
FloatArray = npt.NDArray[np.floating[Any]]
Fault = tuple[int, str]  # row, and what is wrong with it

IMAGE, RAW = "image", "au_raw"
MASKS = ("au_mask", "au_known")
PROBABILITIES = tuple(f"p_{name}" for name in BASIC_EMOTIONS)
SUM_TOLERANCE = 1e-3  # six decimals times six columns, once more rounded to float32, are off by far less
CHECKED = (IMAGE, "emotion", "emotion_id", "emotion_source", *MASKS, RAW, "tied", *PROBABILITIES)
"""What is read beside partition and AUs to check a row."""


def is_sound(table: pa.Table, words: Vocabulary) -> bool:
    """Whether emotion ids and masks of samples may be counted in place of emotions and AU columns."""
    names = table.column_names
    some_unknown = any(table[name].null_count for name in map(au_column, words.aus) if name in names)
    if some_unknown and "au_mask" in names and "au_known" not in names:
        return False
    return not any(row_faults(batch, words, str) for batch in table.to_batches(max_chunksize=1 << 17))


def row_faults(
    batch: pa.RecordBatch,
    words: Vocabulary,
    place: Callable[[int], str],
    partitions: Sequence[str] = PARTITIONS,
) -> list[str]:
    """A line for each row and column that contradicts the row's emotion or AUs, or is out of range, in order of rows.

    Columns that are missing say nothing.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    checks = (_name_faults, _id_faults, _mask_faults, _raw_faults, _probability_faults)
    texts = {"emotion": words.emotions, "partition": partitions, "emotion_source": SOURCES}
    found = sorted(
        [*_text_faults(columns, texts), *(fault for check in checks for fault in check(columns, words))]
    )
    return [f"{place(row)}{_image(columns, row)}: {fault}" for row, fault in found]


def probability_names(names: Container[str]) -> list[str]:
    """The columns that hold RAF-ML's probabilities, as far as they are there."""
    return [name for name in PROBABILITIES if name in names]


def _image(columns: dict[str, pa.Array], row: int) -> str:
    name = columns[IMAGE][row].as_py() if IMAGE in columns else None
    return f" ({name})" if name else ""


def _name_faults(columns: dict[str, pa.Array], words: Vocabulary) -> Iterator[Fault]:
    del words
    if IMAGE not in columns:
        return
    fine_N = _looked_up(columns[IMAGE], lambda name: bool(name.strip("./")))
    for row in np.flatnonzero(~fine_N).tolist():
        yield row, f"expected the name of an image, found {columns[IMAGE][row].as_py()!r}"


def _text_faults(columns: dict[str, pa.Array], known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    for column in known.keys() & columns.keys():
        fine_N = _looked_up(columns[column], set(known[column]).__contains__)
        for row in np.flatnonzero(~fine_N).tolist():
            yield row, f"expected one of {', '.join(known[column])}, found {columns[column][row].as_py()}"


def _id_faults(columns: dict[str, pa.Array], words: Vocabulary) -> Iterator[Fault]:
    if not {"emotion", "emotion_id"} <= columns.keys():
        return
    emotions, ids = columns["emotion"], columns["emotion_id"]
    position = {name: i for i, name in enumerate(words.emotions)}
    expected_N = _per_text(emotions, lambda name: position.get(name, -1), -1)
    found_N = np.where(valid(ids), numbers(ids, 0).astype(np.int64), -1)
    for row in np.flatnonzero((expected_N >= 0) & (found_N != expected_N)).tolist():
        yield (
            row,
            f"expected emotion_id {expected_N[row]} as of emotion {emotions[row].as_py()}, found {ids[row].as_py()}",
        )


def _mask_faults(columns: dict[str, pa.Array], words: Vocabulary) -> Iterator[Fault]:
    present = [name for name in MASKS if name in columns]
    if not present or not _has_aus(columns, words) or len(words.aus) > MAX_MASK_AUS:
        return
    active_QN, known_QN = _planes(columns, words)
    known_QN = (
        packed([np.ones(active_QN.shape[1], np.uint8)] * len(words.aus)) if known_QN is None else known_QN
    )
    expected = {"au_mask": mask_of(active_QN & known_QN), "au_known": mask_of(known_QN)}
    for name in present:
        fine_N = numbers(columns[name], 0) == expected[name]
        fine_N &= valid(columns[name])
        for row in np.flatnonzero(~fine_N).tolist():
            yield (
                row,
                f"expected {name} {expected[name][row]} as of its AU columns, found {columns[name][row].as_py()}",
            )


def _raw_faults(columns: dict[str, pa.Array], words: Vocabulary) -> Iterator[Fault]:
    """`au_raw` is a label of RAF-AU, on which every side and lip is told."""
    if RAW not in columns or not _has_aus(columns, words):
        return
    labels = _encoded(columns[RAW])
    texts = labels.dictionary.to_pylist()
    of_text = [_aus_of(text) for text in texts]
    bits_AD = [np.array([au in (aus or ()) for aus in of_text], np.uint8) for au in words.aus]
    active_QN, known_QN = _planes(columns, words)
    active_QN = active_QN if known_QN is None else active_QN & known_QN
    readable_D = np.array([aus is not None and aus <= set(words.aus) for aus in of_text], bool)
    index_N = numbers(labels.indices, 0)
    fine_N = ~valid(columns[RAW])  # no label says nothing
    if texts:
        fine_N |= readable_D[index_N] & (packed(bits_AD)[:, index_N] == active_QN).all(0)
    for row in np.flatnonzero(~fine_N).tolist():
        present = [au for i, au in enumerate(words.aus) if active_QN[i // 8, row] >> (i % 8) & 1]
        right = "+".join(map(str, present)) or "null"
        yield (
            row,
            f"expected au_raw of the AUs {right} as of its AU columns, found {columns[RAW][row].as_py()}",
        )


def _aus_of(label: str | None) -> frozenset[int] | None:
    """The AUs of a label as RAF-AU writes it, also of other numbers than its own; None where it is none."""
    if label is None or label.lower() == NULL:
        return None if label is None else frozenset()
    tokens = [TOKEN.fullmatch(token) for token in label.split("+")]
    numbers_in = [int(token[2]) for token in tokens if token is not None]
    return frozenset(numbers_in) if len(numbers_in) == len(tokens) else None


def _probability_faults(columns: dict[str, pa.Array], words: Vocabulary) -> Iterator[Fault]:
    del words
    names = probability_names(columns)
    if not names:
        return
    value_PN = np.stack([_floats(columns[name]) for name in names])
    known_PN = np.stack([valid(columns[name]) for name in names])
    fine_PN = ~known_PN | ((value_PN >= 0) & (value_PN <= 1))
    for place, row in np.argwhere(~fine_PN).tolist():
        yield row, f"expected {names[place]} from 0 to 1 or null, found {columns[names[place]][row].as_py()}"
    sound_N, whole_N = np.all(fine_PN, axis=0), np.all(known_PN, axis=0)
    for row in np.flatnonzero(sound_N & known_PN.any(0) & ~whole_N).tolist():
        yield row, f"expected all of {', '.join(names)} or none, found some"
    sum_N = np.where(known_PN, value_PN, 0).sum(0)
    for row in np.flatnonzero(sound_N & whole_N & (np.abs(sum_N - 1) > SUM_TOLERANCE)).tolist():
        yield row, f"expected {', '.join(names)} that sum to 1, found {sum_N[row]:.4f}"
    yield from _tie_faults(columns, value_PN, np.logical_and(sound_N, whole_N))


def _tie_faults(columns: dict[str, pa.Array], value_PN: FloatArray, whole_N: BoolArray) -> Iterator[Fault]:
    """An image is tied where its second and third probability are equal, as `rafce.compounds.is_tied` says."""
    if "tied" not in columns or len(value_PN) < 3:
        return
    tied = columns["tied"]
    _, second_N, third_N = np.sort(value_PN, axis=0)[:-4:-1]
    expected_N = second_N == third_N
    found_N = np.array([-1 if state is None else int(state) for state in tied.to_pylist()])
    for row in np.flatnonzero(whole_N & (found_N != expected_N)).tolist():
        yield row, f"expected tied {bool(expected_N[row])} as of its probabilities, found {tied[row].as_py()}"


# --- columns ---


def _has_aus(columns: dict[str, pa.Array], words: Vocabulary) -> bool:
    return bool(words.aus) and all(au_column(au) in columns for au in words.aus)


def _planes(columns: dict[str, pa.Array], words: Vocabulary) -> tuple[ByteArray, ByteArray | None]:
    return bool_planes([columns[au_column(au)] for au in words.aus])


def _floats(column: pa.Array) -> FloatArray:
    return numbers(column, 0).astype(np.float64)


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def _looked_up(column: pa.Array, fine: Callable[[str], bool]) -> BoolArray:
    """Whether each text is fine; null is not."""
    return _per_text(column, lambda text: int(fine(text)), 0).astype(bool)


def _per_text(column: pa.Array, value: Callable[[str], int], of_null: int) -> npt.NDArray[np.int64]:
    """A number for each different text, for all rows."""
    encoded = _encoded(column)
    values = [of_null if text is None else value(text) for text in encoded.dictionary.to_pylist()]
    table = np.array([*values, of_null], np.int64)
    of_row_N: npt.NDArray[np.int64] = table[numbers(encoded.indices, len(values))]
    return of_row_N
