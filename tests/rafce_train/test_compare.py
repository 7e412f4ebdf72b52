import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import rafce_train.compare
from rafce.errors import ConfigError, TrainingError
from rafce_train.compare import Pace, carry_out
from rafce_train.config import Config
from rafce_train.plan import Plan, make_plan
from rafce_train.run import Stopped

OPTIONS = {
    "backbone": "squeezenet1_1",
    "image_size": 32,
    "batch_size": 8,
    "epochs": 2,
    "device": "cpu",
    "deterministic": True,
}
OUTCOME = ("metrics.json", "predictions.parquet", "history.parquet", "weights.safetensors")


class ComparisonScreen:
    """Remembers what it is told, and can do something at a step."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.steps = 0
        self.at_step = lambda number: None

    def comparison(self, plan, to_do):
        self.told.append(("to do", [planned.name for planned in to_do]))

    def run(self, name):
        self.told.append(("run", name))

    def note(self, text):
        pass

    def decoding(self, done, total):
        pass

    def begin(self, config, terms, steps):
        pass

    def step(self, standing):
        self.steps += 1
        self.at_step(self.steps)

    def epoch(self, row):
        self.told.append(("epoch", row["epoch"]))

    def estimate(self, name, epoch_seconds, seconds):
        self.told.append(("estimate", seconds / epoch_seconds))

    def done(self, name, metrics, seconds_left):
        self.told.append(("done", name))

    def heard(self, what: str) -> list[object]:
        return [said for about, said in self.told if about == what]


def plan_of(dataset: Path, *methods: str, n_seeds: int = 1, **options) -> Plan:
    return make_plan({"dataset": str(dataset), **OPTIONS, **options}, methods, ("wild",), ("paper",), n_seeds)


@pytest.fixture(scope="module")
def plan(tiny_dataset: Path) -> Plan:
    return plan_of(tiny_dataset, "stl", "mtl")


@pytest.fixture(scope="module")
def carried_out(plan: Plan, tmp_path_factory) -> tuple[Path, ComparisonScreen]:
    folder, screen = tmp_path_factory.mktemp("compare") / "runs", ComparisonScreen()
    assert carry_out(plan, folder, screen) == [folder / "stl-none-none-0", folder / "mtl-none-none-0"]
    return folder, screen


@pytest.fixture
def runs(carried_out, tmp_path) -> Path:
    """A copy of the finished runs, to be damaged."""
    shutil.copytree(carried_out[0], tmp_path / "runs")
    return tmp_path / "runs"


def outcome(run: Path) -> dict[str, object]:
    """What a run found, without its times."""
    files: dict[str, object] = {name: (run / name).read_bytes() for name in OUTCOME}
    table = pq.read_table(run / "history.parquet")
    files["history.parquet"] = table.drop_columns([name for name in table.column_names if "seconds" in name])
    return files


def test_the_estimate_of_the_whole_comes_after_the_first_epoch_and_before_the_second(carried_out):
    _, screen = carried_out
    assert screen.told == [
        ("to do", ["stl-none-none-0", "mtl-none-none-0"]),
        ("run", "stl-none-none-0"),
        ("epoch", 1),
        ("estimate", 4),  # two runs of two epochs, as long each
        ("epoch", 2),
        ("done", "stl-none-none-0"),
        ("run", "mtl-none-none-0"),
        ("epoch", 1),
        ("epoch", 2),
        ("done", "mtl-none-none-0"),
    ]


def test_what_is_done_is_reused(plan, runs):
    before = [outcome(run) for run in sorted(runs.iterdir())]
    screen = ComparisonScreen()
    assert carry_out(plan, runs, screen) == [runs / planned.name for planned in plan.runs]
    assert screen.told == [("to do", [])]
    assert [outcome(run) for run in sorted(runs.iterdir())] == before


def test_a_run_does_not_depend_on_where_its_dataset_lies(plan, runs, tiny_dataset, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_dataset, moved)
    screen = ComparisonScreen()
    carry_out(plan_of(moved, "stl", "mtl"), runs, screen)
    assert screen.heard("to do") == [[]]


def test_only_what_is_missing_is_trained(plan, runs, carried_out):
    shutil.rmtree(runs / "mtl-none-none-0")
    screen = ComparisonScreen()
    carry_out(plan, runs, screen)
    assert screen.heard("run") == ["mtl-none-none-0"]
    assert outcome(runs / "mtl-none-none-0") == outcome(carried_out[0] / "mtl-none-none-0")


def test_an_interrupted_run_goes_on_to_the_same_outcome(plan, tmp_path, carried_out):
    screen = ComparisonScreen()
    screen.at_step = lambda number: os.kill(os.getpid(), signal.SIGINT) if number == 6 else None
    with pytest.raises(Stopped):
        carry_out(plan, tmp_path / "runs", screen)
    assert not (tmp_path / "runs/stl-none-none-0/metrics.json").exists()
    carry_out(plan, tmp_path / "runs", ComparisonScreen())
    for planned in plan.runs:
        assert outcome(tmp_path / "runs" / planned.name) == outcome(carried_out[0] / planned.name)


def test_runs_with_other_options_are_named_and_left_alone(runs, tiny_dataset):
    before = [outcome(run) for run in sorted(runs.iterdir())]
    with pytest.raises(ConfigError) as raised:
        carry_out(plan_of(tiny_dataset, "stl", "mtl", epochs=3, momentum=0.9), runs, ComparisonScreen())
    assert str(raised.value).splitlines() == [
        f"{runs}/stl-none-none-0: expected a run with momentum = 0.9, found 0.0",
        f"{runs}/stl-none-none-0: expected a run with epochs = 3, found 2",
        f"{runs}/mtl-none-none-0: expected a run with momentum = 0.9, found 0.0",
        f"{runs}/mtl-none-none-0: expected a run with epochs = 3, found 2",
        "choose another --out, or delete these runs",
    ]
    assert [outcome(run) for run in sorted(runs.iterdir())] == before


def test_runs_on_another_version_of_the_dataset_are_named(runs, tiny_dataset, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_dataset, other)
    table = pq.read_table(other / "samples.parquet")
    pq.write_table(table.take(list(range(table.num_rows))[::-1]), other / "samples.parquet")
    with pytest.raises(ConfigError, match=f"stl-none-none-0: expected a run on {other} as it is now"):
        carry_out(plan_of(other, "stl"), runs, ComparisonScreen())


def test_metrics_of_something_else_are_named(plan, runs):
    (runs / "stl-none-none-0/metrics.json").write_text("[]")
    with pytest.raises(
        TrainingError, match=r"stl-none-none-0/metrics\.json: expected the file that SHA256SUMS"
    ):
        carry_out(plan, runs, ComparisonScreen())


def test_a_run_that_fails_does_not_stop_the_others(plan, tmp_path, monkeypatch):
    trained = []

    def start(config: Config, folder: Path, screen: object) -> dict:
        if config.method == "stl":
            raise TrainingError("epoch 1, step 2: the loss emo is not a finite number")
        trained.append(config.method)
        return {}

    monkeypatch.setattr(rafce_train.compare, "start", start)
    with pytest.raises(TrainingError) as raised:
        carry_out(plan, tmp_path / "runs", ComparisonScreen())
    assert (
        str(raised.value)
        == f"{tmp_path}/runs/stl-none-none-0: epoch 1, step 2: the loss emo is not a finite number"
    )
    assert trained == ["mtl"]


def test_what_cannot_be_trained_is_said_before_anything_is(tiny_dataset, tmp_path):
    empty = tmp_path / "no-lab"
    shutil.copytree(tiny_dataset, empty)
    table = pq.read_table(empty / "lab_statistics.parquet")
    pq.write_table(table.slice(0, 0), empty / "lab_statistics.parquet")
    plan = make_plan({"dataset": str(empty), **OPTIONS}, ("stl", "am"), ("lab",), ("paper",), 1)
    with pytest.raises(ConfigError, match="--statistics lab: expected a laboratory table"):
        carry_out(plan, tmp_path / "runs", ComparisonScreen())
    assert not (tmp_path / "runs").exists()


def test_the_time_left_follows_the_epochs_seen_and_the_passes_of_those_not_seen():
    plain, meta = Config(method="mtl", epochs=10), Config(method="mml", epochs=2)
    pace = Pace()
    assert pace.seconds_left([plain, meta]) == 0
    pace.see(plain, 3.0)
    assert pace.seconds_left([plain, meta]) == pytest.approx(10 * 3 + 2 * 13)
    pace.see(meta, 20.0)
    assert pace.seconds_left([plain, meta]) == pytest.approx(10 * 3 + 2 * 20)
    assert pace.seconds_left([replace(meta, meta_every=11)]) == pytest.approx(2 * 3 * 43 / 33)
