import dataclasses
import tomllib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafce.errors import ConfigError
from rafce_train.augment import AUGMENTATIONS, CHANNEL_ORDERS, NORMALIZATIONS
from rafce_train.config import Config, config_from, config_toml, options, read_config, rho_grid
from rafce_train.learner import REDUCTIONS
from rafce_train.loop import SCHEDULES
from rafce_train.methods import METHODS
from rafce_train.prior import PRIORS
from rafce_train.sampling import CLASS_WEIGHTS, SAMPLERS

finite = st.floats(min_value=0, max_value=1e6, exclude_max=True)


def test_a_written_configuration_reads_back_equal(tmp_path):
    config = Config(
        dataset='a "quoted" \\ path', rho_au=(0.03, 1.0), weight_decay=5e-4, nesterov=True, momentum=0.9
    )
    path = tmp_path / "config.toml"
    path.write_text(config_toml(config), encoding="utf-8")
    assert config_from(read_config(path)) == config


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    finite,
    st.lists(finite, min_size=1, unique=True),
    st.integers(0, 2**62),
)
def test_any_value_survives_toml(text, number, numbers, seed):
    config = Config(images=text, lr_backbone=number, rho_align=tuple(numbers), seed=seed)
    assert config_from(tomllib.loads(config_toml(config))) == config


def test_the_written_configuration_holds_every_option():
    assert list(tomllib.loads(config_toml(Config()))) == [item.name for item in dataclasses.fields(Config)]


def test_every_option_has_a_group_and_a_sentence_of_help():
    for name, (_, limits) in options().items():
        assert limits.group, name
        assert limits.help.endswith("."), name


def test_a_single_number_may_stand_for_a_list():
    assert config_from({"rho_au": 1}).rho_au == (1.0,)


def test_a_list_of_fixed_weights_makes_one_run_each():
    grid = rho_grid(Config(method="am", rho_au=(0.1, 1.0), rho_align=(0.2, 0.3)))
    assert [(c.rho_au, c.rho_align) for c in grid] == [
        ((0.1,), (0.2,)),
        ((0.1,), (0.3,)),
        ((1.0,), (0.2,)),
        ((1.0,), (0.3,)),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rho": 1.0}, "unknown option rho"),
        ({"epochs": "ten"}, "epochs: expected an integer, found 'ten'"),
        ({"epochs": True}, "epochs: expected an integer, found True"),
        ({"nesterov": 1}, "nesterov: expected true or false, found 1"),
        ({"rho_au": []}, "rho_au: expected a number or a list of numbers"),
        ({"rho_au": [0.1, "x"]}, "rho_au: expected a number or a list of numbers"),
        ({"method": "MML"}, "--method MML: expected one of stl, mtl"),
        ({"epochs": 0}, "--epochs 0: expected at least 1"),
        ({"momentum": 1.0}, "--momentum 1.0: expected less than 1"),
        ({"lr_heads": float("nan")}, "--lr-heads nan: expected a finite number"),
        ({"lr_heads": float("inf")}, "--lr-heads inf: expected a finite number"),
        ({"lr_backbone": 1e308}, "--lr-backbone 1e+308: expected less than 1,000,000"),
        ({"lr_meta": 1e6}, "--lr-meta 1000000.0: expected less than 1,000,000"),
        ({"weight_decay": 1e300}, "--weight-decay 1e+300: expected less than 1,000,000"),
        ({"rho_align": [0.1, 1e39]}, "--rho-align 1e+39: expected less than 1,000,000"),
        ({"gradnorm_alpha": 1e3}, "--gradnorm-alpha 1000.0: expected less than 100"),
        ({"rho_au": [0.1, -1]}, "--rho-au -1.0: expected at least 0"),
        ({"rho_au": [0.1, 0.3, 0.1]}, "--rho-au 0.1,0.3,0.1: expected each value once"),
        ({"statistics": "lab", "alignment": "bayes"}, "the laboratory table has no counts"),
        ({"nesterov": True}, "--nesterov: expected --momentum above 0"),
        ({"sampler": "balanced", "class_weights": "balanced"}, "one remedy for imbalance at a time"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(values, message):
    with pytest.raises(ConfigError) as caught:
        config_from(values)
    assert message in str(caught.value)


def test_all_faults_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        Config(epochs=0, method="x", momentum=2.0)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"epochs = ", "expected TOML"), (b"\xff", "expected TOML"), (b"epoch = 3", "unknown option epoch")],
)
def test_a_file_that_is_not_a_configuration_is_refused(tmp_path, content, message):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_an_absent_configuration_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: expected a TOML file of options: No such file"):
        read_config(tmp_path / "none.toml")


def test_the_choices_of_an_option_are_what_the_code_knows():
    tables: dict[str, Mapping[str, object]] = {
        "method": METHODS,
        "reduction": REDUCTIONS,
        "normalize": NORMALIZATIONS,
        "channel_order": CHANNEL_ORDERS,
        "augment": AUGMENTATIONS,
        "sampler": SAMPLERS,
        "class_weights": CLASS_WEIGHTS,
        "schedule": SCHEDULES,
    }
    for name, table in tables.items():
        assert options()[name][1].choices == tuple(table), name
    pairs = {(statistics, alignment) for statistics in ("wild", "lab") for alignment in ("paper", "bayes")}
    assert pairs - set(PRIORS) == {("lab", "bayes")}
