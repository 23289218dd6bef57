"""Recurrent layers with ``num_layers``: the same as layers one by one, under names of their own."""

import io

import numpy as np
import pytest
from copies import COPIES
from reference import assert_same_bits

import vgcore as vg

CELLS = {"rnn": vg.RNN, "lstm": vg.LSTM, "gru": vg.GRU}
BOTH = pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
EACH_CELL = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def turned(layer, both):
    return vg.Bidirectional(layer) if both else layer


def stack(cell, both=False, num_layers=3, **options):
    return turned(cell(4, num_layers=num_layers, **options), both)


def one_by_one(cell, both, *, dropout=0.0, return_sequences=False, **options):
    """Three layers, dropout between them."""
    layers = []
    for last in (False, False, True):
        each = cell(4, return_sequences=return_sequences or not last, **options)
        layers += [turned(each, both), *([] if last else [vg.Dropout(dropout)])]
    return layers


def network(layers, dtype="float64", optimizer="sgd", **options):
    model = vg.Sequential([*layers, vg.Dense(2)], input_shape=(None, 3), dtype=dtype, seed=0)
    model.compile("mse", optimizer, **options)
    return model


def samples(model, n=20, times=5):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, times, 3))
    return x, rng.normal(size=model.session.output_shape(x)), np.arange(n) % (times + 1)


def leaves(nested):
    if isinstance(nested, np.ndarray):
        return [nested]
    return [leaf for part in nested for leaf in leaves(part)]


def shapes(nested):
    if isinstance(nested, np.ndarray):
        return nested.shape
    return type(nested)(map(shapes, nested))


@EACH_CELL
@BOTH
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("compiled", [{}, {"tbptt": 2}, {"checkpoint": 2}], ids=str)
def test_a_stack_is_its_layers_one_by_one(cell, both, sequences, compiled):
    """The same bits, with everything between the layers, too."""
    options = {"dropout": 0.3, "recurrent_dropout": 0.2, "return_sequences": sequences}
    compiled = {} if both else compiled
    whole = network([stack(cell, both, **options)], "float32", "adam", **compiled)
    parts = network(one_by_one(cell, both, **options), "float32", "adam", **compiled)
    x, y, lengths = samples(whole)
    flows = []
    for model in (whole, parts):
        flows.append(vg.GradientFlow())
        model.fit(x, y, epochs=2, batch_size=8, lengths=lengths, track=flows[-1])
    mine, theirs = (list(model.state_dict().values()) for model in (whole, parts))
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    shown = [not name.startswith("dropout") for name in flows[1].layers]
    for field in vg.flow.FIELDS:
        np.testing.assert_array_equal(
            getattr(flows[0], field), getattr(flows[1], field)[:, shown], err_msg=field
        )
    for one, other in zip(flows[0].time.values(), flows[1].time.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    (h, states), (expected, apart) = (m.predict(x, return_state=True) for m in (whole, parts))
    np.testing.assert_array_equal(h, expected)
    for one, other in zip(leaves(states), leaves(apart), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parity
@EACH_CELL
@BOTH
def test_as_pytorch(cell, both):
    torch = pytest.importorskip("torch")
    model = vg.Sequential(
        [stack(cell, both, return_sequences=True)], input_shape=(None, 3), dtype="float64", seed=0
    )
    model.compile("mse")
    twin = getattr(torch.nn, cell.__name__)(
        3, 4, num_layers=3, batch_first=True, bidirectional=both, dtype=torch.float64
    )
    name = model.layers[0].name
    state = model.state_dict()

    def named(their):
        """weight_ih_l1_reverse is lstm1.1.weight_ih_reverse."""
        kind, _, rest = their.rpartition("_l")
        return f"{name}.{rest[0]}.{kind}{rest[1:]}"

    rng = np.random.default_rng(0)
    state = {key: v + 0.1 * rng.normal(size=v.shape) for key, v in state.items()}
    model.load_state_dict(state)
    twin.load_state_dict({each: torch.tensor(state[named(each)]) for each in twin.state_dict()})
    x, y, _ = samples(model, 6)
    start = [rng.normal(size=(6, 4)) for _ in leaves(model.predict(x, return_state=True)[1])]
    columns = [torch.tensor(np.stack(start[i::2])) for i in (0, 1)]
    is_lstm = cell is vg.LSTM
    pairs = [(start[i], start[i + 1]) for i in range(0, len(start), 2)] if is_lstm else start
    entry = tuple(pairs[i : i + 2] for i in range(0, len(pairs), 2)) if both else tuple(pairs)
    given = torch.tensor(x, requires_grad=True)
    begin = tuple(columns) if is_lstm else torch.tensor(np.stack(start))
    h, final = twin(given, begin)
    torch.nn.functional.mse_loss(h, torch.tensor(y)).backward()
    outputs, [states] = model.predict(x, initial_state=[entry], return_state=True)
    np.testing.assert_allclose(outputs, h.detach().numpy(), rtol=1e-10, atol=1e-13)
    expected = torch.stack(final, dim=1).flatten(0, 1) if is_lstm else final
    for mine, theirs in zip(leaves(states), expected, strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-10, atol=1e-13)
    _, gradients, inputs = model.gradients(x, y, initial_state=[entry], wrt_inputs=True)
    for their, parameter in twin.named_parameters():
        np.testing.assert_allclose(
            gradients[named(their)], parameter.grad.numpy(), rtol=1e-8, atol=1e-13, err_msg=their
        )
    np.testing.assert_allclose(inputs.x, given.grad.numpy(), rtol=1e-8, atol=1e-13)


def test_names_of_layers_parameters_and_states(tmp_path):
    model = network([stack(vg.LSTM, num_layers=2), vg.Dense(3)])
    assert list(model.state_dict())[:5] == [
        *("lstm1.0.weight_ih", "lstm1.0.weight_hh", "lstm1.0.bias_ih", "lstm1.0.bias_hh"),
        "lstm1.1.weight_ih",
    ]
    flow = model.gradient_flow(*samples(model)[:2])
    assert flow.layers[:2] == ["lstm1.0", "lstm1.1"]
    assert list(flow.time) == ["lstm1.0", "lstm1.1"]
    assert flow.time_gate["lstm1.1"].shape == (1, 5, 4)
    np.testing.assert_array_equal(
        model.layers[0].layers[1].weight_hh, model.state_dict()["lstm1.1.weight_hh"]
    )
    both = network([stack(vg.GRU, True, num_layers=2)])
    x, y, _ = samples(both)
    assert list(both.gradient_flow(x, y).time) == [
        f"bidirectional1.{layer}.{side}" for layer in (0, 1) for side in ("forward", "backward")
    ]
    model.layers[0].name = "below"
    assert list(model.gradient_flow(x, y).time) == ["below.0", "below.1"]


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (lambda: stack(vg.GRU, num_layers=2), ((20, 4), (20, 4))),
        (lambda: stack(vg.LSTM, num_layers=2), (((20, 4), (20, 4)), ((20, 4), (20, 4)))),
        (lambda: stack(vg.RNN, True, num_layers=2), (((20, 4), (20, 4)), ((20, 4), (20, 4)))),
        (
            lambda: vg.Residual(
                [stack(vg.RNN, num_layers=2, return_sequences=True), vg.Dense(3)],
                shortcut=[vg.Bidirectional(vg.RNN(4, return_sequences=True)), vg.Dense(3)],
            ),
            (((20, 4), (20, 4)), ((20, 4), (20, 4))),
        ),
        (
            lambda: vg.Parallel([stack(vg.RNN, num_layers=2), vg.GRU(4)], merge="concat"),
            (((20, 4), (20, 4)), (20, 4)),
        ),
        (lambda: vg.Residual([vg.LSTM(4, num_layers=1, return_sequences=True), vg.Dense(3)]),
         ((20, 4), (20, 4))),
    ],
)  # fmt: skip
def test_an_entry_of_states_is_nested_as_its_layers_are(layer, wanted):
    model = network([layer()])
    x, _, _ = samples(model)
    h, states = model.predict(x, return_state=True)
    assert shapes(states) == [wanted]
    np.testing.assert_array_equal(model.predict(x, initial_state=[None]), h)
    first, second = (part for part in np.split(x, [2], axis=1))
    _, middle = model.predict(first, return_state=True)
    if not any(walk.reverse for walk in model.layers[0].walks()):
        _, end = model.predict(second, initial_state=middle, return_state=True)
        for one, other in zip(leaves(end), leaves(states), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


def test_initial_states_that_do_not_fit_a_stack_are_named():
    model = network([stack(vg.LSTM, num_layers=2)])
    x, _, _ = samples(model)
    zeros = np.zeros((20, 4))
    for entry, fragments in (
        ((None, None, None), ["initial_state[0]: ", "lstm1", "(0, 1)", "3 parts"]),
        (((zeros, zeros), zeros), ["initial_state[0][1]: ", "(h, c)", "ndarray"]),
        ((None, (zeros, zeros[:, 1:])), ["initial_state[0][1][1]: ", "(20, 4)", "(20, 3)"]),
    ):
        with pytest.raises(ValueError, match=r"^initial_state\[0\]") as caught:
            model.predict(x, initial_state=[entry])
        for fragment in fragments:
            assert fragment in str(caught.value)


@BOTH
def test_frozen_and_learning_rates_by_the_stack_and_by_its_layers(both):
    name = "bidirectional1" if both else "lstm1"
    for frozen in (name, f"{name}.0"):
        model = network([stack(vg.LSTM, both)])
        model.compile("mse", "sgd", frozen=[frozen], learning_rates={"dense1": 0.5})
        before = model.state_dict()
        x, y, _ = samples(model)
        model.train_on_batch(x, y)
        for each, value in model.state_dict().items():
            assert np.array_equal(value, before[each]) == each.startswith(f"{frozen}."), each


def rates_of(layer):
    return [
        getattr(part, "rate", None) or getattr(part, "recurrent_dropout", 0.0)
        for part in layer.parts()
    ]


@BOTH
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_rates_are_those_of_the_whole_stack_and_may_change(copied, both, tmp_path):
    model = network([stack(vg.GRU, both, dropout=0.1, recurrent_dropout=0.2)])
    x, y, _ = samples(model)
    model.train_on_batch(x, y)
    for each in (model, copied(model, tmp_path)):
        layer = each.layers[0].forward_layer if both else each.layers[0]
        layer.dropout, layer.recurrent_dropout = 0.5, 0.25
        walks = 2 if both else 1
        assert rates_of(each.layers[0]) == [*[0.25] * walks, 0.5] * 2 + [0.25] * walks
        twin = network([stack(vg.GRU, both, dropout=0.5, recurrent_dropout=0.25)])
        twin.load_state_dict(each.state_dict())
        twin.session.step = each.step
        assert twin.gradients(x, y)[0] == each.gradients(x, y)[0]
        again = copied(each, tmp_path)
        assert rates_of(again.layers[0]) == rates_of(each.layers[0])


@BOTH
def test_a_layer_of_a_stack_has_no_rate_or_name_of_its_own(both):
    layer = stack(vg.RNN, both, dropout=0.5)
    inner = layer.layers[0].forward_layer if both else layer.layers[0]
    for name, value in (("recurrent_dropout", 0.5), ("name", "mine")):
        with pytest.raises(AttributeError, match=f"{name}: all layers of .* go by its own"):
            setattr(inner, name, value)
        with pytest.raises(AttributeError, match="go by its own"):
            layer.members()[1].rate = 0.1
    assert rates_of(layer)[0] == 0


def test_dropout_between_needs_something_to_be_between():
    layer = vg.LSTM(3)
    with pytest.raises(ValueError, match=r"dropout: .*num_layers.* got 0\.5"):
        layer.dropout = 0.5
    layer.dropout = 0.0
    assert layer.dropout == 0


def test_dropout_is_drawn_anew_at_each_step_and_between_layers_alone():
    model = network([vg.RNN(4, num_layers=2, dropout=0.5)])
    x, y, _ = samples(model)
    losses = []
    for step in (0, 0, 1):
        model.session.step = step
        losses.append(model.gradients(x, y)[0])
    assert losses[0] == losses[1] != losses[2]
    model.layers[0].dropout = 0.0
    assert model.gradients(x, y)[0] == pytest.approx(model.evaluate(x, y)[0], rel=1e-12)


@EACH_CELL
@BOTH
def test_threads_change_no_bit(cell, both):
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model = network([stack(cell, both, dropout=0.2)], "float32", "adam")
        x, y, lengths = samples(model, 43)
        model.fit(x, y, batch_size=19, epochs=2, lengths=lengths)
        results.append(model.state_dict())
    for state in results[1:]:
        assert_same_bits(state, results[0])


def test_learned_initial_states_are_those_of_each_layer():
    model = network([stack(vg.LSTM, initial_state="learned")])
    assert {f"lstm1.{i}.initial_{s}" for i in range(3) for s in "hc"} <= model.state_dict().keys()


def test_what_carries_states_carries_those_of_each_layer():
    model = network([stack(vg.GRU, stateful=True)])
    x, _, _ = samples(model)
    whole = network([stack(vg.GRU)])
    expected = whole.predict(np.concatenate([x, x], axis=1))
    model.predict(x)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12, atol=1e-15)


def test_pictures_and_the_summary():
    model = network([stack(vg.LSTM, True, num_layers=2)])
    x, y, _ = samples(model)
    flow = model.gradient_flow(x, y)
    flow.plot().figure.savefig(io.BytesIO())
    flow.plot_time("bidirectional1.1.forward").figure.savefig(io.BytesIO())
    [(name, kind, shape, count), _] = model.summary().layers
    assert (name, kind, shape) == ("bidirectional1", "Bidirectional", (8,))
    assert count == sum(v.size for key, v in model.state_dict().items() if key.startswith(name))
