"""The Parquet files read with no help in the programs that people have."""

import pytest

from rafce.build import BuildOptions, build_dataset


@pytest.fixture
def samples(release, tmp_path):
    root = release()
    build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=tmp_path / "data"))
    return tmp_path / "data/samples.parquet"


def test_pandas_reads_names_and_booleans(samples):
    import pandas as pd

    frame = pd.read_parquet(samples)
    assert frame.loc[frame.image == "0001.jpg", "emotion"].item() == "happily surprised"
    assert frame["AU12"].dtype == bool
    assert frame.loc[frame.AU12, "image"].tolist() == ["0002.jpg", "0006.jpg"]


def test_duckdb_counts_an_au(samples):
    import duckdb

    query = f"select count(*) filter (AU12), count(*) filter (au_mask & 1 > 0) from '{samples}'"
    assert duckdb.connect().execute(query).fetchall() == [(2, 1)]


def test_hugging_face_datasets_loads_it(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    loaded = load_dataset(
        "parquet", data_files=str(samples), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded[0]["image"] == "0001.jpg"
    assert loaded[0]["AU25"] is True
    assert loaded.features["au_mask"].dtype == "uint32"
