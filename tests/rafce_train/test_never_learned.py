"""An AU that is known in no training image comes out empty everywhere: predicted, exported, scored, explained."""

import json
from typing import Any
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
import torch

from rafce.errors import ConfigError
from rafce.licences import UNRECORDED
from rafce_reports.run_report import write_run_report
from rafce_train.config import Config
from rafce_train.explain import Options, explain
from rafce_train.export import export
from rafce_train.predict import predict
from rafce_train.run import start
from rafce_train.saved import load_net, open_model

EMPTY = {"value": None, "ci_low": None, "ci_high": None}


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def runs(video_dataset, tmp_path_factory):
    """A run that learns AUs, of which AU61 has no label, and one that learns none."""
    folder = tmp_path_factory.mktemp("never")
    common: dict[str, Any] = {
        "dataset": str(video_dataset),
        "backbone": "squeezenet1_1",
        "image_size": 32,
        "batch_size": 8,
    }
    for method in ("mtl", "stl"):
        start(Config(method=method, epochs=1, device="cpu", **common), folder / method, Mock())
    return folder


@pytest.fixture
def faces(video_dataset):
    return sorted((video_dataset.parent / "frames").iterdir())[:3]


def test_the_run_leaves_its_probabilities_threshold_and_figures_empty(runs):
    table = pq.read_table(runs / "mtl" / "predictions.parquet")
    assert table["p_AU61"].null_count == len(table)
    assert table["p_AU12"].null_count == 0
    _, facts = load_net(runs / "mtl")
    assert [threshold is None for threshold in facts.thresholds or ()] == [False] * 4 + [True]


def test_the_figures_of_the_au_are_empty_and_those_of_the_others_are_not(runs):
    rows = json.loads((runs / "mtl" / "metrics.json").read_text())["test"]["action_units"]["aus"]
    assert [row["au"] for row in rows if row["threshold"] is None] == [61]
    assert (rows[-1]["f1"], rows[-1]["average_precision"], rows[-1]["in_macro"]) == (EMPTY, EMPTY, False)
    assert all(row["threshold"] is not None for row in rows[:-1])


@pytest.mark.parametrize("kind", ["run", "safetensors", "onnx"])
def test_predict_leaves_its_cells_empty_wherever_the_network_comes_from(runs, faces, tmp_path, kind):
    path = runs / "mtl"
    if kind != "run":
        path = tmp_path / f"model.{kind}"
        export(runs / "mtl", kind, path)
    table = predict(open_model(path, "cpu"), faces, 2, quiet).table
    assert table["p_AU61"].to_pylist() == table["AU61"].to_pylist() == [None] * 3
    assert table["p_AU12"].null_count == table["AU12"].null_count == 0


@pytest.mark.parametrize(("method", "unlearned"), [("mtl", [4]), ("stl", [0, 1, 2, 3, 4])])
def test_an_exported_graph_says_nan_of_aus_that_were_not_learned(runs, tmp_path, method, unlearned):
    export(runs / method, "torch-export", tmp_path / "model.pt2")
    _, au_BA = torch.export.load(tmp_path / "model.pt2").module()(torch.rand(2, 3, 32, 32))
    assert au_BA.isnan().all(0).nonzero().flatten().tolist() == unlearned
    assert int(au_BA.isnan().sum()) == 2 * len(unlearned)


def test_the_card_and_the_page_show_dashes_for_it(runs):
    card = (runs / "mtl" / "model_card.md").read_text()
    assert "Known in no training image, so not learned, and empty in every prediction: AU61." in card
    (row,) = [line for line in card.splitlines() if line.startswith("| AU61 |")]
    assert row.split(" | ")[3:] == ["–", "–", "–", "–", "– |"]
    write_run_report(runs / "mtl")
    page = (runs / "mtl" / "report" / "report.html").read_text()
    assert "known in no training image, so not learned" in page


def test_it_cannot_be_explained(runs, tmp_path):
    with pytest.raises(
        ConfigError, match="--au 61: expected runs that learned it, found mtl: unknown in its"
    ):
        explain((runs / "mtl",), Options(au=61), quiet, quiet)


def test_cards_pages_and_weights_of_other_peoples_data_do_not_speak_of_rafs_licence(runs):
    texts = [
        (runs / "mtl" / name).read_text() for name in ("model_card.md", "metrics.json", "report/report.html")
    ]
    _, facts = load_net(runs / "mtl")
    for text in (*texts, facts.licence):
        assert UNRECORDED in text
        assert "RAF-ML" not in text
