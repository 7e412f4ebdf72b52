import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from rafce.errors import WeightsError
from rafce_train import weights
from rafce_train.weights import load_backbone, read_weights


def small_net(width: int = 4) -> nn.Module:
    first, second = nn.Conv2d(3, width, 3), nn.Conv2d(width, width, 3)
    return nn.Sequential(first, nn.BatchNorm2d(width), second, nn.BatchNorm2d(width))


class Bomb:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone.", "a.b.c.d."])
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"epoch": 3, "state_dict": t}])
def test_prefixes_wrappers_and_a_foreign_last_layer_are_seen_through(tmp_path, prefix, wrap):
    source, target = small_net(), small_net()
    tensors = {prefix + key: value for key, value in source.state_dict().items()}
    tensors |= {"fc.weight": torch.zeros(10, 4), prefix + "fc.bias": torch.zeros(10)}
    torch.save(wrap(tensors), tmp_path / "w.pth")
    report = load_backbone(target, "small", str(tmp_path / "w.pth"))
    assert report is not None
    assert (len(report.matched), len(report.missing), len(report.left_over)) == (12, 0, 2)
    assert str(report) == "12 tensors matched, 0 missing, 0 of another shape, 2 left over"
    for key in report.matched:
        torch.testing.assert_close(target.state_dict()[key], source.state_dict()[key], rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_a_safetensors_file_is_read_whatever_its_name(tmp_path, prefix):
    source, target = small_net(), small_net()
    safetensors.torch.save_file(
        {prefix + key: value for key, value in source.state_dict().items()}, tmp_path / "w.anything"
    )
    load_backbone(target, "small", str(tmp_path / "w.anything"))
    assert torch.equal(source.state_dict()["0.weight"], target.state_dict()["0.weight"])


def test_an_old_file_without_batch_counters_matches_whole(tmp_path):
    tensors = {k: v for k, v in small_net().state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(tensors, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    report = load_backbone(small_net(), "small", str(tmp_path / "w.pth"))
    assert report is not None
    assert report.missing == ()


def test_another_network_is_refused_with_what_differs(tmp_path):
    torch.save(small_net(width=5).state_dict(), tmp_path / "w.pth")
    target = small_net()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_backbone(target, "small", str(tmp_path / "w.pth"))
    assert "0 of 12 tensors match, at least 95% must" in str(caught.value)
    assert "0.weight (5, 3, 3, 3) where (4, 3, 3, 3) was expected" in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())


def test_a_deeper_network_is_refused_although_it_has_every_tensor(tmp_path):
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_backbone(torchvision.models.resnet18(), "resnet18", str(tmp_path / "w.pth"))
    more = len(torchvision.models.resnet34().state_dict()) - len(torchvision.models.resnet18().state_dict())
    counters = 2 * (3 + 4 + 6 + 3) - 2 * (2 + 2 + 2 + 2)
    first, *lines = str(caught.value).splitlines()
    assert "w.pth: weights of another network than resnet18" in first
    assert f"it has {more - counters} tensors more in the same modules" in first
    assert "layer1.2.conv1.weight left over" in lines


def test_the_last_layer_of_a_classifier_inside_a_shared_module_may_be_left_over(tmp_path):
    source, target = torchvision.models.alexnet(), torchvision.models.alexnet()
    target.classifier[6] = nn.Identity()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    report = load_backbone(target, "alexnet", str(tmp_path / "w.pth"))
    assert report is not None
    assert report.left_over == ("classifier.6.weight", "classifier.6.bias")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused_with_their_tensor(tmp_path, value):
    source = small_net()
    source.state_dict()["2.bias"][1] = value
    torch.save(source.state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"w\.pth: 2\.bias: expected finite numbers, found NaN or infinity"
    ):
        load_backbone(small_net(), "small", str(tmp_path / "w.pth"))


def test_what_keeps_its_random_start_is_named(tmp_path):
    target = nn.Sequential(*(nn.Linear(4, 4) for _ in range(40)))
    tensors = target.state_dict() | {"3.weight": torch.zeros(5, 4)}
    del tensors["7.bias"]
    torch.save(tensors, tmp_path / "w.pth")
    assert str(load_backbone(target, "small", str(tmp_path / "w.pth"))) == (
        "78 tensors matched, 1 (7.bias) missing, 1 (3.weight (5, 4) where (4, 4) was expected) of another shape, "
        "0 left over"
    )


def test_a_resnet18_file_for_a_resnet34_is_refused_with_twenty_lines_at_most(tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_backbone(torchvision.models.resnet34(), "resnet34", str(tmp_path / "w.pth"))
    assert "w.pth: weights of another network than resnet34" in str(caught.value)
    assert "layer1.2.conv1.weight missing" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 + 20 + 1


@pytest.mark.parametrize("writer", ["pickle", "zip", "legacy"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_bomb_is_refused_and_not_run(tmp_path, writer, nested):
    bomb, path, target = {"x": Bomb(tmp_path / "ran")}, tmp_path / "w.pth", tmp_path / "ran"
    content = {"state_dict": bomb} if nested else bomb
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "zip")
    with pytest.raises(WeightsError, match=r"w\.pth: refused, and nothing in it was run"):
        read_weights(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a safetensors or torch file: found an empty file"),
        (
            b"hello",
            "cannot be read as a safetensors or torch file: found another kind of file, or a damaged one",
        ),
        (
            b"PK\x03\x04 broken",
            "cannot be read as a safetensors or torch file: found a torch file that is damaged",
        ),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}", "cannot be read as a safetensors file"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "w")


def test_a_file_without_tensors_is_named(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="expected named tensors"):
        read_weights(tmp_path / "w.pth")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="expected a file of weights: No such file"):
        read_weights(tmp_path / "w.pth")


def test_no_weights_leave_the_backbone_as_it_is():
    assert load_backbone(small_net(), "small", "none") is None


def test_imagenet_weights_that_cannot_be_fetched_are_one_error(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(WeightsError, match="could not be fetched for resnet18: no route to host"):
        weights.imagenet_weights("resnet18")


def test_imagenet_weights_of_an_unknown_network_are_one_error():
    with pytest.raises(WeightsError, match="torchvision has none for resnet19"):
        weights.imagenet_weights("resnet19")


def test_vggface2s_resnet50_is_refused_by_its_classes(tmp_path):
    backbone = torchvision.models.resnet50()
    backbone.fc = nn.Identity()
    tensors = {f"module.{name}": tensor for name, tensor in backbone.state_dict().items()}
    tensors |= {"module.fc.weight": torch.zeros(8631, 2048), "module.fc.bias": torch.zeros(8631)}
    torch.save({"state_dict": tensors}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"8,631 classes are those of VGGFace2's ResNet-50") as caught:
        load_backbone(backbone, "resnet50", str(tmp_path / "w.pth"))
    assert "strides" in str(caught.value)


def small_transformer(side: int) -> nn.Module:
    return torchvision.models.VisionTransformer(side, 32, num_layers=4, num_heads=1, hidden_dim=8, mlp_dim=8)


def test_a_transformers_positions_are_interpolated_as_torchvision_does(tmp_path):
    large, small = small_transformer(224), small_transformer(96)
    nn.init.normal_(large.get_parameter("encoder.pos_embedding"))
    torch.save(large.state_dict(), tmp_path / "w.pth")
    expected = interpolate_embeddings(96, 32, OrderedDict(large.state_dict()))["encoder.pos_embedding"]
    report = load_backbone(small, "small", str(tmp_path / "w.pth"))
    torch.testing.assert_close(small.state_dict()["encoder.pos_embedding"], expected, rtol=0, atol=1e-6)
    assert str(report).endswith("0 of another shape, 0 left over; positions interpolated from 7×7 to 3×3")


@pytest.mark.parametrize("length", [9, 1, 12])
def test_positions_that_are_no_grid_are_of_another_shape(tmp_path, length):
    net = small_transformer(96)
    tensors = {**net.state_dict(), "encoder.pos_embedding": torch.zeros(1, length, 8)}
    torch.save(tensors, tmp_path / "w.pth")
    assert "encoder.pos_embedding" in str(load_backbone(net, "small", str(tmp_path / "w.pth")))


def test_a_mnasnet_file_without_versions_fills_the_network_it_was_made_from(tmp_path):
    source, target = torchvision.models.mnasnet0_5(), torchvision.models.mnasnet0_5()
    safetensors.torch.save_file(dict(source.state_dict()), tmp_path / "w.safetensors")
    load_backbone(target, "mnasnet0_5", str(tmp_path / "w.safetensors"))
    for name, tensor in source.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(target.state_dict()[name], tensor), name
