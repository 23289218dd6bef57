"""GradientFlow through time: small numbers, what is recorded when, and files.

What its fields are is checked against PyTorch's unrolled cells in test_recurrent_torch.py.
"""

import numpy as np
import pytest
from reference import DTYPES, assert_same_bits

import vgcore as vg

TIME_FIELDS = ("time", "time_direct", "time_cell", "time_gate", "time_saturated")
SPARSE = "sparse_categorical_crossentropy"


def stack(loss="mse", optimizer="sgd", *, dtype="float64", sequences=False, seed=0, **options):
    """An LSTM both ways, a GRU and an RNN under a Dense."""
    layers = [
        vg.Bidirectional(vg.LSTM(5, return_sequences=True)),
        vg.GRU(17, return_sequences=True),
        vg.RNN(6, return_sequences=sequences),
        vg.Dense(3, "softmax" if loss == SPARSE else "tanh"),
    ]
    model = vg.Sequential(layers, input_shape=(None, 4), dtype=dtype, seed=seed)
    model.compile(loss, optimizer, **options)
    return model


def samples(model, batch, times):
    rng = np.random.default_rng([batch, times])
    x = rng.normal(size=(batch, times, *model.input_shape[1:]))
    *shape, units = model.session.output_shape(x)
    y = rng.integers(0, units, shape) if model.loss.sparse else rng.normal(size=(*shape, units))
    lengths = rng.integers(1, times + 1, batch)
    lengths[0] = times
    return x, y, lengths


def record_of(flow):
    """All fields by name, those through time too."""
    fields = {name: getattr(flow, name) for name in ("step", "loss", *vg.flow.FIELDS)}
    for name in TIME_FIELDS:
        fields |= {f"{name} {layer}": values for layer, values in getattr(flow, name).items()}
    return fields


def test_names_and_shapes():
    model = stack()
    flow = vg.GradientFlow()
    x, y, _ = samples(model, 9, 7)
    model.fit(x, y, batch_size=4, track=flow)
    gates = {
        "bidirectional1.forward": ("i", "f", "g", "o"),
        "bidirectional1.backward": ("i", "f", "g", "o"),
        "gru1": ("r", "z", "n"),
        "rnn1": ("z",),
    }
    assert flow.layers == [*gates, "dense1"]
    assert flow.gates == gates
    assert flow.delta.shape == (3, 5)
    for name in TIME_FIELDS:
        values = getattr(flow, name)
        assert list(values) == (list(gates)[:2] if name == "time_cell" else list(gates))
        by_gate = name in ("time_gate", "time_saturated")
        for layer, array in values.items():
            assert array.dtype == float
            assert array.shape == ((3, 7, len(gates[layer])) if by_gate else (3, 7))
            assert np.isfinite(array).all()


def test_a_model_without_time_has_no_fields_of_it():
    model = vg.Sequential([vg.Dense(3)], input_shape=(None, 2), seed=0)
    model.compile()
    flow = model.gradient_flow(np.ones((2, 5, 2)), np.ones((2, 5, 3)))
    assert all(getattr(flow, name) == {} for name in (*TIME_FIELDS, "gates"))


# ---- small and large numbers


def chain(cls, factor, dtype, units=3):
    """Recurrent weights that multiply the gradient by ``factor`` at each timestep, and nothing else."""
    initializer = vg.initializers.Identity(factor)
    layer = cls(units, "identity", recurrent_initializer=initializer, weight_initializer="zeros")
    model = vg.Sequential([layer], input_shape=(None, 1), dtype=dtype, seed=0)
    model.compile("mse", reduction="batchmean")
    return model


@pytest.mark.parametrize(
    ("dtype", "factor", "times"),
    [
        ("float32", 1e-3, 30),  # 1e-87 in the end
        ("float32", 0.5, 200),
        ("float64", 1e-20, 30),
        ("float64", 0.1, 350),
        ("float32", 100, 19),  # 1e36 in the end
        ("float64", 1e20, 15),
    ],
)
@pytest.mark.parametrize(("units", "batch"), [(1, 1), (3, 9), (33, 17)])
def test_norms_are_exact_down_to_the_smallest_number(units, batch, dtype, factor, times):
    """And exactly 0 where the gradient itself is."""
    model = chain(vg.RNN, factor, dtype, units)
    flow = model.gradient_flow(np.zeros((batch, times, 1)), np.full((batch, units), -0.5))
    expected = np.sqrt(units / batch) * np.longdouble(factor) ** np.arange(times)[::-1]
    element = expected / np.sqrt(batch * units)  # all of a timestep are equal
    info = np.finfo(dtype)
    normal = element >= 2 * np.longdouble(info.tiny)
    gone = element < np.longdouble(info.smallest_subnormal) / 2
    assert factor > 1 or (normal.any() and gone.any())
    for values in (flow.time["rnn1"][0], flow.time_gate["rnn1"][0, :, 0]):
        np.testing.assert_allclose(values[normal], expected[normal].astype(float), rtol=1e-4)
        assert not values[gone].any()
    assert flow.time_direct["rnn1"][0].tolist() == [0] * (times - 1) + [flow.time["rnn1"][0, -1]]
    assert flow.delta.item() == pytest.approx(float(np.linalg.norm(expected)), rel=1e-4)


@pytest.mark.parametrize(("dtype", "bias"), [("float32", -80), ("float64", -690)])
def test_a_closed_forget_gate_hides_no_gradient(dtype, bias):
    """An LSTM whose cell forgets all but e^-80 of itself, or e^-690."""
    model = vg.Sequential([vg.LSTM(3, bias_initializer="zeros")], input_shape=(None, 1),
                          dtype=dtype, seed=0)  # fmt: skip
    model.compile()
    zeros = {name: 0 * v for name, v in model.state_dict().items()}
    forget = np.where(np.arange(12) // 3 == 1, bias, 0)
    model.load_state_dict({**zeros, "lstm1.bias_ih": forget})
    cell = model.gradient_flow(np.zeros((2, 2, 1)), np.ones((2, 3))).time_cell["lstm1"][0]
    assert cell[0] == pytest.approx(cell[1] * np.exp(np.longdouble(bias)), rel=1e-3)


# ---- what is recorded when, and that it is only recorded


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"checkpoint": None}], ids=str)
def test_tracking_does_not_change_the_training(options, sequences, dtype):
    results = []
    for track in (None, vg.GradientFlow(), vg.GradientFlow(every=2)):
        model = stack(SPARSE, vg.Adam(), dtype=dtype, sequences=sequences, **options)
        x, y, lengths = samples(model, 22, 6)
        history = model.fit(x, y, epochs=2, batch_size=5, lengths=lengths, track=track)
        results.append({**model.session.vectors(), "loss": np.array(history.history["loss"])})
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@pytest.mark.parametrize("options", [{"tbptt": 4}, {"checkpoint": 4}], ids=str)
def test_tracking_does_not_change_the_training_in_windows(options):
    results = []
    for track in (None, vg.GradientFlow(every=3)):
        layers = [vg.LSTM(17, return_sequences=True), vg.GRU(5, return_sequences=True)]
        model = vg.Sequential(layers, input_shape=(None, 4), seed=0)
        model.compile("mse", vg.Adam(), **options)
        x, y, lengths = samples(model, 22, 10)
        model.fit(x, y, epochs=2, batch_size=5, lengths=lengths, track=track)
        results.append(model.session.vectors())
    assert_same_bits(*results)


def test_a_step_of_fit_is_recorded_as_gradient_flow_sees_it():
    """On the parameters before it, whatever is recorded besides."""
    model = stack(optimizer=vg.SGD(0.5))
    x, y, lengths = samples(model, 13, 6)
    every, some = vg.GradientFlow(), vg.GradientFlow(steps=[2])
    model.fit(x[:10], y[:10], batch_size=5, lengths=lengths[:10], shuffle=False)
    single = model.gradient_flow(x[10:], y[10:], lengths=lengths[10:])
    for flow in (every, some):
        other = stack(optimizer=vg.SGD(0.5))
        other.fit(x, y, batch_size=5, lengths=lengths, shuffle=False, track=flow)
    every, some, single = (record_of(flow) for flow in (every, some, single))
    assert_same_bits({name: v[2:] for name, v in every.items()}, some)
    for name in ("update_ratio", "weight_grad_applied", "bias_grad_applied"):
        single[name] = some[name]  # nothing is updated in the one
    for name, values in some.items():
        np.testing.assert_allclose(single[name], values, rtol=1e-12, err_msg=name)


def test_columns_behind_shorter_sequences_are_nan():
    model = stack()
    flow = vg.GradientFlow()
    alone = []
    for times in (3, 6, 4):
        x, y, _ = samples(model, 5, times)
        alone.append(record_of(model.gradient_flow(x, y)))
        model.fit(x, y, track=flow)
        assert flow.time["gru1"].shape[1] == (3 if times == 3 else 6)
    record = record_of(flow)
    for name in (name for name in record if name.startswith("time")):
        for row, times in enumerate((3, 6, 4)):
            np.testing.assert_allclose(record[name][row, :times], alone[row][name][0], rtol=1e-12)
            assert np.isnan(record[name][row, times:]).all()


def test_columns_behind_a_shorter_chunk_are_nan():
    """The last one of truncated backpropagation."""
    layers = [vg.GRU(5, return_sequences=True)]
    model = vg.Sequential(layers, input_shape=(None, 4), dtype="float64", seed=0)
    model.compile("mse", tbptt=4)
    flow = vg.GradientFlow()
    x, y, _ = samples(model, 6, 10)
    model.fit(x, y, batch_size=3, track=flow)
    assert flow.step.tolist() == list(range(6))
    assert flow.time["gru1"].shape == (6, 4)
    beyond = np.array([[False] * 4, [False] * 4, [False, False, True, True]] * 2)
    for name in ("time", "time_direct"):
        values = getattr(flow, name)["gru1"]
        assert (np.isnan(values) == beyond).all()
        assert (values[~beyond] > 0).all()


@pytest.mark.parametrize("options", [{}, {"tbptt": 4}, {"checkpoint": 4}], ids=str)
def test_gradient_flow_is_of_the_present_step(options):
    model = vg.Sequential([vg.GRU(5)], input_shape=(None, 4), seed=0)
    model.compile("mse", **options)
    x, y, _ = samples(model, 6, 10)
    model.fit(x, y, batch_size=2)
    assert (model.step, model.gradient_flow(x, y).step.tolist()) == (3, [3])


def test_padding_at_the_end_of_all_samples_is_zero():
    model = stack(sequences=True)
    x, y, lengths = samples(model, 9, 8)
    padded = record_of(model.gradient_flow(x, y, lengths=np.minimum(lengths, 5)))
    cut = record_of(model.gradient_flow(x[:, :5], y[:, :5], lengths=np.minimum(lengths, 5)))
    for name, values in cut.items():
        if name.startswith("time"):
            assert not padded[name][:, 5:].any()
            np.testing.assert_array_equal(padded[name][:, :5], values)
        else:
            np.testing.assert_array_equal(padded[name], values)


# ---- files


def test_save_and_load(tmp_path):
    model = stack()
    flow = vg.GradientFlow()
    for times in (3, 6):
        model.fit(*samples(model, 5, times)[:2], track=flow)
    flow.save(tmp_path / "record")
    loaded = vg.GradientFlow.load(tmp_path / "record")
    assert (loaded.layers, loaded.gates) == (flow.layers, flow.gates)
    assert_same_bits(record_of(loaded), record_of(flow))
    with np.load(tmp_path / "record", allow_pickle=False) as file:  # NumPy alone can read it
        np.testing.assert_array_equal(file["time/gru1"], flow.time["gru1"])
        np.testing.assert_array_equal(file["gates/gru1"], ["r", "z", "n"])


BROKEN = {
    "time/gru1": np.ones((3, 6)),  # of more steps
    "time_cell/bidirectional1.forward": np.ones(2),
    "time_gate/gru1": np.float64(3),
    "tide/gru1": np.ones((2, 6)),
}


@pytest.mark.parametrize(("name", "array"), BROKEN.items(), ids=BROKEN)
def test_records_of_inconsistent_time_fields_are_refused(name, array, tmp_path):
    model = stack()
    flow = vg.GradientFlow()
    model.fit(*samples(model, 4, 6)[:2], batch_size=2, track=flow)
    flow.save(tmp_path / "record")
    with np.load(tmp_path / "record", allow_pickle=False) as file:
        arrays = {**file, name: array}
    with open(tmp_path / "record", "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ValueError, match=r"path: expected .*record") as error:
        vg.GradientFlow.load(tmp_path / "record")
    assert str(tmp_path / "record") in str(error.value)


# ---- rates


def test_the_rate_over_time_is_the_least_squares_line():
    """Timesteps without a gradient are left out; NaN where fewer than two are left."""
    t = np.arange(50)
    noisy = np.exp(np.random.default_rng(0).normal(size=50) - 0.1 * t)
    gaps = np.where(t % 7 == 0, 0, 1.25**t)
    gaps[-1] = np.nan
    none = np.where(t == 3, 1.0, np.nan)
    rows = [3 * 1.25**t, 1e-300 * 1.1**t, np.full(50, 7.0), gaps, noisy, none]
    factor, r2 = vg.flow.geometric(np.array(rows))
    line = np.exp(-np.polyfit(t, np.log(noisy), 1)[0])
    np.testing.assert_allclose(factor, [0.8, 1 / 1.1, 1, 0.8, line, np.nan], rtol=1e-9)
    correlation = np.corrcoef(t, np.log(noisy))[0, 1]
    np.testing.assert_allclose(r2, [1, 1, 1, 1, correlation**2, np.nan], rtol=1e-9)


def test_the_rate_over_time_is_of_a_recorded_field():
    model = stack()
    x, y, _ = samples(model, 5, 6)
    flow = model.gradient_flow(x, y)
    for field in ("time", "time_direct"):
        found, expected = flow.time_rate("gru1", field), getattr(flow, field)["gru1"]
        np.testing.assert_array_equal(found, vg.flow.geometric(expected))
    for layer, field in (("rnn9", "time"), ("gru1", "time_gate"), ("gru1", "time_cell")):
        with pytest.raises(ValueError, match=r"layer: |field: "):
            flow.time_rate(layer, field)


@pytest.mark.parametrize("kind", [vg.RNN, vg.LSTM, vg.GRU])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_activations_of_a_recurrent_layer_are_those_of_all_timesteps(kind, sequences, padded):
    """Of h_t at every timestep that a sequence reaches, also where the output is the last alone."""
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(20, 9, 4)), rng.integers(1, 10, 20)
    model = vg.Sequential(
        [kind(5, return_sequences=sequences), vg.Dense(2)],
        input_shape=(None, 4),
        seed=0,
        dtype="float64",
    )
    model.compile("mse")
    y = np.zeros((20, 9, 2) if sequences else (20, 2))
    flow = model.gradient_flow(x, y, lengths=lengths if padded else None)
    twin = vg.Sequential([kind(5, return_sequences=True)], input_shape=(None, 4), dtype="float64")
    twin.load_state_dict({name: model.state_dict()[name] for name in twin.state_dict()})
    reached = np.arange(9) < (lengths[:, np.newaxis] if padded else 9)
    h = twin.predict(x)[np.broadcast_to(reached, (20, 9))]
    np.testing.assert_allclose(flow.activation_mean[0, 0], h.mean(), rtol=1e-12)
    np.testing.assert_allclose(flow.activation_std[0, 0], h.std(), rtol=1e-12)
