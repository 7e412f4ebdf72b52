import pytest
import torch
from torch import nn

from rafce.errors import ConfigError
from rafce_train.gradcam import MapLayer, Target, choose_layer, grad_cam, map_layers
from rafce_train.model import Net, build_net

# N images, C channels, h side of a map
N, C, SIDE = 5, 4, 9
N_EMOTIONS, N_AUS = 3, 6


def pooled_net(*layers: nn.Module, n_features: int = C) -> Net:
    """A net whose heads see the mean of the last map: there Grad-CAM has a closed form."""
    torch.manual_seed(0)
    backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Net(backbone, "none", n_features, N_EMOTIONS, N_AUS).double()


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return pooled_net(nn.Conv2d(3, C, 3, padding=1), nn.ReLU(inplace=True))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(N, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("output", "head"), [("emotion_logits_BK", "emotion_head"), ("au_logits_BA", "au_head")]
)
def test_on_the_last_map_before_the_mean_it_is_that_of_the_head_s_weights(output, head, net, images):
    column = torch.tensor([2, 0, 1, 2, 0])
    maps = grad_cam(net, MapLayer("1", SIDE), [images], Target(output, column))
    active = net.backbone[0](images).relu()
    weight = getattr(net, head).weight[column] / SIDE**2  # the logit is Σ W · mean, so its gradient is W / h²
    expected = torch.einsum("nc,nchw->nhw", weight, active).relu().detach()
    torch.testing.assert_close(torch.from_numpy(maps).double(), expected, rtol=1e-6, atol=1e-9)


def test_a_layer_before_an_in_place_one_is_explained_as_it_was(net, images):
    column = torch.tensor([2, 0, 1, 2, 0])
    maps = grad_cam(net, MapLayer("0", SIDE), [images], Target("emotion_logits_BK", column))
    before = net.backbone[0](images)
    passed = (before > 0).double().mean((2, 3))  # ReLU lets the gradient of these places through
    weight = net.emotion_head.weight[column] / SIDE**2 * passed
    expected = torch.einsum("nc,nchw->nhw", weight, before).relu().detach()
    torch.testing.assert_close(torch.from_numpy(maps).double(), expected, rtol=1e-6, atol=1e-9)


def test_batches_do_not_matter_and_the_net_is_left_as_it_was(images):
    net = pooled_net(nn.Conv2d(3, C, 3), nn.BatchNorm2d(C))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    target = Target("emotion_logits_BK", torch.tensor([2, 0, 1, 2, 0]))
    together, alone = (
        torch.from_numpy(grad_cam(net, MapLayer("1", 7), images.split(size), target)) for size in (N, 1)
    )
    torch.testing.assert_close(together, alone)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("backbone", "size", "layer"),
    [
        ("resnet34", 112, MapLayer("layer3", 7)),
        ("resnet18", 48, MapLayer("layer1", 12)),
        ("vgg11", 64, MapLayer("features.14", 8)),  # its avgpool enlarges 2 × 2 places to 7 × 7
        ("shufflenet_v2_x0_5", 32, MapLayer("maxpool", 8)),  # not one branch of two
    ],
)
def test_the_default_is_the_last_layer_before_maps_get_smaller_than_7(backbone, size, layer):
    assert choose_layer(build_net(backbone, 2, 2, image_size=size), size) == layer


def test_a_named_layer_is_taken_whatever_the_size_of_its_map():
    net = build_net("resnet18", 2, 2, image_size=64)
    assert choose_layer(net, 64, "layer4") == MapLayer("layer4", 2)
    assert MapLayer("layer3.0.conv2", 4) in map_layers(net, 64)


@pytest.mark.parametrize("name", ["layer9", "layer1.0.relu", "avg"])
def test_a_layer_that_is_absent_used_twice_or_has_no_map_is_refused(name):
    net = build_net("resnet18", 2, 2, image_size=64)
    with pytest.raises(ConfigError, match=rf"--layer {name}: expected a layer with square maps .*, such as "):
        choose_layer(net, 64, name)


def test_a_net_without_a_large_map_says_which_layers_there_are():
    net = pooled_net(nn.Conv2d(3, C, 8, stride=8)).float()
    with pytest.raises(
        ConfigError, match="at least 7 × 7 for images of 32 pixels, found none; --layer takes one of 0"
    ):
        choose_layer(net, 32)
