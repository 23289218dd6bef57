"""Jacobians through time against central differences: directions, stacks, blocks, lengths, given states."""

import copy
import pickle

import numpy as np
import pytest

import vgcore as vg
from vgcore.theory.jacobian import Jacobian

CELLS = {"rnn": vg.RNN, "lstm": vg.LSTM, "gru": vg.GRU}
EACH_CELL = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
UNITS, TIMES = 4, 6
LAGS = [0, 1, 3, 6]
LENGTHS = np.array([6, 2, 4, 0, 3])


def network(layers, dtype="float64"):
    model = vg.Sequential(layers, input_shape=(None, 3), dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    model.load_state_dict(
        {name: v + 0.2 * rng.normal(size=v.shape) for name, v in model.state_dict().items()}
    )
    return model


def samples(n=5):
    return np.random.default_rng(2).normal(size=(n, TIMES, 3))


def below_walk(model, layers, x, lengths, initial):
    """What layers make of x that are the model's first, with the model's parameters."""
    if not layers:
        return x
    lower = vg.Sequential(layers, input_shape=(None, 3), dtype="float64")
    values = iter(model.state_dict().values())
    lower.load_state_dict({name: next(values) for name in lower.state_dict()})
    return lower.predict(x, lengths=lengths, initial_state=initial)


def expected(model, cell, walk, inputs, *, lengths=None, align="end", start=None):
    """All singular values by central differences of one cell that runs forwards, sample by sample."""
    backwards = walk.endswith(".backward")
    prefix = walk.removesuffix(".forward").removesuffix(".backward")
    alone = vg.Sequential([cell(UNITS)], input_shape=(None, inputs.shape[-1]), dtype="float64")
    state, suffix = model.state_dict(), "_reverse" * backwards
    alone.load_state_dict(
        {name: state[f"{prefix}.{name.partition('.')[2]}{suffix}"] for name in alone.state_dict()}
    )
    lengths = [TIMES] * len(inputs) if lengths is None else lengths
    found = np.full((len(inputs), len(LAGS), UNITS), np.nan)
    for sample, length in enumerate(lengths):
        sequence = inputs[sample : sample + 1, :length]
        sequence = sequence[:, ::-1] if backwards else sequence
        for column, lag in enumerate(LAGS):
            if lag > length:
                continue
            begin = length - lag if align == "end" else 0
            zeros = np.zeros((1, UNITS))
            entry = (zeros, zeros) if cell is vg.LSTM else zeros
            if start is not None:
                entry = of_sample(start, sample)
            if begin > 0:
                _, [entry] = alone.predict(
                    sequence[:, :begin], initial_state=[entry], return_state=True
                )
            h, *rest = entry if isinstance(entry, tuple) else (entry,)
            step, columns = 1e-6, []
            for unit in range(UNITS) if lag else ():
                ends = []
                for sign in (1, -1):
                    moved = h + sign * step * np.eye(UNITS)[unit]
                    given = (moved, *rest) if rest else moved
                    ends.append(
                        alone.predict(sequence[:, begin : begin + lag], initial_state=[given])[0]
                    )
                columns.append((ends[0] - ends[1]) / (2 * step))
            matrix = np.stack(columns, axis=1) if lag else np.eye(UNITS)
            found[sample, column] = np.linalg.svd(matrix, compute_uv=False)
    return found


def of_sample(entry, sample):
    if isinstance(entry, tuple):
        return tuple(of_sample(part, sample) for part in entry)
    return entry[sample : sample + 1]


def check(model, cell, walk, below, *, start=None, initial=None, **options):
    x = samples()
    lengths = options.get("lengths")
    lower = None if initial is None else initial[: sum(bool(each.walks()) for each in below)]
    inputs = below_walk(model, below, x, lengths, lower or None)
    got = model.state_jacobian(x, walk, LAGS, initial_state=initial, **options)
    values = expected(model, cell, walk, inputs, start=start, **options)
    np.testing.assert_allclose(got.singular_values, values, rtol=2e-6, atol=1e-9)
    np.testing.assert_array_equal(got.spectral, got.singular_values[..., 0])
    norms = np.linalg.norm(got.singular_values, axis=-1)
    np.testing.assert_allclose(got.frobenius, norms, rtol=1e-12)
    return got


@EACH_CELL
@pytest.mark.parametrize("side", ["forward", "backward"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["all alike", "lengths"])
@pytest.mark.parametrize("align", ["end", "start"])
def test_both_directions_to_each_samples_own_end(cell, side, sequences, lengths, align):
    below = [vg.Dense(5, "tanh")]
    layers = [vg.Dense(5, "tanh"), vg.Bidirectional(cell(UNITS, return_sequences=sequences))]
    got = check(
        network(layers), cell, f"bidirectional1.{side}", below, lengths=lengths, align=align
    )
    if lengths is not None:
        absent = np.array(LAGS) > lengths[:, np.newaxis]
        np.testing.assert_array_equal(np.isnan(got.spectral), absent)


@EACH_CELL
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["all alike", "lengths"])
def test_each_layer_of_a_stack(cell, number, lengths):
    model = network([cell(UNITS, num_layers=3, dropout=0.5, recurrent_dropout=0.5), vg.Dense(2)])
    below = [cell(UNITS, num_layers=number, return_sequences=True)] if number else []
    check(model, cell, f"{model.layers[0].name}.{number}", below, lengths=lengths)


@EACH_CELL
@pytest.mark.parametrize("side", ["forward", "backward"])
def test_a_stack_both_ways(cell, side):
    model = network([vg.Bidirectional(cell(UNITS, num_layers=2))])
    below = [vg.Bidirectional(cell(UNITS, return_sequences=True))]
    check(model, cell, f"bidirectional1.1.{side}", below, lengths=LENGTHS)


@EACH_CELL
@pytest.mark.parametrize("block", ["residual", "parallel"])
def test_in_a_block(cell, block):
    def below():
        return [vg.GRU(5, return_sequences=True), vg.Dense(4, "tanh")]

    first, second = below()
    inner = cell(UNITS, return_sequences=True)
    if block == "residual":
        layer = vg.Residual([second, inner], shortcut=[vg.Dense(UNITS)])
    else:
        layer = vg.Parallel([[second, inner], vg.RNN(UNITS, return_sequences=True, name="other")])
    model = network([first, layer, vg.Dense(1)])
    check(model, cell, f"{block}1.{inner.name}", below(), lengths=LENGTHS)


def test_a_later_branch_of_a_block():
    def layer():
        return vg.Bidirectional(vg.LSTM(UNITS, num_layers=2))

    model = network([vg.Parallel([vg.GRU(3, num_layers=2), layer()], merge="concat")])
    twin = network([layer()])
    state = model.state_dict()
    twin.load_state_dict({name: state[f"parallel1.{name}"] for name in twin.state_dict()})
    x = samples()
    for name in ("0.forward", "1.backward"):
        walk = f"bidirectional1.{name}"
        got = model.state_jacobian(x, f"parallel1.{walk}", LAGS, lengths=LENGTHS)
        for one, other in zip(
            got, twin.state_jacobian(x, walk, LAGS, lengths=LENGTHS), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@EACH_CELL
@pytest.mark.parametrize("align", ["end", "start"])
def test_from_states_that_are_given(cell, align):
    rng = np.random.default_rng(3)

    def entry():
        h, c = rng.normal(size=(2, 5, UNITS))
        return (h, c) if cell is vg.LSTM else h

    model = network([cell(UNITS, return_sequences=True), vg.Bidirectional(cell(UNITS))])
    lower, forward, backward = entry(), entry(), entry()
    for side, start in (("forward", forward), ("backward", backward)):
        initial = [lower, (forward, backward)]
        check(
            model,
            cell,
            f"bidirectional1.{side}",
            below_of(cell),
            start=start,
            initial=initial,
            align=align,
        )
    stack = network([cell(UNITS, num_layers=2)])
    initial = [(lower, forward)]
    inputs = below_walk(stack, below_of(cell), samples(), None, [lower])
    walk = f"{stack.layers[0].name}.1"
    got = stack.state_jacobian(samples(), walk, LAGS, initial_state=initial, align=align)
    values = expected(stack, cell, walk, inputs, start=forward, align=align)
    np.testing.assert_allclose(got.singular_values, values, rtol=2e-6, atol=1e-9)


def below_of(cell):
    return [cell(UNITS, return_sequences=True)]


@EACH_CELL
def test_learned_initial_states(cell):
    model = network([vg.Bidirectional(cell(UNITS, initial_state="learned"))])
    side = model.layers[0].backward_layer
    start = tuple(
        np.tile(getattr(side, f"initial_{s}"), (5, 1)) for s in ("hc" if cell is vg.LSTM else "h")
    )
    start = start if cell is vg.LSTM else start[0]
    x = samples()
    got = model.state_jacobian(x, "bidirectional1.backward", LAGS, align="start")
    alone = network([vg.Bidirectional(cell(UNITS))])
    state = model.state_dict()
    alone.load_state_dict({name: state[name] for name in alone.state_dict()})
    values = expected(alone, cell, "bidirectional1.backward", x, start=start, align="start")
    np.testing.assert_allclose(got.singular_values, values, rtol=2e-6, atol=1e-9)


def test_a_layer_that_goes_backwards_counts_from_its_end():
    model = network([vg.RNN(UNITS, go_backwards=True)])
    forwards = network([vg.RNN(UNITS)])
    forwards.load_state_dict(model.state_dict())
    x = samples()
    got = model.state_jacobian(x, "rnn1", LAGS, lengths=LENGTHS)
    turned = x.copy()
    for row, sample, length in zip(turned, x, LENGTHS, strict=True):
        row[:length] = sample[:length][::-1]
    wanted = forwards.state_jacobian(turned, "rnn1", LAGS, lengths=LENGTHS)
    np.testing.assert_array_equal(got.spectral, wanted.spectral)


def test_padding_is_not_seen():
    model = network([vg.GRU(3, return_sequences=True), vg.Bidirectional(vg.LSTM(UNITS))])
    x = samples()
    noisy = x.copy()
    for row, length in zip(noisy, LENGTHS, strict=True):
        row[length:] = 1e3
    for walk in ("gru1", "bidirectional1.forward", "bidirectional1.backward"):
        one, other = (
            model.state_jacobian(each, walk, LAGS, lengths=LENGTHS) for each in (x, noisy)
        )
        np.testing.assert_array_equal(one.spectral, other.spectral)


def test_the_walks_that_there_are_are_named():
    layers = [vg.Bidirectional(vg.GRU(3, num_layers=2, return_sequences=True)), vg.RNN(3)]
    model = network(layers)
    x = samples()
    for layer, fragments in (
        ("bidirectional1", ["bidirectional1.0.forward", "bidirectional1.1.backward"]),
        ("bidirectional1.0", ["bidirectional1.0.forward, bidirectional1.0.backward; got"]),
        ("rnn2", ["rnn1", "'rnn2'", "bidirectional1.1.forward"]),
    ):
        with pytest.raises(ValueError, match=r"^layer: expected one") as caught:
            model.state_jacobian(x, layer, [1])
        for fragment in fragments:
            assert fragment in str(caught.value)
    for options, error, message in (
        ({"align": "middle"}, ValueError, "align: "),
        ({"align": 1}, TypeError, "align: "),
        ({"lengths": [1, 2]}, ValueError, "lengths: "),
        ({"lengths": [7, 1, 1, 1, 1]}, ValueError, "lengths: "),
        ({"initial_state": [None]}, ValueError, "initial_state: "),
    ):
        with pytest.raises(error, match=f"^{message}"):
            model.state_jacobian(x, "rnn1", [1], **options)


def test_it_is_a_tuple_of_three_with_a_fourth_beside():
    got = network([vg.RNN(UNITS)]).state_jacobian(samples(), "rnn1", LAGS)
    lags, spectral, frobenius = got
    assert lags.tolist() == LAGS
    assert spectral is got.spectral
    assert frobenius is got.frobenius
    assert got.singular_values.shape == (5, len(LAGS), UNITS)
    for other in (copy.copy(got), copy.deepcopy(got), pickle.loads(pickle.dumps(got))):
        for one, same in zip(
            (*got, got.singular_values), (*other, other.singular_values), strict=True
        ):
            np.testing.assert_array_equal(one, same)
    assert repr(got) == "<Jacobian: dh_T/dh_{T-k} of 5 samples, 4 lags k>"
    assert Jacobian(lags, spectral, frobenius).singular_values.shape == (5, len(LAGS), 0)


@EACH_CELL
def test_a_float32_model_is_taken_in_float64(cell):
    layers = [vg.Dense(4, "tanh"), vg.Bidirectional(cell(UNITS))]
    small = network(layers, "float32")
    same = network([vg.Dense(4, "tanh"), vg.Bidirectional(cell(UNITS))])
    same.load_state_dict(small.state_dict())
    x = samples().astype(np.float32)
    one, other = (
        each.state_jacobian(x, "bidirectional1.backward", LAGS, lengths=LENGTHS)
        for each in (small, same)
    )
    np.testing.assert_array_equal(one.singular_values, other.singular_values)


def test_products_beyond_float64_have_no_values():
    model = vg.Sequential([vg.RNN(3, "identity")], input_shape=(None, 1), dtype="float64", seed=0)
    model.layers[0].weight_hh = 30 * np.eye(3)
    x = np.zeros((1, 300, 1))
    got = model.state_jacobian(x, "rnn1", [0, 100, 150, 300])
    np.testing.assert_allclose(got.singular_values[0, 1], 30.0**100, rtol=1e-12)
    assert got.frobenius[0, 2] == pytest.approx(3**0.5 * 30.0**150, rel=1e-12)
    assert np.isnan(got.singular_values[0, 3]).all()
    assert np.isnan([got.spectral[0, 3], got.frobenius[0, 3]]).all()


def test_lags_in_any_order_and_twice():
    model, x = network([vg.GRU(UNITS)]), samples()
    got = model.state_jacobian(x, "gru1", [6, 0, 3, 6])
    sorted_ = model.state_jacobian(x, "gru1", [0, 3, 6])
    np.testing.assert_array_equal(got.singular_values, sorted_.singular_values[:, [2, 0, 1, 2]])
    assert model.state_jacobian(x, "gru1", []).singular_values.shape == (5, 0, UNITS)
