"""PyTorch's tensors and loaders are data: the same training, bit by bit, as of arrays."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")

from torch.nn.utils.rnn import pad_sequence  # noqa: E402
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset  # noqa: E402

torch.set_num_threads(1)
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 4)).astype(np.float32), RNG.integers(3, size=50)


def network(*layers, input_shape=4):
    model = vg.Sequential([*layers, vg.Dense(3, "softmax")], input_shape=input_shape, seed=0)
    model.compile("sparse_categorical_crossentropy", "adam")
    return model


def trained(*data, **options):
    model = network(vg.Dense(8, "tanh"))
    model.fit(*data, epochs=2, verbose=0, **options)
    return {name: value.tobytes() for name, value in model.state_dict().items()}


EXPECTED = {"batch_size": 16, "shuffle": False}


def test_tensors_are_arrays():
    x, y = torch.tensor(X), torch.tensor(Y)
    expected = trained(X, Y)
    assert trained(x, y) == expected
    assert trained(x.clone().requires_grad_(), y) == expected
    assert trained(x.double(), y.int()[:, None]) == expected
    assert trained(torch.nn.Parameter(x).T.contiguous().T, y) == expected
    half = torch.tensor(X).bfloat16()
    assert trained(half, y) == trained(half.float().numpy(), Y)
    model = network(vg.Dense(8, "tanh"))
    model.layers[0].weight = torch.nn.Parameter(torch.ones(8, 4))
    assert (model.layers[0].weight == 1).all()
    assert model.predict(x.requires_grad_()).tobytes() == model.predict(X).tobytes()
    with pytest.raises(TypeError, match=r"^x: expected real numbers, got dtype complex64"):
        model.predict(x.to(torch.complex64))


class Rows(IterableDataset):
    def __iter__(self):
        return iter([(x, y) for x, y in zip(X, Y, strict=True)])


class Named(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, place):
        return {"x": torch.tensor(X[place]), "y": int(Y[place]), "sample_weight": 1.0}


LOADERS = {
    "pairs": lambda: DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 16),
    "rows": lambda: DataLoader(Rows(), 16),
    "dicts": lambda: DataLoader(Named(), 16),
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_loaders(loader):
    if loader is LOADERS["dicts"]:
        assert trained(loader()) == trained(X, Y, sample_weight=np.ones(50), **EXPECTED)
    else:
        assert trained(loader()) == trained(X, Y, **EXPECTED)
    model = network(vg.Dense(8, "tanh"))
    history = model.fit(loader(), validation_data=loader(), verbose=0)
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X, Y).loss, rel=1e-6)
    assert model.evaluate(loader()).loss == pytest.approx(model.evaluate(X, Y).loss, rel=1e-6)


def test_a_loader_draws_its_own_order():
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 16, shuffle=True)
    minibatches = [list(loader) for _ in range(2)]
    torch.manual_seed(0)
    model, other = network(vg.Dense(8, "tanh")), network(vg.Dense(8, "tanh"))
    model.fit(loader, epochs=2, verbose=0)
    for epoch in minibatches:
        for x, y in epoch:
            other.train_on_batch(x, y)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, other.state_dict()[name])


def test_sequences_of_unequal_lengths():
    """What `collate_fn` pads comes with its lengths."""
    sequences = [torch.randn(int(n), 4) for n in RNG.integers(2, 9, size=20)]
    labels = torch.tensor(RNG.integers(3, size=20))

    def collate(pairs):
        x, y = zip(*pairs, strict=True)
        lengths = torch.tensor([len(each) for each in x])
        return {"x": pad_sequence(x, batch_first=True), "y": torch.stack(y), "lengths": lengths}

    loader = DataLoader(list(zip(sequences, labels, strict=True)), 20, collate_fn=collate)
    padded = pad_sequence(sequences, batch_first=True)
    states = []
    for data in ((loader,), (padded, labels)):
        model = network(vg.GRU(5), input_shape=(None, 4))
        more = {} if len(data) == 1 else {"lengths": [len(each) for each in sequences]}
        model.fit(*data, batch_size=20, shuffle=False, verbose=0, **more)
        states.append({name: value.tobytes() for name, value in model.state_dict().items()})
    assert states[0] == states[1]


def test_files_that_are_read_where_they_lie(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    class Lines(Dataset):
        def __len__(self):
            return len(mapped)

        def __getitem__(self, place):
            return np.array(mapped[place]), Y[place]

    assert trained(DataLoader(Lines(), 16)) == trained(X, Y, **EXPECTED)
    assert trained(mapped, Y) == trained(X, Y)


class Eager:
    """A tensor of TensorFlow: an array by its method alone."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


def test_what_is_like_tf_data():
    """Of a data set the eager tensors, once an epoch; of its iterator arrays, once."""

    class Data:
        def minibatches(self):
            for begin in range(0, 50, 16):
                yield X[begin : begin + 16], Y[begin : begin + 16]

        def __iter__(self):
            return ((Eager(x), Eager(y)) for x, y in self.minibatches())

        as_numpy_iterator = minibatches

    assert trained(Data()) == trained(X, Y, **EXPECTED)
    one, other = network(vg.Dense(8, "tanh")), network(vg.Dense(8, "tanh"))
    one.fit(Data().as_numpy_iterator(), verbose=0)
    other.fit(X, Y, verbose=0, **EXPECTED)
    for name, value in one.state_dict().items():
        np.testing.assert_array_equal(value, other.state_dict()[name])
