"""What is seen of PyTorch's networks is what vgcore records of the same network, trained alike."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from watched_twins import assert_alike, records  # noqa: E402

nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.parity
RNG = np.random.default_rng(0)

ACTIVATIONS = {
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "relu6": nn.ReLU6(),
    "elu": nn.ELU(),
    "celu": nn.CELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
}


def mean_square(module, x, y):
    return nn.functional.mse_loss(module(x), y)


def images(module, layers):
    module = module.double()
    x = RNG.normal(size=(6, 2, 9, 7))
    with torch.no_grad():
        shape = module.eval()(torch.tensor(x)).shape
    module.train()
    return records(module, layers, x, RNG.normal(size=shape), mean_square)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Linear(4, 9), ACTIVATIONS[name], nn.Linear(9, 8), ACTIVATIONS[name], nn.Linear(8, 3))
    ).double()
    with torch.no_grad():
        module[0].weight.mul_(6)  # some are flat
    layers = [vg.Dense(9, name), vg.Dense(8, name), vg.Dense(3)]
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))
    own, seen = records(module, layers, x, y, mean_square)
    assert seen.layers == ["0", "2", "4"]
    assert own.saturated[:, :2].any()
    # Far below 0 vgcore's slope of GELU is 0, PyTorch's 1e-18
    assert_alike(own, seen, zeros="gelu" not in name)


@pytest.mark.parametrize(
    ("layer", "activation"),
    [
        (vg.elu(2.0), nn.ELU(2.0)),
        (vg.leaky_relu(3.0), nn.LeakyReLU(3.0)),
        (vg.leaky_relu(0.02), nn.LeakyReLU(0.02)),
        (vg.activations.celu(0.5), nn.CELU(0.5)),
    ],
)
def test_activations_with_a_parameter(layer, activation):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 9), activation, nn.Linear(9, 3)).double()
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))
    assert_alike(*records(module, [vg.Dense(9, layer), vg.Dense(3)], x, y, mean_square))


class Functional(nn.Module):
    """Activations as functions, methods, and in place."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 5) for _ in range(6)])

    def forward(self, x):
        for layer, function in zip(
            self.layers,
            (
                nn.functional.relu,
                torch.tanh,
                lambda z: z.sigmoid(),
                lambda z: z.relu_(),
                lambda z: nn.functional.elu(z, inplace=True),
                lambda z: nn.functional.softmax(input=z, dim=-1),
            ),
            strict=True,
        ):
            x = function(layer(x))
        return x


def test_functions():
    torch.manual_seed(0)
    names = ("relu", "tanh", "sigmoid", "relu", "elu", "softmax")
    x, y = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 5))
    own, seen = records(
        Functional().double(), [vg.Dense(5, name) for name in names], x, y, mean_square
    )
    assert own.dead[0, 3] > 0
    assert np.isnan(seen.saturated[:, -1]).all()
    for name in ("delta", "activation_mean", "activation_std", "weight_grad", "update_ratio"):
        np.testing.assert_allclose(getattr(seen, name), getattr(own, name), rtol=1e-10)
    for name in ("saturated", "dead"):
        np.testing.assert_array_equal(getattr(seen, name)[:, :-1], getattr(own, name)[:, :-1])


@pytest.mark.parametrize(
    ("norm", "own"),
    [
        (nn.BatchNorm2d(4), vg.BatchNorm("tanh")),
        (nn.GroupNorm(2, 4), vg.GroupNorm(2, "tanh")),
        (nn.InstanceNorm2d(4, affine=True), vg.InstanceNorm("tanh", scale=True, shift=True)),
    ],
)
def test_images(norm, own):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        norm,
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 2, stride=2),
        nn.ReLU(inplace=True),
    )
    layers = [vg.Conv2d(4, 3), own, vg.MaxPool(2), vg.Conv2d(5, 2, "relu", stride=2)]
    one, other = images(module, layers)
    shown = [place for place, name in enumerate(one.layers) if "pool" not in name]
    assert len(shown) == len(other.layers)
    for name in ("delta", "activation_mean", "activation_std", "saturated", "dead", "weight_grad"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name)[:, shown], rtol=1e-10, err_msg=name
        )
    np.testing.assert_allclose(other.update_ratio, one.update_ratio[:, shown], rtol=1e-10)


@pytest.mark.parametrize(
    ("norm", "own"), [(nn.LayerNorm(9), vg.LayerNorm("relu")), (nn.RMSNorm(9), vg.RMSNorm("relu"))]
)
def test_norms_of_vectors(norm, own):
    torch.manual_seed(0)
    if isinstance(norm, nn.RMSNorm):
        norm.eps = own.epsilon
    module = nn.Sequential(nn.Linear(4, 9), norm, nn.ReLU(), nn.Linear(9, 3)).double()
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))
    assert_alike(*records(module, [vg.Dense(9), own, vg.Dense(3)], x, y, mean_square))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.head = nn.Embedding(7, 4), nn.GRU(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x).transpose(0, 1))[1][0])


def test_words_and_the_last_state():
    torch.manual_seed(0)
    x, y = RNG.integers(7, size=(10, 6)), RNG.normal(size=(10, 3))
    layers = [vg.Embedding(7, 4), vg.GRU(5), vg.Dense(3)]
    assert_alike(*records(Words().double(), layers, x, y, mean_square))


class Sequences(nn.Module):
    """A recurrent stack under a Linear at each timestep, of padded sequences as PyTorch packs them."""

    def __init__(self, kind, layers, both, lengths, options):
        super().__init__()
        self.lengths = None if lengths is None else torch.tensor(lengths)
        self.rnn = getattr(nn, kind)(
            3, 5, num_layers=layers, bidirectional=both, batch_first=True, **options
        )
        self.head = nn.Linear(5 * (1 + both), 2)

    def forward(self, x):
        if self.lengths is None:
            return self.head(self.rnn(x)[0])
        packed = self.packed(x)
        return packed._replace(data=self.head(self.rnn(packed)[0].data))

    def packed(self, x):
        return nn.utils.rnn.pack_padded_sequence(
            x, self.lengths, batch_first=True, enforce_sorted=False
        )


def over_sequences(module, x, y):
    out = module(x)
    if module.lengths is None:
        return nn.functional.mse_loss(out, y)
    return nn.functional.mse_loss(out.data, module.packed(y).data)


@pytest.mark.parametrize("lengths", [None, [7, 3, 1, 5, 7, 2]], ids=["equal", "packed"])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["RNN", "relu", "LSTM", "GRU"])
def test_timesteps(kind, layers, both, lengths):
    torch.manual_seed(0)
    options = {"nonlinearity": "relu"} if kind == "relu" else {}
    kind = "RNN" if kind == "relu" else kind
    module = Sequences(kind, layers, both, lengths, options).double()
    own = getattr(vg, kind)(5, *options.values(), num_layers=layers, return_sequences=True)
    own = vg.Bidirectional(own) if both else own
    x, y = RNG.normal(size=(6, 7, 3)), RNG.normal(size=(6, 7, 2))
    lengths = None if lengths is None else np.array(lengths)
    record, seen = records(module, [own, vg.Dense(2)], x, y, over_sequences, lengths)
    named = [name.replace(record.layers[0].partition(".")[0], "rnn") for name in record.layers[:-1]]
    assert seen.layers == [*named, "head"]
    assert list(seen.time) == named
    assert_alike(record, seen)
