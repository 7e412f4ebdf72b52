"""Sides and lips, counted from labels as RAF-AU writes them."""

import numpy as np
import pytest
from scipy.stats import binomtest

from rafce.formats.raf_au import parse_label
from rafce.sides import PLACES, au_sides, places


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("12", []),
        ("L12", ["left", "one side"]),
        ("R12", ["right", "one side"]),
        ("L12L", ["left", "one side"]),
        ("L12+R12", []),
        ("12+L12", []),
        ("L12+L12", ["left", "one side"]),
        ("t23", ["top lip", "one lip"]),
        ("B28", ["bottom lip", "one lip"]),
        ("T23+B23", []),
        ("T23+23", []),
        ("BL18", ["left", "one side", "bottom lip", "one lip"]),
        ("BL18+BR18", ["bottom lip", "one lip"]),
        ("AD19", []),
    ],
)
def test_a_label_says_where_its_au_is_confined_to(label, expected):
    assert places(parse_label(label)) == expected


def test_images_are_counted_once_per_au_and_place():
    labels = ["L12+25", "R12+L12", "12", "L12+L12", "R12+4", "null", "T23+L12"]
    table = au_sides([parse_label(label) for label in labels], (4, 12, 23, 43)).set_index(["au", "place"])
    assert table["n"].xs(12, level="au").eq(6).all()
    assert [table["count"][12, place] for place in PLACES] == [3, 1, 4, 0, 0, 0]
    assert table["count"][23, "top lip"] == 1
    assert table["count"][4, "one side"] == 0


def test_the_rates_carry_wilsons_interval_and_an_au_never_seen_has_none():
    table = au_sides([parse_label("L12")] * 3 + [parse_label("12")] * 7, (12, 43))
    row = table[(table["au"] == 12) & (table["place"] == "one side")].iloc[0]
    interval = binomtest(3, 10).proportion_ci(method="wilson")
    assert (row["frequency"], row["ci_low"], row["ci_high"]) == pytest.approx(
        (0.3, interval.low, interval.high)
    )
    unseen = table[table["au"] == 43]
    assert (unseen["n"] == 0).all()
    assert np.isnan(unseen[["frequency", "ci_low", "ci_high"]]).all(axis=None)
