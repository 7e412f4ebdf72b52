from typing import Any

import pytest

from rafce.errors import ConfigError
from rafce_train.config import Config
from rafce_train.gradnorm import GRADNORM_PASSES
from rafce_train.plan import check_two, make_plan, n_epochs, relative_cost, without_lab

SIX = ("stl", "mtl", "am", "mal", "mal2", "mml")


def names(*arguments, **options):
    return [run.name for run in make_plan(options, *arguments).runs]


def test_methods_without_statistics_run_once_a_seed_and_the_others_with_every_prior():
    assert names(("stl", "mml"), ("wild", "lab"), ("paper",), 2) == [
        *("stl-none-none-0", "mml-wild-paper-0", "mml-lab-paper-0"),
        *("stl-none-none-1", "mml-wild-paper-1", "mml-lab-paper-1"),
    ]


def test_the_paper_needs_ten_runs_a_seed():
    plan = make_plan({}, SIX, ("wild", "lab"), ("paper", "bayes"), 3)
    assert len(plan.runs) == 3 * (4 + 2 * 3)
    assert plan.left_out == (
        "--statistics lab with --alignment bayes: its table has no counts, which bayes needs",
    )


def test_lab_with_bayes_is_left_out_and_a_method_without_statistics_stays():
    assert names(("stl", "am"), ("lab",), ("bayes",), 1) == ["stl-none-none-0"]
    with pytest.raises(
        ConfigError, match="expected at least one method to compare, found none\n--statistics lab"
    ):
        make_plan({}, ("am",), ("lab",), ("bayes",), 1)


def test_each_run_has_its_options_and_the_common_ones():
    plan = make_plan({"epochs": 7, "backbone": "resnet18"}, ("am",), ("lab",), ("paper",), 2)
    expected = Config(method="am", statistics="lab", seed=1, epochs=7, backbone="resnet18")
    assert plan.runs[1].config == expected


def test_options_that_change_nothing_with_a_method_stay_at_their_defaults():
    common: dict[str, Any] = {"prior_scope": "all", "rho_au": (0.1, 0.3), "rho_align": (0.2, 0.5)}
    configs = {run.config.method: run.config for run in make_plan(common, SIX, ("lab",), ("paper",), 1).runs}
    assert configs["stl"] == Config(method="stl")
    assert configs["mtl"] == Config(method="mtl", rho_au=(0.1, 0.3))
    assert configs["am"] == Config(method="am", statistics="lab", **common)
    assert configs["mml"] == Config(method="mml", statistics="lab", prior_scope="all")


def test_options_of_one_method_stay_at_their_defaults_for_the_others():
    common = {"gradnorm_alpha": 0.5, "dtp_gamma": 1.0, "dtp_alpha": 0.2, "rho_align": (0.3,), "meta_every": 4}
    runs = make_plan(common, ("mtl", "gradnorm", "dtp", "dm"), ("wild",), ("paper",), 1).runs
    assert [run.config for run in runs] == [
        Config(method="mtl"),
        Config(method="gradnorm", gradnorm_alpha=0.5, meta_every=4),
        Config(method="dtp", dtp_gamma=1.0, dtp_alpha=0.2, meta_every=4),
        Config(method="dm", rho_align=(0.3,)),
    ]


def test_with_alignment_the_cited_methods_use_statistics_and_the_papers_stay_what_they_are():
    cited = ("mtl", "am", "uncertainty", "gradnorm", "dtp", "dm")
    assert names(cited, ("wild", "lab"), ("paper",), 1) == [
        *("mtl-none-none-0", "am-wild-paper-0", "am-lab-paper-0"),
        *(f"{name}-none-none-0" for name in cited[2:]),
    ]
    plan = make_plan({"with_alignment": True, "rho_align": (0.3,)}, cited, ("lab",), ("paper", "bayes"), 1)
    assert [run.name for run in plan.runs] == ["mtl-none-none-0", *(f"{n}-lab-paper-0" for n in cited[1:])]
    configs = {run.config.method: run.config for run in plan.runs}
    aligned: dict[str, Any] = {"with_alignment": True, "statistics": "lab"}
    assert configs["mtl"] == Config(method="mtl")
    assert configs["am"] == Config(method="am", statistics="lab", rho_align=(0.3,))
    assert configs["uncertainty"] == Config(method="uncertainty", **aligned)
    assert configs["dtp"] == Config(method="dtp", rho_align=(0.3,), **aligned)


def test_without_a_laboratory_table_the_systems_that_need_one_are_left_out_and_named():
    plan = without_lab(make_plan({}, ("stl", "am", "dm"), ("wild", "lab"), ("paper",), 2))
    assert [run.name for run in plan.runs] == [
        f"{name}-{seed}" for seed in (0, 1) for name in ("stl-none-none", "am-wild-paper")
    ]
    assert plan.left_out == (
        "am-lab-paper: the dataset has no laboratory table",
        "dm-none-none: the dataset has no laboratory table",
    )
    plain = make_plan({}, ("stl", "mtl"), ("lab",), ("paper",), 1)
    assert without_lab(plain) == plain


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_plan_of_one_system_is_refused_whatever_its_seeds(n_seeds):
    with pytest.raises(ConfigError, match="at least two systems to compare, found stl-none-none alone"):
        check_two(make_plan({}, ("stl",), ("wild",), ("paper",), n_seeds))
    check_two(make_plan({}, ("stl", "mtl"), ("wild",), ("paper",), n_seeds))


def test_what_left_too_little_is_named():
    plan = without_lab(make_plan({}, ("stl", "am"), ("lab",), ("paper",), 1))
    with pytest.raises(
        ConfigError, match="found stl-none-none alone\nam-lab-paper: the dataset has no labor"
    ):
        check_two(plan)
    nothing = without_lab(make_plan({}, ("am", "dm"), ("lab",), ("paper",), 1))
    with pytest.raises(ConfigError, match=r"two systems to compare, found none\nam-lab-paper: .*\ndm-none"):
        check_two(nothing)


def test_options_that_are_not_allowed_are_named():
    with pytest.raises(ConfigError, match="--epochs 0: expected at least 1"):
        make_plan({"epochs": 0}, ("stl",), ("wild",), ("paper",), 1)


@pytest.mark.parametrize(
    ("method", "meta_every", "cost"),
    [
        ("am", 1, 3),
        ("mml", 1, 13),
        ("mal", 10, 4),
        ("uncertainty", 1, 3),
        ("dtp", 1, 3),
        ("gradnorm", 1, GRADNORM_PASSES),
    ],
)
def test_a_meta_step_costs_thirteen_passes_and_a_plain_one_three(method, meta_every, cost):
    assert relative_cost(Config(method=method, meta_every=meta_every)) == pytest.approx(cost)


def test_every_pair_of_fixed_weights_has_its_epochs():
    assert n_epochs(Config(method="am", epochs=5, rho_au=(0.1, 0.3, 1.0), rho_align=(0.1, 0.2))) == 30
