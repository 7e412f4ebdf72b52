import re
import tomllib
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rafce.dataset import read_manifest
from rafce_train.data import read_data
from rafce_train.model_card import model_card


@pytest.fixture
def config(tiny):
    return tiny(method="mtl", epochs=1)


@pytest.fixture
def metrics(whole, config):
    return deepcopy(whole(config)[1])


@pytest.fixture
def manifest(tiny_dataset):
    return read_manifest(tiny_dataset)


def rows(card, heading):
    """The cells of the table below a heading, without its first two lines."""
    section = card.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def percent(share):
    return "–" if share is None else f"{100 * share:.1f}"


def test_the_run_folder_has_the_card_of_its_metrics(whole, config, metrics, manifest):
    assert (whole(config)[0] / "model_card.md").read_text() == model_card(config, metrics, manifest)


def test_every_emotion_stands_beside_its_images_and_intervals(config, metrics, manifest):
    found = rows(model_card(config, metrics, manifest), "Emotions")
    assert len(found) == 14
    for cells, row in zip(found, metrics["test"]["emotions"], strict=True):
        trained = manifest["counts"]["partitions"][row["emotion"]]["train"]
        assert cells[:4] == [
            row["emotion"],
            str(trained),
            str(row["support"]),
            percent(row["recall"]["value"]),
        ]
        if row["support"]:
            low, high = percent(row["recall"]["ci_low"]), percent(row["recall"]["ci_high"])
            assert cells[4] == f"{low} to {high}"


def test_every_au_stands_beside_its_support_and_threshold(config, metrics, manifest):
    found = rows(model_card(config, metrics, manifest), "Action units")
    expected = [
        [
            f"AU{row['au']:02d}",
            str(row["train_positives"]),
            f"{row['positives']} of {row['n']}",
            f"{row['threshold']:.3f}" if row["validation_positives"] else "0.500 †",
            percent(row["f1"]["value"]),
        ]
        for row in metrics["test"]["action_units"]["aus"]
    ]
    assert [cells[:5] for cells in found] == expected


def test_thresholds_that_no_validation_image_could_tune_are_marked(config, metrics, manifest):
    data = read_data(Path(config.dataset))
    shown = data.au_NA[data.rows("validation")].sum(0)
    aus = metrics["test"]["action_units"]["aus"]
    assert [row["validation_positives"] for row in aus] == shown.tolist()
    untuned = [f"AU{row['au']:02d}" for row in aus if not row["validation_positives"]]
    card = model_card(config, metrics, manifest)
    assert f"their thresholds (†) are 0.5, not tuned: {', '.join(untuned)}." in card
    for row in aus:
        row["validation_positives"] = 1
    assert "†" not in model_card(config, metrics, manifest)


def test_figures_have_intervals_and_the_majority_class_beside_them(config, metrics, manifest):
    found = {
        cells[0]: cells[1:]
        for cells in rows(model_card(config, metrics, manifest), "Figures on the test images")
    }
    accuracy, majority = metrics["test"]["accuracy"], metrics["majority"]["accuracy"]
    interval = f"{percent(accuracy['ci_low'])} to {percent(accuracy['ci_high'])}"
    assert found["accuracy"] == [percent(accuracy["value"]), interval, percent(majority["value"])]
    assert f"macro-F1 over {metrics['test']['action_units']['n_aus']} AUs" in found


def test_tables_are_as_wide_as_their_headings(config, metrics, manifest):
    card = model_card(config, metrics, manifest)
    for table in re.findall(r"(?:^\|.*\n)+", card, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_data_are_named_by_fingerprint_and_inputs(config, metrics, manifest):
    card = model_card(config, metrics, manifest)
    assert metrics["dataset"]["fingerprint"] in card
    assert all(given["sha256"] in card for given in manifest["inputs"].values())
    assert "Images: 32 train, 16 validation, 11 test." in card


def test_all_options_but_places_are_there_and_no_place_is(config, metrics, manifest):
    weights = str(Path(config.dataset).parent / "backbone.pt")
    config, metrics = replace(config, weights=weights), {**metrics, "weights": "120 tensors matched"}
    card = model_card(config, metrics, manifest)
    (options,) = re.findall(r"```toml\n(.*?)```", card, flags=re.DOTALL)
    places = ("dataset", "images", "weights")
    expected = {name: value for name, value in asdict(config).items() if name not in places}
    assert tomllib.loads(options) == {
        name: list(value) if isinstance(value, tuple) else value for name, value in expected.items()
    }
    assert "started from backbone.pt (120 tensors matched)." in card
    assert str(Path(config.dataset).parent) not in card


def test_small_and_absent_emotions_are_named(config, metrics, manifest):
    metrics["test"]["emotions"][0]["support"] = 10
    limits = model_card(config, metrics, manifest).partition("## Limits")[2]
    (few,) = re.findall(r"Fewer than 10 test images, so that recall tells little: (.*)\.", limits)
    (none,) = re.findall(r"No test image, so no figure: (.*)\.", limits)
    support = {row["emotion"]: row["support"] for row in metrics["test"]["emotions"]}
    assert few.split(", ") == [f"{name} ({n})" for name, n in support.items() if 0 < n < 10]
    assert none.split(", ") == [name for name, n in support.items() if n == 0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"method": "mml"}, "counted on training images alone: no test label touched training"),
        ({"method": "mml", "prior_scope": "all"}, "counted on all images, test labels included"),
        ({"method": "am", "statistics": "lab"}, "laboratory statistics; no label of these images"),
        ({"method": "dm"}, "Distribution matching used laboratory statistics; no label of these images"),
        ({"method": "dtp", "with_alignment": True}, "counted on training images alone: no test label"),
    ],
)
def test_the_scope_of_the_prior_is_a_limit_where_there_is_one(config, metrics, manifest, changes, text):
    assert text in model_card(replace(config, **changes), metrics, manifest)
    assert "The alignment used" not in model_card(config, metrics, manifest)


@pytest.mark.parametrize(
    ("method", "uses"),
    [
        ("stl", "picked the epoch"),
        ("am", "picked the epoch and tuned the AU thresholds"),
        ("mml", "picked the epoch and tuned the AU thresholds and taught the weights of the losses"),
    ],
)
def test_what_validation_was_used_for_is_a_limit(config, metrics, manifest, method, uses):
    card = model_card(replace(config, method=method), metrics, manifest)
    assert f"The validation images {uses}: figures on them flatter." in card


@pytest.mark.parametrize(
    ("method", "losses", "weights"),
    [
        ("mal", "emotion, AU", "learned for each image on the validation images"),
        ("am", "emotion, AU, alignment", "fixed"),
        ("dm", "emotion, AU, distribution matching", "fixed"),
        ("uncertainty", "emotion, AU", "one for each loss, learned with the network as its variance"),
    ],
)
def test_losses_and_where_their_weights_come_from_are_named(
    config, metrics, manifest, method, losses, weights
):
    card = model_card(replace(config, method=method), metrics, manifest)
    assert f"`{method}`. Losses: {losses}; their weights: {weights}. The backbone" in card


def test_a_method_without_aus_says_so_and_a_list_of_weights_which_was_chosen(tiny, whole, manifest):
    config = tiny(epochs=1)
    metrics = {**whole(config)[1], "chosen": {"rho_au": 0.3, "rho_align": 0.1}, "dropped": ["a.jpg"]}
    card = model_card(config, metrics, manifest)
    assert "it learned no action units" in card
    assert "Not learned by this method." in card
    assert "AU 0.3, alignment 0.1" in card
    assert "; 1 left out, unreadable." in card


def test_a_bare_manifest_makes_a_card_without_inputs(config, metrics):
    card = model_card(config, metrics, {"images": {"root": None, "suffix": ""}})
    assert "made from" not in card
    assert rows(card, "Emotions")[0][1] == "–"


def test_the_card_prints_each_figure_of_the_test_images_under_its_name(config, metrics, manifest):
    test, majority = metrics["test"], metrics["majority"]
    aus = test["action_units"]
    figures = {
        "accuracy": (test["accuracy"], percent(majority["accuracy"]["value"])),
        "UAR, mean recall over emotions": (test["uar"], percent(majority["uar"]["value"])),
        "macro-F1 over emotions": (test["macro_f1"], "–"),
        f"macro-F1 over {aus['n_aus']} AUs": (aus["macro_f1"], "–"),
        f"mean average precision over {aus['n_aus']} AUs": (aus["mean_average_precision"], "–"),
    }
    for i, (figure, _) in enumerate(figures.values()):  # all of them different
        figure.update(value=0.11 + i / 10, ci_low=0.1 + i / 10, ci_high=0.13 + i / 10)
    assert rows(model_card(config, metrics, manifest), "Figures on the test images") == [
        [
            name,
            percent(figure["value"]),
            f"{percent(figure['ci_low'])} to {percent(figure['ci_high'])}",
            always,
        ]
        for name, (figure, always) in figures.items()
    ]


def test_the_card_prints_precision_and_intervals_of_each_au(config, metrics, manifest):
    aus = metrics["test"]["action_units"]["aus"]
    for i, row in enumerate(aus):
        row["f1"] = {"value": 0.2 + i / 100, "ci_low": 0.1, "ci_high": 0.6}
        row["average_precision"] = {"value": 0.3 + i / 100, "ci_low": 0.2, "ci_high": 0.7}
    for i, cells in enumerate(rows(model_card(config, metrics, manifest), "Action units")):
        assert cells[4:] == [f"{20 + i}.0", "10.0 to 60.0", f"{30 + i}.0", "20.0 to 70.0"]
