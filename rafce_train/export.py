"""A run's network as one file for elsewhere, compared with the run before it is there.

B batch, K emotions, A action units, H image side in pixels.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rafce.atomic import writing
from rafce.errors import ConfigError, OutputError
from rafce_train.augment import batch_images
from rafce_train.checkpoint import DIGEST, WEIGHTS_KEY, facts_text, weights_bytes
from rafce_train.facts import Facts
from rafce_train.inference import Probabilities, probabilities
from rafce_train.model import Net
from rafce_train.run_folder.digests import BLANK, fill_digest
from rafce_train.saved import INPUT, OUTPUTS, check_output, load_net, need_export_extra, open_model

TOLERANCE = 1e-5
N_CHECKED = 8
"""Random images that both networks look at, in batches of different size."""


Look = Callable[[Tensor], Probabilities]


class Format(NamedTuple):
    """A kind of file: its suffix, how its content is made and used, and the packages that this takes."""

    suffix: str
    content: Callable[[Net, Facts], bytes]
    look: Callable[[Path], Look]
    packages: tuple[str, ...] = ()


class _Speaker(nn.Module):
    """The network as others want it: images in, probabilities out; NaN for AUs that were not learned."""

    unlearned_A: Tensor

    def __init__(self, net: Net, learned_A: npt.NDArray[np.bool_]):
        super().__init__()
        self.net = net
        self.register_buffer("unlearned_A", torch.from_numpy(~learned_A))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.net(images)
        au_BA = outputs.au_logits_BA.sigmoid().masked_fill(self.unlearned_A, torch.nan)
        return outputs.emotion_logits_BK.softmax(1), au_BA


def export(run: Path, kind: str, out: Path) -> float:
    """Write the network of `run` to `out` and return the largest difference to the run on random images.

    It computes in fp32 whatever the run did. ConfigError for a wrong suffix, an absent package or a backbone that
    cannot be exported; OutputError when the file would differ from the run by more than 1e-5, or cannot be written.
    """
    form = FORMATS[kind]
    if out.suffix != form.suffix:
        raise ConfigError(f"--out {out}: expected a name that ends in {form.suffix} for --format {kind}")
    check_output(out)
    need_export_extra(f"--format {kind}", *form.packages)
    net, facts = load_net(run)
    net.bf16, facts = False, replace(facts, precision="fp32")
    content = _content(form, net, facts)
    with writing(out) as path:
        path.write_bytes(content)
        difference = _difference(net, facts, path, form)
        if not difference <= TOLERANCE:
            raise OutputError(
                f"{out}: not written: expected at most {TOLERANCE} between its probabilities and the run's on random "
                f"images, found {difference:.2g}"
            )
    return difference


def _content(form: Format, net: Net, facts: Facts) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' talk among developers; the result is checked
            return form.content(net.to(memory_format=torch.contiguous_format), facts)
    except Exception as error:  # the exporters raise dozens of kinds
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"backbone {facts.backbone}: cannot be exported: {reason}") from None


def _difference(net: Net, facts: Facts, path: Path, form: Format) -> float:
    """The largest difference of any probability, the file read as its users read it; two sizes of batch."""
    images_B3HW = _random_images(facts)
    look = form.look(path)
    found = [look(batch_B3HW) for batch_B3HW in (images_B3HW[:1], images_B3HW[1:])]
    expected = probabilities(net, [images_B3HW])
    emotion_NK, au_NA = map(np.concatenate, zip(*found, strict=True))
    differences = [emotion_NK - expected.emotion_NK, (au_NA - expected.au_NA)[:, facts.learned_A]]
    return float(np.max([np.abs(difference).max(initial=0) for difference in differences]))  # NaN stays NaN


def _random_images(facts: Facts) -> Tensor:
    seen = facts.preprocessing
    shape = N_CHECKED, seen.image_size, seen.image_size, 3
    pixels_NHW3 = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return batch_images(pixels_NHW3, np.arange(N_CHECKED), seen.normalize, seen.channel_order)


def _onnx(net: Net, facts: Facts) -> bytes:
    program = torch.onnx.export(
        _Speaker(net, facts.learned_A).eval(),
        (_random_images(facts),),
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        dynamic_shapes={"images": {0: "batch"}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # traces with the paths of this machine
    model.metadata_props.add(key=WEIGHTS_KEY, value=facts_text({**facts.described(), DIGEST: BLANK}))
    return fill_digest(bytes(model.SerializeToString()))


def _torch_export(net: Net, facts: Facts) -> bytes:
    program = torch.export.export(
        _Speaker(net, facts.learned_A).eval(),
        (_random_images(facts),),
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # has the paths of this machine
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={WEIGHTS_KEY: facts_text(facts.described())})
    return buffer.getvalue()


def _safetensors(net: Net, facts: Facts) -> bytes:
    return weights_bytes(net.state_dict(), facts.described())


def _look_as_predict(path: Path) -> Look:
    return open_model(path, "cpu").look


def _look_torch_export(path: Path) -> Look:
    """Of a file that was made here: torch.export.load runs what is pickled in it."""
    module = torch.export.load(path).module()

    @torch.inference_mode()
    def look(images_B3HW: Tensor) -> Probabilities:
        return Probabilities(*(output.numpy() for output in module(images_B3HW)))

    return look


FORMATS = {
    "onnx": Format(".onnx", _onnx, _look_as_predict, ("onnx", "onnxscript", "onnxruntime")),
    "torch-export": Format(".pt2", _torch_export, _look_torch_export),
    "safetensors": Format(".safetensors", _safetensors, _look_as_predict),
}
"""By `--format`."""
