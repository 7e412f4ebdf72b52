from collections import Counter
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from rafce.errors import ConfigError
from rafce_train.cache import cache_folder, cached_images
from rafce_train.data import find_images, read_data
from rafce_train.feed import Feed
from rafce_train.inference import probabilities
from rafce_train.model import build_net


@pytest.fixture
def feed(tiny, tiny_dataset: Path):
    def make(**changes) -> Feed:
        data = read_data(tiny_dataset)
        paths = find_images(data)
        cache = cached_images(paths, 32, cache_folder(tiny_dataset), "error", lambda done, total: None)
        return Feed(data, cache.images_NHW3, tiny(**changes), torch.device("cpu"))

    return make


def test_an_epoch_shows_each_training_image_at_most_once_and_only_those(feed):
    rows = feed().epoch_rows(0).flatten()
    assert len(set(rows.tolist())) == len(rows) == feed().steps * 8
    assert set(rows.tolist()) <= set(feed().data.rows("train").tolist())


def test_a_batch_is_a_function_of_seed_epoch_and_step(feed):
    one, two = feed(augment="standard"), feed(augment="standard")
    one.training_batch(0, 0)
    for found, again in zip(one.training_batch(3, 1), two.training_batch(3, 1), strict=True):
        torch.testing.assert_close(found, again, rtol=0, atol=0, equal_nan=True)
    other = feed(augment="standard", seed=1).training_batch(3, 1)
    assert not torch.equal(other.images_B3HW, one.training_batch(3, 1).images_B3HW)
    assert not torch.equal(one.training_batch(4, 1).emotion_B, one.training_batch(3, 1).emotion_B)


def test_an_image_that_the_balanced_sampler_repeats_is_changed_anew_each_time(feed):
    batches = feed(sampler="balanced", augment="standard")
    rows = batches.epoch_rows(0).flatten().tolist()
    shown = torch.cat([batches.training_batch(0, step).images_B3HW for step in range(batches.steps)])
    row, times = Counter(rows).most_common(1)[0]
    assert times > 2
    looks = [image for image, shown_row in zip(shown, rows, strict=True) if shown_row == row]
    assert all(not torch.equal(one, two) for one, two in combinations(looks, 2))


def test_labels_stay_with_their_images(feed):
    batches = feed()
    batch, rows_B = batches.training_batch(1, 2), batches.epoch_rows(1)[2]
    assert batch.emotion_B.tolist() == batches.data.emotion_N[rows_B].tolist()
    np.testing.assert_array_equal(batch.au_BA.numpy(), batches.data.au_NA[rows_B])
    for row, image_3HW in zip(rows_B, batch.images_B3HW, strict=True):
        torch.testing.assert_close(
            batches.plain_batch(np.array([row])).images_B3HW[0], image_3HW, rtol=0, atol=0
        )


def test_images_are_checked_before_they_are_looked_at(feed):
    seen: list[list[int]] = []
    whole = feed(method="mml")
    batches = replace(whole, check_rows=lambda rows_B: seen.append(rows_B.tolist()))
    batches.training_batch(1, 2)
    assert seen == [batches.epoch_rows(1)[2].tolist()]
    batches.validation_batch(1, 2)
    assert set(seen.pop()) <= set(batches.data.rows("validation").tolist())
    list(batches.partition("test"))
    assert list(chain(*seen[1:])) == batches.data.rows("test").tolist()


def test_a_partition_is_handed_out_whole_and_in_order(feed):
    batches = feed()
    emotions = torch.cat([batch.emotion_B for batch in batches.partition("test")])
    assert emotions.tolist() == batches.data.emotion_N[batches.data.rows("test")].tolist()


def test_the_meta_net_is_judged_on_validation_images_only(feed):
    batches = feed()
    shown = torch.cat([batches.validation_batch(0, step).images_B3HW for step in range(20)])
    known = torch.cat([batch.images_B3HW for batch in batches.partition("validation")])
    assert all((image == known).flatten(1).all(1).any() for image in shown)


def test_a_meta_net_needs_two_validation_images(feed):
    whole = feed()
    kept_N = ~np.isin(np.arange(len(whole.data.names)), whole.data.rows("validation")[1:])
    data = whole.data.keep(kept_N)
    with pytest.raises(ConfigError, match="--method mml: expected at least 2 validation images, found 1"):
        replace(whole, data=data, images_NHW3=whole.images_NHW3[kept_N], config=feed(method="mml").config)
    replace(whole, data=data, images_NHW3=whole.images_NHW3[kept_N])


def test_a_batch_larger_than_the_training_set_is_refused(feed):
    with pytest.raises(ConfigError, match="--batch-size 40"):
        feed(batch_size=40)


def test_probabilities_do_not_depend_on_how_images_are_batched(feed):
    net = build_net("squeezenet1_1", 14, 32, image_size=32)
    (one, two) = (
        probabilities(net, (batch.images_B3HW for batch in feed(batch_size=size).partition("test")))
        for size in (3, 8)
    )
    np.testing.assert_allclose(one.emotion_NK, two.emotion_NK, rtol=1e-5)
    np.testing.assert_allclose(one.emotion_NK.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(one.au_NA, two.au_NA, rtol=1e-5)
    assert not net.training
