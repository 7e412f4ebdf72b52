"""Where the images lie, on a machine that need not have a GPU."""

import pytest
import torch

from rafce_train.feed import trust
from rafce_train.setup import where_they_fit


def refuse(rows: object) -> None:
    raise AssertionError("nothing was to be read")


IMAGES = torch.zeros(10, 4, 4, 3, dtype=torch.uint8)


def test_images_that_would_take_half_of_a_gpu_stay_where_they_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * IMAGES.nbytes - 1, 10**9))
    assert where_they_fit(IMAGES, torch.device("cuda"), refuse) is IMAGES
    assert where_they_fit(IMAGES, torch.device("cpu"), refuse) is IMAGES


def test_images_that_leave_their_file_are_checked_before():
    """The device "meta" stands for a GPU."""
    seen: list[int] = []
    assert where_they_fit(IMAGES, torch.device("meta"), seen.extend).is_meta
    assert seen == list(range(10))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_that_fit_are_copied_to_the_gpu():
    assert where_they_fit(IMAGES, torch.device("cuda"), trust).is_cuda
