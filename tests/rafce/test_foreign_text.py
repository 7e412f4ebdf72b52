"""Texts of strangers against every character of Unicode, and messages against their limits."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafce.foreign_text import brief, code, markdown, shown

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text())
def test_no_control_character_and_no_change_of_direction_is_shown(text):
    found = shown(text)
    found.encode()  # no lone surrogate
    for character in found:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Zl", "Zp", "Cs")
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb\tc\x07", r"a\rb\tc\x07"),
        ("a\x9bb\x7f", r"a\x9bb\x7f"),
        ("jpg.\u202egnp", r"jpg.\u202egnp"),
        ("caf\udce9", r"caf\udce9"),
        ("two\nlines, ω and é and 🙂", "two\nlines, ω and é and 🙂"),
    ],
)
def test_an_escape_says_which_character_stood_there(text, expected):
    assert shown(text) == expected


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=3000), max_size=40))
def test_a_message_has_at_most_twenty_lines_and_two_thousand_characters(lines):
    message = brief("\n".join(lines))
    assert len("error: ") + len(message) <= 2000
    assert len(message.split("\n")) <= 20


def test_a_message_that_fits_is_left_alone():
    message = "\n".join(f"file.csv:{n}: expected a number, found 'x'" for n in range(20))
    assert brief(message) == message


@pytest.mark.parametrize(("n_faults", "n_shown"), [(21, 20), (500, 20)])
def test_twenty_faults_and_the_number_of_the_others_are_twenty_lines(n_faults, n_shown):
    listed = [f"{n}: wrong" for n in range(20)]
    message = brief("\n".join([*listed, f"… and {n_faults - 20} more"]))
    assert message.split("\n") == [*listed[:-1], f"19: wrong … and {n_faults - n_shown} more"]


def test_what_does_not_fit_is_counted_with_the_rest():
    lines = ["x" * 400] * 20
    message = brief("\n".join([*lines, "… and 80 more"]))
    n_whole = message.count("x" * 400)
    assert message.endswith(f" … and {100 - n_whole} more")
    assert n_whole == 4


@given(st.lists(st.text("ab(", max_size=600), max_size=40), st.lists(st.text("ab", max_size=900), max_size=5))
def test_what_may_help_stays_below_a_message_that_is_cut(lines, hints):
    message = brief("\n".join(["x.csv:1: wrong", *lines, *[f"({hint})" for hint in hints]]))
    assert len("error: ") + len(message) <= 2000
    found = message.split("\n")
    assert len(found) <= 20
    assert found[0].startswith("x.csv:1: wrong")
    for i, hint in enumerate(reversed(hints[-3:])):
        assert found[-1 - i] == f"({hint})" or (len(hint) > 298 and len(found[-1 - i]) <= 301)


def test_faults_their_number_and_a_hint_are_twenty_lines():
    listed = [f"{n}: wrong" for n in range(20)]
    message = brief("\n".join([*listed, "… and 80 more", "(--unknown 9 helps)"]))
    assert message.split("\n") == [*listed[:18], "18: wrong … and 81 more", "(--unknown 9 helps)"]


def test_a_long_line_keeps_its_beginning_and_its_end():
    message = brief("file.csv:7: expected a number, found " + "9" * 10**6 + "'end'")
    assert message.startswith("file.csv:7: expected a number, found 999")
    assert message.endswith("'end'")
    assert len(message) <= 501


def test_markdown_shows_the_text_as_it_stands():
    text = "a|b *c* _d_ `e` [f](g) <i>h</i> \\j"
    assert markdown(text) == r"a\|b \*c\* \_d\_ \`e\` \[f\](g) \<i\>h\</i\> \\j"
    assert markdown("two\nlines\x1b") == r"two lines\\x1b"
    assert code("a|b") == r"`a\|b`"
    assert code("a``b`") == "``` a``b` ```"
