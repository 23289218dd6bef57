"""Arrays whose address C gets: another dtype than C reads or writes there is refused, and nothing is done."""

import numpy as np
import pytest

import vgcore as vg
from vgcore._core import arrays, kernels, norm_kernels, simd
from vgcore._core.function import ActivationFunction

RNG = np.random.default_rng(0)
N, TIMES, INPUTS, UNITS = 6, 4, 3, 5

UPDATE = (
    *("rate", "weight_decay", "beta1", "beta2", "epsilon", "step_decay", "nesterov", "centered"),
    *("gradient_scale", "gradient_shrink", "gradient_limit", "gradient_part", "moment_part"),
    *("root_part", "mu_product", "mu_factors"),
)


def recurrent():
    """A model of sequences, its program and the arguments of one call of `Program.train`."""
    model = vg.Sequential(
        [vg.RNN(UNITS, return_sequences=True), vg.Dense(2)], input_shape=(None, INPUTS), seed=0
    )
    model.compile("mse", optimizer="sgd")
    program = model.session.program(N, TIMES)
    state = np.zeros((N, UNITS), np.float32)
    given = {
        "x": RNG.normal(size=(N, TIMES, INPUTS)).astype(np.float32),
        "y": np.zeros((N, TIMES, 2), np.float32),
        "order": np.arange(N, dtype=np.int64),
        "losses": np.zeros(1),
        "places": np.zeros(1, np.int64),
        "rates": np.full(1, 0.1),
        "done": np.zeros(1, np.int64),
        "right": np.zeros(1),
        "outputs": np.zeros((N, TIMES, 2), np.float32),
        "record": np.zeros(1, np.int64),
        "op_record": np.zeros((1, 2, 7)),
        "parameter_record": np.zeros((1, 6, 4)),
        "time_record": np.zeros((1, 1, TIMES, 11)),
        "lengths": np.full(N, TIMES, np.int64),
        "weights": np.ones(N),
        "initial": state,
        "final": state.copy(),
        "gradient": state.copy(),
        "input_gradient": np.zeros((N, TIMES, INPUTS), np.float32),
    }
    return model, program, given


def train(program, given):
    given = dict(given)
    states = [(given.pop("initial"), given.pop("final"), given.pop("gradient"), False)]
    positional = [given.pop(name) for name in ("x", "y", "order", "losses")]
    return program.train(*positional, batch=N, states=states, **given)


def test_the_arguments_below_are_a_call():
    model, program, given = recurrent()
    before = model.session.values.copy()
    assert train(program, given) == 1
    assert given["losses"][0] > 0
    assert (model.session.values != before).any()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", recurrent()[2])
def test_a_program_refuses_arrays_of_another_dtype(name, swapped):
    """Half as wide, or as wide with its bytes in another order; parameters are as they were."""
    model, program, given = recurrent()
    before = model.session.values.copy()
    good = given[name].dtype
    narrow = {"f4": "f2", "f8": "f4", "i8": "i4"}[good.str[1:]]
    given[name] = given[name].astype(good.newbyteorder() if swapped else narrow)
    with pytest.raises(TypeError, match=f"^{name}: expected {good}, got {given[name].dtype}$"):
        train(program, given)
    np.testing.assert_array_equal(model.session.values, before)


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.float64])
def test_labels_and_tokens_are_int64(dtype):
    model = vg.Sequential(
        [vg.Embedding(5, 3), vg.LSTM(3), vg.Dense(2, "softmax")], input_shape=(None,), seed=0
    )
    model.compile("sparse_categorical_crossentropy")
    program = model.session.program(N, TIMES)
    tokens, labels = np.zeros((N, TIMES), np.int64), np.zeros(N, np.int64)
    program.train_batch(tokens, labels)
    with pytest.raises(TypeError, match="x: expected int64, got"):
        program.train_batch(tokens.astype(dtype), labels)
    with pytest.raises(TypeError, match="y: expected int64, got"):
        program.train_batch(tokens, labels.astype(dtype))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float16])
def test_only_reals_are_scanned(dtype):
    with pytest.raises(TypeError, match="array: expected float"):
        arrays.all_finite(np.zeros(16, dtype))


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.float64])
def test_only_int64_has_a_range_of_labels(dtype):
    with pytest.raises(TypeError, match="labels: expected int64, got"):
        arrays.label_range(np.zeros(16, dtype))


def test_integers_as_wide_as_int64_are_int64():
    """C has two such types where NumPy has two dtypes."""
    assert arrays.label_range(np.array([2, 5], np.longlong)) == (2, 5)
    assert arrays.label_range(np.array([2, 5], np.dtype(np.int64, metadata={"a": 1}))) == (2, 5)


def test_kernels_take_arrays_of_one_dtype():
    """Parameters of a norm, too, which may be None."""
    x = kernels.matrix(8, 16, np.float64)
    made = norm_kernels.normaliser(np.zeros(16), np.ones(16), 1e-5, np.float64)
    ones, narrow = np.ones(16), np.ones(16, np.float32)
    identity = ActivationFunction(simd.ACTIVATIONS["identity"])
    for weight, bias in ((narrow, None), (ones, narrow)):
        with pytest.raises(TypeError, match="one dtype"):
            norm_kernels.normalise(x, x, x, made, weight, bias, identity)
        with pytest.raises(TypeError, match="one dtype"):
            norm_kernels.row_normalise(x, x, x, weight, bias, 1e-5, True, identity)
    numbers = dict.fromkeys(UPDATE, 0)
    with pytest.raises(TypeError, match="norms: expected float64, got float32"):
        kernels.update(ones.copy(), [], ones, 0, numbers, norms=np.zeros((3, 1), np.float32))


def test_orders_and_places_of_steps_are_int64(monkeypatch):
    """Whatever NumPy's own integer is: 32 bits wide on some machines."""
    model, _, _ = recurrent()
    x, y = RNG.normal(size=(N, TIMES, INPUTS)), np.zeros((N, TIMES, 2))
    arange, flatnonzero, cumsum = np.arange, np.flatnonzero, np.cumsum

    def narrow_arange(*given, dtype=np.int32, **options):
        return arange(*given, dtype=dtype, **options)

    def narrow_cumsum(given, *, dtype=np.int32, **options):
        return cumsum(given, dtype=dtype, **options)

    monkeypatch.setattr(np, "arange", narrow_arange)
    monkeypatch.setattr(np, "flatnonzero", lambda given: flatnonzero(given).astype(np.int32))
    monkeypatch.setattr(np, "cumsum", narrow_cumsum)
    flow = vg.GradientFlow(distributions=True, units=True)
    lengths = np.array([4, 2, 3, 1, 4, 2], np.int64)
    model.fit(x, y, batch_size=2, epochs=1, lengths=lengths, track=flow)
    model.evaluate(x, y, lengths=lengths)
    assert len(flow) == 3
