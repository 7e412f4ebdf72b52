"""Backbones: which ones will do, what is taken off them, and why the others are refused."""

import pytest
import torch
import torchvision

from rafce.errors import ConfigError
from rafce_train.model import build_net, load_tensors

# B batch, F features


@pytest.mark.parametrize(
    ("backbone", "last_layer", "n_features"),
    [
        ("resnet18", "fc", 512),
        ("densenet121", "classifier", 1024),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("efficientnet_b0", "classifier.1", 1280),
        ("regnet_y_400mf", "fc", 440),
        ("shufflenet_v2_x0_5", "fc", 1024),
        ("squeezenet1_1", "classifier.1", 512),
        ("swin_t", "head", 768),
        ("vit_b_32", "heads.head", 768),
    ],
)
def test_backbone_loses_its_last_layer_and_nothing_else(backbone, last_layer, n_features):
    net = build_net(backbone, 14, 32, image_size=64)
    whole = torchvision.models.get_model(backbone, weights=None).state_dict()
    assert net.last_layer == last_layer
    assert net.n_features == n_features
    removed = set(whole) - set(net.backbone.state_dict())
    assert removed == {name for name in whole if name.startswith(last_layer + ".")}
    assert set(net.backbone.state_dict()) <= set(whole)


def test_a_vision_transformer_has_a_position_for_each_patch_of_its_image_side():
    net = build_net("vit_b_16", 2, 2, image_size=112)
    assert net.backbone.state_dict()["encoder.pos_embedding"].shape == (1, 1 + 7 * 7, 768)


@pytest.mark.parametrize("backbone", ["mnasnet0_5", "shufflenet_v2_x0_5"])
def test_tensors_by_name_alone_make_the_same_network_again(backbone):
    torch.manual_seed(0)
    one, other = (build_net(backbone, 3, 2, image_size=64).eval() for _ in range(2))
    load_tensors(other, dict(one.state_dict()))
    images_B3HW = torch.rand(2, 3, 64, 64)
    for found, expected in zip(other(images_B3HW), one(images_B3HW), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("backbone", ["resnet18", "densenet121", "mobilenet_v3_small"])
def test_net_returns_features_and_both_logits(backbone):
    outputs = build_net(backbone, 5, 7, image_size=64)(torch.rand(3, 3, 64, 64))
    assert [tuple(output.shape) for output in outputs] == [(3, outputs.features_BF.shape[1]), (3, 5), (3, 7)]
    assert all(output.dtype == torch.float32 for output in outputs)


def test_building_a_net_leaves_its_running_statistics_fresh():
    fresh = torchvision.models.resnet18().state_dict()
    for name, buffer in build_net("resnet18", 14, 32, image_size=64).backbone.named_buffers():
        assert buffer.equal(fresh[name]), name


def test_mixed_precision_ends_at_the_outputs():
    net = build_net("resnet18", 5, 7, image_size=32).eval()
    images_B3HW = torch.rand(2, 3, 32, 32)
    exact = net(images_B3HW)
    net.bf16 = True
    mixed = net(images_B3HW)
    assert all(output.dtype == torch.float32 for output in mixed)
    assert not mixed.features_BF.equal(exact.features_BF)
    torch.testing.assert_close(mixed.features_BF, exact.features_BF, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("backbone", "image_size", "message"),
    [
        ("googlenet", 64, "returns one tensor, found one that returns 3 while it trains"),
        ("inception_v3", 299, "returns one tensor, found one that returns 2 while it trains"),
        (
            "vit_b_32",
            112,
            "for 112×112 images, found: Input shape indivisible by patch size!; it takes --image-size 96$",
        ),
        (
            "maxvit_t",
            112,
            "for 112×112 images, found: Input size .* not divisible by partition size 7.*; it takes --image-size 224$",
        ),
        ("alexnet", 48, "for 48×48 images, found: .* Output size is too small; it takes --image-size 64$"),
        ("fasterrcnn_resnet50_fpn", 112, "classifier .*, found one from torchvision.models.detection"),
        ("deeplabv3_resnet50", 112, "classifier .*, found one from torchvision.models.segmentation"),
        ("r3d_18", 112, "classifier .*, found one from torchvision.models.video"),
        ("resnet43", 112, "found no model of that name; close: resnet34"),
        ("nothing like it", 112, "found no model of that name$"),
    ],
)
def test_backbone_that_will_not_do_is_refused_with_the_reason(backbone, image_size, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build_net(backbone, 14, 32, image_size=image_size)
    assert str(caught.value).startswith(f"backbone {backbone}: expected ")
