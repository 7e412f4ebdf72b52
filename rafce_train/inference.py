"""What a trained net says of images: probabilities, in batches, with the net as it will be used.

B batch, N images, K emotions, A action units.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rafce_train.model import Net


class Probabilities(NamedTuple):
    """Probabilities of every image in order, float32."""

    emotion_NK: npt.NDArray[np.float32]
    au_NA: npt.NDArray[np.float32]

    @property
    def predicted_N(self) -> npt.NDArray[np.int64]:
        """The most probable emotion of each image; the first of equals."""
        predicted_N: npt.NDArray[np.int64] = self.emotion_NK.argmax(1)
        return predicted_N

    def of_learned(self, learned_A: npt.NDArray[np.bool_]) -> "Probabilities":
        """The same with NaN for AUs that were not learned: what the net says of them comes from no label."""
        return self._replace(au_NA=np.where(learned_A, self.au_NA, np.float32(np.nan)))


def learned_aus(thresholds: Sequence[float | None] | None, n_aus: int) -> npt.NDArray[np.bool_]:
    """Which AUs a net learned, shape (A,): those that have a threshold; none where the method learns none."""
    return np.array([threshold is not None for threshold in thresholds or [None] * n_aus], np.bool_)


@torch.inference_mode()
def probabilities(net: Net, batches: Iterable[Tensor]) -> Probabilities:
    """Probabilities of the images in `batches`, (B, 3, H, H) each; the net is left in evaluation mode."""
    net.eval()
    emotion, au = [], []
    for images_B3HW in batches:
        outputs = net(images_B3HW)
        emotion.append(outputs.emotion_logits_BK.float().softmax(1).cpu())
        au.append(outputs.au_logits_BA.float().sigmoid().cpu())
    return Probabilities(torch.cat(emotion).numpy(), torch.cat(au).numpy())
