"""A comparison's tables, tests and files against counting, SciPy and the paper, from run folders made here."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from rafce.atomic import MARK
from rafce.dataset import Dataset
from rafce.errors import ConfigError, OutputError, TrainingError
from rafce.intervals import Estimate, difference, mean_recall, paired_difference, wilson
from rafce.paired import Calls, flip_test, holm, macro_f1_swap_tests, mcnemar, net_difference, uar_differences
from rafce.schema import au_column, emotion_slug, metadata
from rafce_reports.comparison import compare_runs
from rafce_reports.comparison_report import check_place, write_comparison
from rafce_reports.comparison_runs import OF_METHODS, read_systems
from rafce_reports.comparison_text import printed_table2, printed_table3
from rafce_reports.figure5 import curve, learned_weights
from rafce_reports.runs import read_run
from rafce_train.methods import METHODS, unused_options
from rafce_train.metrics import au_metrics, emotion_metrics, majority_baseline
from rafce_train.run_folder.checksums import write_sums

# N test images, K emotions, A action units
SKILL = {"stl": 0.3, "mtl": 0.34, "am": 0.33, "mal": 0.31, "mal2": 0.35, "mml": 0.5}
FILES = [
    *(f"table{number}.{kind}" for number in (2, 3) for kind in ("csv", "md", "parquet", "tex")),
    *("tests.csv", "tests.parquet", "figure5.png", "figure5.svg", "comparison.html", "summary.json"),
]
FILES_OF_A_RUN = ("config.toml", "history.parquet", "metrics.json", "predictions.parquet")
TERMS = {"stl": ("emo",), "mtl": ("emo", "au"), "mal": ("emo", "au"), "mal2": ("emo", "au")}


def write_run(
    folder: Path, dataset: Dataset, method="stl", statistics="wild", alignment="paper", seed=0, **options
) -> Path:
    """A finished run with these options as the trainer writes it, its predictions as good as the method's skill."""
    folder.mkdir(parents=True)
    config = {"method": method, "statistics": statistics, "alignment": alignment, "seed": seed}
    config |= {
        "prior_scope": "train",
        "epochs": 4,
        "dataset": str(dataset.folder),
        "images": "",
        "rho_au": [0.1],
        **options,
    }
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in config.items()]
    (folder / "config.toml").write_text("".join(lines), encoding="utf-8")
    terms = TERMS.get(method, ("emo", "au", "align"))
    write_history(folder, method, terms, seed)
    write_predictions(folder, dataset, method, terms, seed)
    write_sums(folder, FILES_OF_A_RUN)
    return folder


def write_history(folder: Path, method: str, terms: tuple[str, ...], seed: int) -> None:
    rng, epochs = np.random.default_rng([7, seed]), np.arange(1, 5)
    columns: dict[str, np.ndarray] = {"epoch": epochs, "iterations": 20 * epochs}
    for term in terms:
        is_learned = method in ("mal", "mal2", "mml") and (term != "emo" or method == "mal2")
        columns[f"loss_{term}"] = 3.0 / epochs
        columns[f"omega_{term}"] = 0.5 + 0.1 * epochs * rng.random() if is_learned else np.full(4, 1.0)
        columns[f"omega_{term}_sd"] = np.full(4, 0.05 if is_learned else 0.0)
    columns["accuracy"] = np.minimum(SKILL[method] + 0.02 * epochs * rng.random(), 1)
    columns["uar"] = columns["accuracy"] - 0.1
    table = pa.table(columns).replace_schema_metadata({"rafce.schema": "history/1"})
    pq.write_table(table, folder / "history.parquet")


def write_predictions(folder: Path, dataset, method: str, terms: tuple[str, ...], seed: int) -> None:
    rng = np.random.default_rng([8, seed, *map(ord, folder.name)])
    test = pq.read_table(dataset.folder / "samples.parquet").to_pandas().query("partition == 'test'")
    emotion_N, names = test["emotion_id"].to_numpy(np.int64), test["image"].tolist()
    active_NA = test[[au_column(au) for au in dataset.aus]].to_numpy(float)
    probability_NK = rng.random((len(names), len(dataset.emotions)))
    probability_NK[np.arange(len(names)), emotion_N] += rng.random(len(names)) < SKILL[method]
    probability_NK = (probability_NK / probability_NK.sum(1, keepdims=True)).astype(np.float32)
    au_NA = np.clip(0.3 * active_NA + 0.7 * rng.random(active_NA.shape), 0, 1).astype(np.float32)
    learns_aus = "au" in terms
    predicted_N = probability_NK.argmax(1)
    columns = {
        "image": names,
        "emotion": [dataset.emotions[i] for i in emotion_N],
        "predicted": [dataset.emotions[i] for i in predicted_N],
        **{f"p_{emotion_slug(name)}": probability_NK[:, i] for i, name in enumerate(dataset.emotions)},
        **{
            f"p_AU{au:02d}": pa.array(au_NA[:, i] if learns_aus else [None] * len(names), pa.float32())
            for i, au in enumerate(dataset.aus)
        },
    }
    table = pa.table(columns).replace_schema_metadata(metadata("predictions", dataset.words))
    pq.write_table(table, folder / "predictions.parquet")
    thresholds_A, positives_A = np.full(len(dataset.aus), 0.5), np.full(len(dataset.aus), 3)
    aus = au_metrics(dataset.aus, active_NA, au_NA, thresholds_A, positives_A) if learns_aus else None
    for row in aus["aus"] if aus else ():
        row["validation_positives"] = 1
    figures = emotion_metrics(dataset.emotions, emotion_N, probability_NK)
    write_metrics(folder, method, seed, {**figures, "action_units": aus}, dataset, emotion_N)


def write_metrics(folder: Path, method: str, seed: int, test: dict, dataset, emotion_N) -> None:
    counts_K = np.bincount(emotion_N, minlength=len(dataset.emotions))
    scores = pq.read_table(folder / "history.parquet")["uar"].to_pylist()
    groups = dict.fromkeys(("train", "validation", "test"))
    sizes = {"train": 3, "validation": 1, "test": len(emotion_N)}
    metrics = {
        "schema": "metrics/2",
        "method": method,
        "seed": seed,
        "dataset": {"fingerprint": "0123456789abcdef", "licence": "", **sizes, "groups": groups},
        "selected": {"by": "uar", "epoch": scores.index(max(scores)) + 1, "validation": max(scores)},
        "weights": None,
        "dropped": [],
        "majority": majority_baseline(dataset.emotions, counts_K, emotion_N),
        "test": test,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


SYSTEMS = (
    *((method, "wild", "paper") for method in ("stl", "mtl", "mal", "mal2")),
    *(
        (method, *prior)
        for method in ("am", "mml")
        for prior in (("wild", "paper"), ("lab", "paper"), ("wild", "bayes"))
    ),
)


@pytest.fixture(scope="session")
def runs(dataset, tmp_path_factory) -> list[Path]:
    """Ten systems, two seeds each."""
    root = tmp_path_factory.mktemp("comparison") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rafce_train.metrics.N_RESAMPLES", 100)  # the intervals of single runs: quicker
        return [
            write_run(root / f"{'-'.join(system)}-{seed}", dataset, *system, seed=seed)
            for seed in (0, 1)
            for system in SYSTEMS
        ]


@pytest.fixture(scope="session")
def comparison(runs):
    return compare_runs(runs)


@pytest.fixture(scope="session")
def out(comparison, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("comparison") / "comparison"
    write_comparison(comparison, folder)
    return folder


def right(run: Path) -> np.ndarray:
    table = pd.read_parquet(run / "predictions.parquet")
    return (table["emotion"] == table["predicted"]).to_numpy()


def rows(table: pd.DataFrame, **values) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def only(table: pd.DataFrame, **values) -> pd.Series:
    found = rows(table, **values)
    assert len(found) == 1
    return found.iloc[0]


# --- tables ---


def test_table_2_has_mean_and_spread_over_seeds_of_what_counting_gives(comparison, runs, dataset):
    folders = [run for run in runs if run.name.startswith("mtl-")]
    emotion = dataset.emotions[5]
    of_emotion = pd.read_parquet(folders[0] / "predictions.parquet")["emotion"] == emotion
    recalls = [100 * right(run)[of_emotion].mean() for run in folders]
    found = only(comparison.table2, system="mtl", measure="recall", emotion=emotion)
    assert (found["percent"], found["sd"]) == pytest.approx((np.mean(recalls), np.std(recalls, ddof=1)))
    assert (found["support"], found["seeds"]) == (of_emotion.sum(), 2)
    low, high = wilson(np.mean(recalls) / 100 * of_emotion.sum(), of_emotion.sum())
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((100 * low, 100 * high))
    accuracies = [100 * right(run).mean() for run in folders]
    overall = only(comparison.table2, system="mtl", measure="accuracy")
    assert (overall["percent"], overall["support"]) == (
        pytest.approx(np.mean(accuracies)),
        len(right(folders[0])),
    )


def test_table_2_carries_the_papers_columns_as_the_papers(comparison):
    paper = rows(comparison.table2, source="the paper")
    assert list(paper["system"].unique()) == ["STL", "MTL", "MML"]
    assert only(paper, system="MML", measure="recall", emotion="happily surprised")["percent"] == 77.78
    assert only(paper, system="MML", measure="uar")["percent"] == 31.68
    assert paper[["support", "seeds", "sd", "ci_low"]].isna().all(axis=None)
    order = rows(paper, system="STL", measure="recall")["emotion"].tolist()
    assert order == rows(comparison.table2, system="stl", measure="recall")["emotion"].tolist()


def test_table_3_goes_by_statistics_and_takes_the_mal_that_validation_prefers(comparison):
    systems = comparison.table3["system"].unique().tolist()
    assert systems == [
        *("stl", "mtl", "mal2", "am (lab)", "mml (lab)"),
        *("am (wild)", "mml (wild)", "am (wild, bayes)", "mml (wild, bayes)"),
    ]
    mal = only(comparison.table3, label="mal", measure="accuracy")
    assert (mal["system"], mal["paper"]) == ("mal2", 52.37)
    assert only(comparison.table3, system="mml (lab)", measure="uar")["paper"] == 30.85
    assert only(comparison.table3, system="mtl", measure="accuracy")["paper"] == 53.25  # Table 2's
    assert np.isnan(only(comparison.table3, system="mml (wild, bayes)", measure="accuracy")["paper"])
    assert np.isnan(only(comparison.table3, system="stl", measure="au_macro_f1")["percent"])


def test_one_seed_has_no_spread(runs):
    table = compare_runs(runs[:2]).table2
    assert rows(table, source="this comparison")["sd"].isna().all()


def test_other_emotions_have_no_column_of_the_paper(other_dataset, tmp_path):
    folders = [write_run(tmp_path / method, other_dataset, method) for method in ("stl", "mtl")]
    comparison = compare_runs(folders)
    table = printed_table2(comparison.table2)
    assert [group.title for group in table.groups] == ["this comparison"]
    assert "paper's columns" not in table.caption
    assert comparison.table3["paper"].isna().all()
    table = printed_table3(comparison.table3)
    assert {group.columns for group in table.groups} == {("this comparison",)}
    assert "Li et al." not in table.caption
    write_comparison(comparison, tmp_path / "out")
    page = (tmp_path / "out/comparison.html").read_text()
    assert "paper's figures" not in page
    assert "CVPR Workshops" not in page


# --- tests ---


def test_accuracy_of_one_run_each_is_mcnemars_test_on_the_counted_images(runs):
    a, b = right(runs[0]), right(runs[9])
    found = only(compare_runs([runs[0], runs[9]]).tests, measure="accuracy")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    assert found["p"] == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    assert (found["images_a_better"], found["images_b_better"]) == (only_a, only_b)
    assert found["difference"] == pytest.approx(100 * (a.mean() - b.mean()))


def test_images_are_counted_only_where_a_measure_is_of_their_emotion(runs, tmp_path):
    comparison = compare_runs([runs[1], runs[9]])
    write_comparison(comparison, tmp_path / "out")
    counted = {"accuracy": True, "uar": True, "au_macro_f1": False}
    for row in json.loads((tmp_path / "out/summary.json").read_text())["tests"]:
        for name in ("images_a_better", "images_b_better"):
            assert (row[name] is not None) == counted[row["measure"]]
    assert (tmp_path / "out/comparison.html").read_text().count("images A / B more often right") == 2


def test_options_that_differ_beside_the_methods_are_named(runs, dataset, tmp_path):
    longer = write_run(tmp_path / "longer", dataset, "mtl", epochs=9, rho_au=[0.3])
    found = compare_runs([runs[0], runs[2], longer])
    assert found.differing == ("epochs: 4 for stl, mal; 9 for mtl",)
    summary = write_comparison(found, tmp_path / "out")
    assert summary["not_alike"] == list(found.differing)
    assert "<li>epochs: 4 for stl, mal; 9 for mtl</li>" in (tmp_path / "out/comparison.html").read_text()


def test_what_makes_a_method_is_what_the_trainer_says():
    assert set(OF_METHODS) == {"method", *unused_options(METHODS["stl"])}


def test_systems_that_were_trained_alike_are_not_warned_of(comparison, out):
    assert comparison.differing == ()
    assert "Not trained alike" not in (out / "comparison.html").read_text()


def test_holm_corrects_over_all_pairs_of_a_measure(comparison):
    for measure, n_systems in (("accuracy", 10), ("uar", 10), ("au_macro_f1", 9)):
        found = rows(comparison.tests, measure=measure)
        assert len(found) == n_systems * (n_systems - 1) / 2
        assert found["p_holm"].tolist() == pytest.approx(holm(found["p"].tolist()).tolist())


def test_a_large_difference_is_real_and_an_equal_one_is_noise(comparison, runs, dataset, tmp_path):
    assert only(comparison.tests, measure="accuracy", a="stl", b="mml (wild)")["verdict"] == "b better"
    twin = write_run(tmp_path / "twin", dataset, epochs=9)
    shutil.copy(runs[0] / "predictions.parquet", twin)
    for name in ("metrics.json", "history.parquet"):
        shutil.copy(runs[0] / name, twin)
    write_sums(twin, FILES_OF_A_RUN)
    equal = compare_runs([runs[0], twin]).tests
    assert set(equal["verdict"]) == {"inside noise"}
    assert equal["p"].tolist() == [1, 1]
    assert not equal["difference"].any()
    assert (equal["ci_low"] < 0).all()
    assert (equal["ci_high"] > 0).all()


def test_nothing_is_real_whose_interval_includes_0_or_whose_p_is_not_small(comparison):
    tests = comparison.tests
    sure = tests["verdict"] != "inside noise"
    assert (tests["p_holm"][sure] < 0.05).all()
    assert ((tests["ci_low"] > 0) | (tests["ci_high"] < 0))[sure].all()


def test_the_uar_difference_is_that_of_the_runs_own_figures(comparison, runs):
    def uar(name: str) -> float:
        found = [json.loads((run / "metrics.json").read_text()) for run in runs if run.name.startswith(name)]
        return float(np.mean([metrics["test"]["uar"]["value"] for metrics in found]))

    found = only(comparison.tests, measure="uar", a="stl", b="mtl")
    assert found["difference"] == pytest.approx(100 * (uar("stl-") - uar("mtl-")))
    assert found["ci_low"] < found["difference"] < found["ci_high"]


def predict_anew(run: Path, dataset, predicted_N) -> Path:
    """Other predicted emotions in a run, which becomes one of an older release: these have no checksums."""
    table = pq.read_table(run / "predictions.parquet")
    probability_NK = (np.full((len(table), 14), 0.01) + 0.86 * np.eye(14)[predicted_N]).astype(np.float32)
    columns = {f"p_{emotion_slug(name)}": probability_NK[:, k] for k, name in enumerate(dataset.emotions)}
    columns["predicted"] = [dataset.emotions[k] for k in predicted_N]
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, run / "predictions.parquet")
    true_N = np.array([dataset.emotions.index(name) for name in table["emotion"].to_pylist()])
    figures = emotion_metrics(dataset.emotions, true_N, probability_NK)
    as_an_older_release(run, lambda metrics: metrics["test"].update(figures))
    return run


def as_an_older_release(run: Path, change) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    change(metrics)
    metrics["schema"] = "metrics/1"
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "SHA256SUMS").unlink(missing_ok=True)


@pytest.fixture
def systems_of(dataset, tmp_path):
    """Two systems as folders of runs, from the predicted emotion of each test image by each run."""

    def write(*predicted_SN) -> list[Path]:
        folders = []
        for method, of_runs in zip(("stl", "mtl"), predicted_SN, strict=True):
            for seed, predicted_N in enumerate(of_runs):
                run = write_run(tmp_path / f"{method}-{seed}", dataset, method, seed=seed)
                folders.append(predict_anew(run, dataset, predicted_N))
        return folders

    return write


@pytest.fixture
def emotion_N(dataset) -> np.ndarray:
    test = pq.read_table(dataset.folder / "samples.parquet").to_pandas().query("partition == 'test'")
    return test["emotion_id"].to_numpy(np.int64)


def test_one_image_of_the_smallest_class_is_no_sure_difference(systems_of, emotion_N):
    """It was: UAR +7.1 (+7.1 to +7.1), p = 0, "a better"."""
    b_N = np.random.default_rng(0).integers(0, 14, len(emotion_N))
    smallest = np.bincount(emotion_N).argmin()
    image = np.flatnonzero(emotion_N == smallest)[0]
    b_N[emotion_N == smallest] = (smallest + 1) % 14
    a_N = b_N.copy()
    a_N[image] = smallest
    found = only(compare_runs(systems_of([a_N], [b_N])).tests, measure="uar")
    assert found["difference"] == pytest.approx(100 / 14 / (emotion_N == smallest).sum())
    assert found["ci_low"] < 0 < found["ci_high"]
    assert (found["p"], found["verdict"]) == (1, "inside noise")


def test_systems_that_always_say_one_class_have_a_uar_with_a_width(systems_of, emotion_N):
    largest = np.full(len(emotion_N), np.bincount(emotion_N).argmax())
    found = compare_runs(systems_of([largest], [largest - 1]))
    for row in rows(found.table2, measure="uar", source="this comparison").to_dict("records"):
        assert row["percent"] == pytest.approx(100 / 14)
        assert row["ci_low"] < row["percent"] - 0.01
        assert row["ci_high"] > row["percent"] + 1
    recalls = rows(found.table2, measure="recall", source="this comparison")
    assert (recalls["ci_high"] - recalls["ci_low"] > 1).all()


def test_uar_is_tested_by_flipping_signs_and_has_the_interval_of_two_mean_recalls(runs, emotion_N):
    folders = [[run for run in runs if run.name.startswith(name)] for name in ("stl-", "mml-wild-paper")]
    a_NS, b_NS = (np.stack([right(run) for run in of], axis=1) for of in folders)
    n_K = np.bincount(emotion_N)
    a, b = (mean_recall(np.bincount(emotion_N, of.mean(1)), n_K) for of in (a_NS, b_NS))
    found = only(compare_runs([*folders[0], *folders[1]]).tests, measure="uar")
    assert [found["difference"], found["ci_low"], found["ci_high"]] == pytest.approx(
        [100 * float(of) for of in difference(a, b)]
    )
    net_N = net_difference(a_NS, b_NS)
    assert found["p"] == flip_test(uar_differences(net_N, emotion_N))
    assert found["test"] == "signs of images flipped"
    sds = [
        100 * np.std([np.mean([of[emotion_N == k, s].mean() for k in range(14)]) for s in (0, 1)], ddof=1)
        for of in (a_NS, b_NS)
    ]
    assert [found["sd_a"], found["sd_b"]] == pytest.approx(sds)


def test_accuracy_has_the_interval_of_a_paired_difference_over_seeds(comparison, runs):
    a_NS, b_NS = (
        np.stack([right(run) for run in runs if run.name.startswith(name)], axis=1)
        for name in ("stl-", "mtl-")
    )
    less_N = a_NS.mean(1) - b_NS.mean(1)
    expected = paired_difference(less_N[less_N > 0].sum(), -less_N[less_N < 0].sum(), len(less_N))
    found = only(comparison.tests, measure="accuracy", a="stl", b="mtl")
    assert [found["difference"], found["ci_low"], found["ci_high"]] == pytest.approx(
        [100 * float(of) for of in expected]
    )


def test_au_macro_f1_is_tested_by_swapping_predictions(comparison, runs, dataset):
    test = pq.read_table(dataset.folder / "samples.parquet").to_pandas().query("partition == 'test'")
    active_NA = test[[au_column(au) for au in dataset.aus]].to_numpy(bool)
    systems = []
    for name in ("mtl-", "mml-wild-paper"):
        of = [pd.read_parquet(run / "predictions.parquet") for run in runs if run.name.startswith(name)]
        called = [table[[f"p_{au_column(au)}" for au in dataset.aus]].to_numpy() >= 0.5 for table in of]
        called_NSA = np.stack(called, axis=1)
        judged_SA = np.ones((2, len(dataset.aus)), np.bool_)
        systems.append(
            Calls((called_NSA & active_NA[:, None]).astype(int), called_NSA.astype(int), judged_SA)
        )
    found = only(comparison.tests, measure="au_macro_f1", a="mtl", b="mml (wild)")
    assert found["p"] == macro_f1_swap_tests(systems, active_NA.sum(0), [(0, 1)])[0]
    assert found["test"] == "predictions of images swapped"
    assert found["ci_low"] < found["difference"] < found["ci_high"]


def test_a_figure_over_seeds_has_the_interval_of_its_mean(comparison, runs, emotion_N):
    right_NS = np.stack([right(run) for run in runs if run.name.startswith("stl-")], axis=1)
    n, n_K = len(right_NS), np.bincount(emotion_N)
    count = right_NS.mean(1).sum()
    expected = {
        "accuracy": Estimate(count / n, *wilson(count, n)),
        "uar": mean_recall(np.bincount(emotion_N, right_NS.mean(1)), n_K),
    }
    for measure, figure in expected.items():
        for table in (comparison.table2, comparison.table3):
            found = only(table, system="stl", measure=measure)
            assert [found["percent"], found["ci_low"], found["ci_high"]] == pytest.approx(
                [100 * float(of) for of in figure]
            )


def test_runs_of_an_older_release_get_the_same_intervals(runs, tmp_path):
    """Its metrics.json has other intervals, and the UAR of the majority class as a number: predictions count."""

    def change(metrics):
        metrics["majority"]["uar"] = metrics["majority"]["uar"]["value"]
        metrics["test"]["intervals"] = {"rates": "Wilson", "scores": "bootstrap over images"}
        metrics["test"]["uar"] |= {"ci_low": 0.5, "ci_high": 0.6}

    folders = [shutil.copytree(run, tmp_path / run.name) for run in (runs[0], runs[9])]
    for folder in folders:
        as_an_older_release(folder, change)
    older, newer = compare_runs(folders), compare_runs([runs[0], runs[9]])
    pd.testing.assert_frame_equal(older.table2, newer.table2)
    write_comparison(older, tmp_path / "out")
    assert "and a UAR of 7.1 %.</p>" in (tmp_path / "out/comparison.html").read_text()


def test_the_page_says_which_interval_is_which_and_for_which_nets_p_holds(out):
    page = " ".join((out / "comparison.html").read_text(encoding="utf-8").split())
    assert "p and intervals hold for these trained nets" in page
    assert "these combined (MOVER, Zou and Donner 2008)" in page
    assert "A / B over seeds, ±" in page
    assert "9,999 times" in page


def test_without_their_labels_there_is_no_test_of_aus_and_the_reader_hears_of_it(
    runs, tmp_path, dataset, other_dataset
):
    for place in (tmp_path / "gone", other_dataset.folder):
        found = compare_runs(runs[1:4], place)
        assert set(found.tests["measure"]) == {"accuracy", "uar"}
        assert found.left_out[0].startswith(f"paired intervals of AU macro-F1: {place}")


def test_other_au_labels_than_the_runs_were_tested_on_are_noticed(runs, dataset, tmp_path):
    other = tmp_path / "rafce-data"
    shutil.copytree(dataset.folder, other)
    table = pq.read_table(other / "samples.parquet").drop_columns(["au_mask", "au_raw"])
    position = table.schema.get_field_index("AU12")
    flipped = pa.compute.invert(table["AU12"])
    pq.write_table(table.set_column(position, table.schema.field("AU12"), flipped), other / "samples.parquet")
    found = compare_runs(runs[1:4], other)
    assert "are not those that" in found.left_out[0]


# --- groups ---


def name_groups(folder: Path, groups: list[str]) -> None:
    """Write into metrics.json how many groups there are, one for whatever else it counts them of."""
    metrics = json.loads((folder / "metrics.json").read_text())
    n_groups = len(set(groups))
    metrics["test"]["groups"] = n_groups
    metrics["dataset"]["groups"] = {"train": 1, "validation": 1, "test": n_groups}
    for row in (*metrics["test"]["emotions"], *(metrics["test"]["action_units"] or {"aus": ()})["aus"]):
        row["groups"] = int(row.get("support", row.get("n")) > 0)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    write_sums(folder, FILES_OF_A_RUN)


@pytest.fixture
def in_groups(runs, tmp_path):
    """Runs of two systems whose test images come in groups, by a function from their number to the group's name."""

    def write(group_of) -> list[Path]:
        folders = []
        for run in (runs[1], runs[7]):
            folder = tmp_path / run.name
            shutil.copytree(run, folder, dirs_exist_ok=True)
            table = pq.read_table(folder / "predictions.parquet")
            groups = pa.array([group_of(n) for n in range(len(table))])
            pq.write_table(table.append_column("group", groups), folder / "predictions.parquet")
            name_groups(folder, groups.to_pylist())
            folders.append(folder)
        return folders

    return write


def test_groups_of_one_image_are_tested_as_images_are(runs, in_groups):
    alone, grouped = compare_runs([runs[1], runs[7]]).tests, compare_runs(in_groups(str)).tests
    assert set(grouped["groups"]) == {len(right(runs[1]))}
    assert alone["groups"].isna().all()
    assert grouped["test"].tolist() == [
        "signs of groups, exact",
        "signs of groups flipped",
        "predictions of groups swapped",
    ]
    assert grouped["p"].tolist() == alone["p"].tolist()
    a, b = only(alone, measure="au_macro_f1"), only(grouped, measure="au_macro_f1")
    assert [a["ci_low"], a["ci_high"]] == [b["ci_low"], b["ci_high"]]


def test_differences_over_groups_equal_a_loop_that_draws_groups(in_groups):
    folders = in_groups(lambda n: f"video {n % 23}")
    a_N, b_N = (right(folder).astype(int) for folder in folders)
    emotion_N = pd.read_parquet(folders[0] / "predictions.parquet")["emotion"].to_numpy(str)
    group_N, of_emotion = np.arange(len(a_N)) % 23, [emotion_N == emotion for emotion in set(emotion_N)]
    drawn: dict[str, list[float]] = {"accuracy": [], "uar": []}
    rng = np.random.default_rng(0)
    for _ in range(2000):
        weight_N, recalls = np.bincount(rng.integers(23, size=23), minlength=23)[group_N], []
        for of in of_emotion:
            weights = weight_N[of] if weight_N[of].any() else None
            recalls.append(np.average((a_N - b_N)[of], weights=weights))
        drawn["accuracy"].append(np.average(a_N - b_N, weights=weight_N))
        drawn["uar"].append(float(np.mean(recalls)))
    tests = compare_runs(folders).tests
    for measure, values in drawn.items():
        found = only(tests, measure=measure)
        assert [found["ci_low"], found["ci_high"]] == pytest.approx(100 * np.percentile(values, [2.5, 97.5]))
    sums_G = np.array([(a_N - b_N)[group_N == group].sum() for group in range(23)])
    assert only(tests, measure="accuracy")["p"] == pytest.approx(mcnemar(sums_G))


@pytest.mark.parametrize("n_groups", [2, 5])
def test_with_few_groups_nothing_is_beyond_noise(in_groups, n_groups, tmp_path):
    found = compare_runs(in_groups(lambda n: f"video {n % n_groups}"))
    assert (found.tests["p"] >= 2.0 ** (1 - n_groups)).all()
    assert set(found.tests["verdict"]) == {"inside noise"}
    write_comparison(found, tmp_path / "out")
    assert (
        "with fewer than six no difference is beyond noise" in (tmp_path / "out/comparison.html").read_text()
    )


def test_a_group_is_one_group(in_groups):
    rows = printed_table2(compare_runs(in_groups(lambda n: "video")).table2).rows
    assert all(row.stubs[1].endswith(" in 1 group") for row in rows)


def test_a_single_group_tells_nothing_of_others(in_groups, tmp_path):
    found = compare_runs(in_groups(lambda n: "video"))
    assert found.tests[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(found.tests["verdict"]) == {"inside noise"}
    write_comparison(found, tmp_path / "comparison")
    page = (tmp_path / "comparison" / "comparison.html").read_text(encoding="utf-8")
    assert "of 1 group," in page
    assert "nan" not in page


def test_the_page_says_that_groups_are_drawn(in_groups, tmp_path):
    write_comparison(compare_runs(in_groups(lambda n: f"video {n % 23}")), tmp_path / "comparison")
    page = (tmp_path / "comparison" / "comparison.html").read_text(encoding="utf-8")
    assert "test images of 23 groups" in page
    assert "cluster-robust, 95 %, bootstrap over groups" in " ".join(page.split())
    assert "Wilson" not in page


def test_tables_count_the_groups_beside_the_images(in_groups):
    comparison = compare_runs(in_groups(lambda n: f"video {n % 23}"))
    predictions = comparison.systems[0].runs[0].predictions
    ours = rows(comparison.table2, source="this comparison", system=comparison.systems[0].name)
    for row in ours.to_dict("records"):
        of = predictions if pd.isna(row["emotion"]) else predictions[predictions["emotion"] == row["emotion"]]
        assert (row["support"], row["groups"]) == (len(of), of["group"].nunique())
    assert (comparison.table3["groups"] == 23).all()
    table = printed_table2(comparison.table2)
    assert table.rows[-1].stubs == ("UAR", f"{len(predictions):,} in 23 groups")
    assert "interval over groups of test images" in table.caption


def test_runs_whose_test_images_come_in_other_groups_are_not_compared(runs, in_groups):
    first, second = in_groups(lambda n: f"video {n % 23}")
    for pair in ([first, runs[7]], [runs[1], second]):
        with pytest.raises(ConfigError, match="expected the test images, emotions and groups of"):
            compare_runs(pair)


# --- systems ---


def test_runs_that_differ_in_the_seed_alone_are_one_system(comparison):
    assert [system.name for system in comparison.systems] == [
        *("stl", "mtl", "mal", "mal2", "am (wild)", "am (lab)", "am (wild, bayes)"),
        *("mml (wild)", "mml (lab)", "mml (wild, bayes)"),
    ]
    assert {system.seeds for system in comparison.systems} == {(0, 1)}


def test_options_that_set_alike_systems_apart_are_in_their_names(dataset, tmp_path):
    folders = [
        write_run(tmp_path / "a", dataset, "stl", epochs=4),
        write_run(tmp_path / "b", dataset, "stl", epochs=9, statistics="lab"),  # stl uses none
        write_run(tmp_path / "c", dataset, "mml", rho_au=[0.1, 0.3]),
    ]
    assert [system.name for system in read_systems(folders)] == [
        "stl (epochs=4)",
        "stl (epochs=9)",
        "mml (wild)",
    ]


def test_an_option_that_an_older_run_lacks_is_named_only_where_nothing_else_differs(dataset, tmp_path):
    old = write_run(tmp_path / "old", dataset, "mml")
    new = write_run(tmp_path / "new", dataset, "mml", patience=0)
    other = write_run(tmp_path / "other", dataset, "mml", epochs=9, patience=0)
    assert [system.name for system in read_systems([old, other])] == [
        "mml (wild, epochs=4)",
        "mml (wild, epochs=9)",
    ]
    assert [system.name for system in read_systems([old, new])] == ["mml (wild)", "mml (wild, patience=0)"]


def replace_file(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    write_sums(folder, FILES_OF_A_RUN)


def with_another_name(folder: Path) -> None:
    table = pq.read_table(folder / "predictions.parquet")
    names = pa.array(["other.jpg", *table["image"].to_pylist()[1:]])
    pq.write_table(table.set_column(0, "image", names), folder / "predictions.parquet")
    write_sums(folder, FILES_OF_A_RUN)


def with_predictions_for_a_history(folder: Path) -> None:
    shutil.copy(folder / "predictions.parquet", folder / "history.parquet")
    write_sums(folder, FILES_OF_A_RUN)


def with_seed_0(folder: Path) -> None:
    replace_file(folder, "config.toml", "seed = 1\n", "seed = 0\n")
    replace_file(folder, "metrics.json", '"seed": 1', '"seed": 0')


DAMAGES = {
    "expected a finished run, found no metrics.json": lambda run: (run / "metrics.json").unlink(),
    "expected the file that SHA256SUMS lists": lambda run: (run / "history.parquet").write_bytes(b"PAR1"),
    "expected schema metrics/2, found metrics/3": lambda run: replace_file(
        run, "metrics.json", "cs/2", "cs/3"
    ),
    "expected schema history/1, found ": with_predictions_for_a_history,
    "expected the test images, emotions and groups of ": with_another_name,
    "expected other options or another seed than ": with_seed_0,
}


@pytest.mark.parametrize("message", DAMAGES)
def test_runs_that_cannot_be_compared_are_named(message, runs, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(next(run for run in runs if run.name == "stl-wild-paper-1"), damaged)
    DAMAGES[message](damaged)
    with pytest.raises((TrainingError, ConfigError)) as raised:
        read_systems([runs[0], damaged])
    assert str(raised.value).startswith(str(damaged))
    assert message in str(raised.value)


def test_runs_of_releases_without_checksums_are_compared_with_a_note(comparison, runs, tmp_path):
    older = [shutil.copytree(run, tmp_path / run.name) for run in runs[:2]]
    for run in older:
        replace_file(run, "metrics.json", "metrics/2", "metrics/1")
        (run / "SHA256SUMS").unlink()
    (note,) = compare_runs(older).notes
    assert note.startswith(f"2 of 2 runs ({older[0]} is the first): made before runs had checksums")
    assert comparison.notes == ()


def test_one_system_is_not_a_comparison(runs):
    with pytest.raises(ConfigError, match="expected at least two systems to compare, found stl alone"):
        compare_runs([run for run in runs if run.name.startswith("stl-")])


# --- figure 5 ---


def test_the_spread_of_a_weight_is_that_over_all_images_of_all_seeds(runs):
    of_mml = [read_run(run) for run in runs if run.name.startswith("mml-wild-paper")]
    found = curve(of_mml, "omega_au")
    for epoch, row in enumerate(found.itertuples()):
        means = [run.history["omega_au"][epoch] for run in of_mml]
        images = np.concatenate([mean + 0.05 * np.array([-1, 1]) for mean in means])  # each has spread 0.05
        assert (row.mean, row.spread) == pytest.approx((images.mean(), images.std()))
    assert found["iterations"].tolist() == [20, 40, 60, 80]


def test_the_spread_of_accuracy_is_that_over_seeds(runs):
    of_mml = [read_run(run) for run in runs if run.name.startswith("mml-wild-paper")]
    values = np.array([run.history["accuracy"] for run in of_mml])
    found = curve(of_mml, "accuracy")
    assert found["spread"].tolist() == pytest.approx(values.std(0, ddof=1).tolist())
    assert curve(of_mml[:1], "accuracy")["spread"].tolist() == [0, 0, 0, 0]


def test_only_learned_weights_are_drawn(comparison):
    found = {system.name: learned_weights(system) for system in comparison.systems}
    assert found["stl"] == found["mtl"] == found["am (wild)"] == []
    assert (found["mal"], found["mal2"], found["mml (lab)"]) == (["au"], ["emo", "au"], ["au", "align"])


# --- files ---


def test_every_file_is_written_and_nothing_else(out):
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert sorted(json.loads((out / "summary.json").read_text())["files"]) == sorted(FILES)


def test_csv_and_parquet_hold_the_same(out):
    for name in ("table2", "table3", "tests"):
        parquet, csv = pd.read_parquet(out / f"{name}.parquet"), pd.read_csv(out / f"{name}.csv")
        assert list(parquet) == list(csv)
        for column in parquet.select_dtypes("number"):
            np.testing.assert_allclose(csv[column], parquet[column].astype(float))


def test_a_rerun_gives_the_same_bytes_and_leaves_the_runs(comparison, out, tmp_path):
    again = tmp_path / "comparison"
    shutil.copytree(out, again)
    (again / "runs").mkdir()
    dead = again / ".comparison.tmp-0123456789abcdef"
    (dead / "new").mkdir(parents=True)
    (dead / "lock").write_text(json.dumps({"mark": MARK, "name": "comparison"}))
    (again / "table2.csv").write_text("older")
    write_comparison(comparison, again)
    assert {path.name for path in again.iterdir()} == {*FILES, "runs"}
    for name in FILES:
        assert (again / name).read_bytes() == (out / name).read_bytes(), name


def test_no_file_tells_how_long_anything_took(out):
    for name in ("table2.csv", "table3.csv", "tests.csv", "summary.json"):
        assert "second" not in (out / name).read_text(encoding="utf-8")


def test_a_folder_of_others_is_refused_and_untouched(comparison, tmp_path):
    (tmp_path / "table2.csv").write_text("mine")
    with pytest.raises(
        OutputError, match="expected an empty folder or an older comparison, found other files"
    ):
        write_comparison(comparison, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["table2.csv"]
    with pytest.raises(OutputError, match="found a file"):
        check_place(tmp_path / "table2.csv")
    check_place(tmp_path / "absent")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here to compile the tables with")
@pytest.mark.parametrize("name", ["table2", "table3"])
def test_latex_compiles_alone_and_inside_a_paper(name, out, tmp_path):
    compile_latex(out / f"{name}.tex", tmp_path)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here to compile the tables with")
def test_names_full_of_markup_compile_and_are_escaped_on_the_page(other_dataset, tmp_path):
    folders = [write_run(tmp_path / method, other_dataset, method) for method in ("mtl", "mml")]
    write_comparison(compare_runs(folders), tmp_path / "comparison")
    page = (tmp_path / "comparison/comparison.html").read_text(encoding="utf-8")
    assert "calm &amp; cool" in page
    assert "calm & cool" not in page
    compile_latex(tmp_path / "comparison/table2.tex", tmp_path)


def compile_latex(table: Path, folder: Path) -> None:
    shutil.copy(table, folder)
    (folder / "paper.tex").write_text(
        "\\documentclass[twocolumn]{article}\\usepackage[width=17.5cm]{geometry}\\usepackage{booktabs}\n"
        f"\\begin{{document}}Before.\\input{{{table.stem}}}After.\\end{{document}}\n"
    )
    for name in (table.stem, "paper"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout
        assert "Overfull" not in run.stdout


@pytest.mark.parametrize(("name", "n_columns", "n_rows"), [("table2", 15, 16), ("table3", 8, 9)])
def test_markdown_is_one_even_grid_under_its_caption(name, n_columns, n_rows, out):
    caption, empty, *grid = (out / f"{name}.md").read_text(encoding="utf-8").splitlines()
    assert caption.startswith("**Table ")
    assert empty == ""
    assert {line.count("|") for line in grid} == {n_columns + 1}
    assert len(grid) == n_rows + 2


def test_the_page_needs_nothing_but_itself_and_says_what_is_noise(out):
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "mml (wild) is better than stl by " in page
    assert "inside noise" in page
    assert "one seed only" not in page
    assert "no test label touches training" in page


def test_the_page_warns_of_single_seeds_and_says_what_is_left_out(runs, tmp_path):
    write_comparison(compare_runs(runs[:3], left_out=["this <and> that"]), tmp_path / "comparison")
    page = (tmp_path / "comparison/comparison.html").read_text(encoding="utf-8")
    assert "All systems have one seed only" in page
    assert "this &lt;and&gt; that" in page
