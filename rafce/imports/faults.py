"""What is wrong with the rows of tables larger than memory: all of it counted, the first twenty in words."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.errors import MAX_FAULTS, LabelError
from rafce.imports.files import Block

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Faults:
    """A list of faults that does not grow with the table."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.hints: dict[str, None] = {}
        self.n = 0

    def add(self, text: str, hint: str = "") -> None:
        """One more fault, and what its reason may be: a hint that many share is given once."""
        self.n += 1
        if hint:
            self.hints[hint] = None
        if len(self.first) < MAX_FAULTS:
            self.first.append(text)

    def add_block(self, found: "BlockFaults") -> None:
        """The faults of the next block, in the order of its rows."""
        texts = [text for _, text in sorted(found.numbered, key=lambda pair: pair[0])]
        self.first = [*self.first, *texts][:MAX_FAULTS]
        self.hints |= found.hints
        self.n += found.n

    def raise_all(self, hint: str = "") -> None:
        """LabelError with the first faults, a line each, how many there are beyond them, and the hints."""
        if self.n:
            more = [f"… and {self.n - len(self.first)} more"] if self.n > len(self.first) else []
            raise LabelError("\n".join([*self.first, *more, *self.hints, *([hint] if hint else [])]))


class BlockFaults:
    """The faults of one block, each with its row; what is wrong in a cell is noted once.

    `row_N` says which rows of a larger block these are, where some were left out.
    """

    def __init__(self, block: Block, row_N: IntArray | None = None) -> None:
        self.block, self.row_N = block, row_N
        self.numbered: list[tuple[int, str]] = []
        self.hints: dict[str, None] = {}
        self.n = 0
        self._wrong: dict[int, tuple[pa.Array, BoolArray]] = {}

    def kept(self, block: Block, row_N: IntArray) -> "BlockFaults":
        """The faults of this block and those that will be found in what is left of it, `row_N` of its rows."""
        rest = BlockFaults(block, row_N)
        rest.numbered, rest.hints, rest.n = self.numbered, self.hints, self.n
        return rest

    def check(self, wrong: BoolArray | pa.Array, expected: str, found: pa.Array, hint: str = "") -> None:
        """Note the rows that are wrong: what was expected, and what stands in `found`."""
        wrong_N = np.asarray(wrong, bool)
        if not wrong_N.any():
            return
        _, before_N = self._wrong.get(id(found), (found, np.zeros(len(wrong_N), bool)))
        self._wrong[id(found)] = (found, before_N | wrong_N)
        cells = self.block.as_written.get(id(found), found)
        self.note(wrong_N & ~before_N, lambda row: f"expected {expected}, found {_shown(cells[row])}", hint)

    def note(self, wrong: BoolArray | pa.Array, describe: Callable[[int], str], hint: str = "") -> None:
        """Note the rows that are wrong, each described; `hint` is said once, after all faults."""
        rows = np.flatnonzero(wrong).tolist()
        self.n += len(rows)
        if rows and hint:
            self.hints[hint] = None
        self.numbered += [
            (row if self.row_N is None else int(self.row_N[row]), f"{self.block.place(row)}: {describe(row)}")
            for row in rows[:MAX_FAULTS]
        ]

    def wrong_rows(self) -> BoolArray:
        """The rows with a cell that was found wrong."""
        wrong_N = np.zeros(self.block.n_rows, bool)
        for _, of_column_N in self._wrong.values():
            wrong_N |= of_column_N
        return wrong_N


def _shown(cell: pa.Scalar) -> str:
    value = cell.as_py()
    value = value.strip() if isinstance(value, str) else value
    return "an empty cell" if value is None or value == "" else repr(value)
