"""Text that strangers wrote (names of files, classes, columns, values), made harmless for a screen or for Markdown."""

import re

MAX_CHARACTERS, MAX_LINES = 2000, 20
"""Of a message."""
LONGEST_LINE = 500
ROOM = 40
"""Characters for `error: ` before a message and for what is left out behind it."""

# C0 but line feed, DEL and C1 steer a terminal; marks, overrides and isolates turn the order of letters around;
# further ends of lines; tags and the byte-order mark are invisible; lone surrogates stand for bytes that are no UTF-8
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
HINT = re.compile(r"\(.*\)")
MOST_HINTS, LONGEST_HINT = 3, 300
MORE = re.compile(r"… and ([0-9]+) more")
MARKDOWN = re.compile(r"[\\`*_\[\]<>|~#!&$]")


def unsafe(text: str) -> bool:
    """Whether a text has a character that could steer or deceive a terminal, or is a line of its own."""
    return "\n" in text or UNSAFE.search(text) is not None


def shown(text: str) -> str:
    r"""The text as a terminal may have it: every character that could steer or deceive it as an escape such as \x1b."""
    return UNSAFE.sub(_escape, text)


def brief(text: str) -> str:
    """A message of at most `MAX_LINES` lines and `MAX_CHARACTERS`; the last line says how much is left out.

    Up to `MOST_HINTS` lines in parentheses that end a message say what may help: they stay below it.
    """
    lines, hints = _without_hints([_shortened(line) for line in text.split("\n")])
    further = MORE.fullmatch(lines[-1]) if len(lines) > 1 else None
    n_more = int(further[1]) if further else 0
    lines = lines[:-1] if further else lines
    kept = _that_fit(lines, hints)
    n_more += len(lines) - len(kept)
    return "\n".join(["\n".join(kept) + (f" … and {n_more} more" if n_more else ""), *hints])


def markdown(text: str) -> str:
    """The text as it stands, in Markdown: on one line, in a table or out of it."""
    return MARKDOWN.sub(r"\\\g<0>", shown(" ".join(text.split("\n"))))


def code(text: str) -> str:
    """The text as it stands, in Markdown as code, in a table or out of it."""
    inner = shown(" ".join(text.split("\n"))).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", inner)), default=0)
    fence, blank = "`" * (longest + 1), " " * (longest > 0)
    return f"{fence}{blank}{inner}{blank}{fence}"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _shortened(line: str, longest: int = LONGEST_LINE) -> str:
    """A line without its middle if it is too long: its beginning says where, its end what was found."""
    if len(line) <= longest:
        return line
    half = longest // 2 - 1
    return f"{line[:half]} … {line[-half:]}"


def _without_hints(lines: list[str]) -> tuple[list[str], list[str]]:
    n = 0
    while n < min(MOST_HINTS, len(lines) - 1) and HINT.fullmatch(lines[-1 - n]):
        n += 1
    end = len(lines) - n
    return lines[:end], [_shortened(hint, LONGEST_HINT) for hint in lines[end:]]


def _that_fit(lines: list[str], hints: list[str]) -> list[str]:
    size, n = ROOM + sum(len(hint) + 1 for hint in hints), 0
    while n < min(len(lines), MAX_LINES - len(hints)) and size + len(lines[n]) < MAX_CHARACTERS:
        size += len(lines[n]) + 1
        n += 1
    return lines[:n]
