"""A trained network as it lies on disk, ready to look at images: a run folder, or a file that `export` wrote.

B batch, K emotions, A action units, H image side in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rafce.atomic import check_file_place
from rafce.errors import ConfigError, OutputError, WeightsError, raise_all
from rafce.reading import read_file
from rafce_train import inference
from rafce_train.checkpoint import WEIGHTS_KEY, check_digest, load_weights, read_facts
from rafce_train.facts import Facts, facts_from
from rafce_train.inference import Probabilities
from rafce_train.model import Net, build_net, load_tensors
from rafce_train.run_folder.checksums import read_sums
from rafce_train.run_folder.digests import CHANGED, digest_fault
from rafce_train.run_folder.schema import CONFIG, OWN_FILES, WEIGHTS
from rafce_train.setup import find_device

INPUT, OUTPUTS = "images", ("emotion_probabilities", "au_probabilities")
"""Names in an exported graph: images_B3HW preprocessed as its facts say, probabilities_BK and probabilities_BA."""


@dataclass(frozen=True)
class Model:
    """A network that can be asked, wherever it came from."""

    facts: Facts
    device: torch.device
    """Where images are to be when they are shown to it."""
    look: Callable[[Tensor], Probabilities]
    """Probabilities of preprocessed images, (B, 3, H, H); NaN for AUs that were not learned."""


def open_model(path: Path, device: str = "auto") -> Model:
    """A run folder, or an exported .onnx (which computes on the CPU only) or .safetensors; none of them can carry code.

    WeightsError when it is none of them or is damaged; ConfigError when `device` is not there or onnxruntime is absent.
    """
    if path.is_dir():
        return _open_net(path, device)
    if not path.is_file():
        raise WeightsError(f"{path}: expected a run folder or an exported file, found none")
    if path.suffix not in OPENERS:
        kinds = " or ".join(OPENERS)
        raise WeightsError(
            f"{path}: expected a run folder or an exported {kinds}, found another kind of file"
        )
    return OPENERS[path.suffix](path, device)


def load_net(path: Path) -> tuple[Net, Facts]:
    """The net of a run folder or of an exported .safetensors, on the CPU and in evaluation mode, and its facts.

    WeightsError when there is none, or the tensors do not fit the network that the facts name.
    """
    sums = read_sums(path) if path.is_dir() else None
    path = path / WEIGHTS if sums else path
    tensors, values = load_weights(path, sums)
    facts = facts_from(values, path)
    net = build_net(
        facts.backbone, len(facts.emotions), len(facts.aus), image_size=facts.preprocessing.image_size
    )
    try:
        load_tensors(net, tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: expected the weights of a {facts.backbone}: {reason}") from None
    net.bf16 = facts.precision == "bf16"
    return net.eval(), facts


def check_probabilities(found: Probabilities, images: Sequence[object], where: object) -> None:
    """WeightsError that names the images for which a network gives no finite probabilities.

    An AU that has none in any image was not learned.
    """
    learned_NA = found.au_NA[:, ~np.isnan(found.au_NA).all(0)]
    is_bad_N = ~(np.isfinite(found.emotion_NK).all(1) & np.isfinite(learned_NA).all(1))
    faults = [
        f"{where}: its probabilities are not finite numbers for {images[int(row)]}"
        for row in np.flatnonzero(is_bad_N)
    ]
    raise_all(faults, WeightsError)


def need_export_extra(task: str, *packages: str) -> None:
    """ConfigError that names which of the packages, all of the extra `export`, are absent."""
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise ConfigError(f"{task} needs {', '.join(absent)}: pip install 'rafce[export]'")


def check_output(path: Path) -> None:
    """OutputError where a file cannot be put, before work is spent on it: no folder, a link, or a run's own file."""
    if not path.parent.is_dir():
        raise OutputError(f"{path}: expected a folder to write to, found no {path.parent}")
    check_file_place(path)
    if (path.parent / CONFIG).is_file() and path.name in OWN_FILES:
        raise OutputError(f"{path}: expected another name: it is the run's own file")


def _open_net(path: Path, device: str) -> Model:
    net, facts = load_net(path)
    where = find_device(device)
    net = net.to(where)

    def look(images_B3HW: Tensor) -> Probabilities:
        return inference.probabilities(net, [images_B3HW]).of_learned(facts.learned_A)

    return Model(facts, where, look)


def _open_onnx(path: Path, device: str) -> Model:
    if device not in ("auto", "cpu"):
        raise ConfigError(f"--device {device}: {path.name} computes on the CPU only")
    need_export_extra(f"{path}: an ONNX file", "onnxruntime")
    import onnxruntime

    try:
        content = read_file(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    fault = digest_fault(content)
    if fault == CHANGED:
        raise WeightsError(f"{path}: {fault}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of graphics cards that are not there
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds for a broken file
        raise WeightsError(f"{path}: cannot be read as an ONNX file: {error}") from None
    values = read_facts(session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY, "{}"), path)
    check_digest(values, fault, path)
    facts = facts_from(values, path)

    def look(images_B3HW: Tensor) -> Probabilities:
        found = Probabilities(*session.run(list(OUTPUTS), {INPUT: images_B3HW.numpy()}))
        return found.of_learned(facts.learned_A)

    return Model(facts, torch.device("cpu"), look)


OPENERS: dict[str, Callable[[Path, str], Model]] = {
    ".onnx": _open_onnx,
    ".safetensors": _open_net,
}
"""By the suffix of an exported file; not .pt2, because torch.export.load runs code that hides in one."""
