"""What a diagnosis makes of records in which not every layer takes part in every step."""

import math

import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:.*not finite")]


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.one, self.other = nn.Linear(6, 9), nn.Linear(9, 1), nn.Linear(9, 1)

    def forward(self, x, other):
        return (self.other if other else self.one)(torch.tanh(self.body(x)))


def record(rate, steps, told=True):
    """Heads that are trained in turn."""
    torch.manual_seed(0)
    net, (x, y) = Heads(), (torch.randn(8, 6), torch.randn(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), rate)
    with vg.exchange.watch(net) as flow:
        for number in range(steps):
            optimizer.zero_grad()
            loss = (net(x, number % 2) - y).square()
            if told:
                loss.mean().backward()
            else:
                loss.backward(torch.full((8, 1), 1 / 8))
            optimizer.step()
    return flow


def lost(flow):
    """How many steps a diagnosis takes for not finite."""
    return flow.diagnose().measured["not_finite"][0].value


@pytest.mark.parametrize("told", [True, False])
def test_layers_that_take_turns_have_lost_no_numbers(told):
    flow = record(0.05, 12, told)
    assert math.isnan(flow.delta[0, 2]) and math.isnan(flow.delta[1, 1])
    assert lost(flow) == 0


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("steps", [4, 7])
def test_lost_numbers_are_told(told, steps):
    flow = record(1e25, steps, told)
    assert steps - 2 <= lost(flow) < steps


def test_a_picture_over_time_of_a_layer_without_gradients(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.head = (
                nn.LSTM(3, 4, batch_first=True).requires_grad_(False),
                nn.Linear(4, 1),
            )

        def forward(self, x):
            return self.head(self.frozen(x)[0][:, -1])

    net = Reader()
    with vg.exchange.watch(net) as flow:
        net(torch.ones(5, 7, 3)).square().mean().backward()
        torch.optim.SGD(net.parameters(), 0.1).step()
    assert flow.time["frozen"].shape == (1, 0)
    figure = flow.plot_time()
    assert [text.get_text() for text in figure.axes[0].texts] == ["no value to draw"]
    pyplot.close("all")
