"""The digest that a file carries of itself, so that a damaged one is refused before anything parses it.

A safetensors or ONNX file has it in its metadata: the SHA-256 of the file with the digest's own 64 characters as zeros.
A zip archive (`state.pt`) has it as the archive's comment, which every reader of zip files passes over: the SHA-256 of
all bytes before the digest.
"""

import hashlib
import re

BLANK = "0" * 64
MARK = b"sha256:"
HEX = re.compile(rb"[0-9a-f]{64}")
# in a safetensors header the metadata is JSON within JSON, hence the backslashes
IN_METADATA = re.compile(rb'\\?"digest\\?": \\?"([0-9a-f]{64})\\?"')
CHANGED = "its content does not have the SHA-256 that it says: it is damaged or was changed"
END_OF_ZIP, END_SIZE = b"PK\x05\x06", 22


def fill_digest(content: bytes) -> bytes:
    """The file with its blank digest filled in; there has to be exactly one, else ValueError."""
    (match,) = IN_METADATA.finditer(content)
    if match[1] != BLANK.encode():
        raise ValueError("expected a blank digest")
    return _replaced(content, match, hashlib.sha256(content).hexdigest().encode())


def digest_fault(content: bytes) -> str | None:
    """What is wrong with a file that `fill_digest` completed; None where nothing is."""
    matches = list(IN_METADATA.finditer(content))
    if len(matches) != 1:
        return "its digest is missing" if not matches else "it has more than one digest"
    blank = _replaced(content, matches[0], BLANK.encode())
    return _difference(matches[0][1], blank)


def zip_with_digest(content: bytes) -> bytes:
    """A zip archive without a comment, with its digest as the comment."""
    if content[-END_SIZE:][:4] != END_OF_ZIP or content[-2:] != b"\0\0":
        raise ValueError("expected a zip archive without a comment")
    n_comment = len(MARK) + len(BLANK)
    body = content[:-2] + n_comment.to_bytes(2, "little") + MARK
    return body + hashlib.sha256(body).hexdigest().encode()


def zip_digest_fault(content: bytes) -> str | None:
    """What is wrong with an archive that `zip_with_digest` made; None where nothing is."""
    body, found = content[: -len(BLANK)], content[-len(BLANK) :]
    if not body.endswith(MARK) or not HEX.fullmatch(found):
        return "its digest is missing"
    return _difference(found, body)


def _difference(expected: bytes, content: bytes) -> str | None:
    is_equal = hashlib.sha256(content).hexdigest().encode() == expected
    return None if is_equal else CHANGED


def _replaced(content: bytes, match: re.Match[bytes], digest: bytes) -> bytes:
    return content[: match.start(1)] + digest + content[match.end(1) :]
