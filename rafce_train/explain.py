"""Does a run look where the action units act? Grad-CAM maps of its test images, for Figure 4 and as a number.

N test images, n of them that a question is about, H image side and h map side in pixels.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rafce.errors import ConfigError, DatasetError, raise_all
from rafce.geometry import Box, regions_pixels
from rafce_train.attention import Aus, Reals, Shares, mean_with_interval, shares
from rafce_train.checkpoint import load_options
from rafce_train.config import Config, config_from
from rafce_train.data import IntArray, TrainingData, read_data
from rafce_train.facts import Thresholds
from rafce_train.feed import Feed
from rafce_train.gradcam import MapLayer, Maps, Target, choose_layer, grad_cam
from rafce_train.inference import Probabilities, probabilities
from rafce_train.model import Net
from rafce_train.questions import Question, Verdict, au_question, emotion_question, region_notes
from rafce_train.run_folder.checksums import read_sums
from rafce_train.run_folder.read import finished_metrics, notes
from rafce_train.saved import check_probabilities, load_net
from rafce_train.setup import gather, make_feed

Row = dict[str, Any]
Note = Callable[[str], None]
Progress = Callable[[int, int], None]  # images decoded, or maps made of a run for a question, of how many
Measured = Mapping[str, Mapping[str, Shares]]
"""By run, then by kind of region."""


class Options(NamedTuple):
    """What is asked: an AU beside the emotion, a layer by its name, at most so many examples."""

    au: int | None = None
    layer: str | None = None
    n_examples: int = 12


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Subject:
    """A run that is asked, and what it says of the test images."""

    name: str
    config: Config
    net: Net
    layer: MapLayer
    feed: Feed
    thresholds: Thresholds
    found: Probabilities


class Answer(NamedTuple):
    """What a run predicts for the images of a question, and where it sees what was asked for."""

    verdict: Verdict
    map_nhh: Maps


class View(NamedTuple):
    """One run's part of an example: what it predicts, how probable it holds the truth, its map."""

    run: str
    words: str
    probability: float
    right: bool
    map_hh: Maps


class Example(NamedTuple):
    """A test image for Figure 4, with the boxes of its AUs in parts of its side."""

    image: str
    pixels_HH3: npt.NDArray[np.uint8]
    emotion: str
    boxes: dict[int, tuple[Box, ...]]
    observed: Aus
    """Those of the AUs that are observed in its emotion."""
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False)
class Explained:
    """The outcome of one question."""

    target: str
    examples: tuple[Example, ...]
    n_candidates: int
    """Test images that could have been examples."""
    images: list[Row]
    """A row an image, run and kind of region: the shares of `Shares`."""
    summary: list[Row]
    """A row a run, kind of region and measure: its mean over images with interval."""


def explain(
    folders: Sequence[Path], options: Options, note: Note, progress: Progress, **places: str
) -> tuple[list[Subject], list[Explained]]:
    """Ask a run, and maybe another beside it, where it sees the emotion of each test image, and an AU if one is named.

    `places` says where `dataset` and `images` lie by now, and the `device`. RafceError for folders that are no
    finished runs of this dataset, an AU that is unknown, in no test image or learned by no run, a layer that cannot be
    explained, or two runs on different test images.
    """
    names = short_names(folders)
    subjects = [
        open_subject(folder, name, options.layer, note, progress, **places)
        for folder, name in zip(folders, names, strict=True)
    ]
    data = _common_data(subjects)
    questions = [emotion_question(data, subjects[0].config.prior_scope)]
    if options.au is not None:
        _check_aus_learned(subjects, options.au)
        questions.append(au_question(data, options.au))
    for text in region_notes(data):
        note(text)
    return subjects, [ask(subjects, question, options.n_examples, progress) for question in questions]


def open_subject(
    folder: Path, name: str, layer: str | None, note: Note, progress: Progress, **places: str
) -> Subject:
    """Load a finished run and let it look at the test images."""
    for text in notes(folder):
        note(text)
    net, facts = load_net(folder)
    config = config_from({**load_options(folder), **places})
    data = read_data(Path(config.dataset))
    _check_trained_on(folder, data)
    map_layer = choose_layer(net, config.image_size, layer)
    material = gather(config, data, note, progress)
    feed = make_feed(config, material)
    net = net.to(material.device)
    found = probabilities(net, (batch.images_B3HW for batch in feed.partition("test")))
    check_probabilities(found, _test_names(material.data), folder)
    return Subject(name, config, net, map_layer, feed, facts.thresholds, found)


def short_names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or the paths as they were given where these do not tell them apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def ask(subjects: Sequence[Subject], question: Question, n_examples: int, progress: Progress) -> Explained:
    """Maps of every run for every image of the question, their shares, and the examples for Figure 4."""
    data = subjects[0].feed.data
    answers = [answer(subject, question, progress) for subject in subjects]
    measured = {
        subject.name: {
            regions: shares(said.map_nhh, aus_n, subject.config.image_size)
            for regions, aus_n in question.regions.items()
        }
        for subject, said in zip(subjects, answers, strict=True)
    }
    chosen = candidates(answers, data.emotion_N[data.rows("test")][question.place_n])
    return Explained(
        question.target,
        tuple(example(subjects, question, answers, place) for place in chosen[:n_examples]),
        len(chosen),
        image_rows(data, question, measured),
        summary(question, measured, data.groups("test")),
    )


def answer(subject: Subject, question: Question, progress: Progress) -> Answer:
    """What a run predicts for each image of the question, and its map for what is asked."""
    rows_n = subject.feed.data.rows("test")[question.place_n]
    size = subject.config.batch_size

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(rows_n), size):
            yield subject.feed.plain_batch(rows_n[start : start + size]).images_B3HW
            progress(min(start + size, len(rows_n)), len(rows_n))

    target = Target(question.output, torch.from_numpy(question.column_n))
    verdict = question.verdict(subject.found, subject.thresholds)
    return Answer(verdict, grad_cam(subject.net, subject.layer, batches(), target))


def candidates(answers: Sequence[Answer], emotion_n: IntArray) -> list[int]:
    """Images where the first run is right, every other errs and all have a map: the surest of each emotion first.

    Then the next surest of each, and so on; sure by the probability that the first run gives to the truth.
    """
    first = answers[0].verdict
    wanted_n = np.all([said.map_nhh.any((1, 2)) for said in answers], axis=0) & first.right_n
    for other in answers[1:]:
        wanted_n &= ~other.verdict.right_n
    surest_first = [int(i) for i in np.argsort(-first.probability_n, kind="stable") if wanted_n[i]]
    seen: Counter[int] = Counter()
    rank = {}
    for i in surest_first:
        rank[i] = seen[int(emotion_n[i])]
        seen[int(emotion_n[i])] += 1
    return sorted(surest_first, key=rank.__getitem__)


def example(subjects: Sequence[Subject], question: Question, answers: Sequence[Answer], i: int) -> Example:
    """All that Figure 4 shows of one image; the pixels are those of the run with the larger input."""
    data = subjects[0].feed.data
    row = data.rows("test")[question.place_n[i]]
    emotion, (aus_n, *_) = data.emotion_N[row], question.regions.values()
    observed_A = data.statistics[subjects[0].config.prior_scope].observed_KA[emotion]
    sharpest = max(subjects, key=lambda subject: subject.config.image_size)
    return Example(
        image=data.names[row],
        pixels_HH3=sharpest.feed.images_NHW3[row].cpu().numpy(),
        emotion=data.emotions[emotion],
        boxes={au: regions_pixels(au, 1) for au in sorted(aus_n[i])},
        observed=aus_n[i].intersection(np.array(data.aus)[observed_A].tolist()),
        views=tuple(_view(subject, said, i) for subject, said in zip(subjects, answers, strict=True)),
    )


def image_rows(data: TrainingData, question: Question, measured: Measured) -> list[Row]:
    """The shares of every image, run and kind of region; NaN where an image has no say."""
    rows_n = data.rows("test")[question.place_n]
    return [
        {
            "image": data.names[row],
            "emotion": data.emotions[data.emotion_N[row]],
            "run": run,
            "target": question.target,
            "regions": regions,
            **{name.removesuffix("_N"): float(part_n[i]) for name, part_n in found._asdict().items()},
        }
        for run, by_regions in measured.items()
        for regions, found in by_regions.items()
        for i, row in enumerate(rows_n)
    ]


MEASURES: dict[str, Callable[[Shares], Reals]] = {
    "inside": lambda found: found.inside_N,
    "area": lambda found: found.area_N,
    "average": lambda found: found.average_N,
    "inside - area": lambda found: found.inside_N - found.area_N,
    "inside - average": lambda found: found.inside_N - found.average_N,
}
"""What is averaged over images: a share, or the difference of two in the same image."""
AGAINST = "inside - inside of the other run"


def summary(question: Question, measured: Measured, group_N: npt.NDArray[np.str_] | None = None) -> list[Row]:
    """Every measure of every run, and the first run less the others on the images where both have a map.

    `group_N` has the group of every test image, where they have any: intervals are then over groups.
    """
    group_n = None if group_N is None else group_N[question.place_n]
    rows = [
        _summary_row(question, (run, regions, measure), of(found), group_n)
        for run, by_regions in measured.items()
        for regions, found in by_regions.items()
        for measure, of in MEASURES.items()
    ]
    first, *others = measured
    for other in others:
        for regions in question.regions:
            difference_n = measured[first][regions].inside_N - measured[other][regions].inside_N
            rows.append(_summary_row(question, (first, regions, AGAINST), difference_n, group_n))
    return rows


def _summary_row(
    question: Question, of: tuple[str, str, str], value_n: Reals, group_n: npt.NDArray[np.str_] | None
) -> Row:
    """`of`: run, regions and measure."""
    run, regions, measure = of
    named = {"run": run, "target": question.target, "regions": regions, "measure": measure}
    return {**named, "asked": len(value_n), **mean_with_interval(value_n, group_n)}


def _view(subject: Subject, said: Answer, i: int) -> View:
    verdict = said.verdict
    return View(
        subject.name,
        verdict.words_n[i],
        float(verdict.probability_n[i]),
        bool(verdict.right_n[i]),
        said.map_nhh[i],
    )


def _check_trained_on(folder: Path, data: TrainingData) -> None:
    """TrainingError for a run that is not finished; DatasetError when it was trained on other data."""
    if finished_metrics(read_sums(folder))[1].dataset.fingerprint != data.fingerprint:
        raise DatasetError(
            f"{data.folder}: expected the dataset that {folder} was trained on, found another; --dataset DIR names it"
        )


def _common_data(subjects: Sequence[Subject]) -> TrainingData:
    """The data of the first run; ConfigError when another looks at other test images, or for other things."""
    first, *others = (subject.feed.data for subject in subjects)
    test_names, words = _test_names(first), (first.emotions, first.aus)
    for subject, data in zip(subjects[1:], others, strict=True):
        if _test_names(data) != test_names or (data.emotions, data.aus) != words:
            raise ConfigError(
                f"{subject.name}: expected the test images, emotions and AUs of {subjects[0].name}, found others"
            )
    return first


def _check_aus_learned(subjects: Sequence[Subject], au: int) -> None:
    faults = []
    for subject in subjects:
        if subject.thresholds is None:
            faults.append(
                f"--au {au}: expected runs that learn AUs, found {subject.name} of method {subject.config.method}"
            )
        elif dict(zip(subject.feed.data.aus, subject.thresholds, strict=True)).get(au, 0) is None:
            faults.append(
                f"--au {au}: expected runs that learned it, found {subject.name}: unknown in its training images"
            )
    raise_all(faults, ConfigError)


def _test_names(data: TrainingData) -> list[str]:
    return [data.names[row] for row in data.rows("test")]
