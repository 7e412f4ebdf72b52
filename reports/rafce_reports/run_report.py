"""The `report/` folder of a run, made from its files alone: page, figures and tables, whole or not at all."""

import base64
import io
from pathlib import Path

import pandas as pd
from PIL import Image

from rafce.dataset import Dataset, read_dataset
from rafce.errors import DatasetError, ImageError
from rafce.folder import names_in, replacing_folder
from rafce.images import ImageFolder, find_in
from rafce_reports import run_tables as tables
from rafce_reports.confusion import write_confusion
from rafce_reports.curves import draw_curves
from rafce_reports.figure1 import read_face
from rafce_reports.folders import holds_only, write_summary
from rafce_reports.reliability import bins_frame, draw_reliability
from rafce_reports.run_page import run_page
from rafce_reports.runs import Run, read_run
from rafce_reports.save import save_figure, save_frame, save_text
from rafce_reports.style import drawing_style

REPORT, PAGE = "report", "report.html"
SCHEMA = "run-report/1"
WHAT = "report of the run"
FIRST_FILES = frozenset({"confusion.csv", "confusion.png", "confusion.svg"})
"""All that the first version wrote, without a summary of it."""


def write_run_report(folder: Path, faces: ImageFolder | None = None) -> Path:
    """Write the report of a finished run into it and return its page; `faces` shows those of the surest mistakes.

    TrainingError when there is no finished run; ImageError for a face that cannot be read; OutputError leaves an older
    report as it was.
    """
    run = read_run(folder)
    wrong = tables.mistakes(run)
    pictures = face_uris(wrong["image"].head(tables.N_MISTAKES).tolist(), faces) if faces else None
    out = folder / REPORT
    with replacing_folder(out, _is_ours, WHAT) as new:
        write_confusion(run.test, new)
        with drawing_style():
            save_figure(draw_curves(run), new, "curves")
            save_figure(draw_reliability(run.test["calibration"]), new, "reliability")
        for name, frame in frames(run, wrong).items():
            save_frame(frame, new, name, run.words)
        save_text(run_page(run, wrong, pictures, new), new, PAGE)
        write_summary(new, SCHEMA, {"with_images": faces is not None})
    return out / PAGE


def frames(run: Run, wrong: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of the page as files; none on AUs where the method learned none."""
    found = {
        "emotions": tables.frame_of(run.test["emotions"], "recall", "f1"),
        "mistakes": wrong,
        "calibration": bins_frame(run.test["calibration"]),
    }
    if aus := run.au_metrics:
        found["aus"] = tables.frame_of(aus["aus"], "f1", "average_precision")
    return found


def find_faces(folder: Path, images: Path | None = None, dataset: Path | None = None) -> ImageFolder:
    """Where a run's images lie: in `images`, or where the run or its dataset says; ImageError when nothing does.

    DatasetError for a dataset that has other test images than the run was tested on.
    """
    run = read_run(folder)
    names = run.predictions["image"].tolist()
    if images or run.config["images"]:
        return find_in(images or Path(run.config["images"]), names)
    found = read_dataset(dataset or Path(run.config["dataset"]))
    _check_same_images(run, found)
    place = found.manifest["images"]
    if place["root"] is None:
        raise ImageError(f"{run.config['dataset']}: made without images; expected --images DIR")
    return ImageFolder(Path(place["root"]), place["suffix"])


def _check_same_images(run: Run, dataset: Dataset) -> None:
    tested = dict(zip(run.predictions["image"], run.predictions["emotion"], strict=True))
    labels = {
        name: dataset.emotions[number % len(dataset.emotions)]
        for chunk, rows in dataset.rows("image")
        for name, number in zip(rows["image"].to_pylist(), chunk.class_N.tolist(), strict=True)
        if name in tested
    }
    if labels != tested:
        raise DatasetError(
            f"{dataset.folder}: expected the test images that {run.folder} was tested on, with their emotions, "
            "found others; --dataset DIR names another dataset"
        )


def face_uris(names: list[str], folder: ImageFolder) -> dict[str, str]:
    """Faces as data URIs by image name; ImageError for one that cannot be read."""
    found = {}
    for name in names:
        buffer = io.BytesIO()
        Image.fromarray(read_face(folder.path_of(name))).save(buffer, "JPEG", quality=85)
        found[name] = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return found


def _is_ours(folder: Path) -> bool:
    return names_in(folder) <= FIRST_FILES or holds_only(folder, SCHEMA)
