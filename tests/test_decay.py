"""Weight decay of weights alone: biases, norms, slopes, gates and initial states are left out."""

import numpy as np
import pytest
from reference import assert_close, assert_same_bits, samples

import vgcore as vg

OPTIMIZERS = [
    vg.SGD(0.1, weight_decay=0.3),
    vg.Momentum(0.1, weight_decay=0.3),
    vg.Adam(0.02, weight_decay=0.3),
    vg.AdamW(0.02, weight_decay=0.3),
    vg.RMSProp(0.01, weight_decay=0.3),
]
over_optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)


def network(optimizer, decay="weights", **options):
    """Parameters of every kind that has one axis."""
    layers = [
        vg.LSTM(5, peepholes=True, initial_state="learned"),
        vg.Dense(6),
        vg.BatchNorm("tanh"),
        vg.PReLU(),
        vg.Residual([vg.Dense(6, "tanh"), vg.LayerNorm()], gate=0.5),
        vg.Highway("relu"),
        vg.Dense(3, "softmax"),
    ]
    model = vg.Sequential(layers, input_shape=(4, 2), dtype="float64", seed=0)
    model.compile("sparse_categorical_crossentropy", optimizer, decay=decay, **options)
    return model


def stepped(model, x, y, steps=1):
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model.state_dict()


@over_optimizers
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"learning_rates": {"dense1": 0.5}}])
def test_only_what_has_two_axes_decays(optimizer, options):
    """Each parameter is as with decay, or as without it."""
    model = network(optimizer, **options)
    x, y = samples(model, 8)
    some = stepped(model, x, y)
    none = type(optimizer)(optimizer.learning_rate, weight_decay=0)
    with_decay, without = (
        stepped(network(each, "all", **options), x, y) for each in (optimizer, none)
    )
    for name, value in some.items():
        twin = with_decay if value.ndim > 1 else without
        np.testing.assert_array_equal(value, twin[name], err_msg=name)
    assert any((with_decay[n] != without[n]).any() for n in some if some[n].ndim == 1)
    assert {name.rpartition(".")[2] for name in some if some[name].ndim == 1} >= {
        "bias", "bias_ih", "weight_ci", "initial_h", "weight", "gate",
    }  # fmt: skip


@pytest.mark.parity
@over_optimizers
def test_it_is_pytorchs_with_two_groups(optimizer):
    torch = pytest.importorskip("torch")
    model = vg.Sequential(
        [vg.Dense(7, "tanh"), vg.BatchNorm(), vg.Dense(3, "softmax")],
        input_shape=6, dtype="float64", seed=0,
    )  # fmt: skip
    model.compile("sparse_categorical_crossentropy", optimizer, decay="weights")
    x, y = samples(model, 12)
    twin = torch.nn.Sequential(
        torch.nn.Linear(6, 7), torch.nn.Tanh(), torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 3)
    ).double()
    names = {"dense1": twin[0], "batchnorm1": twin[2], "dense2": twin[3]}
    for name, value in model.state_dict().items():
        layer, _, kind = name.partition(".")
        getattr(names[layer], kind).data.copy_(torch.tensor(value))
    groups = [
        {"params": [p for p in twin.parameters() if p.ndim > 1], "weight_decay": 0.3},
        {"params": [p for p in twin.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = {"Momentum": "SGD", "RMSProp": "RMSprop"}.get(type(optimizer).__name__)
    options = {"momentum": 0.9} if isinstance(optimizer, vg.Momentum) else {}
    rule = getattr(torch.optim, kind or type(optimizer).__name__)(
        groups, lr=optimizer.learning_rate, **options
    )
    for _ in range(6):
        rule.zero_grad()
        loss = torch.nn.functional.cross_entropy(twin(torch.tensor(x).double()), torch.tensor(y))
        loss.backward()
        rule.step()
    expected = {
        name: getattr(names[name.partition(".")[0]], name.partition(".")[2]).detach().numpy()
        for name in model.state_dict()
    }
    assert_close(stepped(model, x, y, 6), expected, 1e-9)


def test_files_and_new_names_keep_it(tmp_path):
    model = network(OPTIMIZERS[3])
    x, y = samples(model, 8)
    model.train_on_batch(x, y)
    model.layers[1].name = "middle"
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    one, other = (stepped(each, x, y, 3) for each in (model, loaded))
    assert_same_bits(one, other)
    assert loaded.session.description() == model.session.description()


def test_bits_depend_on_no_threads():
    results, threads = [], vg.get_num_threads()
    for count in (1, 3):
        vg.set_num_threads(count)
        model = vg.Sequential(
            [vg.Dense(131, "tanh"), vg.Dense(257, "tanh"), vg.Dense(3)], input_shape=64, seed=0
        )
        model.compile("mse", vg.AdamW(0.01), decay="weights")
        rng = np.random.default_rng(0)
        model.fit(rng.normal(size=(150, 64)), rng.normal(size=(150, 3)), batch_size=64)
        results.append(model.state_dict())
    vg.set_num_threads(threads)
    assert_same_bits(*results)


@pytest.mark.parametrize(
    ("decay", "error", "got"), [("biases", ValueError, "'biases'"), (None, TypeError, "NoneType")]
)
def test_what_decays_is_one_of_two(decay, error, got):
    model = network("sgd")
    chosen = model.session.chosen
    with pytest.raises(error, match=rf"decay: expected .*{got}"):
        model.compile("sparse_categorical_crossentropy", decay=decay)
    assert model.session.chosen is chosen
