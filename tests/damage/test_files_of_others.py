"""Label files and tables of others, damaged: refused with exit code 2, or exactly the numbers that now stand there."""

import csv
import io
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rafce_cli.main import rafce
from rafce_fixtures.labels import generate
from rafce_fixtures.release import write_release
from tests.damage.byte_damage import damaged
from tests.rafce.test_build_fuzz import check_counts

TIMES = 42
RELEASE = {
    "RAF-ML": "RAF-ML/EmoLabel/distribution.txt",
    "RAF-AU": "RAF-AU/RAFAU_label.txt",
    "classes": "RAF-CE/RAFCE_emolabel.txt",
    "official AUs": "RAF-CE/RAFCE_AUlabel.txt",
    "partition": "RAF-CE/RAFCE_partition.txt",
    "lab": "lab.csv",
}
TABLES = ("table.csv", "table.parquet", "emotions.csv")


@pytest.fixture
def root(tmp_path):
    write_release(generate(40, seed=0), tmp_path)
    (tmp_path / "lab.csv").write_text("emotion,au,percent\nhappily surprised,12,90\nsadly angry,4,55.5\n")
    rows = [f"{i}.jpg,{i % 2},{(i // 3) % 2},{'ab'[i % 2]}" for i in range(24)]
    (tmp_path / "table.csv").write_text("\n".join(["image,AU01,AU12,emotion", *rows, ""]))
    (tmp_path / "aus.csv").write_text(
        "\n".join(["image,AU01,AU12", *(row.rpartition(",")[0] for row in rows), ""])
    )
    emotions = [f"{row.split(',')[0]},{row[-1]}" for row in rows]
    (tmp_path / "emotions.csv").write_text("\n".join(["image,emotion", *emotions, ""]))
    pq.write_table(pyarrow_table(tmp_path / "table.csv"), tmp_path / "table.parquet")
    return tmp_path


def pyarrow_table(path):
    from pyarrow.csv import read_csv

    return read_csv(path)


def outcomes(root, file, arguments):
    """The seeds whose damage was read; exit code 2 and no folder for all others."""
    whole = (root / file).read_bytes()
    for seed in range(TIMES):
        (root / file).write_bytes(damaged(whole, seed))
        shutil.rmtree(root / "data", ignore_errors=True)
        result = CliRunner().invoke(rafce, [*arguments, "--out", f"{root}/data"])
        assert result.exit_code in (0, 2), (seed, result.output)
        assert (root / "data").exists() == (result.exit_code == 0)
        if result.exit_code == 0:
            yield seed
    (root / file).write_bytes(whole)


@pytest.mark.parametrize("file", RELEASE.values(), ids=RELEASE)
def test_damaged_label_files_are_refused_or_counted_as_they_stand(root, file):
    arguments = [
        "build",
        "--raf-ml",
        f"{root}/RAF-ML",
        "--raf-au",
        f"{root}/RAF-AU",
        "--lab",
        f"{root}/lab.csv",
    ]
    arguments += ["--rafce", f"{root}/RAF-CE"] if "RAF-CE" in file else []
    for _ in outcomes(root, file, arguments):
        check_counts(root)
        if file == "lab.csv":
            found = pq.read_table(root / "data/lab_statistics.parquet").to_pylist()
            rows = csv.DictReader(io.StringIO((root / file).read_text().removeprefix("\ufeff")))
            expected = [(row["emotion"].strip(), int(row["au"]), float(row["percent"])) for row in rows]
            assert [(row["emotion"], row["au"], row["percent"]) for row in found] == expected


@pytest.mark.parametrize("file", TABLES)
def test_damaged_tables_are_refused_or_imported_as_they_stand(root, file):
    inputs = (
        [f"{root}/aus.csv", "--emotions", f"{root}/emotions.csv"]
        if file == "emotions.csv"
        else [f"{root}/{file}"]
    )
    for _ in outcomes(root, file, ["import", "table", *inputs]):
        imported = pq.read_table(root / "data/samples.parquet").to_pylist()
        if file.endswith(".csv"):
            text = (root / file).read_text()
            rows = list(csv.DictReader(io.StringIO(text)))
            assert Counter(row["emotion"] for row in imported) <= Counter(
                row["emotion"].strip() for row in rows
            )
