"""States of PyTorch's modules are loaded under PyTorch's names."""

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore.model import state_names


def recurrent(cell=vg.LSTM, **options):
    layers = [vg.Bidirectional(cell(3, return_sequences=True), name="rnn"), cell(4, **options)]
    layers.append(vg.Dense(2, name="fc"))
    return vg.Sequential(layers, input_shape=(None, 5), dtype="float64", seed=0)


def mixed():
    layers = [
        vg.Conv2d(2, 3),
        vg.BatchNorm("relu"),
        vg.Flatten(),
        vg.Dense(4, use_bias=False),
        vg.PReLU(),
        vg.Dense(3),
    ]
    return vg.Sequential(layers, input_shape=(1, 5, 5), dtype="float64", seed=1)


def renamed(state, names):
    """The state under other names, made of new numbers."""
    rng = np.random.default_rng(5)
    return {names(key): rng.uniform(0.5, 1.0, value.shape) for key, value in state.items()}


def loaded(model, given, names, **options):
    """Load a state of renamed parameters; whether each has come to where it belongs."""
    result = model.load_state_dict(given, **options)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value, given[names(key)], err_msg=key)
    return result


@pytest.mark.parametrize("cell", [vg.RNN, vg.LSTM, vg.GRU])
def test_recurrent_layers(cell):
    def pytorchs(key):
        layer, _, name = key.partition(".")
        base, reverse, _ = name.partition("_reverse")
        return key if layer == "fc" else f"{layer}.{base}_l0{reverse}"

    model = recurrent(cell)
    result = loaded(model, renamed(model.state_dict(), pytorchs), pytorchs)
    assert result == ([], [])
    assert (result.missing_keys, result.unexpected_keys) == ([], [])


def test_layers_go_by_their_order():
    """A Sequential's numbers, and a stack of two LSTMs in one module."""
    model = mixed()
    number = {"conv2d1": 0, "batchnorm1": 1, "dense1": 4, "prelu1": 5, "dense2": 6}

    def pytorchs(key):
        layer, _, name = key.partition(".")
        return f"{number[layer]}.{name}"

    given = renamed(model.state_dict(), pytorchs)
    given["1.num_batches_tracked"] = np.array(7)
    loaded(model, given, pytorchs)

    layers = [vg.LSTM(3, return_sequences=True), vg.LSTM(3), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None, 3), dtype="float64", seed=0)

    def stacked(key):
        layer, _, name = key.partition(".")
        return f"head.{name}" if layer == "dense1" else f"body.{name}_l{int(layer[-1]) - 1}"

    loaded(model, renamed(model.state_dict(), stacked), stacked)


def test_a_module_by_itself():
    """Names without a layer's."""
    model = vg.Sequential([vg.GRU(3)], input_shape=(None, 2), seed=0)
    given = {
        f"{name.partition('.')[2]}_l0": value + 1 for name, value in model.state_dict().items()
    }
    model.load_state_dict(given)
    np.testing.assert_array_equal(model.layers[0].weight_hh, given["weight_hh_l0"])


def test_modules_in_modules_are_blocks():
    """Dots of a path may be underscores, and a sum in the module itself is a block without a name."""
    block = vg.Residual(
        [vg.Dense(4, name="fc1"), vg.GRU(4, return_sequences=True, name="gru")], name="layer1_0"
    )
    layers = [block, vg.Residual([vg.Dense(4, name="last_fc")]), vg.Dense(2, name="fc")]
    model = vg.Sequential(layers, input_shape=(None, 4), dtype="float64", seed=0)

    def pytorchs(key):
        key = key.replace("layer1_0", "layer1.0").replace("residual2.last_fc", "last.fc")
        base, recurrent, name = key.partition(".gru.")
        return f"{base}.gru.{name}_l0" if recurrent else key

    given = renamed(model.state_dict(), pytorchs)
    assert "layer1.0.gru.weight_ih_l0" in given and "last.fc.bias" in given
    assert loaded(model, dict(sorted(given.items())), pytorchs) == ([], [])


def test_names_that_fit_two_layers_are_neithers():
    layers = [vg.Residual([vg.Dense(4, name="fc")]), vg.Residual([vg.Dense(4, name="fc")])]
    model = vg.Sequential([*layers, vg.Dense(2, name="out")], input_shape=4)
    state = model.state_dict()
    state["fc.weight"] = state.pop("residual1.fc.weight")
    with pytest.raises(KeyError, match=r"missing: residual1.fc.weight; unexpected: fc.weight"):
        model.load_state_dict(state)


def test_statistics_are_listed_behind_what_is_learned():
    """As PyTorch lists them."""
    assert [name for name in mixed().state_dict() if name.startswith("batchnorm")] == [
        "batchnorm1.weight",
        "batchnorm1.bias",
        "batchnorm1.running_mean",
        "batchnorm1.running_var",
    ]


def test_counts_of_minibatches_are_left_out():
    model = mixed()
    state = {**model.state_dict(), "batchnorm1.num_batches_tracked": np.array(3)}
    assert model.load_state_dict(state, strict=False) == ([], [])
    assert model.load_state_dict(state) == ([], [])


def test_what_is_not_strict_tells_what_was_left():
    model = mixed()
    before = model.state_dict()
    given = {
        "dense1.weight": np.full((4, 18), 0.5),
        "dense2.wieght": np.ones((3, 4)),
        3: np.ones(2),
    }
    missing, unexpected = model.load_state_dict(given, strict=False)
    assert unexpected == ["dense2.wieght", 3]
    assert missing == [name for name in model.session.layout.names if name != "dense1.weight"]
    after = model.state_dict()
    np.testing.assert_array_equal(after.pop("dense1.weight"), 0.5)
    assert_same_bits(after, {name: before[name] for name in after})


def test_shapes_are_checked_where_names_are_not():
    model = mixed()
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"dense2.bias'\]: expected shape \(3,\), got \(4,\)"):
        model.load_state_dict({"conv2d1.bias": np.ones(2), "dense2.bias": np.ones(4)}, strict=False)
    assert_same_bits(model.state_dict(), before)


def test_a_name_that_comes_twice_is_too_many():
    model = recurrent()
    state = model.state_dict()
    for given in (
        {**state, "lstm1.bias_ih_l0": np.ones(16)},
        {"lstm1.bias_ih_l0": np.ones(16), **state},
    ):
        with pytest.raises(KeyError, match=r"missing: none; unexpected: lstm1.bias_ih_l0"):
            model.load_state_dict(given)
        assert_same_bits(model.state_dict(), state)


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (lambda s: s.pop("6.bias"), ["by order '6' would be 'dense2'", "bias (3,)", "'conv2d1.weight'"]),
        (lambda s: s.update({"6.weight": np.ones((4, 3))}), ["'dense2'", "weight (4, 3)", "(3, 4)"]),
        (lambda s: s.update({"7.weight": np.ones(3)}), ["it has 6 layers", "the model 5", "rename"]),
        (lambda s: s.update({"dense2.bias": s.pop("6.bias")}), ["unexpected: ", "0.weight"]),
        (lambda s: s.update({0: s.pop("6.bias")}), ["unexpected: ", "0.weight"]),
    ],
)  # fmt: skip
def test_an_order_that_does_not_fit_says_where(change, fragments):
    model = mixed()
    before = model.state_dict()
    number = {"conv2d1": 0, "batchnorm1": 1, "dense1": 4, "prelu1": 5, "dense2": 6}
    given = renamed(before, lambda key: f"{number[key.split('.')[0]]}.{key.split('.')[1]}")
    change(given)
    with pytest.raises(KeyError) as caught:
        model.load_state_dict(given)
    assert all(fragment in str(caught.value) for fragment in ["state: expected ", *fragments])
    missing, unexpected = model.load_state_dict(
        {key: value for key, value in given.items() if key != "dense2.bias"}, strict=False
    )
    assert len(missing) == len(before)
    assert len(unexpected) >= len(before) - 1
    assert_same_bits(model.state_dict(), before)


def test_what_has_a_state_is_not_one():
    model = mixed()
    with pytest.raises(TypeError, match=r"state: expected a dict .*give its state_dict\(\)"):
        model.load_state_dict(mixed())
    with pytest.raises(KeyError, match=r"missing: conv2d1.weight"):
        model.load_state_dict({})


@pytest.mark.parity
def test_modules_of_pytorch():
    """The same outputs; tensors on a graph and in bfloat16, too."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 4, bias=False),
        nn.PReLU(4), nn.Linear(4, 3),
    ).double()  # fmt: skip
    x = np.random.default_rng(0).normal(size=(6, 1, 5, 5))
    module(torch.tensor(x))  # moves statistics
    model = mixed()
    assert model.load_state_dict(module.state_dict()) == ([], [])
    module.eval()
    np.testing.assert_allclose(
        model.predict(x), module(torch.tensor(x)).detach().numpy(), rtol=1e-12
    )
    on_graph = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    twin = mixed()
    twin.load_state_dict(on_graph)
    assert_same_bits(twin.state_dict(), model.state_dict())
    twin.load_state_dict({key: t.bfloat16() for key, t in module.state_dict().items()})
    rounded = module.state_dict()["6.weight"].bfloat16().float().numpy()
    np.testing.assert_array_equal(twin.state_dict()["dense2.weight"], rounded)
    with pytest.raises(TypeError, match=r"give its state_dict\(\)"):
        twin.load_state_dict(module)


@pytest.mark.parity
def test_a_module_of_ones_own():
    torch = pytest.importorskip("torch")

    class Reader(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(5, 3, num_layers=2, batch_first=True)
            self.fc = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    module = Reader().double()
    layers = [vg.LSTM(3, return_sequences=True), vg.LSTM(3), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None, 5), dtype="float64", seed=0)
    model.load_state_dict(module.state_dict())
    x = np.random.default_rng(0).normal(size=(6, 7, 5))
    expected = module(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-10)


@pytest.mark.parametrize("given", ["lstm", "lstm1"])
def test_layers_of_one_stack(given):
    """PyTorch's l0 and l1 are the layers 0 and 1 of a stack, whichever name it has."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ours = {
        f"lstm1.{number}.{kind}{reverse}": (12, 3 + number)
        for number in (0, 1)
        for reverse in ("", "_reverse")
        for kind in kinds
    }
    ours["dense1.weight"] = (2, 6)
    head = "dense1" if given == "lstm1" else "fc"
    theirs = {
        f"{given}.{kind}_l{number}{reverse}": f"lstm1.{number}.{kind}{reverse}"
        for number in (0, 1)
        for reverse in ("", "_reverse")
        for kind in kinds
    }
    theirs[f"{head}.weight"] = "dense1.weight"
    state = {key: np.empty(ours[name]) for key, name in theirs.items()}
    names, unexpected, hint = state_names.translate(state, ours)
    assert names == {name: key for key, name in theirs.items()}
    assert (unexpected, hint) == ([], "")


@pytest.mark.parity
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_stacks_of_pytorch(cell, bidirectional):
    torch = pytest.importorskip("torch")
    stack = getattr(torch.nn, cell)(
        5, 3, num_layers=3, bidirectional=bidirectional, batch_first=True
    ).double()
    head = torch.nn.Linear(3 + 3 * bidirectional, 2).double()
    theirs = {f"stack.{key}": value for key, value in stack.state_dict().items()}
    theirs |= {f"head.{key}": value for key, value in head.state_dict().items()}
    layer = getattr(vg, cell)(3, num_layers=3, return_sequences=True)
    layers = [vg.Bidirectional(layer) if bidirectional else layer, vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None, 5), dtype="float64")
    assert model.load_state_dict(theirs) == ([], [])
    x = np.random.default_rng(0).normal(size=(4, 6, 5))
    expected = head(stack(torch.tensor(x))[0]).detach().numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-10)


def test_layers_that_a_file_has_sorted_as_text_go_by_their_numbers():
    model = vg.Sequential([vg.Dense(4, "tanh") for _ in range(12)], input_shape=4, seed=3)
    other = vg.Sequential([vg.Dense(4, "tanh") for _ in range(12)], input_shape=4, seed=4)
    state = model.state_dict()
    theirs = {
        f"net.{2 * number}.{kind}": state[f"dense{number + 1}.{kind}"]
        for number in range(12)
        for kind in ("weight", "bias")
    }
    other.load_state_dict(dict(sorted(theirs.items())))
    assert all((value == other.state_dict()[name]).all() for name, value in state.items())
