import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rafce.build import BuildOptions, build_dataset
from rafce.errors import LabelError
from rafce.formats.lines import decoded_lines
from rafce.formats.raf_au import find_raf_au, read_raf_au
from rafce.formats.raf_ce import read_raf_ce
from rafce.formats.raf_ml import find_raf_ml, read_raf_ml
from rafce.reference import read_lab_table

GOOD_ML = "0001.jpg 0.5 0.25 0.25 0 0 0 \n"


def message(read, path) -> str:
    with pytest.raises(LabelError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected labels, found an empty file"),
        (b"\xef\xbb\xbf \n", "expected labels, found an empty file"),
        (b"0001.jpg 1\n0002\0.jpg 1\n", ":2: expected text, found a NUL byte"),
        (b"0001.jpg 1\n\n0002.jpg \xe9\n", ":3: expected UTF-8 text, found the byte 0xe9"),
        (
            b"0001.jpg 1\n\n0002.jpg 2\n",
            ":2: expected an image name and a label such as 1+4+L10+25 or null, found an empty line",
        ),
        (
            b"0001.jpg\n",
            ":1: expected an image name and a label such as 1+4+L10+25 or null, found 1 field: '0001.jpg'",
        ),
        (
            b"0001.jpg 1 2\n",
            ":1: expected an image name and a label such as 1+4+L10+25 or null, found 3 fields: '0001.jpg 1 2'",
        ),
        (b"a/0001.jpg 1\n", ":1: expected an image name without a path, found 'a/0001.jpg'"),
        (b"..\\0001.jpg 1\n", ":1: expected an image name without a path, found '..\\\\0001.jpg'"),
        (b".. 1\n", ":1: expected an image name without a path, found '..'"),
        (b"0001.jpg 1\n0001.jpg 2\n", ":2: expected each image once, found 0001.jpg again (line 1)"),
        (b"0001.jpg 1+3\n", ":1: expected a FACS code, found '3'"),
        (
            b"0001.jpg 1+L11\n",
            ":1: expected one of RAF-AU's 32 AUs, found 'L11' (AU 11, nasolabial deepener)",
        ),
        (b"0001.jpg 1+X4\n", ":1: expected an AU such as 4, L10, T23 or AD19, found 'X4'"),
        (b"0001.jpg 1++4\n", ":1: expected an AU such as 4, L10, T23 or AD19, found ''"),
        (b"0001.jpg null+4\n", ":1: expected an AU such as 4, L10, T23 or AD19, found 'null'"),
        (b"0001.jpg LR4\n", ":1: expected one of L and R, found both in 'LR4'"),
        (b"0001.jpg T23B\n", ":1: expected one of T and B, found both in 'T23B'"),
        ("0001.jpg ٤\n".encode(), ":1: expected an AU such as 4, L10, T23 or AD19, found '٤'"),
        (
            b"0001.jpg 1\n0001.JPG 2\n",
            ":2: expected each image once, found 0001.JPG again (line 1, where it is 0001.jpg)",
        ),
        (
            b"0001.jpg 1\r0002.jpg 2\n",
            ":1: expected LF or CRLF at the end of a line, found a carriage return alone",
        ),
        (
            b"0001.jpg 1\n0002.jpg 2\r",
            ":2: expected LF or CRLF at the end of a line, found a carriage return alone",
        ),
        (b"0001.jpg 1\r\r\n", ":1: expected LF or CRLF at the end of a line, found a carriage return alone"),
        (b"0001.jpg\x1b 1\n", ":1: expected an image name that can be printed, found '0001.jpg\\x1b'"),
        (
            "\ufeff\ufeff0001.jpg 1\n".encode(),
            ":1: expected an image name that can be printed, found '\\ufeff0001.jpg'",
        ),
    ],
)
def test_a_bad_raf_au_file_gets_one_exact_error(tmp_path, content, expected):
    path = tmp_path / "RAFAU_label.txt"
    path.write_bytes(content)
    separator = "" if expected.startswith(":") else ": "
    assert message(read_raf_au, path) == f"{path}{separator}{expected}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "0001.jpg 0.5 0.5 0 0 0",
            "expected an image name and 6 probabilities, found 6 fields: '0001.jpg 0.5 0.5 0 0 0'",
        ),
        ("0001.jpg nan 0.5 0 0 0.5 0", "expected a probability from 0 to 1, found 'nan'"),
        ("0001.jpg -0.1 0.6 0 0 0.5 0", "expected a probability from 0 to 1, found '-0.1'"),
        ("0001.jpg 1.1 0 0 0 0 0", "expected a probability from 0 to 1, found '1.1'"),
        ("0001.jpg 1_0 0 0 0 0 0", "expected a probability from 0 to 1, found '1_0'"),
        ("0001.jpg inf 0 0 0 0 0", "expected a probability from 0 to 1, found 'inf'"),
        ("0001.jpg half 0.5 0 0 0 0", "expected a probability from 0 to 1, found 'half'"),
        ("0001.jpg 0.5 0.4998 0 0 0 0", "expected probabilities that sum to 1, found a sum of 0.999800"),
    ],
)
def test_a_bad_raf_ml_line_gets_one_exact_error(tmp_path, line, expected):
    path = tmp_path / "distribution.txt"
    path.write_text(GOOD_ML + line.replace("0001", "0002"))
    assert message(read_raf_ml, path) == f"{path}:2: {expected.replace('0001', '0002')}"


def test_rounding_of_six_decimals_is_no_fault(tmp_path):
    path = tmp_path / "distribution.txt"
    path.write_text("0001.jpg 0.333333 0.333333 0.333333 0.000000 0.000000 0.000000 \n")
    assert read_raf_ml(path)[0].probabilities[:3] == (0.333333,) * 3


def test_every_bad_line_is_named_up_to_twenty(tmp_path):
    path = tmp_path / "RAFAU_label.txt"
    path.write_text("".join(f"{i:04d}.jpg 99\n" for i in range(1, 31)))
    lines = message(read_raf_au, path).splitlines()
    numbers = [int(number) for line in lines for number in re.findall(r":(\d+): ", line)]
    assert numbers == list(range(1, 21))
    assert lines[-1] == "… and 10 more"


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_byte_order_mark_and_crlf_are_accepted(tmp_path, end):
    path = tmp_path / "RAFAU_label.txt"
    path.write_bytes(b"\xef\xbb\xbf" + f"0001.jpg 1+4{end}0002.jpg null".encode())
    assert [(row.image, row.label) for row in read_raf_au(path)] == [
        ("0001.jpg", "1+4"),
        ("0002.jpg", "null"),
    ]


def test_a_missing_file_and_a_folder_in_its_place_are_named(tmp_path):
    assert (
        message(decoded_lines, tmp_path / "no.txt")
        == f"{tmp_path / 'no.txt'}: expected a label file, found none"
    )
    assert message(decoded_lines, tmp_path) == f"{tmp_path}: expected a label file, found a folder"
    assert "expected EmoLabel/distribution.txt of RAF-ML in this folder" in message(find_raf_ml, tmp_path)
    assert "expected RAFAU_label.txt of RAF-AU in this folder" in message(find_raf_au, tmp_path)
    assert "expected the RAF-CE folder" in message(read_raf_ce, tmp_path / "RAF-CE")


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("emolabel", "0001.jpg 14\n", ":1: expected a class from 0 to 13, found '14'"),
        ("emolabel", "0001.jpg -1\n", ":1: expected a class from 0 to 13, found '-1'"),
        ("emolabel", "0001.jpg ²\n", ":1: expected a class from 0 to 13, found '²'"),
        (
            "emolabel",
            "0001.jpg\n",
            ":1: expected an image name and a class from 0 to 13, found 1 field: '0001.jpg'",
        ),
        ("partition", "0001.jpg 3\n", ":1: expected a partition from 0 to 2, found '3'"),
        (
            "partition",
            "0002.jpg 0\n",
            ": expected 0001.jpg as in RAFCE_emolabel.txt and RAFCE_AUlabel.txt, found no line for it",
        ),
    ],
)
def test_a_bad_raf_ce_file_gets_one_exact_error(tmp_path, file, text, expected):
    good = {"emolabel": "0001.jpg 3\n", "AUlabel": "0001.jpg 4\n", "partition": "0001.jpg 0\n"}
    for name, content in (good | {file: text}).items():
        (tmp_path / f"RAFCE_{name}.txt").write_text(content)
    assert f"{tmp_path / f'RAFCE_{file}.txt'}{expected}" in message(read_raf_ce, tmp_path)


def test_the_partition_codes_are_train_test_validation(tmp_path):
    for name, values in (("emolabel", "3 4 5"), ("AUlabel", "4 9 null"), ("partition", "0 1 2")):
        lines = [f"000{i}.jpg {value}" for i, value in enumerate(values.split(), start=1)]
        (tmp_path / f"RAFCE_{name}.txt").write_text("\n".join(lines))
    rows = read_raf_ce(tmp_path)
    assert [row.partition for row in rows] == ["train", "test", "validation"]
    assert [row.emotion_id for row in rows] == [3, 4, 5]


NO_SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000"
"""What Python's `split` takes for white space beside the space, the tab and the ends of lines."""
READERS: dict[str, Any] = {
    "RAFAU_label.txt": (read_raf_au, "1+4"),
    "distribution.txt": (read_raf_ml, "0.5 0.25 0.25 0 0 0"),
}


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("character", NO_SEPARATORS)
def test_only_space_and_tab_separate_and_only_lf_and_crlf_end_lines(tmp_path, file, character):
    read, label = READERS[file]
    (tmp_path / file).write_bytes(f"0001.jpg{character}{label}\n".encode())
    assert f"{file}:1: expected an image name " in message(read, tmp_path / file)
    (tmp_path / file).write_bytes(f"0001.jpg {label}{character}0002.jpg {label}\n".encode())
    assert f"{file}:1: expected an image name " in message(read, tmp_path / file)
    (tmp_path / file).write_bytes(f"0001.jpg {label}{character}\n".encode())
    assert f"{file}:1: expected " in message(read, tmp_path / file)
    (tmp_path / file).write_bytes(f" 0001.jpg\t {label}\t\r\n0002.jpg {label}\n".encode())
    assert [row.image for row in read(tmp_path / file)] == ["0001.jpg", "0002.jpg"]


@pytest.mark.parametrize(
    "digit", ["٣", "３", "²", "𝟏", "1_0", "inf", "nan", "0x1", "+1", "1e", "1.0.0", "infinity", "1,0"]
)
def test_only_ascii_digits_are_numbers(tmp_path, digit):
    ml, au, lab = (tmp_path / name for name in ("distribution.txt", "RAFAU_label.txt", "lab.csv"))
    ml.write_bytes(f"0001.jpg {digit} 0 0 0 0 0\n".encode())
    assert message(read_raf_ml, ml) == f"{ml}:1: expected a probability from 0 to 1, found {digit!r}"
    au.write_bytes(f"0001.jpg {digit}\n".encode())
    assert f"{au}:1: expected " in message(read_raf_au, au)
    lab.write_bytes(f"emotion,au,percent\nhappily surprised,{digit},{digit}\n".encode())
    assert f"{lab}:2: expected " in message(read_lab_table, lab)


@pytest.mark.parametrize(
    ("field", "value"), [("1", 1), ("1.", 1), (".5", 0.5), ("1.000000", 1), ("5e-1", 0.5), ("1E+0", 1)]
)
def test_numbers_are_read_as_any_program_writes_them(tmp_path, field, value):
    path = tmp_path / "distribution.txt"
    path.write_text(f"0001.jpg {field} {1 - value} 0 0 0 0\n")
    assert read_raf_ml(path)[0].probabilities[:2] == (value, 1 - value)


def test_releases_that_write_a_name_differently_in_case_are_refused(release):
    root = release()
    labels = root / "RAF-AU" / "RAFAU_label.txt"
    labels.write_text(labels.read_text().replace("0001.jpg", "0001.JPG"))
    with pytest.raises(LabelError) as caught:
        build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=root / "d"))
    ml = root / "RAF-ML" / "EmoLabel" / "distribution.txt"
    assert str(caught.value) == f"{ml}: expected 0001.JPG as in {labels}, found 0001.jpg"


# --- pipes and devices ---


def finish(work) -> Any:
    """The outcome of work that must end by itself: pipes and devices can make a reader wait for ever."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result(timeout=20)


@pytest.mark.parametrize("read", [decoded_lines, read_raf_au, read_raf_ml, read_lab_table])
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path, read):
    os.mkfifo(tmp_path / "labels.txt")
    expected = f"{tmp_path}/labels.txt: cannot be read: it is a pipe that nobody writes to"
    assert finish(lambda: message(read, tmp_path / "labels.txt")) == expected


@pytest.mark.parametrize("wait", [0, 0.3])
def test_a_pipe_is_read_once_to_its_end(tmp_path, wait):
    path = tmp_path / "labels.txt"
    os.mkfifo(path)
    with subprocess.Popen(
        ["bash", "-c", f"exec > {path}; sleep {wait}; echo 0001.jpg 1+4; sleep {wait}; echo 0002.jpg 2"]
    ):
        time.sleep(0.5 - wait)  # it waits for a reader by now
        assert [row.image for row in finish(lambda: read_raf_au(path))] == ["0001.jpg", "0002.jpg"]


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/full", "/dev/tty"])
def test_a_device_is_no_label_file(device):
    if Path(device).exists():
        assert message(decoded_lines, Path(device)) == f"{device}: cannot be read: it is a device, not a file"
