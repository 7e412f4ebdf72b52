"""Random bytes in a table or in the emotions file: one clear error, or a dataset with every row that can be read."""

import re
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rafce.errors import RafceError
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions

GOOD = {
    "video.csv": b"frame, success, AU01_c, AU12_c\n1, 1, 1, 0\n2, 1, 0, 1\n3, 0, 0, 0\n",
    "emotions.csv": b"video,frame,emotion\nvideo,1,glad\nvideo,2,sad\nvideo,3,glad\n",
}
PIECES = st.sampled_from(
    [b"\n", b"\r\n", b",", b" ", b'"', b"\0", b"\xe9", b"\xef\xbb\xbf", b"nan", b"-1", b"1e400", b"/", b"2"]
    + [b"frame", b"\r", b"\x1f", b"\xc2\x85", b"''", b"true", b"AU12_c", b",,", b"\t"]
    + [b";", b"1e999", b"0,5", b"Frame", b"sep=;\n"]
)


@st.composite
def corrupted(draw: st.DrawFn) -> tuple[str, bytes]:
    """One of the files, with bytes cut out and others put in at random."""
    name = draw(st.sampled_from(sorted(GOOD)))
    content = GOOD[name]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 8)))
        content = content[:start] + draw(st.one_of(PIECES, st.binary(max_size=5))) + content[stop:]
    return name, content


def with_cell(cell: bytes) -> tuple[str, bytes]:
    """The table with another frame."""
    return "video.csv", GOOD["video.csv"].replace(b"\n2,", b"\n" + cell + b",")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(change=corrupted())
@example(with_cell(b"1e999"))
@example(with_cell(b"-1e400"))
@example(with_cell(b"-nan"))
@example(with_cell(b"1;2"))
@example(with_cell(b"\t2"))
@example(("video.csv", GOOD["video.csv"].replace(b",", b";")))
@example(("emotions.csv", GOOD["emotions.csv"].replace(b",", b"\t")))
def test_random_bytes_give_one_clear_error_or_every_row(change):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in (GOOD | dict([change])).items():
            (root / name).write_bytes(content)
        table = root / "video.csv"
        options = ImportOptions("openface", (table,), root / "data", emotions=root / "emotions.csv")
        message = outcome(options)
        if message is None:
            lines = re.split(rb"\r\n|\r|\n", table.read_bytes().rstrip(b"\r\n"))
            assert pq.read_table(root / "data/samples.parquet").num_rows == len(lines) - 1
        else:
            assert message.startswith((str(root), "expected"))
            assert sorted(path.name for path in root.iterdir()) == ["emotions.csv", "video.csv"]


def outcome(options: ImportOptions) -> str | None:
    """The error of an import, None where there is none."""
    try:
        import_dataset(options)
    except RafceError as error:
        return str(error)
    return None
