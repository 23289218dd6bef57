"""Blocks come over by torch.fx: torchvision's residual networks, sums, concatenations, random stacks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vgcore as vg

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_twins import close, come_over, drawn  # noqa: E402

torch.set_num_threads(1)  # quicker on networks this small
pytestmark = pytest.mark.parity


class BasicBlock(nn.Module):
    """Of torchvision's shape: the names, the order, one ReLU that is used twice."""

    expansion = 1

    def __init__(self, inputs, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3, self.relu = nn.BatchNorm2d(4 * planes), nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + identity)


class ResNet(nn.Module):
    def __init__(self, block, counts, width):
        super().__init__()
        self.inputs = width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number, count in enumerate(counts):
            layer = self.layer(block, width * 2**number, count, stride=1 + (number > 0))
            setattr(self, f"layer{number + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.inputs, 10)
        self.stages = len(counts)

    def layer(self, block, planes, count, stride):
        outputs, downsample = planes * block.expansion, None
        if stride > 1 or self.inputs != outputs:
            conv = nn.Conv2d(self.inputs, outputs, 1, stride, bias=False)
            downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))
        blocks = [block(self.inputs, planes, stride, downsample)]
        self.inputs = outputs
        return nn.Sequential(*blocks, *(block(outputs, planes) for _ in range(count - 1)))

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(self.stages):
            x = getattr(self, f"layer{number + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_residual_networks(block):
    module = drawn(ResNet(block, (2, 2), 4))
    model = come_over(module, (3, 21, 19))
    names = "conv1 bn1 maxpool layer1_0 layer1_1 layer2_0 layer2_1 avgpool fc"
    assert " ".join(each.name for each in model.layers) == names
    down = model.layers[5]
    assert down.activation.name == "relu"
    assert [each.name for each in down.shortcut] == ["downsample_0", "downsample_1"]
    assert [type(each) for each in down.shortcut] == [vg.Conv2d, vg.BatchNorm]


def test_pytorchs_names_find_layers_in_blocks():
    module = drawn(ResNet(BasicBlock, (1, 1), 4))
    model = vg.exchange.from_torch(module, (3, 21, 19))
    before = model.state_dict()
    other = vg.exchange.from_torch(drawn(module, seed=3), (3, 21, 19))
    state = {name: module.state_dict()[name] for name in sorted(module.state_dict(), reverse=True)}
    assert model.load_state_dict(state) == ([], [])  # not by their order
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])
        assert (array != before[name]).any()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_networks_of_torchvision(name):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    module = getattr(models, name)(num_classes=10).double().eval()
    model = vg.exchange.from_torch(module, (3, 64, 64))
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64))
    with torch.no_grad():
        close(model.predict(x), module(torch.tensor(x)))
        close(vg.exchange.to_torch(model)(torch.tensor(x)), module(torch.tensor(x)))


class Sums(nn.Module):
    """Sums and concatenations in each other, with functions and modules, in the root module."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))
        self.norm, self.d, self.out = nn.LayerNorm(4), nn.Linear(4, 3), nn.Linear(7, 2)

    def forward(self, x):
        h = self.a(x) + x
        h = self.b(torch.tanh(self.norm(h))) + self.c(h) + h
        return self.out(torch.cat([self.d(h).relu(), torch.cat([h], -1)], dim=-1))


def test_sums_within_each_other():
    model = come_over(drawn(Sums()), 4)
    assert [type(each) for each in model.layers] == [
        vg.Residual,
        vg.Residual,
        vg.Parallel,
        vg.Dense,
    ]
    come_over(drawn(Sums()), (5, 4))


def test_more_branches_than_two():
    class Inception(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 3, padding=1)
            self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 3, 1))

        def forward(self, x):
            return torch.cat((self.one(x), self.two(x).relu(), self.pool(x), x), 1)

    come_over(drawn(nn.Sequential(nn.Conv2d(2, 3, 2), Inception(), nn.Flatten())), (2, 6, 5))


def test_a_recurrent_layer_in_a_block():
    class Walk(nn.Module):
        def __init__(self, bidirectional):
            super().__init__()
            self.gru = nn.GRU(4, 4 - 2 * bidirectional, bidirectional=bidirectional)

        def forward(self, x):
            out, _ = self.gru(x)
            return x + out

    come_over(drawn(nn.Sequential(Walk(False), Walk(True))), (None, 4), takes="tnf", gives="tnf")


def test_a_convolution_in_a_block_of_sequences():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(3, 3, 3, padding=1), nn.BatchNorm1d(3)

        def forward(self, x):
            return torch.add(self.norm(self.conv(x)), x)

    come_over(drawn(nn.Sequential(Block(), nn.ReLU(), Block())), (6, 3), takes="nft", gives="nft")


# ---- random stacks


def images(draw, channels, height, width):
    """A few layers of images, and what they give."""
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "block", "pool", "norm", "activation"]))
        if kind == "conv":
            filters, size = draw(st.integers(1, 5)), draw(st.integers(1, 3))
            stride = draw(st.integers(1, 2))
            layers.append(nn.Conv2d(channels, filters, size, stride, padding=1))
            channels = filters
            height, width = ((n + 2 - size) // stride + 1 for n in (height, width))
        elif kind == "block":
            layers.append(BasicBlock(channels, channels))
        elif kind == "pool" and min(height, width) > 2:
            layers.append(draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))(2))
            height, width = height // 2, width // 2
        elif kind == "norm" and height * width > 1:
            norms = [
                nn.BatchNorm2d(channels),
                nn.GroupNorm(1, channels),
                nn.InstanceNorm2d(channels),
            ]
            layers.append(draw(st.sampled_from(norms)))
        else:
            layers.append(draw(st.sampled_from([nn.GELU(), nn.Tanh(), nn.PReLU(), nn.SiLU()])))
    return [nn.Sequential(*layers), nn.Flatten()], channels * height * width


def rows(draw, features):
    """A few layers of vectors, or of sequences (n, time, features)."""
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["linear", "norm", "activation", "softmax"]))
        if kind == "linear":
            units = draw(st.integers(1, 6))
            layers.append(nn.Linear(features, units, bias=draw(st.booleans())))
            features = units
        elif kind == "norm" and features > 1:
            layers.append(draw(st.sampled_from([nn.LayerNorm, nn.RMSNorm]))(features))
        elif kind == "softmax" and features > 1:
            layers.append(nn.Softmax(-1))
        else:
            layers.append(draw(st.sampled_from([nn.ELU(), nn.Sigmoid(), nn.Mish(), nn.Softsign()])))
    return layers, features


class Outputs(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        out, _ = self.inner(x)
        return out


@given(st.data())
@settings(max_examples=40)
def test_random_stacks(data):
    draw = data.draw
    kind = draw(st.sampled_from(["vectors", "images", "sequences", "tokens", "channels first"]))
    takes = gives = None
    features = draw(st.integers(2, 5))
    if kind == "images":
        shape = (features, draw(st.integers(3, 8)), draw(st.integers(3, 8)))
        layers, features = images(draw, *shape)
        more, _ = rows(draw, features)
        layers += more
    elif kind == "channels first":
        shape = (draw(st.integers(4, 9)), features)
        units = draw(st.integers(1, 4))
        layers = [nn.Conv1d(features, units, 3, padding=1), nn.BatchNorm1d(units), nn.MaxPool1d(2)]
        more, _ = rows(draw, units * (shape[0] // 2))
        layers += [nn.Flatten(), *more]
        takes = "nft"
    else:
        shape = (features,) if kind == "vectors" else (None, features)
        layers = []
        if kind == "tokens":
            layers, shape = [nn.Embedding(6, features)], (None,)
        if kind != "vectors":
            units = draw(st.integers(1, 5))
            both = draw(st.booleans())
            made = draw(st.sampled_from([nn.RNN, nn.LSTM, nn.GRU]))
            number = draw(st.integers(1, 2))
            layers.append(
                Outputs(made(features, units, number, batch_first=True, bidirectional=both))
            )
            features = units * (1 + both)
        more, _ = rows(draw, features)
        layers += more
    come_over(drawn(nn.Sequential(*layers)), shape, takes=takes, gives=gives)
