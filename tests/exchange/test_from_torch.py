"""Each kind of layer comes over from PyTorch and goes back: outputs, loss, every gradient to 1e-12."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_twins import close, come_over, drawn  # noqa: E402

torch.set_num_threads(1)  # quicker on networks this small
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
]


def over(module, shape, **axes):
    return come_over(drawn(module), shape, **axes)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    over(nn.Linear(5, 3, bias=bias), 5)
    over(nn.Sequential(nn.Linear(5, 3, bias=bias), nn.Tanh(), nn.Linear(3, 2)), (7, 5))


CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "same": {"kernel_size": 4, "padding": "same", "dilation": 2},
    "valid": {"kernel_size": 2, "padding": "valid", "bias": False},
    "groups": {"kernel_size": 3, "stride": 2, "padding": 2, "groups": 3},
}


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions(options):
    over(nn.Conv2d(3, 6, **options), (3, 9, 11))
    over(nn.Conv1d(3, 6, **options), (11, 3), takes="nft", gives="nft")
    over(nn.Sequential(nn.Conv1d(3, 6, **options), nn.Flatten(), nn.ELU()), (11, 3), takes="nft")


def test_a_window_of_two_sizes():
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    over(nn.Sequential(nn.Conv2d(2, 3, (3, 2), **options), nn.MaxPool2d((2, 3))), (2, 9, 11))


POOLS = {
    "halves": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 2, "padding": 1},
    "ends at the edge": {"kernel_size": 3, "stride": 2, "ceil_mode": True},
}


@pytest.mark.parametrize("options", POOLS.values(), ids=POOLS)
def test_pools(options):
    for images, sequences in ((nn.MaxPool2d, nn.MaxPool1d), (nn.AvgPool2d, nn.AvgPool1d)):
        over(images(**options), (3, 9, 11))
        over(sequences(**options), (11, 3), takes="nft", gives="nft")
    over(nn.MaxPool2d(2, dilation=3), (2, 9, 10))
    over(nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 9, 10))


def test_global_pools():
    """Their axes of one place are dropped by Flatten, or stay."""
    for images, sequences in (
        (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool1d),
        (nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool1d),
    ):
        over(nn.Sequential(nn.Conv2d(3, 4, 3), images(1), nn.Flatten(), nn.Linear(4, 2)), (3, 5, 7))
        over(nn.Sequential(images((1, 1)), nn.ReLU(), nn.Conv2d(3, 4, 1)), (3, 5, 7))
        over(nn.Sequential(images((3, None)), nn.Flatten()), (2, 6, 5))
        over(nn.Sequential(sequences(1), nn.Flatten(), nn.Linear(3, 2)), (7, 3), takes="nft")
        over(sequences(1), (7, 3), takes="nft", gives="nft")
        over(sequences(2), (8, 3), takes="nft", gives="nft")


NORMS = {
    "vectors": (lambda: nn.BatchNorm1d(5, eps=1e-3, momentum=0.3), (5,), None),
    "sequences": (lambda: nn.BatchNorm1d(5), (7, 5), "nft"),
    "images": (lambda: nn.BatchNorm2d(5), (5, 3, 4), None),
    "no weights": (lambda: nn.BatchNorm2d(5, affine=False), (5, 3, 4), None),
    "groups": (lambda: nn.GroupNorm(3, 6, eps=1e-4), (6, 3, 4), None),
    "groups of sequences": (lambda: nn.GroupNorm(3, 6, affine=False), (7, 6), "nft"),
    "groups of vectors": (lambda: nn.GroupNorm(2, 6), (6,), None),
    "instances": (lambda: nn.InstanceNorm2d(3), (3, 5, 4), None),
    "weighted instances": (lambda: nn.InstanceNorm2d(3, affine=True, eps=1e-3), (3, 5, 4), None),
    "instances of sequences": (lambda: nn.InstanceNorm1d(3, affine=True), (7, 3), "nft"),
    "layers": (lambda: nn.LayerNorm(5), (5,), None),
    "layers without bias": (lambda: nn.LayerNorm(5, eps=1e-3, bias=False), (7, 5), None),
    "layers without weights": (lambda: nn.LayerNorm(5, elementwise_affine=False), (7, 5), None),
    "rms": (lambda: nn.RMSNorm(5), (7, 5), None),
    "rms with epsilon": (lambda: nn.RMSNorm(5, eps=1e-3, elementwise_affine=False), (5,), None),
}


@pytest.mark.parametrize(("made", "shape", "axes"), NORMS.values(), ids=NORMS)
def test_norms(made, shape, axes):
    model = over(made(), shape, takes=axes, gives=axes)
    assert model.layers[0].epsilon == made().eps
    over(nn.Sequential(made(), nn.ReLU()), shape, takes=axes, gives=axes)


def test_channels_last():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.out = nn.LayerNorm(3), nn.Conv2d(3, 2, 2)

        def forward(self, x):
            return self.out(self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    over(Last(), (3, 4, 5))


ACTIVATIONS = [
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.CELU(0.5), nn.SELU(), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(), nn.Softplus(2.0, 3.0), nn.Softsign(),
    nn.Sigmoid(), nn.Tanh(), nn.LogSigmoid(), nn.Tanhshrink(), nn.Hardtanh(), nn.Hardtanh(-0.5, 0.7),
    nn.Hardshrink(), nn.Softshrink(0.3), nn.Threshold(0.1, -0.4), nn.Softmax(dim=1), nn.Softmin(dim=1),
    nn.PReLU(), nn.PReLU(3), nn.Identity(),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations(activation):
    over(nn.Sequential(nn.Linear(5, 3), activation, nn.Linear(3, 2)), 5)
    over(nn.Sequential(nn.Conv2d(2, 3, 2), activation), (2, 4, 5))
    if not isinstance(activation, nn.Identity):
        over(nn.Sequential(nn.Conv1d(2, 3, 2), activation), (5, 2), takes="nft", gives="nft")
        over(activation, (3, 4, 5))


@pytest.mark.parametrize("activation", [nn.Hardsigmoid(), nn.Hardswish()], ids=str)
def test_hard_activations(activation):
    """PyTorch's backward pass of these takes 1/6 from float32, in float64 too: it is off by 3e-8."""
    over(nn.Sequential(nn.Linear(5, 3), activation, nn.Linear(3, 2)), 5, tolerance=1e-7)


def test_an_activation_becomes_its_layers():
    model = vg.exchange.from_torch(nn.Sequential(nn.Linear(5, 3), nn.LeakyReLU(0.3)), 5)
    assert repr(model.layers[0]) == "Dense(3, activation=leaky_relu(0.3), name='0')"
    assert len(model.layers) == 1


def test_softmax_of_sequences():
    over(nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=-1)), (7, 5))
    over(nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Softmax(dim=2)), (7, 5))
    over(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Softmax(dim=1)), (5, 2), takes="nft", gives="nft")


DROPOUTS = [
    (nn.Dropout, (5,), False),
    (nn.Dropout1d, (7, 5), True),
    (nn.Dropout2d, (5, 3, 4), True),
    (nn.AlphaDropout, (5,), False),
    (nn.FeatureAlphaDropout, (5, 3, 4), True),
]


@pytest.mark.parametrize(("kind", "shape", "across"), DROPOUTS)
def test_dropout(kind, shape, across):
    axes = "nft" if len(shape) == 2 else None
    model = over(nn.Sequential(nn.Tanh(), kind(0.0)), shape, takes=axes, gives=axes)
    assert model.layers[1].across_time is across
    model = vg.exchange.from_torch(nn.Sequential(kind(0.3), nn.Flatten()).eval(), shape)
    assert model.layers[0].rate == 0.3
    back = vg.exchange.to_torch(model)
    (module,) = (each for each in back if isinstance(each, kind))
    assert type(module) is kind and module.p == 0.3 and not back.training


def test_dropout_that_is_switched_off():
    module = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.3))
    module[1].eval()
    assert vg.exchange.from_torch(module, 5).layers[1].rate == 0
    assert module.training and not module[1].training


def test_shapes():
    over(nn.Sequential(nn.Unflatten(1, (2, 3, 4)), nn.Conv2d(2, 3, 2), nn.Flatten()), 24)
    over(nn.Sequential(nn.Unflatten(1, (4, 5)), nn.Linear(5, 2), nn.Flatten(1)), 20)
    over(nn.Sequential(nn.Unflatten(1, (-1, 5)), nn.LayerNorm(5)), 20)


@pytest.mark.parametrize("padding", [None, 2])
def test_embedding(padding):
    module = nn.Sequential(nn.Embedding(9, 4, padding_idx=padding), nn.Linear(4, 3), nn.Tanh())
    model = over(module, (None,))
    assert model.layers[0].padding_idx == padding


# ---- recurrent layers

KINDS = {
    "RNN": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "GRU": (nn.GRU, {}),
}
OPTIONS = {
    "plain": {},
    "stack": {"num_layers": 3},
    "both ways": {"bidirectional": True},
    "stack both ways": {"num_layers": 2, "bidirectional": True, "bias": False},
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers(kind, options, first):
    made, more = KINDS[kind]
    axes = "ntf" if first else "tnf"
    over(made(3, 4, batch_first=first, **more, **options), (None, 3), takes=axes, gives=axes)


class Tagger(nn.Module):
    """Tokens, a recurrent layer, and what is done with its results."""

    def __init__(self, kind, head, **options):
        super().__init__()
        self.embedding = nn.Embedding(9, 3)
        self.walk = kind(3, 4, **options)
        self.head = nn.Linear(8 if options.get("bidirectional") else 4, 2)
        self.what = head

    def forward(self, x, state=None):
        out, state = self.walk(self.embedding(x), state)
        return self.head(self.what(out, state))


HEADS = {
    "outputs": (lambda out, _: out, {"batch_first": True}),
    "outputs of time first": (lambda out, _: out, {}),
    "last timestep": (lambda out, _: out[:, -1], {"batch_first": True, "num_layers": 2}),
    "last of all": (lambda out, _: out[:, -1, :], {"batch_first": True}),
    "last of time first": (lambda out, _: out[-1], {}),
    "last h": (lambda _, h: h[-1], {"num_layers": 2}),
    "squeezed": (lambda _, h: h.squeeze(0), {"batch_first": True}),
    "both": (
        lambda _, h: torch.cat((h[-2], h[-1]), dim=1),
        {"bidirectional": True, "num_layers": 2, "batch_first": True},
    ),
    "both of the last of three": (
        lambda _, h: torch.cat((h[4], h[5]), dim=1),
        {"bidirectional": True, "num_layers": 3, "batch_first": True},
    ),
    "both of time first": (
        lambda _, h: torch.cat([h[0], h[1]], -1),
        {"bidirectional": True, "bias": False},
    ),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_what_is_done_with_results(kind, head):
    what, options = HEADS[head]
    pick = (lambda out, state: what(out, state[0])) if kind is nn.LSTM else what
    first = options.get("batch_first", False)
    gives = "tnf" if "outputs" in head and not first else None
    model = over(Tagger(kind, pick, **options), (None,), takes=None if first else "tn", gives=gives)
    assert [each.name for each in model.layers] == ["embedding", "walk", "head"]


def test_initial_states_of_zeros():
    class Started(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            h = torch.zeros(1, x.size(0), 4, dtype=x.dtype)
            out, _ = self.lstm(x, (h, x.new_zeros(1, x.shape[0], 4)))
            return self.out(out)

    over(Started(), (None, 3))


def test_dropout_between_layers():
    module = nn.LSTM(3, 4, 2, dropout=0.3, batch_first=True).eval()
    model = vg.exchange.from_torch(module, (None, 3))
    assert model.layers[0].dropout == 0.3
    assert vg.exchange.to_torch(model)[0].dropout == 0.3


def test_what_is_a_function_in_forward():
    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Conv1d(3, 4, 3, padding=1), nn.Linear(4, 2)

        def forward(self, x):
            h = nn.functional.max_pool1d(self.one(x.transpose(1, 2)).relu(), 2)
            h = nn.functional.leaky_relu(h, 0.2).transpose(1, 2).contiguous()
            h = nn.functional.dropout(h, 0.0, self.training)
            return nn.functional.softmax(self.other(h.mean(1)), dim=-1)

    model = over(Functions(), (8, 3))
    assert [type(each).__name__ for each in model.layers] == [
        "Conv1d", "MaxPool", "Activation", "Dropout", "GlobalAvgPool", "Dense",
    ]  # fmt: skip


@pytest.mark.parametrize("flat", ["flatten", "view", "reshape"])
def test_ways_to_flatten(flat):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(2, 3, 3), nn.Linear(3 * 3 * 4, 2)

        def forward(self, x):
            h = torch.tanh(self.conv(x))
            if flat == "flatten":
                return self.out(torch.flatten(h, 1))
            return self.out(h.view(h.size(0), -1) if flat == "view" else h.reshape(-1, 36))

    over(Net(), (2, 5, 6))


# ---- what else comes along


def test_names_weights_and_dtypes():
    module = nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()))
    model = vg.exchange.from_torch(module, 5)
    assert [each.name for each in model.layers] == ["0", "2_0"]
    assert model.dtype == np.float32
    assert vg.exchange.from_torch(module, 5, dtype="float64").dtype == np.float64
    state = module.state_dict()
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2_0.weight", "2_0.bias"]
    state["2.0.bias"] = torch.arange(4.0)
    assert model.load_state_dict(state) == ([], [])
    np.testing.assert_array_equal(model.layers[1].bias, np.arange(4))
    assert module[0].weight.requires_grad  # and is a Parameter as before


def test_a_module_in_eval_mode_stays_so():
    module = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Dropout(0.3)).eval()
    vg.exchange.from_torch(module, 5)
    assert not any(each.training for each in module.modules())


def test_random_numbers_are_left_alone():
    model = vg.Sequential([vg.Dense(3)], input_shape=2)
    torch.manual_seed(0)
    first = torch.rand(3)
    torch.manual_seed(0)
    vg.exchange.from_torch(vg.exchange.to_torch(model), 2)
    assert torch.equal(torch.rand(3), first)


def test_half_precision_needs_a_choice():
    module = nn.Linear(5, 3).bfloat16()
    with pytest.raises(ValueError, match=r"dtype: expected 'float32' or 'float64'.*torch.bfloat16"):
        vg.exchange.from_torch(module, 5)
    x = np.ones((2, 5), np.float32)
    model = vg.exchange.from_torch(module, 5, dtype="float32")
    close(model.predict(x), module.float()(torch.tensor(x)).detach(), tolerance=1e-6)


def test_a_trained_model_goes_back_by_names():
    layers = [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)]
    module = drawn(nn.Sequential(*layers))
    model = vg.exchange.from_torch(module, (2, 5, 6))
    model.compile("mse")
    x = np.random.default_rng(0).normal(size=(4, 2, 5, 6))
    model.fit(x, np.ones((4, 2)), verbose=0)
    module.load_state_dict(vg.exchange.to_torch(model).state_dict())
    close(model.predict(x), module.eval()(torch.tensor(x)).detach())
