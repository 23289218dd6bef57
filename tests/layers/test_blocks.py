"""Blocks with skip connections: shapes, gradients through both branches, the tracker, bad input."""

import pickle

import numpy as np
import pytest

import vgcore as vg

LOSS = "sparse_categorical_crossentropy"


def nested(gate=None, activation=None, projected=False):
    """A block in a block, between dense layers."""
    units = 5 if projected else 7
    inner = vg.Residual([vg.Dense(9, "relu"), vg.Dense(9)], gate=gate)
    outer = vg.Residual(
        [vg.Dense(9, "tanh"), inner, vg.Dense(units)],
        shortcut=[vg.Dense(units, use_bias=False)] if projected else (),
        activation=activation,
        gate=gate,
    )
    layers = [vg.Dense(7, "tanh"), outer, vg.Residual([vg.Dense(units)]), vg.Dense(3, "softmax")]
    return vg.Sequential(layers, input_shape=4, dtype="float64", seed=1)


def highways():
    layers = [vg.Dense(6, "tanh"), vg.Highway(), vg.Highway("relu", gate_bias=0.5)]
    return vg.Sequential([*layers, vg.Dense(3, "softmax")], input_shape=4, dtype="float64", seed=1)


def samples(n=19, features=4):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, features)), rng.integers(0, 3, n)


def compiled(model, optimizer=None):
    model.compile(LOSS, optimizer or vg.SGD(0.1))
    return model


@pytest.fixture
def twin():
    """PyTorch, and a function that applies a model's dense layer of a name to h."""
    torch = pytest.importorskip("torch")

    def of(model):
        parameters = {
            name: torch.tensor(value, requires_grad=True)
            for name, value in model.state_dict().items()
        }

        def dense(name, h, suffix=""):
            bias = parameters.get(f"{name}.bias{suffix}")
            return torch.nn.functional.linear(h, parameters[f"{name}.weight{suffix}"], bias)

        return parameters, dense

    return torch, of


def compare(torch, model, parameters, x, logits, target, kept):
    """Loss, gradients and, for each name in ``kept``, the norm of a tensor's gradient in a flow's field."""
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(target))
    loss.backward()
    got, gradients, inputs = model.gradients(x.detach().numpy(), target, wrt_inputs=True)
    flow = model.gradient_flow(x.detach().numpy(), target)
    assert got == pytest.approx(loss.item(), rel=1e-12)
    assert gradients.keys() == parameters.keys()
    for name, parameter in parameters.items():
        np.testing.assert_allclose(
            gradients[name], parameter.grad.numpy(), rtol=1e-10, atol=1e-14, err_msg=name
        )
    np.testing.assert_allclose(inputs.x, x.grad.numpy(), rtol=1e-10, atol=1e-15)
    for field, column, tensor in kept:
        values = getattr(flow, field)[0, flow.layers.index(column)]
        assert values == pytest.approx(tensor.grad.norm().item(), rel=1e-10), (field, column)


@pytest.mark.parity
@pytest.mark.parametrize("gate", [None, 0.0, 0.7])
@pytest.mark.parametrize("activation", [None, "relu", "tanh", "gelu"])
@pytest.mark.parametrize("projected", [False, True])
def test_residual_blocks_as_pytorch(twin, gate, activation, projected):
    torch, of = twin
    model = compiled(nested(gate, activation, projected))
    parameters, dense = of(model)
    data, target = samples()
    x = torch.tensor(data, requires_grad=True)

    def split(h):
        """Two readers of h, whose gradients are kept apart."""
        branches = h * 1.0, h * 1.0
        for branch in branches:
            branch.retain_grad()
        return branches

    def gate_of(name):
        return parameters[f"{name}.gate"] if gate is not None else 1

    body, skip = split(torch.tanh(dense("dense1", x)))
    inner_body, inner_skip = split(torch.tanh(dense("residual1.dense1", body)))
    inner = dense("residual1.residual1.dense1", inner_body)
    inner = dense("residual1.residual1.dense2", torch.relu(inner))
    inner = inner_skip + gate_of("residual1.residual1") * inner
    through = dense("residual1.dense3", skip) if projected else skip
    total = through + gate_of("residual1") * dense("residual1.dense2", inner)
    total.retain_grad()
    h = total if activation is None else getattr(torch.nn.functional, activation)(total)
    last_body, last_skip = split(h)
    h = last_skip + dense("residual2.dense1", last_body)
    kept = [
        ("delta", "residual1", total),
        ("delta_body", "residual1", body),
        ("delta_skip", "residual1", skip),
        ("delta_body", "residual1.residual1", inner_body),
        ("delta_skip", "residual1.residual1", inner_skip),
        ("delta_body", "residual2", last_body),
        ("delta_skip", "residual2", last_skip),
    ]
    compare(torch, model, parameters, x, dense("dense2", h), target, kept)


@pytest.mark.parity
def test_highway_as_pytorch(twin):
    torch, of = twin
    model = compiled(highways())
    parameters, dense = of(model)
    data, target = samples()
    x = torch.tensor(data, requires_grad=True)
    h = torch.tanh(dense("dense1", x))
    kept = []
    for name, f in (("highway1", torch.tanh), ("highway2", torch.relu)):
        body, skip = h * 1.0, h * 1.0
        z = dense(name, body)
        t = torch.sigmoid(dense(name, body, "_gate"))
        h = f(z) * t + skip * (1 - t)
        for tensor in (body, skip):
            tensor.retain_grad()
        # What reaches x through t is the body's, but not by way of the factor (g - x)
        kept.append(("delta_skip", name, skip))
    for _, name, _ in kept:
        assert name in model.layout.columns
    logits = dense("dense2", h)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(target))
    loss.backward()
    _, gradients, inputs = model.gradients(data, target, wrt_inputs=True)
    for name, parameter in parameters.items():
        np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(inputs.x, x.grad.numpy(), rtol=1e-10, atol=1e-15)
    flow = model.gradient_flow(data, target)
    for field, name, tensor in kept:
        got = getattr(flow, field)[0, flow.layers.index(name)]
        assert got == pytest.approx(tensor.grad.norm().item(), rel=1e-10)


@pytest.mark.parametrize("make", [nested, highways])
def test_threads_change_no_bit(make):
    x, y = samples(43)
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model = compiled(make(), vg.Adam(0.01))
        flow = vg.GradientFlow()
        model.fit(np.repeat(x, 30, axis=0), np.repeat(y, 30), batch_size=645, epochs=2, track=flow)
        results.append((model.state_dict(), flow.delta_body, flow.delta_skip))
    for state, body, skip in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        np.testing.assert_array_equal(body, results[0][1])
        np.testing.assert_array_equal(skip, results[0][2])


def test_rezero_starts_as_the_identity():
    model = vg.Sequential([vg.Residual([vg.Dense(4, "tanh")], gate=0.0)], input_shape=4, seed=0)
    x = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(model.predict(x), x)
    assert model.layers[0].gate == 0


def test_a_closed_highway_passes_its_input_on():
    model = vg.Sequential([vg.Highway(gate_bias=-1000.0)], input_shape=4, seed=0)
    x = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(model.predict(x), x)


def test_sequences_go_through_blocks():
    layers = [
        vg.Residual([vg.LSTM(3, return_sequences=True)]),
        vg.Residual([vg.GRU(3, return_sequences=True)], gate=0.5),
        vg.Dense(2),
    ]
    model = vg.Sequential(layers, input_shape=(None, 3), dtype="float64", seed=0)
    model.compile("mse", vg.SGD(0.1), tbptt=None)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 6, 3)), rng.normal(size=(5, 6, 2))
    lengths = [6, 2, 5, 1, 3]
    _, gradients = model.gradients(x, y, lengths=lengths)
    flow = model.gradient_flow(x, y, lengths=lengths)
    assert set(flow.time) == {"residual1.lstm1", "residual2.gru1"}
    name, step = "residual2.gate", 1e-6
    state = model.state_dict()
    losses = []
    for sign in (1, -1):
        model.load_state_dict({**state, name: state[name] + sign * step})
        losses.append(model.gradients(x, y, lengths=lengths)[0])
    assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(gradients[name][0], rel=1e-7)


@pytest.mark.parametrize("make", [nested, highways])
def test_saved_and_loaded(make, tmp_path):
    x, y = samples()
    model = compiled(make(), vg.Adam(0.01))
    model.fit(x, y, epochs=2)
    model.save(tmp_path / "model.npz")
    loaded, copied = vg.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))
    for each in (model, loaded, copied):
        each.fit(x, y, epochs=2)
    for each in (loaded, copied):
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(each.state_dict()[name], value)


def test_columns_are_named_after_their_place():
    flow = compiled(nested()).gradient_flow(*samples())
    assert flow.layers == [
        "dense1",
        "residual1.dense1",
        "residual1.residual1.dense1",
        "residual1.residual1.dense2",
        "residual1.residual1",
        "residual1.dense2",
        "residual1",
        "residual2.dense1",
        "residual2",
        "dense2",
    ]
    blocks = [name.rpartition(".")[2].startswith("residual") for name in flow.layers]
    np.testing.assert_array_equal(np.isfinite(flow.delta_skip[0]), blocks)
    np.testing.assert_array_equal(np.isfinite(flow.delta_body[0]), blocks)


@pytest.mark.parametrize(
    ("make", "error", "fragments"),
    [
        (lambda: vg.Residual([]), ValueError, ["layers", "at least one", "none"]),
        (lambda: vg.Residual(vg.Dense(3)), TypeError, ["layers", "sequence", "Dense"]),
        (lambda: vg.Residual([3]), TypeError, ["layers", "layers", "int"]),
        (lambda: vg.Residual([vg.Dense(3)], gate="open"), TypeError, ["gate", "'open'"]),
        (lambda: vg.Residual([vg.Dense(3)], activation="softmax"), ValueError, ["softmax"]),
        (lambda: vg.Residual([vg.Dense(3)] * 2), ValueError, ["layers", "twice"]),
        (lambda: vg.Highway(gate_bias="x"), TypeError, ["gate_bias", "'x'"]),
        (lambda: vg.Highway("softmax"), ValueError, ["activation", "softmax"]),
        (
            lambda: vg.Sequential([vg.Residual([vg.Dense(5)])], input_shape=4),
            ValueError,
            ["residual1", "(4,)", "(5,)", "shortcut"],
        ),
        (
            lambda: vg.Sequential(
                [vg.Residual([vg.Dense(5)], shortcut=[vg.Dense(3)])], input_shape=4
            ),
            ValueError,
            ["residual1", "(3,)", "(5,)"],
        ),
        (
            lambda: vg.Sequential([vg.Residual([vg.Residual([vg.RNN(4)])])], input_shape=4),
            ValueError,
            ["residual1.residual1.rnn1", "(4,)"],
        ),
        (
            lambda: vg.Sequential([vg.Residual([vg.Embedding(3, 4)])], input_shape=4),
            ValueError,
            ["residual1.embedding1", "integers"],
        ),
        (
            lambda: vg.Sequential([vg.Highway()], input_shape=(3, 4, 4)),
            ValueError,
            ["highway1", "(3, 4, 4)"],
        ),
    ],
)
def test_bad_input(make, error, fragments):
    with pytest.raises(error) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_layer_of_a_model_joins_no_block():
    layer = vg.Dense(4)
    vg.Sequential([layer], input_shape=4)
    with pytest.raises(ValueError, match="dense1 already belongs to a model"):
        vg.Residual([layer])


@pytest.mark.parametrize("where", ["layers", "shortcut"])
def test_both_directions_in_a_branch_get_their_gradient(where):
    both, one = vg.Bidirectional(vg.RNN(2, return_sequences=True)), vg.Dense(4, "tanh")
    branches = {"layers": [one], "shortcut": [one], where: [both]}
    model = vg.Sequential(
        [vg.Residual(branches["layers"], shortcut=branches["shortcut"]), vg.Dense(1)],
        input_shape=(None, 3), dtype="float64", seed=0,
    )  # fmt: skip
    model.compile("mse", vg.SGD(0.1))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 4, 1))
    _, gradients = model.gradients(x, y)
    start, step = model.state_dict(), 1e-6
    for name, value in start.items():
        losses = []
        for sign in (1, -1):
            changed = value.copy()
            changed.flat[-1] += sign * step
            model.load_state_dict({**start, name: changed})
            losses.append(model.gradients(x, y)[0])
        central = (losses[0] - losses[1]) / (2 * step)
        assert central == pytest.approx(gradients[name].flat[-1], rel=1e-6, abs=1e-10), name


def test_windows_of_time_change_no_bit_of_a_gate():
    states = []
    for checkpoint in (None, 2):
        block = vg.Residual([vg.LSTM(3, return_sequences=True)], gate=0.5)
        model = vg.Sequential(
            [block, vg.RNN(2), vg.Dropout(0.5), vg.Dense(1)], input_shape=(7, 3), seed=0
        )
        model.compile("mse", vg.SGD(0.1), checkpoint=checkpoint)
        rng = np.random.default_rng(0)
        model.fit(rng.normal(size=(20, 7, 3)), rng.normal(size=(20, 1)), epochs=3, batch_size=8)
        states.append(model.state_dict())
    for name, value in states[0].items():
        np.testing.assert_array_equal(states[1][name], value, err_msg=name)


def test_only_stateful_layers_of_a_block_carry_their_states():
    layers = [
        vg.RNN(3, return_sequences=True, stateful=True),
        vg.RNN(3, return_sequences=True, initial_state="learned"),
    ]
    model = vg.Sequential([vg.Residual(layers)], input_shape=(4, 3), dtype="float64", seed=0)
    model.layers[0].layers[1].initial_h = [1.0, -1.0, 0.5]
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    fresh = model.predict(x)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x), fresh)
    alone = [
        vg.Sequential([layer], input_shape=(4, 3), dtype="float64")
        for layer in (
            vg.RNN(3, return_sequences=True, stateful=True),
            vg.RNN(3, return_sequences=True, initial_state="learned"),
        )
    ]
    for number, single in enumerate(alone, 1):
        prefix = f"residual1.rnn{number}."
        state = {name: v for name, v in model.state_dict().items() if name.startswith(prefix)}
        single.load_state_dict({name.replace(prefix, "rnn1."): v for name, v in state.items()})
    alone[0].predict(x)
    expected = x + alone[1].predict(alone[0].predict(x))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12)
    assert not np.allclose(expected, fresh)


def test_shapes_that_differ_in_what_made_them_add_up():
    block = vg.Residual([vg.Conv1d(4, 3), vg.Conv1d(4, 3, padding=2)])
    model = vg.Sequential(
        [block, vg.LSTM(2), vg.Dense(1)], input_shape=(10, 4), dtype="float64", seed=0
    )
    model.compile("mse", vg.SGD(0.1))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 10, 4)), rng.normal(size=(9, 1))
    _, gradients = model.gradients(x, y)
    name, step = "residual1.conv1d1.bias", 1e-6
    start, losses = model.state_dict(), []
    for sign in (1, -1):
        model.load_state_dict({**start, name: start[name] + sign * step * np.eye(4)[1]})
        losses.append(model.gradients(x, y)[0])
    assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(gradients[name][1], rel=1e-6)
