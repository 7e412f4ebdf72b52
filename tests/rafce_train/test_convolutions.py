"""Forward mode on kept convolutions against forward mode on everything."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from rafce_train.convolutions import ConvolutionRecord, ConvolutionReplay
from rafce_train.meta import Parameters, directional_derivatives

# B batch, H height, W width


class Twice(nn.Module):
    """One convolution called twice, so that it stands twice in the record."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        return self.layer(self.layer(x_B3HW).tanh())


NETS = {
    "plain": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3, bias=False)),
    "stride, padding, dilation, groups": nn.Conv2d(3, 6, 3, stride=2, padding=1, dilation=2, groups=3),
    "padding by name": nn.Conv2d(3, 2, 3, padding="same"),
    "reflected padding": nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"),
    "in place": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)),
    "twice": Twice(),
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("frozen", ["none", "first", "all but the first"])
@pytest.mark.parametrize("name", NETS)
def test_replayed_tangents_equal_plain_forward_mode(name, frozen):
    net = NETS[name].double()
    x_B3HW = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    parameters = dict(net.named_parameters())
    first, *rest = parameters
    left_out = {"none": [], "first": [first], "all but the first": rest}[frozen]
    direction = {name: torch.randn_like(p) for name, p in parameters.items() if name not in left_out}

    def values(at: Parameters) -> Tensor:
        return functional_call(net, dict(at), (x_B3HW,)).square().sum((2, 3))

    def replayed(at: Parameters) -> Tensor:
        with ConvolutionReplay(record):
            return values(at)

    with ConvolutionRecord() as record:
        loss = values(parameters).sum()
    expected = directional_derivatives(values, parameters, direction)
    found = directional_derivatives(replayed, parameters, direction)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert not record.outputs
    loss.backward()  # what was kept is as it was: else autograd would notice
    assert all(parameter.grad is not None for parameter in parameters.values())


def test_record_keeps_what_the_graph_keeps_and_copies_nothing():
    net = NETS["plain"].float()
    with ConvolutionRecord() as record:
        output = net(torch.randn(2, 3, 8, 8))
    assert len(record.outputs) == 2
    assert record.outputs[-1][0].data_ptr() == output.data_ptr()


def test_replay_computes_tangents_alone():
    """Torch convolves three times a layer, the first one's absent tangent too: here it is once and twice."""
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 3, 3, padding=1))
    x_B3HW = torch.randn(2, 3, 8, 8)
    parameters = dict(net.named_parameters())

    def values(at: Parameters) -> Tensor:
        return functional_call(net, dict(at), (x_B3HW,)).sum((2, 3))

    def replayed(at: Parameters) -> Tensor:
        with ConvolutionReplay(record):
            return values(at)

    with ConvolutionRecord() as record, FlopCounterMode(display=False) as once:
        values(parameters)
    with FlopCounterMode(display=False) as plain:
        directional_derivatives(values, parameters, parameters)
    with FlopCounterMode(display=False) as kept:
        directional_derivatives(replayed, parameters, parameters)
    flops = [counter.get_total_flops() * 2 / once.get_total_flops() for counter in (plain, kept)]
    assert flops == [6, 3]
