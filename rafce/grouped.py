"""Images that depend on each other, as those of one video or subject do: counts of each group, bootstrap over groups.

Frames of one video are so many images of one moment: intervals that take them for independent are far too narrow.
Here groups are what is independent, and intervals are percentiles over draws of whole groups (`rafce.bootstrap`).
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csc_array

from rafce.bootstrap import DRAWS, Ratios, alike_groups, interval_of_draws, resample_groups
from rafce.errors import DatasetError, raise_all
from rafce.parts import Chunk, Grid, Samples, au_tables
from rafce.schema import CATEGORIES
from rafce.statistics import Counts, Sureness, category_index, sureness
from rafce.streaming import Progress, count_here

# G groups, R draws of them, P partitions, E emotions, A action units, C categories, N rows of a chunk, K groups in it,
# L pairs of group and emotion in it; X = 1 + 2 · A: image, known AUs, active AUs
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
Key = tuple[int, str]  # partition id and group


class GroupTally(NamedTuple):
    """Groups sorted by name: the partition of each, its images, and those in which an AU is known and active."""

    names: tuple[str, ...]
    partition_G: npt.NDArray[np.object_]
    images_GE: IntArray
    known_GEA: IntArray
    active_GEA: IntArray

    def in_scope(self, scope: str) -> "GroupTally":
        """The groups of a partition, or of all."""
        inside_G = (self.partition_G == scope) | (scope == "all")
        names = tuple(name for name, inside in zip(self.names, inside_G, strict=True) if inside)
        return GroupTally(names, *(table[inside_G] for table in self[1:]))

    def counts(self) -> Counts:
        """The images of all of them."""
        return Counts(self.known_GEA.sum(0), self.active_GEA.sum(0))

    def n_groups_E(self) -> IntArray:
        """How many groups have an image of the emotion, shape (E,)."""
        n_groups_E: IntArray = np.count_nonzero(self.images_GE, axis=0)
        return n_groups_E

    def n_groups_EA(self) -> IntArray:
        """How many groups have an image of the emotion that knows the AU, shape (E, A)."""
        n_groups_EA: IntArray = np.count_nonzero(self.known_GEA, axis=0)
        return n_groups_EA


# --- counting ---


class GroupSums(NamedTuple):
    """What one pass adds up."""

    tables: "Tables"


class Tables(dict[Key, IntArray]):
    """The counts of each group, shape (E, X)."""

    def put_all(self, counts: Iterable[tuple[Key, IntArray]]) -> None:
        """Count further images of groups."""
        for key, counts_EX in counts:
            self[key] = self[key] + counts_EX if key in self else counts_EX

    def __add__(self, other: "Tables") -> "Tables":
        """The counts of both."""
        total = Tables(self)
        total.put_all(other.items())
        return total


def count_groups(samples: Samples, jobs: int | None = None, progress: Progress | None = None) -> GroupTally:
    """Count each group's images in one pass, by the column `group`; memory follows the number of groups alone.

    `jobs`, `progress` and errors as `count_here`; DatasetError names the groups that lie in two partitions.
    """
    return tally_groups(count_here(count_by_group, by_groups(samples), jobs, progress), samples.grid)


def by_groups(samples: Samples) -> Samples:
    """The same samples, to be read together with their groups; DatasetError when they have none."""
    if not samples.in_groups:
        raise DatasetError("samples: expected a column group (text), found none")
    return samples._replace(grid=samples.grid._replace(grouped=True))


def count_by_group(chunks: Iterable[Chunk], grid: Grid) -> GroupSums:
    """A kernel for `rafce.streaming`: emotion × AU of each group."""
    tables = Tables()
    for chunk in chunks:
        active_NA, known_NA = au_tables(chunk, grid.shape[-1])
        image_N1 = np.ones((len(active_NA), 1), np.float32)
        counts_NX = np.concatenate([image_N1, known_NA, active_NA], axis=1)
        tables.put_all(sums_by_group(chunk.group_N, chunk.class_N, counts_NX, grid))
    return GroupSums(tables)


def tally_groups(sums: GroupSums, grid: Grid) -> GroupTally:
    """The sums of all parts as one table; DatasetError names the groups that lie in two partitions."""
    _, n_emotions, n_aus = grid.shape
    keys = sorted(sums.tables, key=lambda key: key[::-1])
    _check_partitions(keys, grid)
    counts_GEX = np.array([sums.tables[key] for key in keys], np.int64).reshape(-1, n_emotions, 1 + 2 * n_aus)
    return GroupTally(
        tuple(name for _, name in keys),
        np.array([grid.partitions[partition] if grid.partitions else None for partition, _ in keys], object),
        counts_GEX[..., 0],
        counts_GEX[..., 1 : n_aus + 1],
        counts_GEX[..., n_aus + 1 :],
    )


def _check_partitions(keys: Iterable[Key], grid: Grid) -> None:
    faults = []
    for name, of_name in groupby(keys, key=lambda key: key[1]):
        found = [grid.partitions[partition] for partition, _ in of_name if grid.partitions]
        if len(found) > 1:
            faults.append(f"samples: group {name}: expected in one partition, found in {' and '.join(found)}")
    raise_all(faults, DatasetError)


def sums_by_group(
    group_N: pa.DictionaryArray, class_N: npt.NDArray[np.integer[Any]], value_NX: FloatArray, grid: Grid
) -> Iterator[tuple[Key, IntArray]]:
    """The sums of the rows' counts for each group and partition, shape (E, X); a class is as in `rafce.parts.Chunk`."""
    n_partitions, n_emotions, _ = grid.shape
    class_N = group_N.indices.to_numpy().astype(np.int64) * (n_partitions * n_emotions) + class_N
    class_L, place_N = np.unique(class_N, return_inverse=True)
    id_K, place_L = np.unique(class_L // n_emotions, return_inverse=True)
    counts_KEX = np.zeros((len(id_K), n_emotions, value_NX.shape[1]), np.int64)
    counts_KEX[place_L, class_L % n_emotions] = _sums(place_N, len(class_L), value_NX)
    names = group_N.dictionary.to_pylist()
    for id_, counts_EX in zip(id_K.tolist(), counts_KEX, strict=True):
        yield (id_ % n_partitions, names[id_ // n_partitions]), counts_EX


def _sums(place_N: IntArray, n_places: int, value_NX: FloatArray) -> FloatArray:
    """The sums of the rows of each place, shape (L, X)."""
    n_rows = len(place_N)
    ones_N = np.ones(n_rows, np.float32)  # whose sums are exact for a chunk
    member_LN = csc_array((ones_N, place_N, np.arange(n_rows + 1)), shape=(n_places, n_rows))
    sums_LX: FloatArray = member_LN @ value_NX
    return sums_LX


# --- the bootstrap ---


def sureness_of(counts: Counts, groups: GroupTally | None) -> Sureness:
    """How sure frequencies are: over groups where images have any, else as of independent images."""
    return sureness(counts) if groups is None else grouped_sureness(groups)


def grouped_sureness(groups: GroupTally, draws: int = DRAWS, seed: int = 0) -> Sureness:
    """95 % interval of each frequency, and the share of draws in which it falls into each category.

    Frequencies are Σ active / Σ known over the groups of a draw; draws without an image that knows the AU are left
    aside, and each image counts, not each group. `rafce.bootstrap.interval_of_draws` says what holds for few groups
    and for frequencies of 0 and 1; there the masses are Jeffreys' of as many images as there are groups. NaN where
    fewer than two groups know the AU.
    """
    ratios = Ratios(groups.active_GEA, groups.known_GEA)
    drawn_R = resample_groups(ratios, draws, seed)
    low_EA, high_EA = interval_of_draws(ratios, drawn_R)
    count_EA, n_EA, alike_EA = alike_groups(ratios)
    few = sureness(Counts(known_EA=n_EA, active_EA=count_EA)).mass_EAC
    mass_EAC = np.where(alike_EA[..., None], few, _category_shares(drawn_R))
    return Sureness(low_EA, high_EA, np.where(n_EA[..., None] < 2, np.nan, mass_EAC))


def _category_shares(drawn_R: Ratios) -> FloatArray:
    """Share of each category among the draws that have any, shape (E, A, C); NaN without such a draw."""
    # sums of integers in float64 are exact, so that the categories compare integers here as elsewhere
    index_REA = category_index(Counts(known_EA=drawn_R.denominator, active_EA=drawn_R.numerator))
    n_EAC = np.stack([(index_REA == i).sum(0) for i in range(len(CATEGORIES))], axis=-1)
    n_EA1 = n_EAC.sum(-1, keepdims=True)
    shares_EAC: FloatArray = np.divide(n_EAC, n_EA1, out=np.full(n_EAC.shape, np.nan), where=n_EA1 > 0)
    return shares_EAC
