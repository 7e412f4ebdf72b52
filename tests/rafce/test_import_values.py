"""What cells mean: codes for unknown, rows without an emotion, labels that are numbers, names in several spellings."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce.errors import ConfigError, RafceError
from rafce.imports.emotion_rules import parse_emotion_names
from rafce.imports.emotions import UNLABELLED
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.imports.samples import emotion_order
from rafce.imports.source import AuColumn
from rafce.imports.spellings import group_key, whole_numbers_alike, word_key
from rafce.imports.table import parse_range
from rafce.imports.unknown_codes import unknown_codes
from rafce.imports.values import au_states
from rafce.reference import FRACTIONS
from rafce.schema import emotion_slug

PAIRS = "--emotion-names: expected labels and names such as 0=neutral,1=happy"
CODES = "--unknown 9,… names codes that mean unknown"


def bring_in(folder: Path, text: str, source: str = "table", name: str = "t.csv", **options):
    (folder / name).write_text(text)
    for role in ("emotions", "lab"):
        if role in options:
            (folder / f"{role}.csv").write_text(options[role])
            options[role] = folder / f"{role}.csv"
    return import_dataset(ImportOptions(source, (folder / name,), folder / "data", **options))


def refusal(folder: Path, text: str, source: str = "table", **options) -> list[str]:
    with pytest.raises(RafceError) as caught:
        bring_in(folder, text, source, **options)
    assert not (folder / "data").exists()
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def rows_of(folder: Path) -> list[dict]:
    return pq.read_table(folder / "data/samples.parquet").to_pylist()


def emotions_of(folder: Path) -> dict[str, str]:
    return {row["image"]: row["emotion"] for row in rows_of(folder)}


def labelled(*labels: str) -> str:
    """A table of images a0.jpg, a1.jpg … with these labels."""
    return "image,emotion,AU01\n" + "".join(f"a{i}.jpg,{label},{i % 2}\n" for i, label in enumerate(labels))


# --- AUs ---

BP4D = "frame,AU6,AU10,AU12,AU14,AU17\n1,2,3,3,9,0\n2,9,9,9,9,9\n"
LABELS = "frame,emotion\n1,happy\n2,sad\n"


def test_intensity_9_of_bp4d_is_unknown_when_it_is_said_and_an_error_before(tmp_path):
    found = refusal(tmp_path, BP4D, au_threshold=2.0, emotions=LABELS)
    assert found[0] == "t.csv:2: expected a number from 0 to 5 in column AU14, found '9'"
    assert len(found) == 1 + 5 + 1
    assert CODES in found[-1]
    bring_in(tmp_path, BP4D, au_threshold=2.0, emotions=LABELS, unknown="9")
    first, second = ([row[f"AU{au:02d}"] for au in (6, 10, 12, 14, 17)] for row in rows_of(tmp_path))
    assert first == [True, True, True, None, False]
    assert second == [None] * 5


def test_occlusion_9_beside_presence_is_an_error_that_names_the_option(tmp_path):
    text = "image,emotion,AU01\na.jpg,x,1\nb.jpg,y,9\n"
    assert refusal(tmp_path, text) == [
        "t.csv:3: expected 0 or 1 in column AU01, found '9'",
        f"({CODES}; --au-threshold X takes intensities from 0 to 5 or A to E)",
    ]
    bring_in(tmp_path, text, unknown="9")
    assert [row["AU01"] for row in rows_of(tmp_path)] == [True, None]


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("openface", "frame, AU01_c, emotion\n1, 9, x\n"),
        ("openface", "frame, AU01_r, emotion\n1, 9, x\n"),
        ("fex", "frame,AU01,emotion\n1,9,x\n"),
        ("libreface", "frame_idx,au_1,emotion\n1,9,x\n"),
        ("libreface", "frame_idx,au_1_intensity,emotion\n1,9,x\n"),
    ],
)
def test_every_source_has_a_range_and_takes_codes(tmp_path, source, table):
    assert refusal(tmp_path, table, source)[1:] == [f"({CODES})"]
    bring_in(tmp_path, table, source, unknown="9")
    assert rows_of(tmp_path)[0]["AU01"] is None


@pytest.mark.parametrize(
    "cell", ["", "-1", "999", "-1.0", "NaN", "NA", "None", "#N/A", "n/a", "<NA>", "9", "9.0", "?"]
)
def test_codes_and_empty_cells_are_unknown(tmp_path, cell):
    bring_in(tmp_path, f"image,emotion,AU01\na.jpg,x,{cell}\nb.jpg,x,3\n", au_threshold=2.0, unknown="9,?")
    assert [row["AU01"] for row in rows_of(tmp_path)] == [None, True]


EVIDENCE = "image,emotion,AU1 Evidence\na.jpg,x,-0.4\nb.jpg,x,0.7\nc.jpg,x,0\nd.jpg,x,-1\ne.jpg,x,\n"


def test_evidence_below_0_needs_a_range_and_then_minus_one_is_a_value(tmp_path):
    column = {"au_columns": "AU1 Evidence=1"}
    found = refusal(tmp_path, EVIDENCE, au_threshold=0.0, **column)
    assert found == [
        "--au-threshold: expected a positive number, found 0 (evidence may go below 0: --au-range LOW,HIGH)"
    ]
    found = refusal(tmp_path, EVIDENCE, au_threshold=0.5, **column)
    assert found[0] == "t.csv:2: expected a number from 0 to 5 in column AU1 Evidence, found '-0.4'"
    assert found[-1] == f"({CODES}; --au-range LOW,HIGH takes another range)"
    bring_in(tmp_path, EVIDENCE, au_threshold=0.0, au_range="-10,10", **column)
    assert [row["AU01"] for row in rows_of(tmp_path)] == [False, True, True, False, None]
    bring_in(tmp_path, EVIDENCE, au_threshold=-0.5, au_range="-10,10", unknown="-1", **column)
    assert [row["AU01"] for row in rows_of(tmp_path)] == [True, True, True, None, None]


FACEREADER = "image,emotion,Action Unit 12\n" + "".join(
    f"{i}.jpg,x,{cell}\n" for i, cell in enumerate(["NotActive", "A", "B", "c", "E", "", "-1", "5"])
)


def test_facs_letters_are_intensities_with_a_threshold_and_an_error_without(tmp_path):
    column = {"au_columns": "Action Unit 12=12"}
    found = refusal(tmp_path, FACEREADER, **column)
    assert found[0] == "t.csv:2: expected 0 or 1 in column Action Unit 12, found 'NotActive'"
    assert found[-1] == f"({CODES}; --au-threshold X takes intensities from 0 to 5 or A to E)"
    found = refusal(tmp_path, FACEREADER.replace(",E", ",F"), au_threshold=2.0, **column)
    assert found[0] == "t.csv:6: expected a number from 0 to 5 in column Action Unit 12, found 'F'"
    found = refusal(tmp_path, FACEREADER, au_threshold=2.0, au_range="0,100", **column)
    assert found[0] == "t.csv:2: expected a number from 0 to 100 in column Action Unit 12, found 'NotActive'"
    bring_in(tmp_path, FACEREADER, au_threshold=2.0, **column)
    assert [row["AU12"] for row in rows_of(tmp_path)] == [False, False, True, True, True, None, None, True]


def test_percentages_need_a_range_too(tmp_path):
    text = "image,emotion,AU01\na.jpg,x,80\nb.jpg,x,20\n"
    expected = "--au-threshold: expected a number above 0, up to 5, or another --au-range LOW,HIGH, found 50"
    assert refusal(tmp_path, text, au_threshold=50.0) == [expected]
    bring_in(tmp_path, text, au_threshold=50.0, au_range="0,100")
    assert [row["AU01"] for row in rows_of(tmp_path)] == [True, False]


@pytest.mark.parametrize("text", ["5", "0,", "5,0", "0,0", "0,inf", "nan,1", "a,b", "0,1,2", ""])
def test_a_range_is_two_rising_numbers(text):
    with pytest.raises(ConfigError, match="--au-range: expected two rising numbers"):
        parse_range(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"au_range": "0,1"}, "--au-range: expected --au-threshold too"),
        ({"au_range": "0,1", "au_threshold": 2.0}, "--au-threshold: expected a number above 0, up to 1,"),
        ({"au_range": "-3,3", "au_threshold": -3.0}, "--au-threshold: expected a number above -3, up to 3,"),
        ({"unknown": "9,"}, "--unknown: expected codes with commas between"),
    ],
)
def test_options_of_aus_that_cannot_be_carried_out_are_named(tmp_path, options, expected):
    assert refusal(tmp_path, labelled("x", "y"), **options)[0].startswith(expected)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-12, 12), min_size=1),
    st.integers(-10, 9),
    st.integers(1, 10),
    st.integers(0, 20),
    st.sets(st.integers(-12, 12), max_size=3),
)
def test_states_are_those_of_a_loop_over_the_cells(cells, low, width, above, given_codes):
    high, threshold = low + width, low + 1 + above % width
    codes = unknown_codes((-1, 999), ",".join(map(str, given_codes)) or None)
    states = au_states(
        pa.array([str(cell) for cell in cells]), AuColumn(1, "AU01", high, threshold, low), codes
    )
    for i, cell in enumerate(cells):
        unknown = cell in given_codes or (cell == -1 and not low <= -1 <= high)
        assert states.known_N[i] == (not unknown)
        assert states.wrong_N[i] == (not unknown and not low <= cell <= high)
        assert states.active_N[i] == (not unknown and cell >= threshold)


def test_columns_that_seem_to_code_aus_and_are_not_read_are_said(tmp_path):
    text = "image,emotion,AU01,AU12_intensity,AUL4,AU6 (cheek raiser),audio,au\na.jpg,glad,1,2.5,1,0,3,4\n"
    assert bring_in(tmp_path, text)["notes"] == [
        "Not read, though named like AUs: AU12_intensity, AUL4, AU6 (cheek raiser) (--au-columns names the columns to "
        "read)."
    ]
    assert bring_in(tmp_path, text, au_columns="AU01")["notes"] == []


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        ("01", {"au_threshold": 2.0}, ["No AU is active in any image: no value reaches --au-threshold 2."]),
        ("00", {}, []),
        (("-1", "999"), {}, ["No AU is known in any image."]),
        (("-1", "1"), {}, []),
        ("12", {"au_threshold": 2.0}, []),
    ],
)
def test_aus_that_say_nothing_are_said(tmp_path, cells, options, expected):
    rows = "".join(f"{i}.jpg,glad,{cell}\n" for i, cell in enumerate(cells))
    assert bring_in(tmp_path, f"image,emotion,AU01\n{rows}", **options)["notes"] == expected


# --- rows without an emotion ---

NONE = ["-1", "-1.0", "\u22121", "-9", "None", "none", "#N/A", "#NA", "NaN", "nan", "-nan", "NULL", "null", "NA", "N/A",
        "n/a", "<NA>", "", " ", "NaT", "-", "?", "unknown", "#VALUE!", "uncertain", "No-Face", "no face", "undefined",
        "Missing", "not labelled", "\u00a0", "\u200b"]  # fmt: skip


@pytest.mark.parametrize("label", NONE)
@pytest.mark.parametrize("place", ["table", "emotions"])
def test_a_label_that_is_none_is_an_error_or_left_out_and_counted(tmp_path, label, place):
    if place == "table":
        text, options = labelled("glad", label, "sad"), {}
        where, what = "t.csv:3", "a value for the emotion"
    else:
        text, options = (
            "image,AU01\na0.jpg,1\na1.jpg,0\na2.jpg,1\n",
            {"emotions": labelled("glad", label, "sad")},
        )
        where, what = "emotions.csv:3", "a value in column emotion"
    seen = label.strip(" \u00a0\u200b") or "an empty cell"
    shown = repr(label) if label.strip() else seen
    assert refusal(tmp_path, text, **options) == [f"{where}: expected {what}, found {shown}", UNLABELLED]
    manifest = bring_in(tmp_path, text, unlabelled="drop", **options)
    assert emotions_of(tmp_path) == {"a0.jpg": "glad", "a2.jpg": "sad"}
    assert manifest["counts"]["left_out"] == {"unlabelled": 1, "dropped_emotions": 0}
    assert manifest["counts"]["kept"] == 2
    assert manifest["notes"] == [f"Left out: 1 row without an emotion: {seen} (1)."]


@pytest.mark.parametrize(
    "label", ["None-of-these", "nano", "0", "10", "neutral", "no emotion here", "na\u00efve", "N", "A"]
)
def test_a_label_that_is_an_emotion_stays_one(tmp_path, label):
    bring_in(tmp_path, labelled("glad", label))
    assert emotions_of(tmp_path)["a1.jpg"] == label


@pytest.mark.parametrize("label", ["1e999", "0.5", ".25", "2.0001"])
def test_a_number_that_is_not_whole_is_the_label_of_no_emotion_unless_it_is_named(tmp_path, label):
    assert refusal(tmp_path, labelled("glad", label, "2.0")) == [
        f"t.csv:3: expected the name or the whole number of an emotion, found {label!r}"
    ]
    bring_in(tmp_path, labelled("glad", label), emotion_names=f"{label}=calm")
    assert emotions_of(tmp_path) == {"a0.jpg": "glad", "a1.jpg": "calm"}


@pytest.mark.parametrize(
    "one", ["1", "1.0", "01", " 1", "\u00a01", "1\u00a0", "\uff11", "\u200b1", "1\u2060"]
)
def test_numbers_that_look_the_same_are_one_group(one):
    assert group_key(one) == word_key(one) == group_key("1")


@pytest.mark.parametrize(
    "seen", ["glad", "\u00a0glad", "glad\u200b", "\ufeffglad", "\uff47lad", "Gl\u00adad"]
)
def test_words_that_look_the_same_are_one_group_and_one_emotion(seen):
    assert group_key(seen) == group_key("glad")
    assert word_key(seen) == word_key("glad")


AFF_WILD = "image,emotion,AU01,AU12,video\n" + "".join(
    f"v{i % 4}/{i:05d}.jpg,{(2, -1, 0, 1, 10)[i % 5]},{i % 2},{-1 if i % 3 else 1},v{i % 4}\n"
    for i in range(40)
)


def test_frames_of_aff_wild2_without_a_label_are_left_out_and_ids_follow_the_numbers(tmp_path):
    options: dict[str, Any] = {"group_column": "video", "keep_folders": True}
    found = refusal(tmp_path, AFF_WILD, **options)
    assert [line.split(":")[1] for line in found[:-1]] == [str(3 + 5 * i) for i in range(8)]
    manifest = bring_in(tmp_path, AFF_WILD, unlabelled="drop", **options)
    assert list(manifest["counts"]["partitions"]) == ["0", "1", "2", "10"]
    assert {row["emotion"]: row["emotion_id"] for row in rows_of(tmp_path)} == {
        "0": 0,
        "1": 1,
        "2": 2,
        "10": 3,
    }
    kept = {f"v{i % 4}/{i:05d}.jpg": i for i in range(40) if i % 5 != 1}
    assert {row["image"]: (row["AU01"], row["AU12"]) for row in rows_of(tmp_path)} == {
        image: (bool(i % 2), None if i % 3 else True) for image, i in kept.items()
    }


AFFECTNET = "subDirectory_filePath,expression,valence,AU01\n" + "".join(
    f"{i % 3}/{i}.jpg,{i % 11},0.1,{i % 2}\n" for i in range(33)
)


def test_8_to_10_of_affectnet_are_no_emotion_in_its_own_layout(tmp_path):
    options: dict[str, Any] = {"image_column": "subDirectory_filePath", "emotion_column": "expression"}
    options["keep_folders"] = True
    found = refusal(tmp_path, AFFECTNET, **options)
    assert len(found) == 9 + 1
    assert found[0] == "t.csv:10: expected a value for the emotion, found '8'"
    manifest = bring_in(tmp_path, AFFECTNET, unlabelled="drop", **options)
    assert Counter(emotions_of(tmp_path).values()) == {str(i): 3 for i in range(8)}
    assert manifest["notes"] == [
        "Laid out as AffectNet: 8, 9, 10 (none, uncertain, no face) are no emotion.",
        "Left out: 9 rows without an emotion: 10 (3); 8 (3); 9 (3).",
    ]
    names = "0=neutral,1=happy,2=sad,3=surprise,4=fear,5=disgust,6=anger,7=contempt"
    bring_in(tmp_path, AFFECTNET, unlabelled="drop", emotion_names=names, drop_emotions="Contempt", **options)
    assert Counter(emotions_of(tmp_path).values()) == dict.fromkeys(
        ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"), 3
    )


def test_8_to_10_are_emotions_elsewhere_unless_they_are_named_as_none(tmp_path):
    text = "image,expression,AU01\n" + "".join(f"{i}.jpg,{i % 11},1\n" for i in range(33))
    bring_in(tmp_path, text, emotion_column="expression")
    assert [emotion_order([str(i) for i in range(11)])] == [tuple(str(i) for i in range(11))]
    assert Counter(emotions_of(tmp_path).values()) == {str(i): 3 for i in range(11)}
    bring_in(tmp_path, text, emotion_column="expression", unknown_emotion="8, 9.0,10", unlabelled="drop")
    assert Counter(emotions_of(tmp_path).values()) == {str(i): 3 for i in range(8)}


OPENFACE = "frame, success, AU01_r, AU01_c\n" + "".join(f"{i}, 1, 0.1, {i % 2}\n" for i in range(1, 13))


def test_frames_that_the_emotions_file_does_not_have_are_an_error_or_left_out(tmp_path):
    emotions = "frame,emotion\n3,happy\n5,happy\n6,happy\n9,sad\n10,sad\n12,sad\n"
    found = refusal(tmp_path, OPENFACE, "openface", emotions=emotions)
    assert [line.split(":")[1] for line in found[:-1]] == ["2", "3", "5", "8", "9", "12"]
    assert found[0] == "t.csv:2: expected a row of emotions.csv with frame 1, found none"
    assert found[-1] == UNLABELLED
    manifest = bring_in(tmp_path, OPENFACE, "openface", emotions=emotions, unlabelled="drop")
    assert emotions_of(tmp_path) == {
        **{f"t_{i:06d}.jpg": "happy" for i in (3, 5, 6)},
        **{f"t_{i:06d}.jpg": "sad" for i in (9, 10, 12)},
    }
    assert [row["AU01"] for row in rows_of(tmp_path)] == [True, True, False, True, False, False]
    assert manifest["notes"] == ["Left out: 6 rows without an emotion: no row in the emotions file (6)."]


def test_of_rows_that_are_left_out_nothing_else_is_counted_or_checked(tmp_path):
    text = "image,emotion,AU01,success,who\na.jpg,x,1,1,1\nb.jpg,-1,7,0,\nb.jpg,,1,0,2\nc.jpg,y,,1,3\nd.jpg,y,1,0,4\n"
    manifest = bring_in(tmp_path, text, unlabelled="drop", group_column="who")
    counts = manifest["counts"]
    assert (counts["kept"], counts["failed_frames"], counts["without_aus"]) == (3, 1, 2)
    assert sum(counts["groups"].values()) == 3


def test_faults_behind_rows_that_are_left_out_keep_their_lines_and_their_order(tmp_path):
    text = labelled("x", "-1", "y", "au12", "z").replace("a2.jpg,y,0", "a2.jpg,y,7").replace("a4.jpg,z", ",z")
    assert refusal(tmp_path, text, unlabelled="drop")[:-1] == [
        "t.csv:4: expected 0 or 1 in column AU01, found '7'",
        "t.csv:5: expected the name of an emotion, not of an AU, found 'au12'",
        "t.csv:6: expected a value for the image, found an empty cell",
    ]
    again = "image,emotion,AU01\na.jpg,-1,1\nb.jpg,x,1\nc.jpg,,1\nb.jpg,x,1\n"
    assert refusal(tmp_path, again, unlabelled="drop")[0] == (
        "t.csv:5: expected each image once, found b.jpg again (t.csv:3)"
    )


def test_faults_of_keys_stand_between_those_of_other_cells(tmp_path):
    text = "frame,AU01_c\n1,1\none,1\n3,7\n"
    assert refusal(tmp_path, text, "openface", emotions="frame,emotion\n3,x\n", unlabelled="drop")[:-1] == [
        "t.csv:3: expected the number of a frame, found 'one'",
        "t.csv:4: expected 0 or 1 in column AU01_c, found '7'",
    ]


def test_a_table_of_which_every_row_is_left_out_is_an_error(tmp_path):
    assert refusal(tmp_path, labelled("-1", "", "None"), unlabelled="drop") == [
        "t.csv: expected rows with an emotion, found none: 3 were left out"
    ]


# --- names of emotions ---


def test_names_for_labels_and_emotions_to_leave_out(tmp_path):
    text = labelled("0", "1.0", "02", "1", "0")
    manifest = bring_in(tmp_path, text, emotion_names="0=neutral, 1=happy, 2=sad", drop_emotions="Neutral")
    assert emotions_of(tmp_path) == {"a1.jpg": "happy", "a2.jpg": "sad", "a3.jpg": "happy"}
    assert manifest["counts"]["left_out"] == {"unlabelled": 0, "dropped_emotions": 2}
    assert manifest["notes"] == ["Left out: 2 rows of dropped emotions: neutral (2)."]


def test_two_labels_of_one_name_are_one_emotion(tmp_path):
    bring_in(tmp_path, labelled("disgust", "contempt", "joy"), emotion_names="contempt=Disgust")
    assert emotions_of(tmp_path) == {"a0.jpg": "disgust", "a1.jpg": "disgust", "a2.jpg": "joy"}


def test_a_number_without_a_name_is_an_error_where_numbers_have_names(tmp_path):
    assert refusal(tmp_path, labelled("0", "1", "8"), emotion_names="0=neutral,1=happy") == [
        "t.csv:4: expected a label that --emotion-names names, or --unknown-emotion 8, found '8'"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"emotion_names": "0"}, f"{PAIRS}, found '0'"),
        ({"emotion_names": "0="}, f"{PAIRS}, found '0='"),
        ({"emotion_names": "8=none"}, f"{PAIRS}, found '8=none'"),
        ({"emotion_names": "0=a,00=b"}, "--emotion-names: expected one name for 00, found b too"),
        ({"unknown_emotion": "8,,9"}, "--unknown-emotion: expected texts with commas between, found '8,,9'"),
        ({"unknown_emotion": "8.0", "emotion_names": "8=x"},
         "expected 8.0 in --emotion-names or in --unknown-emotion, found in both"),
        ({"drop_emotions": "glad,hate"},
         "--drop-emotions: expected emotions of the tables (sad), found none called hate"),
    ],
)  # fmt: skip
def test_options_of_emotions_that_cannot_be_carried_out_are_named(tmp_path, options, expected):
    assert refusal(tmp_path, labelled("glad", "sad"), **options) == [expected]


SPELLINGS = ["Happily Surprised", "happily surprised", "Happily_Surprised", "happily-surprised", "HAPPILYSURPRISED",
             " happily  surprised ", "happily\u00a0surprised"]  # fmt: skip


def test_spellings_of_one_emotion_are_one_class_and_said(tmp_path):
    manifest = bring_in(tmp_path, labelled(*SPELLINGS, "Happiness", "sad"))
    assert Counter(emotions_of(tmp_path).values()) == {"Happily Surprised": 7, "Happiness": 1, "sad": 1}
    assert len(manifest["notes"]) == 1
    assert manifest["notes"][0].startswith(
        "Spellings of one emotion are read as the first: 'happily surprised', "
    )
    assert manifest["notes"][0].endswith(" as 'Happily Surprised'.")


@settings(max_examples=60)
@given(st.lists(st.text("aB _-1.0", min_size=1, max_size=4), min_size=1, max_size=12, unique=True))
def test_names_that_stand_side_by_side_have_columns_of_their_own(texts):
    keys = {word_key(text): text for text in texts}
    slugs = [emotion_slug(text) for text in keys.values()]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("name", ["AU12", "au_4", "gl\x1bad", "line\u2028break"])
def test_a_name_that_no_column_or_screen_can_bear_is_refused(tmp_path, name):
    found = refusal(tmp_path, labelled("glad", name))
    assert found[0].startswith(
        ("t.csv:3: expected the name of an emotion, not", "t.csv:3: expected an emotion that can")
    )


def test_labels_of_a_parquet_column_of_numbers_are_whole(tmp_path):
    columns = {"image": ["a.jpg", "b.jpg", "c.jpg"], "emotion": [10.0, None, 2.0], "AU01": [1, 0, 1]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    import_dataset(ImportOptions("table", (tmp_path / "t.parquet",), tmp_path / "data", unlabelled="drop"))
    assert {row["emotion"]: row["emotion_id"] for row in rows_of(tmp_path)} == {"2": 0, "10": 1}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "2", "1", "0"], ("0", "1", "2", "10")),
        (["1.5", "10", "-", "02"], ("1.5", "02", "10", "-")),
        (["b", "7", "a", "10"], ("7", "10", "a", "b")),
    ],
)
def test_numbers_sort_by_value_before_words(names, expected):
    assert emotion_order(names) == expected


def test_names_of_emotions_are_parsed_by_the_first_equals_sign():
    assert parse_emotion_names("a=b=c, Sehr Froh = happy") == {"a": "b=c", "sehrfroh": "happy"}


# --- groups ---


def test_1_and_1_point_0_and_01_are_one_group(tmp_path):
    text = "image,emotion,AU01,subject\na.jpg,happy,1,1\nb.jpg,sad,0,1.0\nc.jpg,sad,0,01\nd.jpg,sad,0,s3\n"
    text += "e.jpg,happy,0,2\nf.jpg,happy,0,3\n"
    manifest = bring_in(tmp_path, text, group_column="subject")
    group = {row["image"]: (row["group"], row["partition"]) for row in rows_of(tmp_path)}
    assert [group[f"{name}.jpg"][0] for name in "abcdef"] == ["1", "1", "1", "s3", "2", "3"]
    assert group["a.jpg"] == group["b.jpg"] == group["c.jpg"]
    assert sum(manifest["counts"]["groups"].values()) == 4
    assert manifest["notes"] == ["Spellings of one group are read as the first: '1.0', '01' as '1'."]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", "01"),
        ("100000", "1e+05"),
        ("-3", "-3.00"),
        ("S01", "s01"),
        ("Zoe\u0301", "Zo\u00e9"),
        ("7", "+7"),
    ],
)
def test_spellings_of_a_group_have_one_key(one, other):
    assert group_key(one) == group_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.5"), ("1", "10"), ("s1", "s01"), ("v_1", "v1"), ("1", "-1"), ("1e999", "1e998"), ("a b", "ab"),
     ("12345678901234567890", "12345678901234567891"), ("1e99999999999999999999", "1"), ("1,5", "1")],
)  # fmt: skip
def test_different_groups_have_different_keys(one, other):
    assert group_key(one) != group_key(other)


def test_a_group_that_table_and_emotions_file_tell_differently_is_an_error(tmp_path):
    text = "image,AU01,who\n" + "".join(f"a{i}.jpg,1,{i}\n" for i in range(4))
    emotions = "image,emotion,who\n" + "".join(f"a{i}.jpg,x,{i if i < 3 else 0}.0\n" for i in range(4))
    assert refusal(tmp_path, text, emotions=emotions, group_column="who") == [
        "t.csv:5: expected the group 0.0 as in emotions.csv, found 3"
    ]


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "null", "#N/A", "<NA>", "n/a"])
@pytest.mark.parametrize("role", ["group", "image", "partition"])
def test_a_cell_without_a_value_is_no_group_image_or_partition(tmp_path, cell, role):
    rows = "".join(f"{i}.jpg,x,1,{i},train\n" for i in range(4)).replace(
        *{"group": (",2,", f",{cell},"), "image": ("2.jpg", cell), "partition": ("2,train", f"2,{cell}")}[
            role
        ]
    )
    found = refusal(tmp_path, f"image,emotion,AU01,who,partition\n{rows}", group_column="who")
    assert found[0] == f"t.csv:4: expected a value for the {role}, found {cell!r}"


def test_na_is_a_subject(tmp_path):
    rows = "".join(f"{i}.jpg,x,1,{('NA', 'KA', 'KL')[i % 3]}\n" for i in range(6))
    bring_in(tmp_path, f"image,emotion,AU01,who\n{rows}", group_column="who")
    assert {row["group"] for row in rows_of(tmp_path)} == {"NA", "KA", "KL"}


# --- names that join ---


@pytest.mark.parametrize("key", ["subject", "video", "frame", "image"])
@pytest.mark.parametrize(("own", "theirs"), [("1", "1.0"), ("1.0", "1")])
def test_whole_numbers_join_however_they_are_written(tmp_path, key, own, theirs):
    text = f"{key},file,AU01\n{own},a.jpg,1\n{own.replace('1', '2')},b.jpg,0\n"
    emotions = f"{key},emotion\n{theirs},glad\n{theirs.replace('1', '2')},sad\n"
    bring_in(tmp_path, text, emotions=emotions, image_column="file")
    assert emotions_of(tmp_path) == {"a.jpg": "glad", "b.jpg": "sad"}


def test_a_key_in_two_spellings_stands_twice(tmp_path):
    text, emotions = "subject,image,AU01\n1,a.jpg,1\n", "subject,emotion\n1,glad\n01,sad\n"
    assert refusal(tmp_path, text, emotions=emotions) == [
        "emotions.csv:3: expected each key once, found subject 1 again (emotions.csv:2)"
    ]


def test_an_image_called_by_a_number_is_the_same_image_as_a_decimal(tmp_path):
    text = "image,emotion,AU01\n1,glad,1\n1.0,sad,0\n"
    assert "expected each image once, found 1 again" in refusal(tmp_path, text)[0]
    assert whole_numbers_alike(pa.array(["1", "01", "1.0", None, "x01", "1.5"])).to_pylist() == [
        *("1", "1", "1", None, "x01", "1.5")
    ]


# --- the laboratory ---


@pytest.mark.parametrize(
    ("lab", "expected"),
    [
        ("glad,12,0.97\nsad,4,1.0\n", f"lab.csv:2: {FRACTIONS}"),
        ("glad,12,101\n", "lab.csv:2: expected a percent from 0 to 100, found '101'"),
        ("glad,12,-4\n", "lab.csv:2: expected a percent from 0 to 100, found '-4'"),
        ("glad,12,NaN\n", "lab.csv:2: expected a percent from 0 to 100, found 'NaN'"),
        ("proud,12,97\n", "lab.csv:2: expected an emotion such as 'glad', found 'proud'"),
        ("glad,3,97\n", "lab.csv:2: expected a FACS code, found '3'"),
        ("glad,12,97\nglad,012,9\n", "lab.csv:3: expected each emotion and AU once, found glad, AU 12 again (line 2)"),
    ],
)  # fmt: skip
def test_a_laboratory_table_that_cannot_be_is_refused_with_its_line(tmp_path, lab, expected):
    assert refusal(tmp_path, labelled("glad", "sad"), lab=f"emotion,au,percent\n{lab}") == [expected]
