import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from rafce.build import BuildOptions, build_dataset
from rafce.dataset import read_dataset
from rafce.errors import ConfigError, DatasetError, ImageError, LabelError, OutputError, RafceError
from rafce.taxonomy import AUS, BASIC_EMOTIONS, COMPOUND_EMOTIONS


def build(root: Path, out: Path, official: bool = False, **options):
    if official:
        options["raf_ce"] = root / "RAF-CE"
    return build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=out, **options))


def rows(folder: Path, name: str) -> dict[str, dict]:
    return {row["image"]: row for row in pq.read_table(folder / f"{name}.parquet").to_pylist()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_image_is_kept_in_its_class_or_discarded_for_its_reason(release, tmp_path):
    manifest = build(release(), tmp_path / "data")
    kept = {image: row["emotion"] for image, row in rows(tmp_path / "data", "samples").items()}
    assert kept == {
        "0001.jpg": "happily surprised",
        "0002.jpg": "happily disgusted",
        "0003.jpg": "sadly fearful",
        "0004.jpg": "sadly angry",
        "0005.jpg": "sadly surprised",
        "0006.jpg": "happily surprised",  # surprise and happiness stand before sadness
        "0008.jpg": "happily surprised",  # surprise stands before anger
    }
    discarded = {
        image: (row["reason"], row["label_1"], row["label_2"])
        for image, row in rows(tmp_path / "data", "discarded").items()
    }
    assert discarded == {
        "0007.jpg": ("unmappable-pair", "happiness", "anger"),
        "0009.jpg": ("no-second-label", "disgust", None),
        "0010.jpg": ("no-au-label", "surprise", "happiness"),
        "0011.jpg": ("no-emotion-label", None, None),
    }
    assert manifest["counts"]["joined"] == 9
    assert manifest["counts"]["kept"] == 7
    assert manifest["counts"]["tied"] == 2


def test_ties_can_be_discarded_and_null_labels_dropped(release, tmp_path):
    build(release(), tmp_path / "data", ties="discard", null_au="drop")
    reasons = {image: row["reason"] for image, row in rows(tmp_path / "data", "discarded").items()}
    assert reasons["0006.jpg"] == reasons["0008.jpg"] == "tie"
    assert reasons["0003.jpg"] == "null-au"


def test_an_au_is_active_when_it_is_active_on_any_side_or_lip(release, tmp_path):
    build(release(), tmp_path / "data")
    samples = rows(tmp_path / "data", "samples")
    active = {image: {au for au in AUS if row[f"AU{au:02d}"]} for image, row in samples.items()}
    assert active["0002.jpg"] == {10, 12}
    assert active["0003.jpg"] == set()
    assert active["0008.jpg"] == {23, 28}
    assert samples["0008.jpg"]["au_raw"] == "t23+B28"
    for image, row in samples.items():
        assert row["au_mask"] == sum(1 << AUS.index(au) for au in active[image])
        assert all(row[f"AU{au:02d}"] is not None for au in AUS)


def test_official_labels_and_partition_win_and_differences_are_listed(release, tmp_path):
    classes = {"0001.jpg": 0, "0002.jpg": 1, "0004.jpg": 3, "0006.jpg": 4, "0008.jpg": 12}
    manifest = build(release(classes=classes), tmp_path / "data", official=True)
    samples = rows(tmp_path / "data", "samples")
    assert {image: row["emotion_id"] for image, row in samples.items()} == classes
    assert {row["emotion_source"] for row in samples.values()} == {"official"}
    assert [row["partition"] for row in samples.values()] == ["train", "test", "validation", "train", "test"]
    reasons = Counter(row["reason"] for row in rows(tmp_path / "data", "discarded").values())
    assert reasons == {"officially-discarded": 4, "no-au-label": 1, "no-emotion-label": 1}
    assert (manifest["official"]["agree"], manifest["official"]["differ"]) == (3, 2)
    assert manifest["official"]["differences"][0] == (
        "0006.jpg: expected happily surprised (surprise 0.300, disgust 0.100, happiness 0.300, sadness 0.300; tied), "
        "found sadly surprised in RAF-CE"
    )


@pytest.mark.parametrize(
    ("official", "expected"),
    [
        (
            {"classes": {"0001.jpg": 1}},
            "0001.jpg: expected happily surprised .*not tied.*found happily disgusted",
        ),
        ({"classes": {"0010.jpg": 0}}, "RAFCE_emolabel.txt: expected 0010.jpg in RAF-AU too, found none"),
        ({"classes": {"0011.jpg": 0}}, "RAFCE_emolabel.txt: expected 0011.jpg in RAF-ML too, found none"),
        (
            {"classes": {"0001.jpg": 0}, "official_labels": {"0001.jpg": "1+2"}},
            r"RAFCE_AUlabel.txt: expected the AUs of RAF-AU for 0001.jpg \(1\+2\+25\), found 1\+2",
        ),
    ],
)
def test_contradictions_between_the_releases_are_errors(release, tmp_path, official, expected):
    with pytest.raises(LabelError, match=expected):
        build(release(**official), tmp_path / "data", official=True)
    assert not (tmp_path / "data").exists()


def test_sides_may_be_written_differently_in_rafce(release, tmp_path):
    root = release(classes={"0002.jpg": 1}, official_labels={"0002.jpg": "12+10"})
    build(root, tmp_path / "data", official=True)
    assert rows(tmp_path / "data", "samples")["0002.jpg"]["au_raw"] == "L10+12+R10"


def test_rafce_alone_builds_without_probabilities(release, tmp_path):
    root = release(classes={"0001.jpg": 0, "0002.jpg": 1, "0003.jpg": 2})
    manifest = build_dataset(BuildOptions(raf_ce=root / "RAF-CE", out=tmp_path / "data"))
    assert manifest["counts"]["tied"] is None
    samples = rows(tmp_path / "data", "samples")
    assert len(samples) == 3
    for row in samples.values():
        assert row["tied"] is None
        assert all(row[f"p_{name}"] is None for name in BASIC_EMOTIONS)


def test_releases_without_a_common_image_are_an_error(release, tmp_path):
    with pytest.raises(LabelError, match=r"expected common images, found none \(such as 0001.jpg in RAF-ML"):
        build(release(labels={"x.jpg": "4"}), tmp_path / "data")


def test_no_image_with_a_class_is_an_error(release, tmp_path):
    root = release(votes={"0001.jpg": (0, 0, 0, 0.6, 0, 0.4)}, labels={"0001.jpg": "4"})
    with pytest.raises(RafceError, match="expected images with a class, found none: 1 unmappable-pair"):
        build(root, tmp_path / "data")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"raf_ml": Path("a")}, "expected --raf-ml and --raf-au together"),
        ({}, "expected --raf-ml and --raf-au, or --rafce, found none of them"),
        (
            {"raf_ce": Path("a"), "ties": "last"},
            "--ties: expected one of first, frequent, discard, found 'last'",
        ),
    ],
)
def test_inputs_that_name_no_dataset_are_refused(options, expected):
    with pytest.raises(ConfigError, match=expected):
        BuildOptions(**options)


# --- the statistics, counted again from the text files ---


@pytest.fixture(scope="module")
def look_alike(tmp_path_factory) -> Path:
    from rafce_fixtures.labels import generate
    from rafce_fixtures.release import write_release

    root = tmp_path_factory.mktemp("look-alike") / "release"
    write_release(generate(900, seed=3), root)
    return root


def count_from_text(root: Path, samples: dict[str, dict]) -> tuple[dict, dict]:
    """Images and active AUs per scope and emotion in plain Python: digits of the tokens, nothing of rafce."""
    n: Counter[tuple] = Counter()
    active: Counter[tuple] = Counter()
    for line in (root / "RAF-AU/RAFAU_label.txt").read_text().splitlines():
        image, label = line.split()
        if image not in samples:
            continue
        aus = {int("".join(filter(str.isdigit, token))) for token in label.split("+") if token != "null"}
        for scope in ("all", samples[image]["partition"]):
            n[scope, samples[image]["emotion"]] += 1
            active.update((scope, samples[image]["emotion"], au) for au in aus)
    return n, active


def test_an_independent_count_equals_the_statistics_cell_for_cell(look_alike, tmp_path):
    build(look_alike, tmp_path / "data")
    n, active = count_from_text(look_alike, rows(tmp_path / "data", "samples"))
    table = pq.read_table(tmp_path / "data/au_statistics.parquet").to_pylist()
    assert len(table) == 4 * 14 * 32
    for row in table:
        scope, emotion, au = row["scope"], row["emotion"], row["au"]
        assert row["n"] == n[scope, emotion]
        assert row["count"] == active[scope, emotion, au]
        check_rates(row)


def check_rates(row: dict) -> None:
    if row["n"] == 0:
        assert row["frequency"] is row["ci_low"] is row["category"] is row["p_variant"] is None
        return
    interval = binomtest(row["count"], row["n"]).proportion_ci(method="wilson")
    assert row["frequency"] == row["count"] / row["n"]
    assert row["ci_low"] == pytest.approx(interval.low, abs=1e-12)
    assert row["ci_high"] == pytest.approx(interval.high, abs=1e-12)
    percent = 100 * row["count"] / row["n"]
    assert row["category"] == (
        "prototypical" if percent >= 70 else "variant" if percent >= 20 else "unobserved"
    )
    assert row["p_prototypical"] + row["p_variant"] + row["p_unobserved"] == pytest.approx(1)


def test_every_untied_look_alike_gets_its_official_class(look_alike, tmp_path):
    manifest = build(look_alike, tmp_path / "data", official=True)
    differences = manifest["official"]["differences"]
    assert all("; tied)" in line for line in differences)
    assert manifest["official"]["agree"] + len(differences) == manifest["counts"]["kept"]


@pytest.mark.parametrize("seed", range(3))
def test_every_emotion_with_three_images_is_in_every_partition(look_alike, tmp_path, seed):
    build(look_alike, tmp_path / "data", seed=seed)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows(tmp_path / "data", "samples").values():
        found[row["emotion"]][row["partition"]] += 1
    for sizes in found.values():
        assert sum(sizes.values()) < 3 or len(sizes) == 3
    total: Counter[str] = sum(found.values(), Counter())
    assert total["train"] / total.total() == pytest.approx(0.6, abs=0.02)


def test_the_split_depends_on_the_seed_and_on_nothing_else(look_alike, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build(look_alike, tmp_path / name, seed=seed)
    a, b, c = (pq.read_table(tmp_path / name / "samples.parquet")["partition"].to_pylist() for name in "abc")
    assert a == b != c


# --- the folder ---


def test_rebuilding_is_byte_identical_and_the_order_of_rows_does_not_matter(look_alike, tmp_path):
    build(look_alike, tmp_path / "a")
    build(look_alike, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for file in ("RAF-ML/EmoLabel/distribution.txt", "RAF-AU/RAFAU_label.txt"):
        lines = (look_alike / file).read_text().splitlines()
        shuffled = np.random.default_rng(0).permutation(lines)
        (tmp_path / "shuffled" / file).parent.mkdir(parents=True)
        (tmp_path / "shuffled" / file).write_text("\n".join(shuffled) + "\n")
    build(tmp_path / "shuffled", tmp_path / "c")
    for name in ("samples", "discarded", "au_statistics"):
        assert files(tmp_path / "a")[f"{name}.parquet"] == files(tmp_path / "c")[f"{name}.parquet"]


def test_an_older_dataset_is_replaced_with_its_reports_and_an_empty_folder_accepted(release, tmp_path):
    out = tmp_path / "data"
    out.mkdir()
    build(release(), out)
    (out / "reports").mkdir()
    (out / "reports/report.html").write_text("old")
    build(release(), out)
    assert sorted(files(out)) == [
        "au_statistics.parquet",
        "discarded.parquet",
        "lab_statistics.parquet",
        "manifest.json",
        "samples.parquet",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "releases"]


def test_any_other_folder_or_file_is_refused_and_left_alone(release, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("precious")
    with pytest.raises(
        OutputError, match="expected an empty folder or an older dataset folder, found other files"
    ):
        build(release(), out)
    assert [path.name for path in out.iterdir()] == ["chapter1.tex"]
    with pytest.raises(OutputError, match="expected the name of a folder, found a file"):
        build(release(), out / "chapter1.tex")


def test_a_disk_that_fills_up_leaves_the_older_dataset_whole(release, tmp_path, monkeypatch):
    build(release(), tmp_path / "data")
    before = files(tmp_path / "data")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rafce.build.write_parquet", full)
    with pytest.raises(
        OutputError, match="cannot be written: the disk is full; what stood there is untouched"
    ):
        build(release(), tmp_path / "data", seed=5)
    assert files(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "releases"]


def test_the_metadata_names_the_schema_the_emotions_and_the_aus(release, tmp_path):
    build(release(), tmp_path / "data")
    for kind in ("samples", "discarded", "au_statistics", "lab_statistics"):
        metadata = pq.read_schema(tmp_path / f"data/{kind}.parquet").metadata
        assert metadata[b"rafce.schema"] == f"{kind}/1".encode()
        assert json.loads(metadata[b"rafce.emotions"]) == list(COMPOUND_EMOTIONS)
        assert json.loads(metadata[b"rafce.aus"]) == list(AUS)


def test_a_folder_of_another_schema_version_is_refused(release, tmp_path):
    build(release(), tmp_path / "data")
    path = tmp_path / "data/samples.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"rafce.schema": b"samples/2"}), path)
    with pytest.raises(DatasetError, match="expected schema samples/1, found samples/2"):
        read_dataset(tmp_path / "data")
    manifest = json.loads((tmp_path / "data/manifest.json").read_text())
    (tmp_path / "data/manifest.json").write_text(json.dumps(manifest | {"schema": "manifest/9"}))
    with pytest.raises(DatasetError, match="expected schema manifest/2, found manifest/9"):
        read_dataset(tmp_path / "data")


def test_a_lab_table_of_ones_own_replaces_the_shipped_one(release, tmp_path):
    (tmp_path / "lab.csv").write_text("emotion,au,percent\nhappily sad,12,55.5\n")
    build(release(), tmp_path / "data", lab=tmp_path / "lab.csv")
    table = pq.read_table(tmp_path / "data/lab_statistics.parquet").to_pylist()
    assert table == [{"emotion": "happily sad", "au": 12, "percent": 55.5, "note": ""}]


# --- images ---


@pytest.mark.parametrize(
    "layout", ["aligned/{}_aligned.jpg", "aligned/aligned/{}_aligned.jpg", "aligned/{}.jpg"]
)
def test_the_aligned_folder_beside_the_labels_is_found(release, tmp_path, layout):
    root = release()
    for i in range(1, 12):
        path = root / "RAF-AU" / layout.format(f"{i:04d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    images = build(root, tmp_path / "data")["images"]
    assert images["root"] == str(path.parent)
    assert images["suffix"] == ("_aligned" if "_aligned" in layout else "")
    assert images["missing"] == []


def test_missing_images_are_an_error_unless_they_are_allowed(release, tmp_path):
    root = release()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/0001_aligned.jpg").touch()
    with pytest.raises(
        ImageError, match=r"expected 7 images, 6 of them are missing: 0002_aligned.jpg, 0003_al"
    ):
        build(root, tmp_path / "data", images=tmp_path / "faces")
    assert not (tmp_path / "data").exists()
    manifest = build(root, tmp_path / "data", images=tmp_path / "faces", allow_missing_images=True)
    assert manifest["images"]["missing"][:2] == ["0002.jpg", "0003.jpg"]
    with pytest.raises(ImageError, match="expected a folder of images, found none"):
        build(root, tmp_path / "data", images=tmp_path / "nowhere")
    assert build(root, tmp_path / "labels")["images"]["root"] is None
