"""What images are called: by video and frame, by the file of a single image, below --images, with any suffix."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import RafceError
from rafce.imports.importing import import_dataset
from rafce.imports.naming import Naming
from rafce.imports.options import ImportOptions
from rafce_train.data import find_images, read_data


def bring_in(path: Path, source: str = "openface", **options):
    return import_dataset(ImportOptions(source, (path,), path.parent / "data", **options))


def rows(folder: Path, *columns: str) -> list[tuple]:
    table = pq.read_table(folder / "data/samples.parquet")
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def error(path: Path, source: str = "openface", **options) -> str:
    with pytest.raises(RafceError) as caught:
        bring_in(path, source, **options)
    assert not (path.parent / "data").exists()
    said = str(caught.value).replace(f"{path.parent}/", "")
    return said.split("\n(--un")[0]  # the hints at --unknown and --unlabelled are tested elsewhere


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


# --- several clips in one table ---

CLIPS = ["{0}v1.mp4,1,1", "{0}v1.mp4,2,0", "{0}v2.MP4,1,1", "{0}v3,1,0"]
NAMED = [("v1_000001.jpg", True), ("v1_000002.jpg", False), ("v2_000001.jpg", True), ("v3_000001.jpg", False)]


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("openface", "video,frame,AU12_c"),
        ("openface", "Input,frame,AU12_c"),
        ("fex", "input,frame,AU12"),
        ("fex", "Video,frame,AU12"),
        ("libreface", "video,frame_idx,au_12"),
        ("table", "video,frame,AU12"),
    ],
)
@pytest.mark.parametrize("folder", ["", "/data/clips/", "clips/", "C:\\clips\\"])
def test_clips_in_one_table_are_told_apart_by_video_and_frame(tmp_path, source, header, folder):
    text = "\n".join([header, *CLIPS]).format(folder)
    (tmp_path / "all.csv").write_text(text + "\n")
    video = header.split(",")[0]
    emotions = [f"{video.lower()},emotion"] + [
        f"{folder}{name},{emotion}" for name, emotion in (("v1.mp4", "x"), ("v2.MP4", "y"), ("v3", "y"))
    ]
    (tmp_path / "e.csv").write_text("\n".join(emotions) + "\n")
    counts = bring_in(tmp_path / "all.csv", source, emotions=tmp_path / "e.csv", group_column=video.lower())[
        "counts"
    ]
    assert rows(tmp_path, "image", "AU12") == NAMED
    assert [emotion for (emotion,) in rows(tmp_path, "emotion")] == ["x", "x", "y", "y"]
    assert sum(counts["groups"].values()) == 3


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("v.mp4", "v"),
        ("s1/v.mp4", "s1/v"),
        ("./s1//v.mp4", "s1/v"),
        ("s1\\v.mp4", "s1/v"),
        ("/d/s1/v.mp4", "d/s1/v"),
        ("C:\\d\\v.mp4", "d/v"),
    ],
)
@pytest.mark.parametrize("source", ["openface", "fex"])
def test_kept_folders_are_kept_in_the_names_of_videos(tmp_path, video, name, source):
    column, au = {"openface": ("video", "AU12_c"), "fex": ("input", "AU12")}[source]
    (tmp_path / "all.csv").write_text(f"{column},frame,{au},emotion\n{video},1,1,x\n")
    bring_in(tmp_path / "all.csv", source, keep_folders=True)
    assert rows(tmp_path, "image") == [(f"{name}_000001.jpg",)]
    bring_in(tmp_path / "all.csv", source)
    assert rows(tmp_path, "image") == [("v_000001.jpg",)]


def test_videos_below_the_images_are_named_from_there(tmp_path):
    images = touch(tmp_path / "clips", "s1/v_000001.jpg", "s2/v_000001.jpg")
    lines = [f"{images}/s{i}/v.mp4,1,1,x" for i in (1, 2)]
    (tmp_path / "all.csv").write_text("\n".join(["video,frame,AU12_c,emotion", *lines]) + "\n")
    bring_in(tmp_path / "all.csv", images=images, keep_folders=True)
    assert rows(tmp_path, "image") == [("s1/v_000001.jpg",), ("s2/v_000001.jpg",)]


def test_videos_that_only_their_folders_tell_apart_are_refused_with_the_remedy(tmp_path):
    (tmp_path / "all.csv").write_text("video,frame,AU12_c,emotion\ns1/v.mp4,1,1,x\ns2/v.mp4,1,1,x\n")
    first, *hints = error(tmp_path / "all.csv").splitlines()
    assert first == "all.csv:3: expected each image once, found v_000001.jpg again (all.csv:2)"
    assert "--keep-folders tells s1/1.jpg from s2/1.jpg" in hints[0]
    bring_in(tmp_path / "all.csv", keep_folders=True)
    assert rows(tmp_path, "image") == [("s1/v_000001.jpg",), ("s2/v_000001.jpg",)]


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        ("", "a value for the video, found an empty cell"),
        ("../v.mp4", "the path of a video below a folder, found '../v.mp4'"),
        ("s1/../v.mp4", "the path of a video below a folder, found 's1/../v.mp4'"),
        ("s1/", "the path of a video below a folder, found 's1/'"),
    ],
)
def test_a_video_without_a_name_is_an_error(tmp_path, video, expected):
    (tmp_path / "all.csv").write_text(f"video,frame,AU12_c,emotion\n{video},1,1,x\n")
    assert error(tmp_path / "all.csv", keep_folders=True) == f"all.csv:2: expected {expected}"


def test_frames_alone_do_not_tell_the_clips_of_one_table_apart(tmp_path):
    """Each emotion would be taken for a frame of every clip."""
    (tmp_path / "all.csv").write_text("video,frame,AU12_c\nv1,1,1\nv2,1,0\n")
    (tmp_path / "e.csv").write_text("frame,emotion\n1,x\n")
    assert error(tmp_path / "all.csv", emotions=tmp_path / "e.csv") == (
        "e.csv: expected a column beside frame that tells the videos of all.csv apart, such as video, found none; "
        "videos: v1, v2"
    )
    (tmp_path / "all.csv").write_text("video,frame,AU12_c\nv1,1,1\n")
    bring_in(tmp_path / "all.csv", emotions=tmp_path / "e.csv")
    assert rows(tmp_path, "image") == [("v1_000001.jpg",)]


def test_pictures_and_clips_may_stand_in_one_table_of_fex(tmp_path):
    (tmp_path / "all.csv").write_text(
        "input,frame,AU12,emotion\n/d/a.png,0,1,x\n/d/v.mp4,0,0,x\n/d/v.mp4,1,1,x\n"
    )
    bring_in(tmp_path / "all.csv", "fex")
    assert rows(tmp_path, "image", "AU12") == [
        ("a.png", True),
        ("v_000000.jpg", False),
        ("v_000001.jpg", True),
    ]


def test_the_video_of_a_clip_is_a_group_and_joins_what_the_emotions_file_says_of_it(tmp_path):
    """One table of three clips is no single group called after the table."""
    (tmp_path / "all.csv").write_text("\n".join(["input,frame,AU12", *CLIPS]).format("/d/") + "\n")
    (tmp_path / "e.csv").write_text("video,emotion\nv1,x\nv2,y\nv3,y\n")
    bring_in(tmp_path / "all.csv", "fex", emotions=tmp_path / "e.csv")
    assert [emotion for (emotion,) in rows(tmp_path, "emotion")] == ["x", "x", "y", "y"]
    (tmp_path / "e.csv").write_text("input,emotion\n/d/v1.mp4,x\n/d/v2.MP4,y\n/d/v3,y\n")
    bring_in(tmp_path / "all.csv", "fex", emotions=tmp_path / "e.csv", group_column="video")
    assert rows(tmp_path, "group") == [("v1",), ("v1",), ("v2",), ("v3",)]


def test_pictures_are_no_videos_so_that_their_file_is_their_group(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("v1", "v2", "v3"):
        lines = [f"/frames/{name}_{i}.png,0,1,x" for i in range(2)]
        (folder / f"{name}.csv").write_text("\n".join(["input,frame,AU12,emotion", *lines]) + "\n")
    bring_in(folder, "fex", group_column="video")
    assert rows(tmp_path, "image", "group")[:3] == [
        ("v1_0.png", "v1"),
        ("v1_1.png", "v1"),
        ("v2_0.png", "v2"),
    ]


@pytest.mark.parametrize("names", [("v1", "v2"), ("v1.mp4", "v2.avi"), ("/new/v1.mp4", "s\\v2.mov")])
def test_videos_join_by_their_names_without_folders_and_suffix(tmp_path, names):
    (tmp_path / "all.csv").write_text("video,frame,AU12_c\n/d/v1.mp4,1,1\nv2.avi,1,0\n")
    (tmp_path / "e.csv").write_text(f"video,emotion\n{names[0]},x\n{names[1]},y\n")
    bring_in(tmp_path / "all.csv", emotions=tmp_path / "e.csv")
    assert rows(tmp_path, "image", "emotion") == [("v1_000001.jpg", "x"), ("v2_000001.jpg", "y")]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("openface", "frame,face_id,AU12_c,emotion\n1,0,1,x\n1,1,0,x\n"),
        ("openface", "face,AU12_c,emotion\n0,1,x\n1,0,x\n"),
        ("fex", "input,frame,AU12,emotion\na.jpg,0,1,x\na.jpg,0,0,x\n"),
    ],
)
def test_several_faces_of_a_frame_are_refused_with_the_remedy(tmp_path, source, text):
    (tmp_path / "v.csv").write_text(text)
    first, hint = error(tmp_path / "v.csv", source).splitlines()
    assert first.startswith("v.csv:3: expected each image once, found ")
    assert hint.startswith("(several faces of a frame or an image are not told apart: keep one row of each")


# --- a table for each image ---

FACE = "face, confidence, AU01_r, AU12_c\n"


def faces(folder: Path, **rows_of: str) -> Path:
    (folder / "fli").mkdir()
    for name, text in rows_of.items():
        (folder / f"fli/{name}.csv").write_text(FACE + text)
    return folder / "fli"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("anna", "bert"), ["anna.jpg", "bert.jpg"]),
        (("anna.jpg", "bert.jpg"), ["anna.jpg", "bert.jpg"]),
        (("anna.png", "bert.BMP"), ["anna.png", "bert.BMP"]),
        (("/old/place/anna.tif", "C:\\place\\bert.jpeg"), ["anna.tif", "bert.jpeg"]),
    ],
)
def test_a_table_of_one_image_joins_by_its_name_with_any_suffix(tmp_path, names, expected):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n", bert="0, 0.9, 0, 0\n")
    (tmp_path / "e.csv").write_text(f"Image,emotion,video\n{names[0]},x,1\n{names[1]},y,2\n")
    bring_in(folder, emotions=tmp_path / "e.csv")
    assert rows(tmp_path, "image", "emotion", "AU12") == [(expected[0], "x", True), (expected[1], "y", False)]


def test_two_images_of_one_stem_are_no_key(tmp_path):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n")
    (tmp_path / "e.csv").write_text("image,emotion\nanna.jpg,x\nanna.png,y\n")
    assert error(folder, emotions=tmp_path / "e.csv") == (
        "e.csv:3: expected each key once, found image anna again (e.csv:2)"
    )


@pytest.mark.parametrize("key", ["image", "video"])
def test_a_table_without_a_row_is_an_image_without_a_face(tmp_path, key):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n", bert="", carl="0, 0.2, 2, 1\n")
    (tmp_path / "e.csv").write_text(f"{key},emotion,who\nanna,x,1\nbert,y,2\ncarl,y,3\n")
    counts = bring_in(folder, emotions=tmp_path / "e.csv", min_confidence=0.5, group_column="who")["counts"]
    assert rows(tmp_path, "image", "emotion", "group", "AU01", "AU12") == [
        ("anna.jpg", "x", "1", True, True),
        ("bert.jpg", "y", "2", None, None),
        ("carl.jpg", "y", "3", None, None),
    ]
    kinds = ("kept", "failed_frames", "faceless_tables", "low_confidence", "without_aus", "emotions_unused")
    assert {kind: counts[kind] for kind in kinds} == dict(zip(kinds, (3, 1, 1, 1, 2, 0), strict=True))


def test_an_image_without_a_face_still_needs_its_emotion(tmp_path):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n", bert="")
    (tmp_path / "e.csv").write_text("image,emotion\nanna,x\n")
    assert error(folder, emotions=tmp_path / "e.csv").splitlines()[0] == (
        "fli/bert.csv: expected a row of e.csv with image bert, found none"
    )


def test_a_video_without_a_row_has_no_image_and_is_counted(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.csv").write_text("frame_idx,au_12,emotion\n1,1,x\n")
    (folder / "b.csv").write_text("frame_idx,au_12,emotion\n")
    counts = bring_in(folder, "libreface")["counts"]
    assert rows(tmp_path, "image") == [("a_000001.jpg",)]
    assert (counts["empty_tables"], counts["faceless_tables"], counts["failed_frames"]) == (1, 0, 0)
    (tmp_path / "new").mkdir()
    (folder / "b.csv").rename(tmp_path / "new/b.csv")
    expected = "b.csv: expected rows below the names of the columns, found none"
    assert error(tmp_path / "new/b.csv", "libreface") == expected


def test_a_plain_table_without_a_row_is_an_error(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("image,AU12,emotion\na.jpg,1,x\n")
    (folder / "b.csv").write_text("image,AU12,emotion\n")
    expected = "tables/b.csv: expected rows below the names of the columns, found none"
    assert error(folder, "table") == expected


def test_tables_of_images_and_of_videos_are_not_mixed(tmp_path):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n")
    (folder / "bert.csv").write_text("image,AU01_r,AU12_c\nbert.jpg,1,1\n")
    (tmp_path / "e.csv").write_text("image,emotion\nanna.jpg,x\nbert.jpg,y\n")
    assert error(folder, emotions=tmp_path / "e.csv") == (
        "fli/bert.csv: expected a table of one image like fli/anna.csv, or a column image in both, found it in one"
    )


# --- any suffix ---


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".JPG", ".jpeg", ".bmp", ".tiff", ".webp"])
@pytest.mark.parametrize("place", ["{}", "aligned/{}_aligned", "aligned/aligned/{}"])
def test_images_that_no_table_names_are_found_with_any_suffix(tmp_path, suffix, place):
    files = [place.format(name) + suffix for name in ("v_000001", "v_000002")]
    images = touch(tmp_path / "images", *files, "other.txt")
    (tmp_path / "v.csv").write_text("frame,AU12_c,emotion\n1,1,x\n2,0,y\n")
    manifest = bring_in(tmp_path / "v.csv", images=images)
    assert rows(tmp_path, "image") == [(f"v_000001{suffix}",), (f"v_000002{suffix}",)]
    assert manifest["images"]["missing"] == []
    assert find_images(read_data(tmp_path / "data")) == [images / name for name in files]


def test_images_of_single_tables_may_have_several_suffixes_and_stay_in_order(tmp_path):
    folder = faces(tmp_path, anna="0, 0.9, 2, 1\n", bert="", carl="0, 0.9, 0, 0\n")
    images = touch(tmp_path / "images", "anna.PNG", "bert.jpg", "carl.bmp")
    (tmp_path / "e.csv").write_text("image,emotion\nanna.jpg,x\nbert,y\ncarl.jpeg,y\n")
    bring_in(folder, emotions=tmp_path / "e.csv", images=images)
    assert rows(tmp_path, "image", "emotion", "AU12") == [
        ("anna.PNG", "x", True),
        ("bert.jpg", "y", None),
        ("carl.bmp", "y", False),
    ]


def test_two_files_that_differ_in_their_suffix_alone_are_both_named(tmp_path):
    images = touch(tmp_path / "images", "v_000001.jpg", "v_000001.png", "v_000002.png")
    (tmp_path / "v.csv").write_text("frame,AU12_c,emotion\n1,1,x\n2,0,y\n")
    assert error(tmp_path / "v.csv", images=images) == (
        "images: expected one image called v_000001, found v_000001.jpg and v_000001.png"
    ).replace("images:", f"{images.relative_to(tmp_path)}:")


def test_a_frame_that_is_found_under_the_name_of_another_row_is_an_image_twice(tmp_path):
    images = touch(tmp_path / "images", "v_000001.png")
    (tmp_path / "all.csv").write_text("input,frame,AU12,emotion\nv_000001.png,0,1,x\nv.mp4,1,0,x\n")
    first, *_ = error(tmp_path / "all.csv", "fex", images=images).splitlines()
    assert first == "all.csv:3: expected each image once, found v_000001.png again (all.csv:2)"


def test_names_that_a_table_states_are_meant_to_the_letter(tmp_path):
    """Case 12: the files are 000.JPG; 000_aligned.jpg was never meant."""
    images = touch(tmp_path / "images", "000.JPG", "s1/001.png", "002_aligned.jpg", "aligned/003.bmp")
    names = ["000.jpg", "s1/001.jpg", "002.jpg", "003.jpg", "004.jpg"]
    lines = [f"{name},1,x" for name in names]
    (tmp_path / "t.csv").write_text("\n".join(["image,AU12,emotion", *lines]) + "\n")
    touch(images, "005.jpg")
    (tmp_path / "t.csv").write_text(
        (tmp_path / "t.csv").read_text() + "005.jpg,1,x\n006.jpg,1,x\n007.jpg,1,x\n"
    )
    touch(images, "006.jpg")
    first, found, remedy = error(tmp_path / "t.csv", "table", images=images, keep_folders=True).splitlines()
    missing = "000.jpg, 002.jpg, 003.jpg, 004.jpg, 007.jpg, s1/001.jpg"
    assert first == f"images: expected 8 images, 6 of them are missing: {missing}"
    assert found == (
        "(found 000.JPG, 002_aligned.jpg, aligned/003.bmp, s1/001.png: names must agree to the letter)"
    )
    assert remedy.startswith("(--allow-missing-images")


def test_a_video_without_numbers_of_frames_is_told_what_it_lacks(tmp_path):
    """As ABAW has it: a file a video, a line a frame."""
    (tmp_path / "v1.csv").write_text("AU1,AU2,emotion\n1,0,x\n0,-1,x\n")
    assert error(tmp_path / "v1.csv", "table").splitlines() == [
        "v1.csv:3: expected each image once, found v1.jpg again (v1.csv:2)",
        "(a table without a column `image` or `frame` is of one image, called after its file; the rows of a video need "
        "a column `frame`)",
    ]


def test_names_without_suffix_are_told_which_files_were_meant(tmp_path):
    images = touch(tmp_path / "images", "000.png", "1.2.jpg")
    (tmp_path / "t.csv").write_text("image,AU12,emotion\n000,1,x\n1.2,0,x\n")
    first, found, _ = error(tmp_path / "t.csv", "table", images=images).splitlines()
    assert first == "images: expected 2 images, 2 of them are missing: 000, 1.2"
    assert found == "(found 000.png: names must agree to the letter)"


def test_images_that_are_not_there_at_all_are_named_as_they_are(tmp_path):
    images = touch(tmp_path / "images", "other.jpg")
    (tmp_path / "t.csv").write_text("image,AU12,emotion\n000.jpg,1,x\n")
    first, remedy = error(tmp_path / "t.csv", "table", images=images).splitlines()
    assert first == "images: expected 1 images, 1 of them are missing: 000.jpg"
    (tmp_path / "v.csv").write_text("frame,AU12_c,emotion\n1,1,x\n")
    first, looked_for, remedy = error(tmp_path / "v.csv", images=images).splitlines()
    assert first == "images: expected 1 images, 1 of them are missing: v_000001.jpg"
    assert looked_for == "(images that no table names were looked for with every suffix)"
    assert remedy.startswith("(--allow-missing-images")


# --- absolute paths ---


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return touch(tmp_path / "images", "v1/1.bmp", "v2/1.bmp", "0.bmp")


@pytest.mark.parametrize("keep_folders", [False, True])
@pytest.mark.parametrize("written", ["{0}", "{0}/", "{0}//.", "{0}/v1/..", "linked", "through"])
@pytest.mark.parametrize("given", ["plain", "slash", "relative", "linked"])
def test_absolute_paths_below_the_images_become_relative(
    tmp_path, images, keep_folders, written, given, monkeypatch
):
    (tmp_path / "link").symlink_to(images)
    (tmp_path / "up").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = {"linked": f"{tmp_path}/link", "through": f"{tmp_path}/up/images"}.get(
        written, written.format(images)
    )
    option = {
        "plain": images,
        "slash": f"{images}/",
        "relative": "./images",
        "linked": tmp_path / "link",
    }[given]
    lines = [f"{folder}/{name},1,x" for name in ("v1/1.bmp", "v2/1.bmp", "0.bmp")]
    (tmp_path / "t.csv").write_text("\n".join(["image,AU12,emotion", *lines]) + "\n")
    manifest = bring_in(tmp_path / "t.csv", "table", images=Path(option), keep_folders=keep_folders)
    assert rows(tmp_path, "image") == [("0.bmp",), ("v1/1.bmp",), ("v2/1.bmp",)]
    assert manifest["images"]["missing"] == []
    assert find_images(read_data(tmp_path / "data"))[1] == images / "v1/1.bmp"


def test_absolute_and_relative_paths_join(tmp_path, images):
    (tmp_path / "t.csv").write_text(f"image,AU12\n{images}/v1/1.bmp,1\nv2/1.bmp,0\n")
    (tmp_path / "e.csv").write_text(f"image,emotion\nv1/1.bmp,x\n{images}/v2/1.bmp,y\n")
    bring_in(tmp_path / "t.csv", "table", emotions=tmp_path / "e.csv", images=images, keep_folders=True)
    assert rows(tmp_path, "image", "emotion") == [("v1/1.bmp", "x"), ("v2/1.bmp", "y")]


@pytest.mark.parametrize(
    "name", ["/elsewhere/1.bmp", "{0}-old/1.bmp", "{0}/../1.bmp", "{0}", "{0}/v1/", "C:\\images\\1.bmp"]
)
def test_paths_elsewhere_are_refused_where_folders_are_kept(tmp_path, images, name):
    name = name.format(images)
    (tmp_path / "t.csv").write_text(f"image,AU12,emotion\n{name},1,x\n")
    assert error(tmp_path / "t.csv", "table", images=images, keep_folders=True) == (
        f"t.csv:2: expected the path of an image below a folder (--keep-folders; absolute: below {images}), "
        f"found {name!r}"
    ).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("name", ["{0}/v1/", "{0}/v1/.", "{0}/v1/..", "{0}/"])
def test_a_folder_below_the_images_is_no_image(tmp_path, images, name):
    name = name.format(images)
    (tmp_path / "t.csv").write_text(f"image,AU12,emotion\n{name},1,x\n")
    assert error(tmp_path / "t.csv", "table", images=images).startswith(
        "t.csv:2: expected the name of an image, found "
    )


def test_a_path_through_a_link_that_leaves_the_images_is_named_as_it_is_written(tmp_path):
    """The path lies below --images as it is written, and is named so."""
    outside = touch(tmp_path / "outside", "1.bmp")
    images = touch(tmp_path / "images", "0.bmp")
    (images / "v1").symlink_to(outside)
    (tmp_path / "link").symlink_to(images)
    for given in (images, tmp_path / "link"):
        naming = Naming.of(ImportOptions("table", (), images=given))
        named = naming.images(pa.array([f"{given}/v1/1.bmp", f"{outside}/1.bmp"]))
        assert named.to_pylist() == ["v1/1.bmp", "1.bmp"]
