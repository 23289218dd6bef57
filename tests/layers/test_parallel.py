"""Branches side by side: gradients, shapes, the tracker, bits, bad input."""

import numpy as np
import pytest
from copies import COPIES
from reference import assert_same_bits

import vgcore as vg

SPARSE = "sparse_categorical_crossentropy"


def identity():
    return vg.Activation("identity")


def vectors(merge):
    """Three branches of vectors, one of which holds others."""
    inner = vg.Parallel([vg.Dense(2, "relu"), vg.Dense(3)], merge="concat")
    branches = [vg.Dense(5, "tanh"), [vg.Dense(3, "sigmoid"), vg.Dense(5)], inner, identity()]
    layers = [vg.Dense(5, "tanh"), vg.Parallel(branches, merge=merge), vg.Dense(3, "softmax")]
    return layers, (4,), SPARSE


def outermost(merge):
    """Branches that read the input and give the output, in blocks that they are in and that are in them."""
    block = vg.Residual([vg.Dense(4, "tanh"), vg.Dense(4)], gate=0.5)
    inner = vg.Parallel([[block, vg.Dense(3)], vg.Dense(3, "tanh")], merge=merge)
    return [vg.Parallel([inner, vg.Dense(3 if merge == "sum" else 17)], merge=merge)], (4,), "mse"


def images(merge):
    branches = [
        vg.Conv2d(3, 1),
        [vg.Conv2d(4, 3, padding="same"), vg.BatchNorm("tanh"), vg.Conv2d(3, 3, padding="same")],
        [vg.MaxPool(3, stride=1, padding=1), vg.Conv2d(3, 1)],
    ]
    layers = [vg.Conv2d(2, 2), vg.Parallel(branches, merge=merge), vg.Flatten(), vg.Dense(2)]
    return layers, (2, 5, 4), "mse"


def sequences(merge):
    branches = [
        vg.LSTM(4, return_sequences=True),
        vg.Bidirectional(vg.GRU(2, return_sequences=True)),
        [vg.Dense(4, "tanh"), vg.LayerNorm()],
    ]
    return [vg.Parallel(branches, merge=merge), vg.Dense(2)], (None, 3), "mse"


def ends(merge):
    """Branches of which only the ends of their walks go on."""
    branches = [vg.Bidirectional(vg.RNN(2)), [vg.Dense(3, "tanh"), vg.LSTM(4)], vg.GRU(4)]
    return [vg.Parallel(branches, merge=merge), vg.Dense(2)], (None, 3), "mse"


MERGES = ["sum", "concat"]
KINDS = {f.__name__: f for f in (vectors, outermost, images, sequences, ends)}


def network(make, merge, optimizer="sgd", dtype="float64", **options):
    layers, shape, loss = make(merge)
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=1)
    model.compile(loss, optimizer, **options)
    return model


def samples_of(model, n=11):
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, *(size or 6 for size in model.input_shape))), rng


def samples(model, n=11):
    x, rng = samples_of(model, n)
    *shape, units = model.session.output_shape(x)
    return x, rng.integers(0, units, shape) if model.loss.sparse else rng.normal(
        size=(*shape, units)
    )


def lengths_for(model, n):
    return {"lengths": np.arange(n) % 7} if model.session.takes_time else {}


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_central_differences(make, merge):
    """Along random directions of x and each parameter, the loss changes as its gradient says."""
    model = network(make, merge)
    x, y = samples(model)
    options = lengths_for(model, len(x))
    loss, gradients, inputs = model.gradients(x, y, wrt_inputs=True, **options)
    start = {"x": x, **model.state_dict()}
    rng, step = np.random.default_rng(0), 1e-5
    for name, gradient in {"x": inputs.x, **gradients}.items():
        direction = rng.choice([-1, 1], gradient.shape)
        change = 0
        for steps, weight in ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)):
            moved = {**start, name: start[name] + steps * step * direction}
            model.load_state_dict({each: moved[each] for each in model.state_dict()})
            change += weight * model.gradients(moved["x"], y, **options)[0]
        expected = pytest.approx((gradient * direction).sum(), rel=1e-6, abs=1e-9 * loss)
        assert change / step == expected, name


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_outputs_are_those_of_the_branches_by_themselves(make):
    layers, shape, _ = make("concat")
    place = next(i for i, layer in enumerate(layers) if isinstance(layer, vg.Parallel))
    model = vg.Sequential(layers[: place + 1], input_shape=shape, dtype="float64", seed=1)
    x, _ = samples_of(model)
    state, below = model.state_dict(), model.session.stack.part(0, place)
    inputs = below.outputs(x) if place else x
    parts = []
    for description in layers[place].config()["branches"]:
        stack = [vg.layers.base.make(each) for each in description]
        alone = vg.Sequential(stack, input_shape=inputs.shape[1:], dtype="float64")
        alone.load_state_dict({name: state[f"parallel1.{name}"] for name in alone.state_dict()})
        parts.append(alone.predict(inputs))
    together = np.concatenate(parts, axis=1 if x.ndim == 4 else -1)
    np.testing.assert_allclose(model.predict(x), together, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_threads_and_the_tracker_change_no_bit(make, dtype, merge):
    results = []
    for threads, tracked in ((1, True), (2, True), (3, False)):
        vg.set_num_threads(threads)
        model = network(make, merge, vg.Adam(0.01), dtype)
        x, y = samples(model, 43)
        flow = vg.GradientFlow()
        options = lengths_for(model, len(x))
        model.fit(x, y, batch_size=19, epochs=2, track=flow if tracked else None, **options)
        results.append((model.state_dict(), {n: getattr(flow, n) for n in vg.flow.FIELDS}))
    for state, _ in results[1:]:
        assert_same_bits(state, results[0][0])
    assert_same_bits(results[1][1], results[0][1])


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


@pytest.mark.parametrize("merge", MERGES)
def test_windows_of_time_change_no_bit(merge):
    states = []
    for checkpoint in (None, 2, 3):
        branches = [vg.LSTM(3, return_sequences=True), vg.Residual([vg.Dense(3, "tanh")])]
        ends = [vg.RNN(3), vg.GRU(3)]
        layers = [vg.Parallel(branches, merge=merge), vg.Parallel(ends, merge=merge), vg.Dense(1)]
        model = vg.Sequential(layers, input_shape=(7, 3), seed=0)
        model.compile("mse", "adam", checkpoint=checkpoint)
        rng = np.random.default_rng(0)
        model.fit(rng.normal(size=(20, 7, 3)), rng.normal(size=(20, 1)), epochs=2, batch_size=8)
        states.append(model.state_dict())
    for state in states[1:]:
        assert_same_bits(state, states[0])


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_copies_go_on_with_the_same_bits(make, copied, tmp_path):
    model = network(make, "concat", vg.Adam(0.01))
    x, y = samples(model)
    model.fit(x, y, epochs=2)
    again = copied(model, tmp_path)
    for each in (model, again):
        each.fit(x, y, epochs=2)
    assert_same_bits(again.state_dict(), model.state_dict())


def test_columns_are_named_after_their_place():
    model = network(vectors, "sum")
    flow = model.gradient_flow(*samples(model))
    assert flow.layers == [
        "dense1",
        *("parallel1.dense1", "parallel1.dense2", "parallel1.dense3"),
        *("parallel1.parallel1.dense1", "parallel1.parallel1.dense2", "parallel1.parallel1"),
        "parallel1.activation1",
        "parallel1",
        "dense2",
    ]
    assert np.isnan(flow.delta_skip).all()
    assert np.isnan(flow.saturated[0, flow.layers.index("parallel1")])
    # of a sum each branch gets the whole of dL/dh, and one without an activation hands it on
    delta = dict(zip(flow.layers, flow.delta[0], strict=True))
    assert delta["parallel1.dense3"] == delta["parallel1"] == delta["parallel1.activation1"] > 0


def test_learning_rates_of_blocks_and_of_layers_in_them():
    model = network(vectors, "concat")
    model.compile(SPARSE, vg.SGD(0.1), frozen=["parallel1"])
    before = model.state_dict()
    model.fit(*samples(model))
    after = model.state_dict()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("parallel1")}


def test_lsuv_reaches_the_branches():
    model = network(vectors, "concat")
    x, _ = samples(model, 50)
    done = vg.initializers.lsuv(model, x)
    assert {"parallel1.dense1", "parallel1.parallel1.dense2", "dense2"} <= done.keys()


@pytest.mark.parity
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("shape", [(2, 6, 5), (4,)], ids=str)
def test_as_pytorch(merge, shape):
    torch = pytest.importorskip("torch")
    image = len(shape) == 3

    def affine(units):
        return vg.Conv2d(units, 3, padding="same") if image else vg.Dense(units)

    last = 3 if merge == "sum" else 4
    branches = [affine(3), [affine(5), vg.Activation("tanh"), affine(3)], affine(last), affine(3)]
    layers = [vg.Parallel(branches, merge=merge), *[vg.Flatten()] * image, vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=shape, dtype="float64", seed=3)
    model.compile("mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, *shape)), rng.normal(size=(7, 2))
    p = {name: torch.tensor(v, requires_grad=True) for name, v in model.state_dict().items()}
    given = torch.tensor(x, requires_grad=True)

    def twin(number, h):
        kind = "conv2d" if image else "dense"
        weight, bias = (p[f"parallel1.{kind}{number}.{name}"] for name in ("weight", "bias"))
        if image:
            return torch.nn.functional.conv2d(h, weight, bias, padding="same")
        return torch.nn.functional.linear(h, weight, bias)

    parts = [twin(1, given), twin(3, torch.tanh(twin(2, given))), twin(4, given), twin(5, given)]
    h = sum(parts) if merge == "sum" else torch.cat(parts, dim=1)
    h.retain_grad()
    out = torch.nn.functional.linear(h.flatten(1), p["dense1.weight"], p["dense1.bias"])
    torch.nn.functional.mse_loss(out, torch.tensor(y)).backward()
    _, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    for name, each in p.items():
        np.testing.assert_allclose(gradients[name], each.grad.numpy(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(inputs.x, given.grad.numpy(), rtol=1e-9, atol=1e-13)
    flow = model.gradient_flow(x, y)
    delta = flow.delta[0, flow.layers.index("parallel1")]
    assert delta == pytest.approx(h.grad.norm().item(), rel=1e-10)


DENSE = vg.Dense(3)


@pytest.mark.parametrize(
    ("make", "error", "fragments"),
    [
        (lambda: vg.Parallel([]), ValueError, ["branches: ", "at least two", "got 0"]),
        (lambda: vg.Parallel([vg.Dense(3)]), ValueError, ["branches: ", "at least two", "got 1"]),
        (lambda: vg.Parallel(vg.Dense(3)), TypeError, ["branches: ", "sequence", "Dense"]),
        (lambda: vg.Parallel(3), TypeError, ["branches: ", "sequence", "3"]),
        (lambda: vg.Parallel([vg.Dense(3), 3]), TypeError, ["branches[1]: ", "3"]),
        (lambda: vg.Parallel([vg.Dense(3), []]), ValueError, ["branches[1]: ", "identity"]),
        (lambda: vg.Parallel([DENSE, [DENSE]]), ValueError, ["twice"]),
        (
            lambda: vg.Parallel([vg.Dense(3), vg.Dense(3)], merge="mean"),
            ValueError,
            ["merge: ", "sum, concat", "'mean'"],
        ),
        (
            lambda: vg.Sequential([vg.Parallel([vg.Dense(3), vg.Dense(2)])], input_shape=4),
            ValueError,
            ["parallel1: ", "one shape", "(3,), (2,)"],
        ),
        (
            lambda: vg.Sequential(
                [vg.Parallel([vg.RNN(3), vg.Dense(2)], merge="concat")], input_shape=(5, 4)
            ),
            ValueError,
            ["parallel1: ", "features alone", "(3,), (5, 2)"],
        ),
        (
            lambda: vg.Sequential(
                [vg.Parallel([vg.Conv2d(2, 1), vg.Conv2d(2, 2)], merge="concat")],
                input_shape=(1, 4, 4),
            ),
            ValueError,
            ["parallel1: ", "(2, 4, 4), (2, 3, 3)"],
        ),
        (
            lambda: vg.Sequential([vg.Parallel([vg.Dense(3), vg.RNN(3)])], input_shape=4),
            ValueError,
            ["parallel1.rnn1", "(4,)"],
        ),
    ],
)
def test_bad_input(make, error, fragments):
    with pytest.raises(error) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)
