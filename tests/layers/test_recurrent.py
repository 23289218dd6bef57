"""Recurrent layers by themselves: central differences, bits, states that are carried, files."""

import copy
import itertools
import json
import pickle

import numpy as np
import pytest
from reference import UNITWISE, assert_same_bits

import vgcore as vg

SPARSE = "sparse_categorical_crossentropy"
ACTIVATIONS = [*UNITWISE, vg.leaky_relu(0.3), vg.elu(0.4)]


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def network(layers, inputs=(3,), loss="mse", optimizer="sgd", *, dtype="float64", **options):
    """A compiled model of sequences none of whose parameters is 0."""
    model = vg.Sequential(layers, input_shape=(None, *inputs), dtype=dtype, seed=0)
    model.compile(loss, optimizer, **options)
    rng = np.random.default_rng(1)
    model.load_state_dict(
        {k: v + 0.3 * rng.normal(size=v.shape) for k, v in model.state_dict().items()}
    )
    return model


def samples(model, batch, times, seed=0):
    """Random sequences, targets such as the model takes, and lengths with 1 and ``times`` in them."""
    rng = np.random.default_rng([seed, batch, times])
    vocabulary = model.layers[0].vocabulary
    x = rng.normal(size=(batch, times, *model.input_shape[1:]))
    if vocabulary is not None:
        x = rng.integers(0, vocabulary, (batch, times))
    *shape, units = model.session.output_shape(x)
    y = rng.integers(0, units, shape) if model.loss.sparse else rng.normal(size=(*shape, units))
    lengths = rng.integers(1, times + 1, batch)
    lengths[0], lengths[-1] = times, 1
    return x, y, lengths


def everything(model, x, y, **options):
    """All that a pass gives, by name."""
    outputs, states = model.predict(x, return_state=True, **options)
    loss, gradients, inputs = model.gradients(x, y, wrt_inputs=True, **options)
    flow = model.gradient_flow(x, y, **options)
    fields = {name: getattr(flow, name) for name in ("loss", *vg.flow.FIELDS)}
    for name in ("time", "time_direct", "time_cell", "time_gate", "time_saturated"):
        fields |= {f"{name} {layer}": v for layer, v in getattr(flow, name).items()}
    found = {"outputs": outputs, "loss of the pass": np.array(loss), **gradients, **fields}
    for kind, nested in (("final", states), ("initial", inputs.initial_state)):
        found |= {f"{kind} {place}": state for place, state in enumerate(leaves(nested))}
    return found if inputs.x is None else {**found, "x": inputs.x}


def leaves(nested):
    if isinstance(nested, np.ndarray):
        return [nested]
    return [leaf for part in nested for leaf in leaves(part)]


def mapped(function, nested):
    """The same nest of lists and tuples, of the function's values."""
    if isinstance(nested, np.ndarray):
        return function(nested)
    return type(nested)(mapped(function, part) for part in nested)


# ---- central differences


def assert_central_differences(model, x, y, starts=None, step=1e-5, **options):
    """Along a random direction of each array, the loss changes as its gradient says.

    By differences of fourth order: some activations let states explode.
    """
    rng = np.random.default_rng(0)
    loss, gradients, inputs = model.gradients(
        x, y, initial_state=starts, wrt_inputs=True, **options
    )
    values = model.state_dict()
    given = {"x": x, **values}
    slopes = {"x": inputs.x, **gradients}
    if starts is not None:
        given |= {str(place): leaf for place, leaf in enumerate(leaves(starts))}
        slopes |= {str(place): leaf for place, leaf in enumerate(leaves(inputs.initial_state))}
    for name, gradient in slopes.items():
        assert gradient.shape == given[name].shape
        direction = rng.choice([-1, 1], gradient.shape)
        change = 0
        for steps, weight in ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)):
            moved = {**given, name: given[name] + steps * step * direction}
            model.load_state_dict({name: moved[name] for name in values})
            rest = (moved[str(place)] for place in range(len(given)))
            begin = starts and mapped(lambda _, rest=rest: next(rest), starts)
            change += weight * model.gradients(moved["x"], y, initial_state=begin, **options)[0]
        slope = (gradient * direction).sum()
        assert change / step == pytest.approx(slope, rel=1e-6, abs=1e-9 * loss), name
    model.load_state_dict(values)


CELLS = {
    "rnn": (vg.RNN, {}),
    "lstm": (vg.LSTM, {}),
    "peepholes": (vg.LSTM, {"peepholes": True}),
    "gru": (vg.GRU, {}),
    "reset before": (vg.GRU, {"reset_after": False}),
}


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize(
    ("cell", "argument"),
    [
        *itertools.product(CELLS, ["activation"]),
        *itertools.product([name for name in CELLS if name != "rnn"], ["recurrent_activation"]),
    ],
)
def test_every_activation_of_states_and_gates(cell, argument, activation):
    """Of gates with the outputs of all timesteps and padding, of states with the last alone."""
    cls, variant = CELLS[cell]
    gates = argument != "activation"
    model = network([cls(5, return_sequences=gates, **variant, **{argument: activation})])
    x, y, lengths = samples(model, 4, 5)
    rng = np.random.default_rng(2)
    states = tuple(0.5 * rng.normal(size=(4, 5)) for _ in model.layers[0].states)
    starts = [states if len(states) > 1 else states[0]]
    assert_central_differences(model, 0.5 * x, y, starts, lengths=lengths if gates else None)


@pytest.mark.parametrize("option", [None, "go_backwards", "both", "unbiased"])
@pytest.mark.parametrize("cell", CELLS)
def test_learned_initial_states(cell, option):
    cls, variant = CELLS[cell]
    layer = cls(5, initial_state="learned", go_backwards=option == "go_backwards",
                use_bias=option != "unbiased", **variant)  # fmt: skip
    model = network([vg.Bidirectional(layer) if option == "both" else layer, vg.Dense(2)])
    names = [name for name in model.state_dict() if ".initial_" in name]
    assert len(names) == len(cls.states) * (2 if option == "both" else 1)
    x, y, lengths = samples(model, 9, 4)
    assert_central_differences(model, x, y, lengths=lengths)


@pytest.mark.parametrize("lengths", [False, True])
def test_a_stack_of_everything(lengths):
    model = network(
        [
            vg.LSTM(4, peepholes=True, initial_state="learned", return_sequences=True),
            vg.Bidirectional(vg.GRU(3, "softsign", reset_after=False, return_sequences=True)),
            vg.Dense(4, "gelu"),
            vg.RNN(5, "silu", go_backwards=True, return_sequences=True),
            vg.Bidirectional(vg.LSTM(3, "elu", "hard_sigmoid")),
            vg.Dense(3, "softmax"),
        ],
        loss=SPARSE,
    )
    x, y, valid = samples(model, 6, 7)
    assert_central_differences(model, x, y, lengths=valid if lengths else None)


# ---- bits


def wide_layers(last):
    """Enough work that a team of threads pays."""
    return [
        vg.Bidirectional(vg.LSTM(17, peepholes=True, return_sequences=True)),
        vg.Dense(9, "relu"),
        vg.GRU(33, initial_state="learned", return_sequences=True),
        vg.GRU(17, reset_after=False, return_sequences=True),
        vg.RNN(33, return_sequences=last),
        vg.Dense(5, "softmax"),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
def test_bits_do_not_depend_on_threads(lengths, sequences, dtype):
    found = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model = network(wide_layers(sequences), (7,), SPARSE, vg.Adam(), dtype=dtype, clip_norm=0.1)
        x, y, valid = samples(model, 45, 9)
        options = {"lengths": valid} if lengths else {}
        model.fit(x, y, batch_size=25, **options)
        found.append({**everything(model, x, y, **options), **model.session.vectors()})
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])


@pytest.mark.parametrize(
    "layers",
    [
        lambda draw: [vg.Embedding(3000, 5), vg.GRU(350, return_sequences=True, **draw)],
        lambda draw: [vg.Embedding(5, 9), vg.GRU(350, reset_after=False, **draw)],
        lambda draw: [vg.Embedding(2, 3), vg.LSTM(1030, peepholes=True, **draw)],
    ],
    ids=["after", "before", "peepholes"],
)
def test_parameters_that_threads_share_have_the_same_bits(layers):
    """Their rows are more than a thread takes at once: weights', biases', peepholes', a table's."""
    draw = {"recurrent_initializer": vg.initializers.Uniform(-0.03, 0.03)}  # quickly
    found = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model = network([*layers(draw), vg.Dense(3)], (), optimizer=vg.SGD(0.1), dtype="float32")
        x, y, lengths = samples(model, 17, 2)
        _, gradients = model.gradients(x, y, lengths=lengths)
        model.train_on_batch(x, y, lengths=lengths)
        found.append({**gradients, **model.session.vectors()})
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])


@pytest.mark.parametrize("count", [257, 264, 600])
def test_several_minibatches_have_the_same_bits_on_several_threads(count):
    """The last one, which is shorter, included."""
    model = network(wide_layers(last=True), (7,), SPARSE)
    x, y, lengths = samples(model, count, 6)
    vg.set_num_threads(1)
    expected, loss = model.predict(x), model.evaluate(x, y, lengths=lengths)
    vg.set_num_threads(2)
    for _ in range(5):  # so that threads meet in many ways
        np.testing.assert_array_equal(model.predict(x), expected)
        assert model.evaluate(x, y, lengths=lengths) == loss


@pytest.mark.parametrize("sequences", [False, True])
def test_samples_do_not_see_each_other_nor_their_padding(sequences):
    """Each by itself and without its padding: the same bits, in several minibatches too."""
    model = network(wide_layers(sequences), (7,), SPARSE, dtype="float32")
    x, y, lengths = samples(model, 600, 6)
    outputs, states = model.predict(x, lengths=lengths, return_state=True)
    for i in [0, 1, 7, 255, 256, 400, 511, 512, 599]:
        alone, final = model.predict(x[i : i + 1, : lengths[i]], return_state=True)
        got = outputs[i, : lengths[i]] if sequences else outputs[i]
        np.testing.assert_array_equal(got, alone[0])
        assert not sequences or not outputs[i, lengths[i] :].any()
        for state, mine in zip(leaves(states), leaves(final), strict=True):
            np.testing.assert_array_equal(state[i], mine[0])
    filled = np.where(np.arange(6)[:, np.newaxis] < lengths[:, np.newaxis, np.newaxis], x, 1e30)
    goals = np.where(np.arange(6) < lengths[:, np.newaxis], y, 4) if sequences else y
    assert_same_bits(
        everything(model, x, y, lengths=lengths), everything(model, filled, goals, lengths=lengths)
    )
    full = np.full(600, 6)
    assert_same_bits(everything(model, x, y), everything(model, x, y, lengths=full))


def test_initial_states_given_in_part():
    """None, as an entry or a part of one, is what the layer starts from by itself."""
    model = network([vg.Bidirectional(vg.LSTM(4, return_sequences=True)), vg.GRU(5)])
    x, _, _ = samples(model, 3, 4)
    state, zeros = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 4))
    whole = [((state, zeros), (zeros, zeros)), np.zeros((3, 5))]
    np.testing.assert_array_equal(
        model.predict(x, initial_state=[((state, None), None), None]),
        model.predict(x, initial_state=whole),
    )
    np.testing.assert_array_equal(model.predict(x, initial_state=[None, None]), model.predict(x))


def test_a_state_goes_on_where_another_call_ended():
    model = network([vg.LSTM(4, return_sequences=True), vg.GRU(5, return_sequences=True)])
    x, _, _ = samples(model, 3, 9)
    state, parts = None, []
    for part in np.split(x, [2, 3], axis=1):
        outputs, state = model.predict(part, initial_state=state, return_state=True)
        parts.append(outputs)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), model.predict(x))


# ---- stateful layers


def stateful_layers(stateful):
    return [
        vg.LSTM(6, stateful=stateful, return_sequences=True),
        vg.GRU(5, return_sequences=True),  # starts anew each time
        vg.RNN(4, stateful=stateful, return_sequences=True),
    ]


def test_stateful_layers_predict_one_long_sequence():
    model, long = (network([vg.LSTM(6, stateful=s, return_sequences=True), vg.GRU(5, stateful=s)])
                   for s in (True, False))  # fmt: skip
    x, y, _ = samples(model, 4, 12)
    whole, final = long.predict(x, return_state=True)
    for _ in range(2):
        for part in np.split(x, 3, axis=1):
            model.evaluate(part, y)  # from fresh states, and leaves alone those that are carried
            model.gradients(part, y)
            outputs, state = model.predict(part, return_state=True)
        np.testing.assert_array_equal(outputs, whole)
        for one, other in zip(leaves(state), leaves(final), strict=True):
            np.testing.assert_array_equal(one, other)
        model.reset_states()


@pytest.mark.parametrize("through", ["fit", "train_on_batch"])
def test_stateful_training_is_one_long_sequence_cut_by_hand(through):
    """Minibatch i of an epoch goes on from minibatch i - 1, row by row, and epochs from each other."""
    stateful, plain = (network(stateful_layers(s), optimizer=vg.Adam(0.01)) for s in (True, False))
    x, y, _ = samples(plain, 12, 5)
    if through == "fit":
        stateful.fit(x, y, batch_size=4, epochs=2, shuffle=False)
    state = None
    for begin in [0, 4, 8] * 2:
        rows = slice(begin, begin + 4)
        _, after = plain.predict(x[rows], initial_state=state, return_state=True)
        loss = plain.train_on_batch(x[rows], y[rows], initial_state=state)
        if through == "train_on_batch":
            assert stateful.gradients(x[rows], y[rows])[0] == loss
            assert stateful.train_on_batch(x[rows], y[rows]) == loss
        state = [after[0], None, after[2]]
    assert_same_bits(stateful.state_dict(), plain.state_dict())
    stateful.reset_states()
    x = x[:1, :3]
    np.testing.assert_array_equal(stateful.predict(x), plain.predict(x))


def test_looking_at_gradients_does_not_bind_the_rows_of_a_stateful_layer():
    model = network([vg.RNN(4, stateful=True)])
    x, y, _ = samples(model, 6, 5)
    model.gradients(x, y)
    model.gradient_flow(x, y)
    model.fit(x, y, batch_size=3, shuffle=False)
    assert model.step == 2


# ---- initial parameters


@pytest.mark.parametrize("cls", [vg.RNN, vg.LSTM, vg.GRU])
def test_every_gate_is_initialized_by_itself(cls):
    layer = cls(8, bias_initializer="ones", weight_initializer="lecun_normal")
    vg.Sequential([layer], input_shape=(None, 8), seed=0)
    gates = len(layer.gates)
    blocks = layer.weight_hh.reshape(gates, 8, 8)
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(8), atol=1e-6)
    assert len({block.tobytes() for block in blocks}) == gates
    irnn = cls(8, recurrent_initializer="identity", bias_initializer="zeros")
    vg.Sequential([irnn], input_shape=(None, 3), seed=0)
    np.testing.assert_array_equal(irnn.weight_hh.reshape(gates, 8, 8), [np.eye(8)] * gates)


@pytest.mark.parametrize(("unit", "summed"), [(True, [0, 1, 0, 0]), (False, [0, 0, 0, 0])])
def test_the_forget_gates_bias_starts_at_one(unit, summed):
    """In sum: there are two biases. And in both directions."""
    layer = vg.Bidirectional(vg.LSTM(3, unit_forget_bias=unit))
    vg.Sequential([layer], input_shape=(None, 2), seed=0)
    for side in (layer.forward_layer, layer.backward_layer):
        both = side.bias_ih + side.bias_hh
        np.testing.assert_array_equal(both.reshape(4, 3), np.repeat(summed, 3).reshape(4, 3))


def test_initializers_are_those_of_both_directions():
    layer = vg.Bidirectional(
        vg.GRU(3, weight_initializer="ones", recurrent_initializer="identity",
               bias_initializer=vg.initializers.Constant(0.5))
    )  # fmt: skip
    vg.Sequential([layer], input_shape=(None, 2), seed=0)
    for side in (layer.forward_layer, layer.backward_layer):
        assert (side.weight_ih == 1).all() and (side.bias_hh == 0.5).all()
        np.testing.assert_array_equal(side.weight_hh, np.tile(np.eye(3), (3, 1)))


# ---- copies and files

OPTIONS = {
    "rnn": lambda: [vg.RNN(4, vg.leaky_relu(0.3), use_bias=False, name="first")],
    "lstm": lambda: [
        vg.LSTM(3, "softsign", "hard_sigmoid", peepholes=True, unit_forget_bias=False,
                initial_state="learned", return_sequences=True)
    ],
    "gru": lambda: [vg.GRU(3, vg.elu(2.5), vg.leaky_relu(0.1), go_backwards=True)],
    "reset before": lambda: [vg.GRU(3, reset_after=False, return_sequences=True, stateful=True)],
    "both ways": lambda: [
        vg.Bidirectional(vg.GRU(3, reset_after=False, initial_state="learned", use_bias=False,
                                return_sequences=True), name="both"),
        vg.Bidirectional(vg.LSTM(2, vg.elu(0.5), peepholes=True), name="last"),
    ],
    "stack": lambda: [vg.LSTM(3, num_layers=3, dropout=0.25, recurrent_dropout=0.1, peepholes=True)],
    "stateful stack": lambda: [vg.RNN(3, num_layers=2, stateful=True, return_sequences=True)],
    "stack both ways": lambda: [
        vg.Bidirectional(vg.GRU(2, num_layers=2, dropout=0.5, initial_state="learned"), name="all")
    ],
    "both ways, plain": lambda: [vg.Bidirectional(vg.RNN(2, "relu", stateful=True))],
    "embedding": lambda: [vg.Embedding(7, 3, name="table"), vg.LSTM(4, return_sequences=True),
                          vg.Dense(2, "gelu")],
}  # fmt: skip
COPIES = {
    "file": lambda model, path: (model.save(path / "model"), vg.load(path / "model"))[1],
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("layers", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("compiled", [{}, {"tbptt": 2}, {"checkpoint": 3}, {"checkpoint": None}],
                         ids=str)  # fmt: skip
def test_copies_have_all_options(layers, copied, compiled, tmp_path):
    layers = layers()
    inputs = () if isinstance(layers[0], vg.Embedding) else (3,)
    if any(walk.reverse for layer in layers for walk in layer.walks()):
        compiled = {"checkpoint": None} if compiled else {}  # such time cannot be cut
    model = network(layers, inputs, optimizer=vg.Adam(0.01), **compiled)
    x, y, _ = samples(model, 4, 5)
    model.train_on_batch(x, y)
    again = copied(model, tmp_path)
    assert json.dumps(again.session.description()) == json.dumps(model.session.description())
    assert_same_bits(everything(again, x, y), everything(model, x, y))
    for each in (again, model):
        each.reset_states()
        each.fit(x, y, batch_size=2, shuffle=not model.session.stateful)
    assert_same_bits(again.session.vectors(), model.session.vectors())
    assert again.step == model.step


def test_state_jacobian_behind_a_convolution_and_without_dropped_units():
    layers = [vg.Conv1d(3, 2), vg.RNN(4, return_sequences=True, recurrent_dropout=0.5), vg.RNN(2)]
    model = vg.Sequential(layers, input_shape=(6, 2), dtype="float64", seed=0)
    x = np.random.default_rng(0).normal(size=(2, 6, 2))
    found = model.state_jacobian(x, "rnn1", [0, 1, 5])
    h = vg.Sequential([vg.Conv1d(3, 2), vg.RNN(4)], input_shape=(6, 2), dtype="float64")
    state = model.state_dict()
    h.load_state_dict({name: state[name] for name in h.state_dict()})
    slope = 1 - h.predict(x) ** 2
    for sample in range(2):
        step = slope[sample][:, np.newaxis] * state["rnn1.weight_hh"]
        assert found.frobenius[sample, 1] == pytest.approx(np.linalg.norm(step), rel=1e-10)
    with pytest.raises(ValueError, match="lags"):
        model.state_jacobian(x, "rnn1", [6])


@pytest.mark.parametrize("cell", [vg.RNN, vg.LSTM, vg.GRU])
def test_behind_a_layer_that_shortens_sequences_all_rows_are_summed(cell):
    """The gradient of a large minibatch is the mean of those of its halves."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, 1000, 1)), rng.standard_normal((128, 1))
    layers = [vg.Conv1d(8, 20, stride=10), vg.Conv1d(8, 10, stride=9), cell(24), vg.Dense(1)]
    model = vg.Sequential(layers, input_shape=(1000, 1), dtype="float64", seed=0)
    model.compile("mse")
    halves = [model.gradients(x[rows], y[rows])[1] for rows in (slice(64), slice(64, 128))]
    for name, gradient in model.gradients(x, y)[1].items():
        mean = (halves[0][name] + halves[1][name]) / 2
        np.testing.assert_allclose(gradient, mean, rtol=1e-9, atol=1e-14, err_msg=name)
