"""What has no counterpart is refused by its path, and what it lacks is said."""

import re
import sys

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

pytestmark = pytest.mark.parity


class Nested(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Identity(), nn.Sequential(inner))

    def forward(self, x):
        return self.layer1(x)


class Calls(nn.Module):
    """A forward of one's own."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def hooked():
    module = nn.Linear(4, 3)
    module.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return module


def with_a_forward_of_its_own(module):
    module.forward = lambda x: 0 * x
    return module


def norm_that_does_not_train():
    module = nn.BatchNorm2d(4)
    module.training = False
    return module


def tied():
    one, other = nn.Linear(4, 4), nn.Linear(4, 4)
    other.weight = one.weight
    return nn.Sequential(one, other)


def linear(forward):
    return Calls(forward, a=nn.Linear(4, 4))


def gru(pick, **options):
    return Calls(lambda net, x: pick(net.gru(x)), gru=nn.GRU(4, 3, **options))


IMAGE, VECTOR, SEQUENCE = (4, 6, 6), (4,), (6, 4)
MODULES = [
    (
        nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"),
        IMAGE,
        "Conv2d with padding_mode='circular'",
    ),
    (nn.ConvTranspose2d(4, 3, 3), IMAGE, "ConvTranspose2d has no counterpart"),
    (nn.TransformerEncoderLayer(4, 2), SEQUENCE, "TransformerEncoderLayer has no counterpart"),
    (nn.MaxPool2d(4, ceil_mode=True), IMAGE, "MaxPool2d with ceil_mode=True"),
    (nn.AvgPool2d(2, divisor_override=3), IMAGE, "AvgPool2d with divisor_override=3"),
    (nn.AdaptiveAvgPool2d(4), IMAGE, "AdaptiveAvgPool2d with output_size=4.*does not divide"),
    (nn.BatchNorm2d(4, momentum=None), IMAGE, "BatchNorm2d with momentum=None"),
    (
        nn.BatchNorm2d(4, track_running_stats=False),
        IMAGE,
        "BatchNorm2d with track_running_stats=False",
    ),
    (norm_that_does_not_train(), IMAGE, "BatchNorm2d in eval mode within a module that trains"),
    (
        nn.InstanceNorm2d(4, track_running_stats=True),
        IMAGE,
        "InstanceNorm2d with track_running_stats=True",
    ),
    (nn.LayerNorm((6, 4)), SEQUENCE, r"LayerNorm over \(6, 4\), and rows"),
    (nn.Embedding(9, 3, max_norm=1.0), (6,), "Embedding with max_norm=1.0"),
    (nn.LogSoftmax(-1), VECTOR, "LogSoftmax has no counterpart: losses take the logarithm"),
    (nn.LeakyReLU(-0.1), VECTOR, "LeakyReLU .*no such activation"),
    (nn.Dropout(1.0), VECTOR, "Dropout with p=1"),
    (nn.LSTM(4, 3, proj_size=2, batch_first=True), SEQUENCE, "LSTM .*proj_size=2"),
    (hooked(), VECTOR, "Linear with hooks"),
    (
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)),
        VECTOR,
        "ParametrizedLinear has no counterpart",
    ),
    (nn.Softmax(dim=1), SEQUENCE, None),
    (nn.Flatten(2), IMAGE, "Flatten from 2 to -1"),
]


@pytest.mark.parametrize(("module", "shape", "message"), MODULES, ids=lambda each: str(each)[:40])
def test_modules_by_their_path(module, shape, message):
    if message is None:  # time and features change places, which the input's order can be
        assert (
            vg.exchange.from_torch(Nested(module), shape).predict(np.ones((1, *shape))).sum() == 6
        )
        return
    with pytest.raises(NotImplementedError, match=f"^layer1.1.0: {message}"):
        vg.exchange.from_torch(Nested(module), shape)


FORWARDS = [
    (
        linear(lambda net, x: net.a(x) * x),
        VECTOR,
        r"^mul \(mul\): has no counterpart",
    ),
    (linear(lambda net, x: net.a(x) + 1), VECTOR, r"^add \(add\): .*got 1"),
    (
        linear(lambda net, x: net.a(net.a(x))),
        VECTOR,
        "^a: shares its weight with a",
    ),
    (tied(), VECTOR, "^1: shares its weight with 0"),
    (linear(lambda net, x: torch.fft.fft(net.a(x))), VECTOR, "fft_fft"),
    (
        linear(lambda net, x: net.a(x) if x.sum() > 0 else x),
        VECTOR,
        "^Calls: torch.fx can",
    ),
    (linear(lambda net, x: (x, net.a(x), x)), VECTOR, "^Calls: returns tuple"),
    (
        gru(lambda out: out[0][:, -1], batch_first=True, bidirectional=True),
        SEQUENCE,
        "^gru: GRU goes both",
    ),
    (
        gru(lambda out: out[0][:, 2], batch_first=True),
        SEQUENCE,
        "^gru: GRU of whose results getitem_1",
    ),
    (gru(lambda out: out[1]), SEQUENCE, "^gru: GRU whose states go on"),
    (
        gru(
            lambda out: (lambda h: torch.cat((h[0], h[1]), 1))(out[1]),
            batch_first=True,
            bidirectional=True,
            num_layers=2,
        ),
        SEQUENCE,
        "^cat .*: joins what are not the ends of both directions of the last layer",
    ),
    (
        linear(lambda net, x: net.a(nn.functional.dropout(x, 0.5))),
        VECTOR,
        r"^dropout \(dropout\): drops in eval mode, too; give it training=self.training",
    ),
    (
        linear(lambda net, x: net.a(x) if net.training else net.a(x).softmax(-1)),
        VECTOR,
        r"^output \(output\): in eval mode softmax",
    ),
    (with_a_forward_of_its_own(linear(None)), VECTOR, "^Calls: with hooks, or a forward in"),
    (
        nn.Sequential(with_a_forward_of_its_own(nn.Linear(4, 4))),
        VECTOR,
        "^0: Linear with hooks, or a forward in",
    ),
    (nn.Sequential(nn.GRU(4, 3), nn.Linear(3, 2)), SEQUENCE, "^0: GRU of whose results 1 takes"),
    (
        Calls(lambda net, x: net.gru(x, x[:, :1])[0], gru=nn.GRU(4, 4)),
        SEQUENCE,
        "GRU with initial states",
    ),
    (
        nn.Sequential(nn.Linear(4, 3), nn.Conv1d(3, 2, 1)),
        SEQUENCE,
        r"^1: Conv1d of inputs \(n, time, features\), and here it reads \(n, fea",
    ),
    (
        linear(lambda net, x: net.a(x).view(2, 12)),
        SEQUENCE,
        r"^view \(view\): has no",
    ),
]


@pytest.mark.parametrize(("module", "shape", "message"), FORWARDS, ids=lambda each: str(each)[-40:])
def test_forwards_of_ones_own(module, shape, message):
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.from_torch(module, shape)


def test_what_is_changed_in_place_and_read_again():
    """There the skip is what the ReLU has left of x."""
    net = linear(lambda net, x: net.a(net.relu(x)) + x)
    net.relu = nn.ReLU(inplace=True)
    with pytest.raises(NotImplementedError, match=r"^relu: changes what x .* gives in place"):
        vg.exchange.from_torch(net, 4)
    net.relu = nn.ReLU()
    assert len(vg.exchange.from_torch(net, 4).layers) == 1
    net = linear(lambda net, x: net.a(net.a.relu(x)).relu_())
    net.a.relu = nn.ReLU(inplace=True)
    assert len(vg.exchange.from_torch(net, 4).layers) == 2


def test_a_sum_in_place_that_is_read_again():
    def forward(net, x):
        h = net.a(x)
        total = h
        total += net.b(h)
        return total + h

    net = linear(forward)
    net.b = nn.Linear(4, 4)
    with pytest.raises(NotImplementedError, match=r"^iadd \(iadd\): changes what a gives in place"):
        vg.exchange.from_torch(net, 4)


def test_other_sums():
    net = linear(lambda net, x: net.a(x) + net.b(x))
    net.b = nn.Linear(4, 1)
    with pytest.raises(NotImplementedError, match=r"^add \(add\): adds values of shapes"):
        vg.exchange.from_torch(net, 4)


def test_a_compiled_module():
    with pytest.warns() as told:
        module = torch.jit.script(nn.Sequential(nn.Linear(4, 3)))
    assert told
    with pytest.raises(NotImplementedError, match="is compiled; give the module it was made of"):
        vg.exchange.from_torch(module, 4)


def test_branches_that_cross():
    class Crossed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x):
            h = self.a(x)
            return (self.b(h) + x) + self.c(h)

    with pytest.raises(NotImplementedError, match="a: is read by two that do not meet again"):
        vg.exchange.from_torch(Crossed(), 4)


def test_shapes_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"input_shape: linear \(Linear\) expects 4 features, got 5"
    ):
        vg.exchange.from_torch(nn.Linear(4, 3), 5)
    hint = r"conv1d \(Conv1d\) expects 4 channels, got 6; sequences are \(time, features\) here"
    with pytest.raises(ValueError, match=hint):
        vg.exchange.from_torch(nn.Conv1d(4, 3, 3), (4, 6))
    with pytest.raises(
        ValueError, match=r"maxpool1d \(MaxPool1d\) needs a known number of timesteps"
    ):
        vg.exchange.from_torch(nn.MaxPool1d(2), (None, 4))


def test_what_is_no_module_or_model():
    with pytest.raises(TypeError, match=r"^module: expected a torch.nn.Module, got Sequential"):
        vg.exchange.from_torch(vg.Sequential([vg.Dense(2)], input_shape=2), 2)
    with pytest.raises(TypeError, match=r"^model: expected a vgcore.Sequential, got Linear"):
        vg.exchange.to_torch(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got 'float16'"):
        vg.exchange.from_torch(nn.Linear(2, 2), 2, dtype="float16")


LAYERS = [
    (vg.LSTM(3, peepholes=True), "LSTM with peepholes=True"),
    (vg.GRU(3, reset_after=False), "GRU with reset_after=False"),
    (vg.GRU(3, go_backwards=True), "GRU with go_backwards=True"),
    (vg.RNN(3, "sigmoid"), "RNN with activation='sigmoid', and PyTorch's is 'tanh' or 'relu'"),
    (vg.LSTM(3, "relu"), "LSTM with activation='relu', and PyTorch's is 'tanh'"),
    (vg.LSTM(3, recurrent_dropout=0.2), "LSTM with recurrent_dropout=0.2"),
    (vg.LSTM(3, initial_state="learned"), "LSTM with initial_state='learned'"),
    (vg.Bidirectional(vg.GRU(3, stateful=True)), "Bidirectional with stateful=True"),
    (vg.AvgPool(2, dilation=2), "AvgPool with dilation=2"),
    (vg.GroupNorm(2, scale=False), "GroupNorm with scale=False alone"),
]


@pytest.mark.parametrize(("layer", "message"), LAYERS, ids=lambda each: str(each)[:40])
def test_layers_that_pytorch_has_not(layer, message):
    model = vg.Sequential([layer], input_shape=(6, 4))
    with pytest.raises(
        NotImplementedError, match=f"^{re.escape(layer.name)}: {re.escape(message)}"
    ):
        vg.exchange.to_torch(model)


def test_without_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    model = vg.Sequential([vg.Dense(2)], input_shape=2)
    for call in (lambda: vg.exchange.to_torch(model), lambda: vg.exchange.from_torch(model, 2)):
        with pytest.raises(ImportError, match=r"needs torch: pip install torch"):
            call()
