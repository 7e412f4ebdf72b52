"""What the tables beside the samples and the manifest must hold: columns, ranges, numbers that follow from others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.checks.rows import PROBABILITIES, probability_names, row_faults
from rafce.errors import DatasetError, raise_all
from rafce.joining import REASONS
from rafce.reference import LabCell, lab_faults
from rafce.schema import CATEGORIES, PARTITIONS, SCOPES, Vocabulary
from rafce.statistics import Counts, category_index, category_names, frequency, sureness
from rafce.taxonomy import BASIC_EMOTIONS

# S scopes, E emotions, A action units
IntArray = npt.NDArray[np.int64]
Json = Mapping[str, Any]

RATES = ("frequency", "ci_low", "ci_high")
MASSES = tuple(f"p_{name}" for name in CATEGORIES)
KEYS = ("scope", "emotion", "au")
REQUIRED = {
    "au_statistics": (*KEYS, "n", "count"),
    "lab_statistics": ("emotion", "au", "percent"),
    "discarded": ("image", "reason"),
}
TOLERANCE = 1e-6  # of a figure that is computed again: another SciPy differs in its last digits
NOT_JOINED = ("no-au-label", "no-emotion-label")


def check_table(table: pa.Table, kind: str, schema: pa.Schema, words: Vocabulary, where: object) -> pa.Table:
    """A table beside the samples in the columns and types of its schema.

    DatasetError: a column that is missing or of another type, a null where none may be, a number out of range, numbers
    that contradict each other. Columns that follow from others may be missing.
    """
    table = _typed(table, schema, REQUIRED[kind], where)
    faults = {
        "au_statistics": _statistics_faults,
        "lab_statistics": _lab_faults,
        "discarded": _discarded_faults,
    }
    raise_all([f"{where}: {fault}" for fault in faults[kind](table, words)], DatasetError)
    return table


def _typed(table: pa.Table, schema: pa.Schema, required: Sequence[str], where: object) -> pa.Table:
    names = table.schema.names
    faults = [f"expected a column {name}, found none" for name in required if name not in names]
    faults += [
        f"expected each column once, found {name} again" for name in {n for n in names if names.count(n) > 1}
    ]
    raise_all([f"{where}: {fault}" for fault in sorted(faults)], DatasetError)
    fields = [field for field in schema if field.name in names]
    columns = []
    for field in fields:
        found = table.schema.field(field.name).type
        if not _fits(found, field.type):
            faults.append(f"column {field.name}: expected {field.type}, found {found}")
        elif table[field.name].null_count and not field.nullable:
            faults.append(f"column {field.name}: expected no null")
        else:
            columns.append(_cast(table[field.name], field, faults))
    raise_all([f"{where}: {fault}" for fault in faults], DatasetError)
    return pa.table(columns, pa.schema(fields, schema.metadata))


def _fits(found: Any, expected: Any) -> bool:
    """Whether values of a type can stand for another's: what other programs write for text, numbers and nulls."""
    kinds = pa.types
    if kinds.is_string(expected):
        plain = found.value_type if kinds.is_dictionary(found) else found
        return bool(kinds.is_string(plain) or kinds.is_large_string(plain) or kinds.is_null(found))
    if kinds.is_floating(expected):
        return bool(kinds.is_floating(found) or kinds.is_integer(found) or kinds.is_null(found))
    return bool(kinds.is_integer(expected) and kinds.is_integer(found)) or bool(found == expected)


def _cast(column: Any, field: Any, faults: list[str]) -> Any:
    try:
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        return plain.cast(field.type, safe=not pa.types.is_floating(field.type))
    except pa.ArrowInvalid:
        faults.append(f"column {field.name}: expected numbers that fit into {field.type}")
        return column


# --- au_statistics ---


def _statistics_faults(table: pa.Table, words: Vocabulary) -> list[str]:
    keys = _key_faults(table, words)
    if keys:
        return keys
    order = _order(table, words)
    n, count = (_column(table, name)[order] for name in ("n", "count"))
    faults = [
        f"{_cell(cell, words)}: expected 0 <= count <= n, found {count[cell]} of {n[cell]}"
        for cell in _where((count < 0) | (count > n))
    ]
    for name, numbers in (("n", n), ("count", count)):
        wrong = numbers[0] != numbers[1:].sum(0)
        faults += [
            f"{_cell((0, *cell), words)}: expected {name} {numbers[1:].sum(0)[cell]} as of all partitions together, "
            f"found {numbers[0][cell]}"
            for cell in _where(wrong)
        ]
    return faults or list(_derived_faults(table, order, Counts(n, count), words))


def _key_faults(table: pa.Table, words: Vocabulary) -> list[str]:
    """Each scope, emotion and AU once, and ids as of the emotions."""
    code_3N = _codes(table, words)
    shown = [table[name] for name in KEYS]
    unknown_N = (code_3N < 0).any(0)
    faults = [
        f"row {row + 1}: expected a scope, an emotion and an AU of this dataset, found {_listed(c[row] for c in shown)}"
        for row in np.flatnonzero(unknown_N).tolist()
    ]
    if faults:
        return faults
    cell_N = np.ravel_multi_index(tuple(code_3N), _shape(words))
    again_N = np.setdiff1d(np.arange(len(cell_N)), np.unique(cell_N, return_index=True)[1])
    faults = [
        f"row {row + 1}: expected each scope, emotion and AU once, found {_listed(c[row] for c in shown)} again"
        for row in again_N.tolist()
    ]
    if not faults and len(cell_N) != (n_cells := int(np.prod(_shape(words)))):
        faults = [f"expected one row for each scope, emotion and AU, {n_cells} in all, found {len(cell_N)}"]
    return faults + (_stale_ids(table, code_3N[1]) if "emotion_id" in table.column_names else [])


def _stale_ids(table: pa.Table, emotion_N: IntArray) -> list[str]:
    wrong_N = _column(table, "emotion_id") != emotion_N
    return [
        f"row {row + 1}: expected emotion_id {emotion_N[row]} as of {table['emotion'][row]}, "
        f"found {table['emotion_id'][row]}"
        for row in np.flatnonzero(wrong_N).tolist()
    ]


def _codes(table: pa.Table, words: Vocabulary) -> IntArray:
    """Where scope, emotion and AU of each row stand in the vocabulary, shape (3, N); -1 where they do not."""
    places = [{value: i for i, value in enumerate(known)} for known in (SCOPES, *words)]
    found = [
        [place.get(value, -1) for value in table[name].to_pylist()]
        for name, place in zip(KEYS, places, strict=True)
    ]
    return np.array(found, np.int64)


def _shape(words: Vocabulary) -> tuple[int, int, int]:
    return len(SCOPES), len(words.emotions), len(words.aus)


def _order(table: pa.Table, words: Vocabulary) -> IntArray:
    """The row of each cell, shape (S, E, A)."""
    cell_N = np.ravel_multi_index(tuple(_codes(table, words)), _shape(words))
    order: IntArray = np.argsort(cell_N).reshape(_shape(words))
    return order


def _derived_faults(table: pa.Table, order: IntArray, counts: Counts, words: Vocabulary) -> Iterator[str]:
    """Rates, categories and masses against those of the counts; over groups intervals are drawn, and only bounded."""
    by_images = "n_groups" not in table.column_names
    sure = sureness(counts)
    computed = {"frequency": frequency(counts)}
    if by_images:
        computed |= {"ci_low": sure.low_EA, "ci_high": sure.high_EA}
        computed |= {name: sure.mass_EAC[..., i] for i, name in enumerate(MASSES)}
    for name in (*RATES, *MASSES):
        if name in table.column_names:
            yield from _rate_faults(name, _column(table, name)[order], computed.get(name), words)
    if "category" in table.column_names:
        found = np.array(table["category"].to_pylist(), object)[order]
        expected = category_names(category_index(counts))
        for cell in _where(found != expected):
            yield f"{_cell(cell, words)}: expected category {expected[cell]} as of its counts, found {found[cell]}"
    if not by_images:
        yield from _group_faults(table, order, counts, words)


def _rate_faults(name: str, found: Any, expected: Any, words: Vocabulary) -> Iterator[str]:
    if expected is None:
        wrong = ~(np.isnan(found) | ((found >= 0) & (found <= 1)))
        for cell in _where(wrong):
            yield f"{_cell(cell, words)}: expected {name} from 0 to 1 or null, found {found[cell]}"
        return
    alike = np.isclose(found, expected, rtol=0, atol=TOLERANCE, equal_nan=True)
    for cell in _where(~alike):
        yield f"{_cell(cell, words)}: expected {name} {expected[cell]:.6f} as of its counts, found {found[cell]}"


def _group_faults(table: pa.Table, order: IntArray, counts: Counts, words: Vocabulary) -> Iterator[str]:
    n_groups = _column(table, "n_groups")[order]
    wrong = (n_groups < 0) | (n_groups > counts.known_EA) | ((n_groups == 0) != (counts.known_EA == 0))
    for cell in _where(wrong):
        yield f"{_cell(cell, words)}: expected n_groups from 1 to n (0 where n is 0), found {n_groups[cell]}"
    if {"ci_low", "ci_high"} <= set(table.column_names):
        low, high = (_column(table, name)[order] for name in ("ci_low", "ci_high"))
        for cell in _where((low > high) | (np.isnan(low) != np.isnan(high))):
            yield f"{_cell(cell, words)}: expected ci_low <= ci_high, found {low[cell]} and {high[cell]}"
    if set(MASSES) <= set(table.column_names):
        total = sum(_column(table, name)[order] for name in MASSES)
        for cell in _where(~np.isnan(total) & (abs(total - 1) > TOLERANCE)):
            yield f"{_cell(cell, words)}: expected {', '.join(MASSES)} that sum to 1, found {total[cell]:.6f}"


def _column(table: pa.Table, name: str) -> Any:
    """A column of numbers, NaN where it is null."""
    column = table[name].combine_chunks()
    return (
        np.array([np.nan if value is None else value for value in column.to_pylist()])
        if column.null_count
        else (column.to_numpy(zero_copy_only=False))
    )


def _where(wrong: Any) -> list[tuple[int, ...]]:
    return [tuple(cell) for cell in np.argwhere(wrong).tolist()]


def _cell(cell: Sequence[int], words: Vocabulary) -> str:
    scope, emotion, au = cell
    return f"{SCOPES[scope]}, {words.emotions[emotion]}, AU {words.aus[au]}"


# --- lab_statistics ---


def _lab_faults(table: pa.Table, words: Vocabulary) -> Iterator[str]:
    cells = [LabCell(cell["emotion"], cell["au"], cell["percent"], "") for cell in table.to_pylist()]
    yield from (f"row {1 + row}: {fault}" for row, fault in lab_faults(cells, words.emotions))


# --- discarded ---


def _discarded_faults(table: pa.Table, words: Vocabulary) -> Iterator[str]:
    for name, times in Counter(table["image"].to_pylist()).items():
        if times > 1:
            yield f"expected each image once, found {name} again"
    names = [name for name in ("image", *PROBABILITIES) if name in table.column_names]
    batches = table.select(names).combine_chunks().to_batches()
    yield from (
        fault for batch in batches for fault in row_faults(batch, words, lambda row: f"row {1 + row}")
    )
    probabilities = probability_names(table.column_names)
    for row, record in enumerate(table.to_pylist(), 1):
        if record["reason"] not in REASONS:
            yield f"row {row} ({record['image']}): expected a reason of {', '.join(REASONS)}, found {record['reason']}"
        labels = [record[name] for name in ("label_1", "label_2") if record.get(name) is not None]
        yield from (
            f"row {row} ({record['image']}): {fault}"
            for fault in _label_faults(labels, record, probabilities)
        )


def _label_faults(labels: Sequence[str], record: Json, probabilities: Sequence[str]) -> Iterator[str]:
    """The labels that decided are basic emotions, of which no other is more probable than the last of them."""
    unknown = [label for label in labels if label not in BASIC_EMOTIONS]
    for label in unknown:
        yield f"expected one of {', '.join(BASIC_EMOTIONS)}, found {label}"
    values = {name: record[name] for name in probabilities if record[name] is not None}
    if unknown or len(values) < len(BASIC_EMOTIONS) or not labels:
        return
    most = sorted(values.values(), reverse=True)[: len(labels)]
    if len(set(labels)) < len(labels) or [values[f"p_{label}"] for label in labels] != most:
        yield f"expected the most probable labels, found {' and '.join(labels)}"


# --- manifest ---


def manifest_faults(manifest: Json, n_rows: int, discarded: pa.Table | None, words: Vocabulary) -> list[str]:
    """What its counts contradict: each other, the number of samples, the images left out (None: edited, not compared).

    Counts that it does not have say nothing.
    """
    shape = _shape_faults(manifest)
    if shape:
        return shape
    counts = manifest.get("counts", {})
    found = {"kept": counts.get("kept"), "discarded": counts.get("discarded")}
    rows: dict[str, Any] = {"kept": n_rows}
    if discarded is not None:
        rows["discarded"] = dict(Counter(discarded["reason"].to_pylist()))
    faults = [
        f"expected {name} {_said(rows[name])} as in the tables, found {_said(found[name])}"
        for name in rows
        if found[name] is not None and _nonzero(found[name]) != _nonzero(rows[name])
    ]
    return [*faults, *_line_faults(manifest), *_joined_faults(counts), *_partition_faults(counts, words)]


def _said(value: Any) -> str:
    return (
        _listed(f"{name} {n}" for name, n in value.items()) or "nothing"
        if isinstance(value, dict)
        else str(value)
    )


def _nonzero(value: Any) -> Any:
    return {name: n for name, n in value.items() if n} if isinstance(value, dict) else value


def _shape_faults(manifest: Json) -> list[str]:
    """Every count is a whole number from 0 on, each part of the manifest what it should be."""
    faults = [
        f"expected {part} to be an object"
        for part in ("inputs", "options", "images", "counts", "versions")
        if not isinstance(manifest.get(part, {}), dict)
    ]
    if faults:
        return faults
    counts, images = manifest.get("counts", {}), manifest.get("images", {})
    faults += [
        f"expected whole numbers from 0 on in counts, found {name} {value!r}"
        for name, value in _uncounted(counts)
    ]
    if not (isinstance(images.get("root"), str | None) and isinstance(images.get("suffix", ""), str)):
        faults.append("expected images: root and suffix as texts (root: null where there are none)")
    if not isinstance(images.get("missing", []), list):
        faults.append("expected images: missing to be a list")
    for role, entry in manifest.get("inputs", {}).items():
        if not isinstance(entry, dict) or list(_uncounted({"lines": entry.get("lines", 0)})):
            faults.append(f"expected a file with its lines for input {role}, found {entry!r}")
    return faults


def _uncounted(counts: Json) -> Iterator[tuple[str, Any]]:
    for name, value in counts.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", found) for inner, found in _uncounted(value))
        elif value is not None and (type(value) is not int or value < 0):
            yield name, value


def _line_faults(manifest: Json) -> Iterator[str]:
    lines = manifest.get("counts", {}).get("input_lines") or {}
    for role, n in lines.items():
        entry = manifest.get("inputs", {}).get(role)
        if entry is None or entry.get("lines", n) != n:
            yield f"expected the lines of input {role}, {'none' if entry is None else entry['lines']}, found {n}"


def _joined_faults(counts: Json) -> Iterator[str]:
    """An image that was joined is kept or left out; one without AUs may not have been joined."""
    if counts.get("joined") is None or counts.get("kept") is None:
        return
    of_reason = counts.get("discarded") or {}
    unsure = of_reason.get("null-au", 0)
    least = counts["kept"] + sum(
        n for reason, n in of_reason.items() if reason not in (*NOT_JOINED, "null-au")
    )
    if not least <= counts["joined"] <= least + unsure:
        expected = str(least) if not unsure else f"{least} to {least + unsure}"
        yield f"expected joined {expected} as of the images kept and left out, found {counts['joined']}"
    if counts.get("tied") is not None and counts["tied"] > counts["kept"]:
        yield f"expected tied at most {counts['kept']}, the images kept, found {counts['tied']}"


def _partition_faults(counts: Json, words: Vocabulary) -> Iterator[str]:
    table = counts.get("partitions")
    if table is None:
        return
    if tuple(table) != words.emotions:
        yield f"expected partitions of {', '.join(words.emotions)} in this order, found {', '.join(table)}"
    cells = [
        row.get(name) if isinstance(row, dict) else None for row in table.values() for name in PARTITIONS
    ]
    total = sum(n for n in cells if n is not None)
    if None in cells:
        yield f"expected a number for each of {', '.join(PARTITIONS)} in partitions of each emotion"
    elif counts.get("kept") not in (None, total):
        yield f"expected partitions that sum to the {counts['kept']} images kept, found {total}"


def counted_faults(manifest: Json, words: Vocabulary, images_PE: Any, known_A: Any) -> list[str]:
    """What the counts of a manifest contradict in the samples that it was written with.

    `images_PE` are images by partition and emotion, `known_A` those that know an AU.
    """
    counts, faults = manifest.get("counts", {}), list[str]()
    for e, (name, row) in enumerate((counts.get("partitions") or {}).items()):
        right = {partition: int(images_PE[p, e]) for p, partition in enumerate(PARTITIONS)}
        if row != right:
            faults.append(
                f"expected partitions of {name} {_said(right)} as in the samples, found {_said(row)}"
            )
    unknown = counts.get("unknown")
    if unknown is not None:
        n_rows = int(images_PE.sum())
        columns = {f"AU{au:02d}": n_rows - int(known) for au, known in zip(words.aus, known_A, strict=True)}
        if unknown != columns:
            faults.append(f"expected unknown {_said(columns)} as in the samples, found {_said(unknown)}")
    return faults


def repeated_names(columns: Iterable[Any]) -> list[str]:
    """A line for each image that stands in a column of names twice."""
    counted = pc.value_counts(pa.chunked_array(list(columns), pa.string()))
    counts = counted.field("counts")
    return [
        f"image {value['values']} stands there twice"
        for value in counted.filter(pc.greater(counts, 1)).to_pylist()
    ]


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
