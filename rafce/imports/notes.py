"""What `rafce import` decided for its user, a sentence each: they are printed, and kept in the manifest."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rafce.errors import first_faults
from rafce.foreign_text import shown
from rafce.imports.options import ImportOptions
from rafce.imports.partitions import PARTITION, SHARES, TEST, TRAIN, VALIDATION
from rafce.imports.plan import Plan
from rafce.imports.rows import Reader
from rafce.schema import PARTITIONS
from rafce.streaming import Tally

MOST_SHOWN, MOST_LETTERS = 5, 60


def import_notes(
    plan: Plan, reader: Reader, tally: Tally, n_carved: int, options: ImportOptions
) -> list[str]:
    """All that should be said, at most twenty sentences and how many more there are."""
    images_P = tally.images_PE.sum(1)
    sizes = {name: int(n) for name, n in zip(PARTITIONS, images_P, strict=True)}
    drawn = [reader.names_like_partitions.note] if options.split is None else []
    own = PARTITION in plan.roles
    partitions = _partition_notes(reader, sizes, n_carved, options) if own else filter(None, drawn)
    notes = [
        *plan.notes,
        *partitions,
        *_left_out_notes(reader),
        *_spelling_notes(reader),
        *_au_notes(tally, options),
    ]
    return first_faults([" ".join(shown(note).split("\n")) for note in notes])


def reading_notes(inputs: Mapping[str, Any], counts: Mapping[str, Any]) -> list[str]:
    """How tables were read that are not written as usual, and which were left out or empty."""
    files_of: dict[str, list[str]] = {}
    for entry in inputs.values():
        for file in entry.get("files", [entry]):
            if "dialect" in file:
                files_of.setdefault(file["dialect"], []).append(file["file"])
    notes = [f"Read with {dialect}: {_some(files)}." for dialect, files in files_of.items()]
    if n := counts["empty_tables"]:
        notes.append(f"Tables of videos without a row, so without an image: {n:,}.")
    if n := counts["texts_not_read"]:
        notes.append(f"Not read: {n:,} .txt files in folders; a .txt table must be named itself.")
    return notes


def _partition_notes(
    reader: Reader, sizes: Mapping[str, int], n_carved: int, options: ImportOptions
) -> Iterator[str]:
    read_as = reader.partitions.read_as
    if options.partition_column is not None or any(value != name for value, name in read_as):
        column = options.partition_column or PARTITION
        values = [f"{_short(value)} is {name} ({n:,} {_rows(n)})" for (value, name), n in read_as.items()]
        yield f"Partitions are those of column {column}: {_some(values)}."
    if n_carved:
        n_train = sizes[TRAIN] + n_carved
        whole = ", no group cut" if options.group_column is not None else ""
        yield (
            f"No row was in validation: {n_carved:,} of {n_train:,} rows of train were taken for it "
            f"({SHARES[1]:.0%} of each emotion{whole}, --seed {options.seed})."
        )
    for name in PARTITIONS:
        if not sizes[name]:
            yield f"No image is in {name}: {NEEDS[name]}"


NEEDS = {
    TRAIN: "rafce-train run will refuse this dataset.",
    VALIDATION: "train is too small to take it from, and rafce-train run will refuse this dataset.",
    TEST: (
        "rafce-train run will refuse this dataset. --partition-values test=NAME makes another part the test part; "
        "validation is then taken from train."
    ),
}


def _left_out_notes(reader: Reader) -> Iterator[str]:
    left_out = reader.left_out
    for counter, what in (
        (left_out.unlabelled, "without an emotion"),
        (left_out.dropped, "of dropped emotions"),
    ):
        if counter:
            yield f"Left out: {counter.total():,} {_rows(counter.total())} {what}: {_some(_counted(counter))}."


def _spelling_notes(reader: Reader) -> Iterator[str]:
    for kind, names in (("emotion", reader.emotions), ("group", reader.groups)):
        merged = names.merged()
        pairs = [f"{_listed(rest)} as {_short(first)!r}" for first, *rest in merged]
        if pairs:
            yield f"Spellings of one {kind} are read as the first: {_some(pairs)}."


def _au_notes(tally: Tally, options: ImportOptions) -> Iterator[str]:
    """That the AUs say nothing, which a threshold or a code for unknown may have brought about."""
    if not tally.known_PEA.any():
        yield "No AU is known in any image."
    elif options.au_threshold is not None and not tally.active_PEA.any():
        yield f"No AU is active in any image: no value reaches --au-threshold {options.au_threshold:g}."


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def _counted(counter: Counter[str]) -> list[str]:
    return [
        f"{_short(value)} ({n:,})"
        for value, n in sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    ]


def _listed(texts: Sequence[str]) -> str:
    first = [repr(_short(text)) for text in texts[:MOST_SHOWN]]
    return ", ".join([*first, *(["…"] if len(texts) > MOST_SHOWN else [])])


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"


def _some(texts: Sequence[str]) -> str:
    more = f"; … ({len(texts)} in all)" if len(texts) > MOST_SHOWN else ""
    return "; ".join(texts[:MOST_SHOWN]) + more
