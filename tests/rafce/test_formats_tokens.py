"""Every literal form that the public label files hold, typed by hand beside what it means."""

import pytest

from rafce.formats.raf_au import Token, parse_label, read_raf_au
from rafce.formats.raf_ce import read_raf_ce
from rafce.formats.raf_ml import read_raf_ml
from rafce.taxonomy import AUS

TOKENS = {
    "1": Token(1, None, None),
    "L10": Token(10, "L", None),
    "R10": Token(10, "R", None),
    "T23": Token(23, None, "T"),
    "t23": Token(23, None, "T"),
    "B28": Token(28, None, "B"),
    "BL18": Token(18, "L", "B"),
    "RB18": Token(18, "R", "B"),
    "AD19": Token(19, None, None),
    "L12L": Token(12, "L", None),
}

LABELS = {
    "1+4+L10+25": [(1, None, None), (4, None, None), (10, "L", None), (25, None, None)],
    "1+4+25": [(1, None, None), (4, None, None), (25, None, None)],
    "26+26": [(26, None, None), (26, None, None)],
    "12+20+16": [(12, None, None), (20, None, None), (16, None, None)],
    "17+B22+T24": [(17, None, None), (22, None, "B"), (24, None, "T")],
    "null": [],
}

RAF_AU_FILE = (
    "0001.jpg 1+4+L10+25\n"
    "0002.jpg null\n"
    "0003.jpg 25 \n"
    "0004.jpg  12+20+16\n"
    "0005.jpg 17+B22+T24\n"
    "0006.jpg T23+B28+BL18+RB18\n"
    "0007.jpg AD19+t23+L12L+26+26\n"
    "0008.jpg 1+2+4+5+6+7+9+10+12+14+15+16+17+18+19+20+21+22+23+24+25+26+27+28+29+30+32+33+34+35+39+43\n"
)
RAF_AU_AUS = {
    "0001.jpg": {1, 4, 10, 25},
    "0002.jpg": set(),
    "0003.jpg": {25},
    "0004.jpg": {12, 16, 20},
    "0005.jpg": {17, 22, 24},
    "0006.jpg": {18, 23, 28},
    "0007.jpg": {12, 19, 23, 26},
    "0008.jpg": set(AUS),
}


@pytest.mark.parametrize(("text", "expected"), TOKENS.items())
def test_each_token_has_its_au_side_and_lip(text, expected):
    assert parse_label(text) == (expected,)


@pytest.mark.parametrize(("text", "expected"), LABELS.items())
def test_a_label_keeps_the_order_and_the_repeats_of_its_tokens(text, expected):
    assert list(map(tuple, parse_label(text))) == expected


def test_a_file_of_every_form_gives_the_aus_active_on_any_side_or_lip(tmp_path):
    path = tmp_path / "RAFAU_label.txt"
    path.write_text(RAF_AU_FILE, encoding="ascii", newline="\n")
    rows = read_raf_au(path)
    assert {row.image: set(row.aus) for row in rows} == RAF_AU_AUS
    assert [row.label for row in rows] == [line.split()[1] for line in RAF_AU_FILE.splitlines()]
    assert [row.image for row in rows if row.is_null] == ["0002.jpg"]


def test_raf_ml_columns_are_surprise_fear_disgust_happiness_sadness_anger(tmp_path):
    path = tmp_path / "distribution.txt"
    path.write_text("0001.jpg 0.290323 0.290323 0 0.064516 0.290323 0.064516 \n", encoding="ascii")
    (row,) = read_raf_ml(path)
    assert row.image == "0001.jpg"
    assert row.probabilities == (0.290323, 0.290323, 0, 0.064516, 0.290323, 0.064516)


def test_raf_ce_reads_class_aus_and_partition_though_the_last_lines_have_no_end(tmp_path):
    (tmp_path / "RAFCE_emolabel.txt").write_text("0001.jpg 0\n0002.jpg 13\n0003.jpg 7", encoding="ascii")
    (tmp_path / "RAFCE_AUlabel.txt").write_text(
        "0001.jpg 1+4+25\n0002.jpg 12 \n0003.jpg null", encoding="ascii"
    )
    (tmp_path / "RAFCE_partition.txt").write_text("0001.jpg 0\n0002.jpg 1\n0003.jpg 2", encoding="ascii")
    rows = [(row.image, row.emotion_id, row.partition, set(row.au.aus)) for row in read_raf_ce(tmp_path)]
    assert rows == [
        ("0001.jpg", 0, "train", {1, 4, 25}),
        ("0002.jpg", 13, "test", {12}),
        ("0003.jpg", 7, "validation", set()),
    ]
