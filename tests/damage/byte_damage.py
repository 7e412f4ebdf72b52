"""Random damage to the bytes of a file: what disks, cables, editors and programs do to it."""

from collections.abc import Callable

import numpy as np

Damage = Callable[[bytearray, np.random.Generator], None]
LONGEST = 1 << 10


def flip_bits(content: bytearray, random: np.random.Generator) -> None:
    """One to eight bits at random places."""
    for place in random.integers(8 * len(content), size=random.integers(1, 9)).tolist():
        content[place // 8] ^= 1 << (place % 8)


def zero_range(content: bytearray, random: np.random.Generator) -> None:
    """A stretch of zeros, up to the rest of the file."""
    start, size = _stretch(content, random)
    content[start : start + size] = bytes(len(content[start : start + size]))


def overwrite_range(content: bytearray, random: np.random.Generator) -> None:
    """A stretch of other bytes."""
    start, size = _stretch(content, random)
    content[start : start + size] = random.bytes(len(content[start : start + size]))


def truncate(content: bytearray, random: np.random.Generator) -> None:
    """The end is missing."""
    del content[int(random.integers(len(content))) :]


def insert_bytes(content: bytearray, random: np.random.Generator) -> None:
    """Further bytes somewhere."""
    place = int(random.integers(len(content) + 1))
    content[place:place] = random.bytes(int(random.integers(1, 64)))


def cut_out(content: bytearray, random: np.random.Generator) -> None:
    """Bytes are missing somewhere."""
    start, size = _stretch(content, random)
    del content[start : start + size]


def swap_blocks(content: bytearray, random: np.random.Generator) -> None:
    """Two stretches of one size change places."""
    size = int(random.integers(1, max(2, min(LONGEST, len(content) // 2))))
    first, second = sorted(random.integers(max(1, len(content) - size), size=2).tolist())
    if second - first >= size:
        one, other = content[first : first + size], content[second : second + size]
        content[first : first + size], content[second : second + size] = other, one


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    zero_range,
    overwrite_range,
    truncate,
    insert_bytes,
    cut_out,
    swap_blocks,
)


def damaged(content: bytes, seed: int) -> bytes:
    """A content that differs from this one, by each kind of damage in turn; it must not be all zeros."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    while bytes(changed) == content:
        changed = bytearray(content)
        DAMAGES[seed % len(DAMAGES)](changed, random)
    return bytes(changed)


def _stretch(content: bytearray, random: np.random.Generator) -> tuple[int, int]:
    size = 2 ** int(random.integers(LONGEST.bit_length()))
    return int(random.integers(len(content))), size
