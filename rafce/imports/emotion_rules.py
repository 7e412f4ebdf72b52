"""What a cell says of the emotion of its row: a name, that there is none, or an emotion to leave out."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.errors import ConfigError
from rafce.foreign_text import unsafe
from rafce.imports.files import TableFile
from rafce.imports.options import ImportOptions
from rafce.imports.spellings import NUMBER, as_number, plain, word_key
from rafce.imports.values import MISSING

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

AFFECTNET = ("subDirectory_filePath", "expression")
"""Columns of AffectNet's own CSV (Mollahosseini et al. 2017): 0 to 7 are emotions."""
AFFECTNET_NONE = ("8", "9", "10")
"""None, uncertain, no face: no labels."""

NO_NUMBER = ("-nan", "inf", "1.#ind", "1.#qnan", "#null!", "#value!", "#ref!", "#name?", "#num!", "#div/0!")
NO_LABEL = (
    *("?", ".", "-", "unknown", "undefined", "missing", "unlabeled", "unlabelled", "nolabel", "notlabeled"),
    *("notlabelled", "notavailable", "uncertain", "noface"),
)
NO_EMOTION = frozenset({*MISSING, *NO_NUMBER, *NO_LABEL})
"""What is no emotion anywhere, whatever its case and sign."""
LIKE_AN_AU = re.compile(r"au\d+", re.ASCII)
KEPT, MISSES, DROPPED, WRONG = range(4)
EMPTY_CELL, NO_ROW = "an empty cell", "no row in the emotions file"


class Judged(NamedTuple):
    """The emotion of each row, null where none can be told; `verdict_N` is one of KEPT, MISSES, DROPPED, WRONG."""

    name: pa.Array
    verdict_N: IntArray

    def are(self, verdict: int) -> BoolArray:
        """Which rows have a verdict, shape (N,)."""
        chosen_N: BoolArray = self.verdict_N == verdict
        return chosen_N


class EmotionRules(NamedTuple):
    """What options say of emotions, by `word_key`: codes that are none, names for labels, names to leave out."""

    unknown: frozenset[str]
    names: Mapping[str, str]
    dropped: Mapping[str, str]

    def judge(self, text: pa.Array) -> Judged:
        """The emotion of each text; null is none."""
        encoded = text.dictionary_encode()
        decided = [*map(self._judge_one, encoded.dictionary.to_pylist()), (None, MISSES)]
        place_N = encoded.indices.fill_null(len(decided) - 1).to_numpy()
        name = pa.array([name for name, _ in decided], pa.string()).take(pa.array(place_N))
        return Judged(name, np.array([verdict for _, verdict in decided])[place_N])

    def expected(self, text: str) -> str:
        """What should stand in place of a text that is WRONG."""
        if word_key(text) not in self.names and _is_whole(text):
            return f"a label that --emotion-names names, or --unknown-emotion {text}"
        if LIKE_AN_AU.fullmatch(word_key(text)):
            return "the name of an emotion, not of an AU"
        if _is_no_label(text):
            return "the name or the whole number of an emotion"
        return "an emotion that can be printed"

    def _judge_one(self, text: str) -> tuple[str | None, int]:
        key = word_key(text)
        name = self.names.get(key)
        if name is None:
            number = as_number(text)
            if key in self.unknown or not key or (number is not None and number < 0):
                return None, MISSES
            if _is_no_label(text):
                return text, WRONG  # has a name, so that too many of them are told as such
            if _is_whole(text) and any(map(_is_whole, self.names)):
                return None, WRONG
            name = text
        if LIKE_AN_AU.fullmatch(word_key(name)) or unsafe(name):
            return None, WRONG
        return name, DROPPED if word_key(name) in self.dropped else KEPT


class LeftOut:
    """How many rows were left out, by what stood there or by the emotion that was dropped."""

    def __init__(self) -> None:
        self.unlabelled, self.dropped = Counter[str](), Counter[str]()

    @property
    def n_rows(self) -> int:
        """All of them."""
        return self.unlabelled.total() + self.dropped.total()

    def add(self, text: pa.Array, judged: Judged, left_N: BoolArray, no_row_N: BoolArray) -> None:
        """Count those rows of a block that are left out; `no_row_N` are those that the emotions file does not have."""
        unlabelled_N = left_N & judged.are(MISSES)
        if n_absent := int((unlabelled_N & no_row_N).sum()):
            self.unlabelled[NO_ROW] += n_absent
        self.unlabelled.update(_counts(text, unlabelled_N & ~no_row_N))
        self.dropped.update(_counts(judged.name, left_N & judged.are(DROPPED)))


def emotion_rules(options: ImportOptions, tables: Iterable[TableFile]) -> EmotionRules:
    """The rules for these tables; ConfigError: options that contradict themselves or cannot be read."""
    codes = [*_listed(options.unknown_emotion, "--unknown-emotion")]
    if any(is_affectnet(table, options) for table in tables):
        codes += AFFECTNET_NONE
    dropped = _listed(options.drop_emotions, "--drop-emotions")
    names = parse_emotion_names(options.emotion_names)
    both = [code for code in _listed(options.unknown_emotion, "--unknown-emotion") if word_key(code) in names]
    if both:
        raise ConfigError(
            f"expected {', '.join(both)} in --emotion-names or in --unknown-emotion, found in both"
        )
    unknown = frozenset(map(word_key, (*NO_EMOTION, *codes)))
    return EmotionRules(unknown, names, {word_key(name): name for name in dropped})


def is_affectnet(table: TableFile, options: ImportOptions) -> bool:
    """Whether a table is laid out as AffectNet's own and its `expression` is the emotion."""
    chosen = (options.emotion_column or "").casefold()
    return chosen == AFFECTNET[1] and all(
        name.casefold() in map(str.casefold, table.columns) for name in AFFECTNET
    )


def affectnet_note(options: ImportOptions, tables: Iterable[TableFile]) -> str:
    """What to say where AffectNet's codes were taken for what they are; "" elsewhere."""
    if not any(is_affectnet(table, options) for table in tables):
        return ""
    return f"Laid out as AffectNet: {', '.join(AFFECTNET_NONE)} (none, uncertain, no face) are no emotion."


def parse_emotion_names(text: str | None) -> dict[str, str]:
    """The names of --emotion-names by the key of each label; ConfigError: no pairs, a label with two names."""
    names: dict[str, str] = {}
    for pair in _listed(text, "--emotion-names"):
        label, equals, name = (part.strip() for part in pair.partition("="))
        if not (equals and label and name) or word_key(name) in map(word_key, NO_EMOTION):
            raise ConfigError(
                f"--emotion-names: expected labels and names such as 0=neutral,1=happy, found {pair!r}"
            )
        if names.setdefault(word_key(label), name) != name:
            raise ConfigError(f"--emotion-names: expected one name for {label}, found {name} too")
    return names


def check_dropped(rules: EmotionRules, left_out: LeftOut, names: Iterable[str]) -> None:
    """ConfigError for emotions of --drop-emotions that no row has; `names` are those of the other rows."""
    found = set(map(word_key, left_out.dropped))
    absent = [name for key, name in rules.dropped.items() if key not in found]
    if absent:
        raise ConfigError(
            f"--drop-emotions: expected emotions of the tables ({', '.join(names)}), found none called "
            f"{', '.join(absent)}"
        )


def _counts(text: pa.Array, chosen_N: BoolArray) -> dict[str, int]:
    counts = text.filter(pa.array(chosen_N)).value_counts().to_pylist()
    return {
        entry["values"] if entry["values"] and plain(entry["values"]) else EMPTY_CELL: entry["counts"]
        for entry in counts
    }


def _listed(text: str | None, option: str) -> list[str]:
    """The texts between the commas of an option; none where it was not given."""
    found = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(found):
        raise ConfigError(f"{option}: expected texts with commas between, found {text!r}")
    return found


def _is_no_label(text: str) -> bool:
    """Whether a text is a number that is not whole, or one that no program can hold, such as 1e999."""
    return NUMBER.fullmatch(text) is not None and not _is_whole(text)


def _is_whole(text: str) -> bool:
    number = as_number(text)
    return number is not None and number == number.to_integral_value()
