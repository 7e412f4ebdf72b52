"""The simulation of coverage draws what it says, and says where a target is missed."""

import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

SCRIPT = Path(__file__).with_name("bench_coverage.py")


@pytest.fixture(scope="module")
def bench():
    spec = util.spec_from_file_location("bench_coverage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recalls_are_those_of_the_papers_table_2(bench):
    found = bench.recalls()
    assert list(found) == ["Table 2, MML", "Table 2, MTL", "Table 2, STL", "all 0.15", "all 0.5"]
    assert found["Table 2, MML"][[0, 2, 10, 13]] == pytest.approx([0.7778, 0.2778, 0.8454, 0.125])
    assert len(bench.EMOTION_N) == 909


def test_an_error_goes_to_another_emotion_in_proportion_to_its_size(bench):
    rates_KK = bench.confusion_rates(np.linspace(0, 1, 14))
    assert rates_KK.sum(1) == pytest.approx(1)
    assert np.diagonal(rates_KK) == pytest.approx(np.linspace(0, 1, 14))
    assert rates_KK[0, 5] / rates_KK[0, 10] == pytest.approx(178 / 194)


@pytest.mark.parametrize("share", [0, 0.5])
def test_seeds_and_systems_share_outcomes_as_often_as_asked(bench, share):
    recall_K = np.full(14, 0.5)
    right = bench.draw(np.random.default_rng(0), recall_K, 60, share, 0).right
    together = np.mean(right[:, 0, 0] == right[:, 0, 1])
    assert together == pytest.approx(share + (1 - share) / 2, abs=0.01)
    assert np.mean(right[:, 0, 0] == right[:, 1, 0]) == pytest.approx(0.5, abs=0.01)
    both = bench.draw(np.random.default_rng(0), recall_K, 60, 0.5, share).right
    apart = [np.mean(both[:, i, 0] == both[:, i, 1]) for i in (0, 1)]
    assert apart == pytest.approx([0.75, 0.75], abs=0.01)  # of either system, or the two could not be swapped
    called = bench.draw(np.random.default_rng(0), recall_K, 60, 0, share).called
    alike = np.mean((called[:, 0, 0] == called[:, 1, 0])[:, bench.EMOTION_N == 5])
    rates_K = bench.confusion_rates(recall_K)[5]
    assert alike == pytest.approx(share + (1 - share) * (rates_K**2).sum(), abs=0.02)


def test_macro_f1_is_simulated_from_the_same_outcomes(bench):
    called_BN = bench.draw(np.random.default_rng(1), np.full(14, 0.4), 3, 0, 0).called[:, 0, 0]
    found = bench.macro_f1(bench.cells(called_BN))
    expected = [f1_score(bench.EMOTION_N, called_N, average="macro") for called_N in called_BN]
    assert found.value == pytest.approx(expected)


def test_a_missed_target_is_said(bench):
    kept, missed = bench.Asked("a", 93, 98, [93, 97.9]), bench.Asked("b", 0, 6.5, [1, 7])
    assert kept.line() == "- a: 93.0 to 97.9 % (asked: 93 to 98): kept"
    assert missed.line() == "- b: 1.0 to 7.0 % (asked: at most 6.5): MISSED"


def test_the_script_prints_every_setting_and_every_target():
    command = [sys.executable, str(SCRIPT), "--data-sets", "20", "--macro", "2"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + 5 + 1 + 10
    assert sum(line.startswith("- ") for line in printed.splitlines()) == 6
