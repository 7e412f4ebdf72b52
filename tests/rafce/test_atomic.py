"""Writers of files and folders beside each other, killed, on full disks, and before links that somebody planted."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from multiprocessing import get_context
from pathlib import Path

import pytest

from rafce.atomic import (
    MARK,
    is_staging,
    making_folder,
    publishing,
    remove_leftovers,
    write_bytes,
    writing,
)
from rafce.errors import OutputError

N_WRITES = 30
PAGE = 1 << 16


def anything_goes(_: Path) -> None:
    """Every folder may be replaced."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_often(path: Path, letter: bytes) -> None:
    for _ in range(N_WRITES):
        write_bytes(path, letter * PAGE)


def replace_often(out: Path, letter: str) -> None:
    for _ in range(N_WRITES // 3):
        with making_folder(out, anything_goes) as folder:
            for name in ("one", "two"):
                (folder / name).write_text(letter)


def all_end_well(work, *tasks) -> None:
    processes = [get_context("spawn").Process(target=work, args=task) for task in tasks]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(tasks)


def test_two_writers_of_one_file_both_succeed_and_a_reader_never_sees_a_part(tmp_path):
    path = tmp_path / "p.csv"
    write_bytes(path, b"a" * PAGE)
    processes = [
        get_context("spawn").Process(target=write_often, args=(path, letter)) for letter in (b"a", b"b")
    ]
    for process in processes:
        process.start()
    n_read = 0
    while any(process.is_alive() for process in processes):
        content = path.read_bytes()
        assert content in (b"a" * PAGE, b"b" * PAGE)
        n_read += 1
    assert [process.exitcode for process in processes] == [0, 0]
    assert n_read > N_WRITES
    assert names(tmp_path) == ["p.csv"]


def test_two_writers_of_one_folder_both_succeed_and_one_of_them_is_there_whole(tmp_path):
    all_end_well(replace_often, (tmp_path / "out", "a"), (tmp_path / "out", "b"))
    assert names(tmp_path) == ["out"]
    assert len({(tmp_path / "out" / name).read_text() for name in ("one", "two")}) == 1


def test_no_name_can_be_guessed_and_planted(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("mine")
    for name in (".p.csv.tmp", ".p.csv.new", ".p.csv.partial"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    write_bytes(tmp_path / "p.csv", b"new")
    assert (tmp_path / "mine").read_text() == "mine"
    monkeypatch.setattr("secrets.token_hex", lambda _: "0123456789abcdef")
    (tmp_path / ".p.csv.tmp-0123456789abcdef").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="cannot be written: File exists"):
        write_bytes(tmp_path / "p.csv", b"newer")
    assert (tmp_path / "mine").read_text() == "mine"


def link_to_file(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")


def link_to_folder(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")


def link_to_nothing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")


def write_file(path):
    write_bytes(path, b"new")


def make_folder(path):
    with making_folder(path, anything_goes) as folder:
        (folder / "new").write_text("new")


def publish(path, *files):
    with publishing(path) as folder:
        for name in files or ("new",):
            (folder / name).write_text("new")


@pytest.mark.parametrize("plant", [link_to_file, link_to_folder, link_to_nothing])
@pytest.mark.parametrize("write", [write_file, make_folder, publish])
def test_a_link_is_refused_by_name_and_its_target_untouched(tmp_path, plant, write):
    plant(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}, names(tmp_path)
    with pytest.raises(
        OutputError, match=f"link: expected a place to write to, found a link to {tmp_path}/target"
    ):
        write(tmp_path / "link")
    assert (
        {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()},
        names(tmp_path),
    ) == before


@pytest.mark.parametrize("write", [write_file, make_folder, publish])
def test_links_on_the_way_to_a_place_are_followed(tmp_path, write):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    write(tmp_path / "link" / "out")
    assert names(tmp_path / "disk") == ["out"]


def write_while_a_link_is_planted(path):
    with writing(path) as temporary:
        temporary.write_text("new")
        path.symlink_to("mine")


def test_a_link_planted_meanwhile_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(OutputError, match="found a link"):
        write_while_a_link_is_planted(tmp_path / "p")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_comparison_does_not_write_through_links_among_its_files(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").symlink_to("../mine")
    with pytest.raises(OutputError, match="out/b: expected a place to write to, found a link"):
        publish(tmp_path / "out", "a", "b")
    assert names(tmp_path / "out") == ["b"]


@pytest.mark.parametrize(
    ("make", "found"),
    [(Path.mkdir, "a folder"), (os.mkfifo, "a device or a pipe")],
)
def test_a_file_does_not_take_the_place_of_other_things(tmp_path, make, found):
    make(tmp_path / "p")
    with pytest.raises(OutputError, match=f"p: expected the name of a file, found {found}"):
        write_bytes(tmp_path / "p", b"new")


def test_a_device_keeps_its_place():
    with pytest.raises(OutputError, match="/dev/full: expected the name of a file, found a device"):
        write_bytes(Path("/dev/full"), b"new")


def test_a_long_name_leaves_room_for_what_is_added_to_it(tmp_path):
    write_bytes(tmp_path / ("ü" * 127), b"new")
    assert names(tmp_path) == ["ü" * 127]


def run_full(path):
    with writing(path) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_goes_wrong_leaves_the_old_content_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "p", b"old")
    with pytest.raises(
        OutputError, match="p: cannot be written: the disk is full; what stood there is untouched"
    ):
        run_full(tmp_path / "p")
    assert names(tmp_path) == ["p"]
    assert (tmp_path / "p").read_bytes() == b"old"


def make_after_somebody_else(out):
    def refuse_files(out: Path) -> None:
        if out.is_dir() and any(out.iterdir()):
            raise OutputError(f"{out}: found other files")

    with making_folder(out, refuse_files):
        out.mkdir()
        (out / "thesis.tex").write_text("mine")


def test_a_folder_that_became_somebody_elses_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(OutputError, match="found other files"):
        make_after_somebody_else(tmp_path / "out")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"


# --- killed writers ---

WAITING = """
    import sys, time
    from pathlib import Path
    from rafce import atomic
    out = Path(sys.argv[1])
    {}
"""
KILLED = {
    "file": """
    with atomic.writing(out) as path:
        path.write_text("half")
        print("ready", flush=True)
        time.sleep(60)""",
    "folder": """
    with atomic.making_folder(out, lambda _: None) as folder:
        (folder / "half").write_text("half")
        print("ready", flush=True)
        time.sleep(60)""",
    "between the names": """
    swap, rename = atomic._swap_in, Path.rename
    def stop(self, target):
        if self.name == "new":
            print("ready", flush=True)
            time.sleep(60)
        return rename(self, target)
    Path.rename = stop
    with atomic.making_folder(out, lambda _: None) as folder:
        (folder / "half").write_text("half")""",
}


def start_writer(kind: str, out: Path) -> "subprocess.Popen[str]":
    code = textwrap.dedent(WAITING).format(textwrap.dedent(KILLED[kind]))
    process = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_goes_with_the_next_and_what_a_live_one_has_stays(tmp_path, kind):
    live, dead = (start_writer(kind, tmp_path / name) for name in ("live", "dead"))
    try:
        kill(dead)
        assert sum(map(is_staging, names(tmp_path))) == 2
        write_bytes(tmp_path / "another", b"new")
        (staging,) = filter(is_staging, names(tmp_path))
        assert staging.startswith(".live.tmp-")
        assert names(tmp_path) == [staging, "another"]
    finally:
        kill(live)
    write_bytes(tmp_path / "another", b"new")
    assert names(tmp_path) == ["another"]


def test_a_folder_that_a_killed_writer_had_moved_aside_gets_its_name_back(tmp_path):
    with making_folder(tmp_path / "out", anything_goes) as folder:
        (folder / "older").write_text("whole")
    kill(start_writer("between the names", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "older").read_text() == "whole"


FORKING = """
    import os, sys
    from pathlib import Path
    from rafce import atomic
    with atomic.writing(Path(sys.argv[1])):
        (lock,) = atomic._held
        if not os.fork():
            try:
                os.fstat(lock)
            except OSError:
                os._exit(7)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.wait()[1]), len(atomic._held))
"""


def test_a_child_does_not_keep_the_lock_of_its_parent_alive(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(FORKING), tmp_path / "p"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == "7 1\n"  # closed in the child, held by the parent


def plant_file(place):
    place.write_text("mine")


def plant_folder(place):
    place.mkdir()
    (place / "thesis.tex").write_text("mine")


def plant_folder_with_a_lock(place):
    plant_folder(place)
    (place / "lock").write_text("mine")


def plant_folder_with_an_empty_lock(place):
    plant_folder(place)
    (place / "lock").touch()


def plant_link(place):
    plant_folder(place.parent / "elsewhere")
    (place.parent / "elsewhere" / "lock").write_text(json.dumps({"mark": MARK, "name": "p"}))
    place.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "plant",
    [plant_file, plant_folder, plant_folder_with_a_lock, plant_folder_with_an_empty_lock, plant_link],
)
def test_what_only_has_such_a_name_stays(tmp_path, plant):
    plant(tmp_path / ".p.tmp-0123456789abcdef")
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [None, b"", b'{"mark": "rafce staging/1", "name": "p"}'])
def test_what_a_writer_left_that_was_killed_at_its_first_steps_goes(tmp_path, content):
    dead = tmp_path / ".p.tmp-0123456789abcdef"
    dead.mkdir()
    if content is not None:
        (dead / "lock").write_bytes(content)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_a_lock_cannot_name_a_place_elsewhere(tmp_path):
    dead = tmp_path / "here" / ".p.tmp-0123456789abcdef"
    (dead / "old").mkdir(parents=True)
    (dead / "lock").write_text(json.dumps({"mark": MARK, "name": "../there"}))
    remove_leftovers(tmp_path / "here")
    assert names(tmp_path) == ["here"]
