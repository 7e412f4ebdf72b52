"""Random bytes in any input: one clear error, or a dataset that an independent count confirms."""

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rafce_cli.main import rafce

GOOD = {
    "RAF-ML/EmoLabel/distribution.txt": b"0001.jpg 0.6 0 0 0.4 0 0 \n0002.jpg 0.3 0.3 0 0.4 0 0 \n",
    "RAF-AU/RAFAU_label.txt": b"0001.jpg 1+4+L10\n0002.jpg null\n",
    "RAF-CE/RAFCE_emolabel.txt": b"0001.jpg 0\n0002.jpg 0",
    "RAF-CE/RAFCE_AUlabel.txt": b"0001.jpg 1+4+10\n0002.jpg null",
    "RAF-CE/RAFCE_partition.txt": b"0001.jpg 0\n0002.jpg 1",
}
PIECES = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b" ",
        b"+",
        b"\0",
        b"\xe9",
        b"\xef\xbb\xbf",
        b"nan",
        b"null",
        b"1e400",
        b"-",
        b"/",
        b"99",
        b"L",
    ]
    + [b"0001.jpg", b"0002.jpg 1\n", b"\x85", b"\x1c", "\u2028".encode(), b"0.5", b"T23", b"14"]
)


@st.composite
def corrupted(draw: st.DrawFn) -> tuple[str, bytes]:
    """One of the files, with bytes cut out and others put in at random."""
    name = draw(st.sampled_from(sorted(GOOD)))
    content = GOOD[name]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 12)))
        piece = draw(st.one_of(PIECES, st.binary(max_size=6)))
        content = content[:start] + piece + content[stop:]
    return name, content


@pytest.mark.parametrize("official", [False, True])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(corrupted())
def test_random_bytes_give_exit_code_2_or_a_dataset_that_counting_confirms(official, change):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in (GOOD | dict([change])).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        arguments = ["--raf-ml", f"{root}/RAF-ML", "--raf-au", f"{root}/RAF-AU"]
        arguments += ["--rafce", f"{root}/RAF-CE"] if official else []
        result = CliRunner().invoke(rafce, ["build", *arguments, "--out", f"{root}/data", "--json"])
        assert result.exit_code in (0, 2), result.output
        assert "Traceback" not in result.output
        assert (root / "data").exists() == (result.exit_code == 0)
        assert not list(root.glob(".*"))
        if result.exit_code == 0:
            check_counts(root)


def check_counts(root: Path) -> None:
    """Each kept image's AUs, read from the text with nothing of rafce, give the counts."""
    samples = {
        row["image"]: row["emotion"] for row in pq.read_table(root / "data/samples.parquet").to_pylist()
    }
    text = (root / "RAF-AU/RAFAU_label.txt").read_bytes().removeprefix(b"\xef\xbb\xbf").decode()
    aus = {}
    for line in filter(str.strip, text.split("\n")):
        image, label = line.split()
        tokens = [] if label.lower() == "null" else label.split("+")
        aus[image] = {int("".join(filter(str.isdigit, token))) for token in tokens}
    for row in pq.read_table(root / "data/au_statistics.parquet").to_pylist():
        if row["scope"] == "all":
            members = [image for image, emotion in samples.items() if emotion == row["emotion"]]
            assert row["n"] == len(members)
            assert row["count"] == sum(row["au"] in aus[image] for image in members)
