"""Edits of a dataset folder: contradictions, each of which must be refused, and consistent edits, read as they say.

An edit changes a copy of a dataset of RAF look-alikes ("built") or of a table with groups and unknown AUs ("imported").
Reading means both ways: what `rafce analyze` counts, and what `rafce-train` trains on.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.dataset import check_partitions, read_dataset
from rafce.errors import RafceError
from rafce.grouped import count_groups
from rafce.schema import PARTITIONS, au_column, au_statistics_schema
from rafce.streaming import count_aus, count_here, counts_by_scope
from rafce.tables import au_statistics_table
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS
from rafce_train.data import read_data
from tests.damage.kinds import make_built, make_imported, rewritten

Change = Callable[[Path], None]


class Edit(NamedTuple):
    """Which dataset is changed, and how."""

    of: str
    change: Change


def write_fresh(root: Path) -> dict[str, Path]:
    """Both datasets, to be copied."""
    return {"built": make_built(root / "fresh built"), "imported": make_imported(root / "fresh imported")}


def outcome_of(edit: Edit, fresh: dict[str, Path], scratch: Path) -> list[str]:
    """What each way of reading gives: refused, read (as what the samples say), wrong, or the name of a crash."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(fresh[edit.of], scratch)
    edit.change(scratch)
    return [_outcome(read, scratch) for read in (analysis_counts, trainer_counts)]


def _outcome(read: Callable[[Path], Counter[Any]], folder: Path) -> str:
    try:
        return "read" if read(folder) == counts_by_hand(folder) else "wrong"
    except RafceError:
        return "refused"
    except Exception as error:  # what is looked for
        return f"crashed: {type(error).__name__}: {error}"


def analysis_counts(folder: Path) -> Counter[Any]:
    """Images, and those with an AU, by partition and emotion, as `rafce analyze` counts them."""
    dataset = read_dataset(folder)
    tally = count_here(count_aus, dataset.samples, 1)
    check_partitions(dataset, tally.images_PE, tally.known_PEA.sum((0, 1)))
    if dataset.samples.in_groups:
        count_groups(dataset.samples, 1)
    found: Counter[Any] = Counter()
    for p, partition in enumerate(PARTITIONS):
        for e, emotion in enumerate(dataset.emotions):
            found[partition, emotion] += int(tally.images_PE[p, e])
            for a, au in enumerate(dataset.aus):
                found[partition, emotion, au] += int(tally.active_PEA[p, e, a])
    return +found


def trainer_counts(folder: Path) -> Counter[Any]:
    """The same as the trainer has them."""
    data = read_data(folder)
    found: Counter[Any] = Counter()
    for partition, e, au_A in zip(
        data.partition_N.tolist(), data.emotion_N.tolist(), data.au_NA, strict=True
    ):
        emotion = data.emotions[e]
        found[partition, emotion] += 1
        found.update((partition, emotion, au) for au, state in zip(data.aus, au_A, strict=True) if state == 1)
    return found


def counts_by_hand(folder: Path) -> Counter[Any]:
    """What `emotion` and the AU columns say, row by row."""
    found: Counter[Any] = Counter()
    for path in samples_files(folder):
        for row in pq.ParquetFile(path).read().to_pylist():
            found[row["partition"], row["emotion"]] += 1
            active = [name for name in row if name[:2] == "AU" and row[name]]
            found.update((row["partition"], row["emotion"], int(name[2:])) for name in active)
    return found


def samples_files(folder: Path) -> list[Path]:
    """The files that hold the samples."""
    return [*folder.glob("samples.parquet"), *sorted(folder.glob("samples/*.parquet"))]


# --- what changes a folder ---


def cell(file: str, column: str, value: Any, row: int = 0) -> Change:
    """Another value in one cell; a function gets the old one."""

    def change_cell(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        kind = table.schema.field(column)
        return table.set_column(table.column_names.index(column), column, pa.array(values, kind.type))

    return lambda folder: rewritten(folder / file, change_cell)


def table(file: str, change: Callable[..., pa.Table], *arguments: Any) -> Change:
    """Another table; the change gets the old one and the arguments."""
    return lambda folder: rewritten(folder / file, lambda found: change(found, *arguments))


def metadata(file: str, key: str, value: bytes | None) -> Change:
    """Another entry in a file's metadata, or none."""

    def change_metadata(found: pa.Table) -> pa.Table:
        entries = {**found.schema.metadata, key.encode(): value}
        return found.replace_schema_metadata(
            {name: text for name, text in entries.items() if text is not None}
        )

    return lambda folder: rewritten(folder / file, change_metadata)


def count_in_manifest(place: tuple[str, ...], value: Any, digest: bool) -> Change:
    """Another count in the manifest, beside its old digest or in one of the older version, which has none."""

    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        part = manifest
        for name in place[:-1]:
            part = part[name]
        part[place[-1]] = value(part[place[-1]]) if callable(value) else value
        path.write_text(json.dumps(manifest if digest else older(manifest)))

    return change


def older(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest as it was before it had a digest."""
    return {**{name: value for name, value in manifest.items() if name != "sha256"}, "schema": "manifest/1"}


def together(*changes: Change) -> Change:
    """One change after the other."""

    def change_all(folder: Path) -> None:
        for change in changes:
            change(folder)

    return change_all


SAMPLES, DISCARDED = "samples.parquet", "discarded.parquet"
STATISTICS, LAB = "au_statistics.parquet", "lab_statistics.parquet"
PART = "samples/000001.parquet"


def another_emotion(row: int, by: int = 1) -> Change:
    """An image of another emotion, by its name."""
    return cell(
        SAMPLES, "emotion", lambda old: COMPOUND_EMOTIONS[(COMPOUND_EMOTIONS.index(old) + by) % 14], row
    )


def other_state(au: int, row: int = 0, file: str = SAMPLES) -> Change:
    """An AU active instead of inactive, or the other way round."""
    return cell(file, au_column(au), lambda old: not old, row)


def with_true_statistics(folder: Path) -> None:
    """`au_statistics` counted anew."""
    dataset = read_dataset(folder)
    counts = counts_by_scope(count_here(count_aus, dataset.samples, 1), dataset.samples.grid)
    schema = au_statistics_schema(dataset.words)
    counted = au_statistics_table(counts, dataset.words).select(schema.names).cast(schema)
    pq.write_table(counted, folder / STATISTICS)


def with_derived(folder: Path) -> None:
    """Ids, masks and labels made anew with pandas, from emotions and AUs."""
    kept = pq.read_schema(folder / SAMPLES).metadata
    frame = pd.read_parquet(folder / SAMPLES)
    states = frame[[au_column(au) for au in AUS]].to_numpy(bool)
    frame["emotion_id"] = frame["emotion"].map(COMPOUND_EMOTIONS.index).astype("int8")
    frame["au_mask"] = (states * (2 ** np.arange(32))).sum(1).astype("uint32")
    frame["au_raw"] = [
        "+".join(str(au) for au, on in zip(AUS, row, strict=True) if on) or "null" for row in states
    ]
    plain = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(plain.replace_schema_metadata(kept), folder / SAMPLES)


# --- contradictions ---


def contradictions() -> Iterator[tuple[str, Edit]]:
    """Every contradiction by name."""
    for of, named in (("built", _of_built()), ("imported", _of_imported())):
        for name, change in named:
            yield f"{of}: {name}", Edit(of, change)


def _of_built() -> Iterator[tuple[str, Change]]:
    yield from _labels()
    yield from _masks()
    yield from _probabilities()
    yield from _columns()
    for file in (SAMPLES, DISCARDED, STATISTICS, LAB):
        yield from _metadata(file)
    yield from _statistics(STATISTICS)
    yield from _lab()
    yield from _discarded()
    yield from _manifest()


def _labels() -> Iterator[tuple[str, Change]]:
    value: Any
    for by in range(1, 14):
        yield f"emotion changed by {by}, emotion_id stale", another_emotion(by, by)
    for value in (-1, 13, 14, 127, None):
        yield f"emotion_id {value}", cell(SAMPLES, "emotion_id", value, -1 if value == 13 else 0)
    for value in ("Happily Surprised", "happily_surprised", "happy", "", None):
        yield f"emotion {value!r}", cell(SAMPLES, "emotion", value)
        without_id = table(SAMPLES, lambda found: found.drop_columns("emotion_id"))
        yield f"emotion {value!r} without emotion_id", together(cell(SAMPLES, "emotion", value), without_id)
    for value in ("dev", "Train", "training", "", None):
        yield f"partition {value!r}", cell(SAMPLES, "partition", value)
    for value in ("", ".", "..", "./", None):
        yield f"image {value!r}", cell(SAMPLES, "image", value)
    for value in ("guessed", "", None):
        yield f"emotion_source {value!r}", cell(SAMPLES, "emotion_source", value)
    yield "an image twice", table(SAMPLES, lambda found: pa.concat_tables([found, found.slice(3, 1)]))
    yield "a name twice", table(SAMPLES, lambda found: _set(found, "image", 1, found["image"][0].as_py()))
    yield "an image that was left out", _image_left_out


def _image_left_out(folder: Path) -> None:
    name = pq.read_table(folder / DISCARDED)["image"][0].as_py()
    rewritten(folder / SAMPLES, lambda found: _set(found, "image", 0, name))


def _set(found: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    values = found[column].to_pylist()
    values[row] = value
    return found.set_column(found.column_names.index(column), found.schema.field(column), pa.array(values))


def _masks() -> Iterator[tuple[str, Change]]:
    value: Any
    for i, au in enumerate(AUS):
        yield f"au_mask bit {i} turned", cell(SAMPLES, "au_mask", lambda old, i=i: old ^ (1 << i), i)
        yield f"AU {au} turned, au_mask and au_raw stale", other_state(au, i)
    for au in AUS[::3]:
        masked = cell(SAMPLES, "au_mask", lambda old, au=au: old ^ (1 << AUS.index(au)), 2)
        yield f"AU {au} turned, au_mask anew, au_raw stale", together(other_state(au, 2), masked)
        yield f"AU {au} unknown", cell(SAMPLES, au_column(au), lambda old: None if old else not old, 2)
    for value in (0, 2**32 - 1, None):
        yield f"au_mask {value}", cell(SAMPLES, "au_mask", value, 1)
    yield "au_masks in another order", table(SAMPLES, lambda found: _reversed(found, "au_mask"))
    yield "au_raw in another order", table(SAMPLES, lambda found: _reversed(found, "au_raw"))
    for value in ("", "1+", "AU1", "1,2", "99", "one", "1 2"):
        yield f"au_raw {value!r}", cell(SAMPLES, "au_raw", value, 1)
    yield (
        "au_raw with an AU more",
        cell(SAMPLES, "au_raw", lambda old: "39" if old == "null" else f"{old}+39", 1),
    )
    yield "au_raw with another AU", cell(SAMPLES, "au_raw", "L39", 1)


def _reversed(found: pa.Table, column: str) -> pa.Table:
    values = found[column].to_pylist()[::-1]
    return found.set_column(
        found.column_names.index(column),
        found.schema.field(column),
        pa.array(values, found.schema.field(column).type),
    )


def _probabilities() -> Iterator[tuple[str, Change]]:
    value: Any
    yield "tied the other way", cell(SAMPLES, "tied", lambda old: not old)
    yield "tied unknown beside probabilities", cell(SAMPLES, "tied", None)
    for value in (-0.1, 1.5, float("nan"), float("inf"), None):
        yield f"p_fear {value}", cell(SAMPLES, "p_fear", value)
    yield "p_fear half as much again", cell(SAMPLES, "p_fear", lambda old: min(1.0, old + 0.4))
    yield "p_anger of all images 0", table(SAMPLES, lambda found: _constant(found, "p_anger", 0.0))


def _constant(found: pa.Table, column: str, value: Any) -> pa.Table:
    kind = found.schema.field(column)
    return found.set_column(found.column_names.index(column), kind, pa.array([value] * len(found), kind.type))


def _columns() -> Iterator[tuple[str, Change]]:
    for column in ("partition", "AU01", "AU12", "AU43"):
        yield f"no column {column}", table(SAMPLES, pa.Table.drop_columns, column)
    yield "no emotion at all", table(SAMPLES, lambda found: found.drop_columns(["emotion", "emotion_id"]))
    for column, kind in (("emotion_id", pa.string()), ("AU01", pa.int8()), ("au_mask", pa.float64())):
        yield (
            f"{column} as {kind}",
            table(SAMPLES, _as, column, kind),
        )
    for file, names in (
        (STATISTICS, ("scope", "emotion", "au", "n", "count")),
        (LAB, ("emotion", "au", "percent")),
    ):
        for column in names:
            yield (
                f"{file} without {column}",
                table(file, pa.Table.drop_columns, column),
            )
    for column in ("image", "reason"):
        yield (
            f"{DISCARDED} without {column}",
            table(DISCARDED, pa.Table.drop_columns, column),
        )


def _as(found: pa.Table, column: str, kind: pa.DataType) -> pa.Table:
    return found.set_column(found.column_names.index(column), column, found[column].cast(kind))


def _metadata(file: str) -> Iterator[tuple[str, Change]]:
    value: Any
    names = list(COMPOUND_EMOTIONS)
    emotions = {
        "permuted": names[1:] + names[:1],
        "two exchanged": [names[1], names[0], *names[2:]],
        "one twice": [names[0], *names[:1], *names[2:]],
        "one fewer": names[:-1],
        "one more": [*names, "calm"],
        "one without name": ["", *names[1:]],
        "one a number": [7, *names[1:]],
        "no list": "happily surprised",
    }
    aus = {
        "permuted": list(AUS[::-1]),
        "one twice": [AUS[0], *AUS[:1], *AUS[2:]],
        "one negative": [-7, *AUS[1:]],
        "one zero": [0, *AUS[1:]],
        "one another": [*AUS[:-1], 44],
        "one a text": ["1", *AUS[1:]],
        "one a fraction": [1.5, *AUS[1:]],
        "one true": [True, *AUS[1:]],
        "one fewer": list(AUS[:-1]),
        "one huge": [*AUS[:-1], 10**30],
    }
    for key, lists in (("emotions", emotions), ("aus", aus)):
        for what, value in lists.items():
            yield (
                f"{file}, metadata: {key}, {what}",
                metadata(file, f"rafce.{key}", json.dumps(value).encode()),
            )
        if file != SAMPLES:  # samples of other programs have none, and take that of the rest
            yield f"{file}, metadata: no {key}", metadata(file, f"rafce.{key}", None)
    for what, schema in (("another version", b"x/1"), ("a newer version", b"samples/99")):
        yield f"{file}, metadata: {what}", metadata(file, "rafce.schema", schema)


def _statistics(file: str) -> Iterator[tuple[str, Change]]:
    value: Any
    for value in ("prototypical", "variant", "unobserved", "often", None):
        yield f"category {value}", table(file, _other_category, value)
    for column in ("frequency", "ci_low", "ci_high", "p_prototypical", "p_variant", "p_unobserved"):
        for value in (-0.5, 7.5, float("nan")):
            yield f"{column} {value}", cell(file, column, value)
        yield f"{column} a little more", cell(file, column, lambda old: (old or 0) + 0.01)
    for column in ("n", "count"):
        for by in (1, -1, 1000):
            yield f"{column} {by:+}", cell(file, column, lambda old, by=by: old + by)
    yield "count above n", cell(file, "count", 10**6)
    yield "count negative", cell(file, "count", -1)
    for column, values in {
        "scope": ("everything", "", "test"),
        "emotion": ("happy", ""),
        "au": (-7, 0, 999),
        "emotion_id": (5, -1),
    }.items():
        for value in values:
            yield f"au_statistics {column} {value!r}", cell(file, column, value)
    yield "a cell fewer", table(file, lambda found: found.slice(1))
    yield "a cell twice", table(file, lambda found: pa.concat_tables([found, found.slice(0, 1)]))
    yield "no cell", table(file, lambda found: found.slice(0, 0))


def _other_category(found: pa.Table, value: str | None) -> pa.Table:
    values = found["category"].to_pylist()
    row = next(i for i, old in enumerate(values) if old != value)
    return _set(found, "category", row, value)


def _lab() -> Iterator[tuple[str, Change]]:
    value: Any
    for value in (-400.0, -0.5, 100.5, float("nan"), float("inf"), None):
        yield f"lab percent {value}", cell(LAB, "percent", value)
    for value in (-7, 0, 999, None):
        yield f"lab AU {value}", cell(LAB, "au", value)
    for value in ("happy", "", None):
        yield f"lab emotion {value!r}", cell(LAB, "emotion", value)
    yield "a lab cell twice", table(LAB, lambda found: pa.concat_tables([found, found.slice(0, 1)]))


def _discarded() -> Iterator[tuple[str, Change]]:
    value: Any
    for value in ("because", "", None):
        yield f"discarded reason {value!r}", cell(DISCARDED, "reason", value)
    for value in ("", None):
        yield f"discarded image {value!r}", cell(DISCARDED, "image", value)
    for value in (-0.1, 1.5, float("nan")):
        yield f"discarded p_fear {value}", cell(DISCARDED, "p_fear", value, -1)
    yield "discarded label unknown", cell(DISCARDED, "label_1", "joy", -1)
    yield "discarded twice", table(DISCARDED, lambda found: pa.concat_tables([found, found.slice(0, 1)]))


def _manifest() -> Iterator[tuple[str, Change]]:
    value: Any
    places = [("counts", "kept"), ("counts", "joined"), ("counts", "input_lines", "raf_ml")]
    places += [("counts", "partitions", name, part) for name in COMPOUND_EMOTIONS[::4] for part in PARTITIONS]
    for digest in (True, False):
        version = "manifest" if digest else "older manifest"
        for place in places:
            for by in (1, -1):
                change = count_in_manifest(place, lambda old, by=by: old + by, digest)
                yield f"{version}: {' '.join(place[1:])} {by:+}", change
        for value in (-1, 2.5, "many", True):
            yield f"{version}: kept {value!r}", count_in_manifest(("counts", "kept"), value, digest)
        more = count_in_manifest(("counts", "discarded"), lambda old: {**old, "tie": 99}, digest)
        yield f"{version}: a reason more", more
        yield (
            f"{version}: emotions in another order",
            count_in_manifest(("counts", "partitions"), _turned, digest),
        )
        yield f"{version}: images of another kind", count_in_manifest(("images",), 3, digest)
        yield f"{version}: counts of another kind", count_in_manifest(("counts",), [], digest)
    for place in (
        ("counts", "tied"),
        ("options", "seed"),
        ("inputs", "raf_ml", "lines"),
        ("versions", "rafce"),
    ):
        yield f"manifest: {' '.join(place)} another", count_in_manifest(place, 12345, digest=True)
    yield "manifest: another version", count_in_manifest(("schema",), "manifest/99", digest=True)
    yield "manifest: no digest", count_in_manifest(("sha256",), None, digest=True)


def _turned(partitions: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(partitions.items()))


def _of_imported() -> Iterator[tuple[str, Change]]:
    value: Any
    for i in range(4):
        yield f"au_mask bit {i} turned", cell(PART, "au_mask", lambda old, i=i: old ^ (1 << i), i)
        yield f"au_known bit {i} turned", cell(PART, "au_known", lambda old, i=i: old ^ (1 << i), i)
        yield f"state {i} turned", other_state((1, 4, 12, 25)[i], i, PART)
        yield (
            f"state {i} unknown",
            cell(PART, au_column((1, 4, 12, 25)[i]), lambda old: None if old is not None else True, i),
        )
    for value in (None, "v00"):
        yield (
            f"group {value!r}",
            together(
                cell(PART, "group", value),
                cell(PART, "partition", "test"),
                cell(PART, "group", value, 1),
                cell(PART, "partition", "train", 1),
            ),
        )
    yield "an image of another part", cell(PART, "image", "000.jpg")
    for value in (-1, 10**6, 0):
        yield f"n_groups {value}", table(STATISTICS, _groups, value)
    for value in ("prototypical", "variant", "unobserved"):
        yield f"category {value}", table(STATISTICS, _other_category, value)
    for column in ("ci_low", "ci_high", "p_variant", "frequency"):
        for value in (-0.5, 7.5):
            yield f"{column} {value}", cell(STATISTICS, column, value)
    yield "no groups in the statistics", table(STATISTICS, lambda found: found.drop_columns("n_groups"))
    for digest in (True, False):
        version = "manifest" if digest else "older manifest"
        for name in ("AU01", "AU12"):
            change = count_in_manifest(("counts", "unknown", name), lambda old: old + 1, digest)
            yield f"{version}: unknown {name} +1", change


def _groups(found: pa.Table, value: int) -> pa.Table:
    row = next(i for i, n in enumerate(found["n"].to_pylist()) if n)
    return _set(found, "n_groups", row, value)


# --- consistent edits ---


def consistent_edits() -> Iterator[tuple[str, Edit]]:
    """Every edit that contradicts nothing, by name."""
    for name, change in _edits():
        yield name, Edit("built", change)
    yield "imported: nothing changed", Edit("imported", lambda folder: None)
    yield "imported: a part written again", Edit("imported", table(PART, lambda found: found))
    plain = table(PART, lambda found: found.drop_columns(["emotion_id", "au_mask", "au_known"]))
    yield "imported: a part without derived columns", Edit("imported", plain)


def _edits() -> Iterator[tuple[str, Change]]:
    without_id = table(SAMPLES, lambda found: found.drop_columns("emotion_id"))
    without_masks = table(SAMPLES, lambda found: found.drop_columns(["au_mask", "au_raw"]))
    yield "nothing changed", lambda folder: None
    yield "samples written again", table(SAMPLES, lambda found: found)
    yield "samples without metadata", table(SAMPLES, lambda found: found.replace_schema_metadata(None))
    for row in range(5):
        changed = together(another_emotion(row, row + 1), without_id, with_true_statistics)
        yield f"emotion of row {row} changed, emotion_id dropped", changed
        anew = together(another_emotion(row, row + 1), with_derived, with_true_statistics)
        yield f"emotion of row {row} changed, emotion_id made anew", anew
        turned = together(other_state(AUS[row], row), without_masks, with_true_statistics)
        yield f"AU {AUS[row]} of row {row} turned, au_mask and au_raw dropped", turned
        anew = together(other_state(AUS[row], row), with_derived, with_true_statistics)
        yield f"AU {AUS[row]} of row {row} turned, au_mask and au_raw made anew", anew
    yield "rows in another order", table(SAMPLES, lambda found: found.take(list(range(len(found)))[::-1]))
    yield "rows left out", together(table(SAMPLES, lambda found: found.slice(4)), with_true_statistics)
    yield (
        "a column more",
        table(SAMPLES, lambda found: found.append_column("age", pa.array(range(len(found))))),
    )
    yield "emotions as a dictionary", table(SAMPLES, lambda found: _dictionary(found, "emotion"))
    yield "ids as int64", table(SAMPLES, lambda found: _as(found, "emotion_id", pa.int64()))
    yield "probabilities dropped", table(SAMPLES, _without_probabilities)
    yield (
        "rates dropped",
        table(STATISTICS, lambda found: found.select(["scope", "emotion", "au", "n", "count"])),
    )
    yield (
        "statistics in another order",
        table(STATISTICS, lambda found: found.take(list(range(len(found)))[::-1])),
    )
    yield "another lab percent", cell(LAB, "percent", 55.5)
    yield "a lab cell fewer", table(LAB, lambda found: found.slice(1))
    yield "no lab at all", table(LAB, lambda found: found.slice(0, 0))
    yield "the images moved", count_in_manifest(("images", "root"), "/somewhere/else", digest=True)
    yield "a manifest of the older version", count_in_manifest(("options", "seed"), 7, digest=False)


def _dictionary(found: pa.Table, column: str) -> pa.Table:
    return found.set_column(found.column_names.index(column), column, found[column].dictionary_encode())


def _without_probabilities(found: pa.Table) -> pa.Table:
    return found.select([name for name in found.column_names if name[:2] != "p_" and name != "tied"])


MUTANTS: dict[str, Edit] = dict(contradictions())
CONSISTENT: dict[str, Edit] = dict(consistent_edits())
