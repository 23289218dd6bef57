"""Distributions and units of a record: what is counted and when, and all that a record does."""

import copy
import pickle

import numpy as np
import pytest
from counted import assert_counted
from reference import DTYPES, OPTIMIZERS, Twin, assert_same_bits, network, samples

import vgcore as vg
from vgcore.flow.record import DISTRIBUTION_FIELDS, UNIT_FIELDS
from vgcore.model import told

SPARSE = "sparse_categorical_crossentropy"
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def both(**options):
    return vg.GradientFlow(distributions=True, units=True, **options)


def parts_of(flow):
    """Every array of distributions and units."""
    found = {"unit_step": flow.unit_step}
    for field in DISTRIBUTION_FIELDS:
        told_of = flow.distribution(field)
        for name, array in vars(told_of).items():
            if isinstance(array, np.ndarray):
                found[f"{field}/{name}"] = array
    for field in UNIT_FIELDS:
        found.update({f"{field}/{layer}": rows for layer, rows in getattr(flow, field).items()})
    return found


def record_of(flow):
    return {name: getattr(flow, name) for name in ("step", "loss", *vg.flow.FIELDS)}


def trained(flow, *, epochs=3, model=None, **options):
    model = (
        network([6, 40, 9, 3], ["tanh", "relu", "softmax"], SPARSE, "adam")
        if model is None
        else model
    )
    model.fit(*samples(model, 50), epochs=epochs, batch_size=16, track=flow, **options)
    return model


# ---- what is counted


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_field_is_its_definition(optimizer):
    model = network([5, 37, 16, 4], ["tanh", "relu", "sigmoid"], "mse", OPTIMIZERS[optimizer])
    x, y = samples(model, 21)
    for _ in range(2):
        done = Twin(model).run(x, y)
        before = {name: value.copy() for name, value in model.state_dict().items()}
        look = model.gradient_flow(x, y, distributions=True, units=True)
        flow = vg.GradientFlow(distributions=True)
        model.fit(x, y, batch_size=21, shuffle=False, track=flow)
        after = model.state_dict()
        for record in (look, flow):
            for place, layer in enumerate(model.layers):
                weight = f"{layer.name}.weight"
                change = (after[weight] - before[weight]) / before[weight]
                assert_counted(record, "delta", layer.name, [done.deltas[place]])
                assert_counted(record, "activation", layer.name, [done.outputs[place]])
                assert_counted(record, "weight_grad", layer.name, [done.gradients[weight]])
                assert_counted(
                    record,
                    "update_ratio",
                    layer.name,
                    [change] if record is flow else [],
                    near=1e-6,
                )
        for place, layer in enumerate(model.layers):
            delta, slope = done.deltas[place], np.abs(done.slopes[place])
            steepest = 0.25 if layer.activation.name == "sigmoid" else 1
            expected = {
                "unit_delta": np.linalg.norm(delta, axis=0),
                "unit_weight": np.linalg.norm(before[f"{layer.name}.weight"], axis=1),
                "unit_saturated": (slope < 0.05 * steepest).mean(axis=0),
                "unit_dead": (slope == 0).mean(axis=0),
            }
            for field, values in expected.items():
                got = getattr(look, field)[layer.name]
                np.testing.assert_allclose(got, values[np.newaxis], rtol=1e-9, err_msg=field)


@over_dtypes
def test_what_has_no_exponent_is_counted_apart(dtype):
    """ReLUs that are off, weights and gradients that are 0, outputs that are infinite or NaN."""
    model = network([3, 8, 2], ["relu", "identity"], dtype=dtype)
    weight = model.state_dict()["dense1.weight"].copy()
    weight[:3] = 0
    model.load_state_dict(
        {
            **model.state_dict(),
            "dense1.weight": weight,
            "dense1.bias": np.r_[np.zeros(3), np.full(5, -9)],
        }
    )
    x, y = samples(model, 20)
    flow = vg.GradientFlow(distributions=True, units=True)
    model.fit(x, y, batch_size=20, track=flow)
    h, ratio = flow.distribution("activation"), flow.distribution("update_ratio")
    assert h.zero.tolist() == [[160, 0]]
    assert h.total.tolist() == [[160, 40]]
    assert np.isnan(h.quantile(0.5)[0]).tolist() == [False, False]
    assert h.quantile([0, 0.5, 1])[:, 0, 0].tolist() == [0, 0, 0]
    assert ratio.zero.tolist() == [[24, 16]]  # what has not moved, weights of 0 too
    assert (flow.unit_dead["dense1"] == 1).all()
    broken = model.state_dict()
    broken["dense2.weight"][0], broken["dense2.weight"][1] = np.inf, np.nan
    broken["dense1.bias"][:] = 1
    model.load_state_dict(broken)
    h = model.gradient_flow(x, y, distributions=True, units=True)
    told_of = h.distribution("activation")
    assert (told_of.plus_inf[0, 1], told_of.nan[0, 1]) == (20, 20)
    assert np.isnan(told_of.quantile(0.5)[0, 1])
    assert np.isnan(h.distribution("delta").quantile([0.1, 0.9])[:, 0, 1]).all()


def test_layers_without_weights_slopes_or_updates_have_no_numbers_of_them():
    layers = [vg.Dense(4, "relu"), vg.Dropout(0.5), vg.Dense(3, "tanh"), vg.Dense(2, "softmax")]
    model = vg.Sequential(layers, input_shape=5, seed=0)
    model.compile(SPARSE, frozen=["dense2"])
    x, y = samples(model, 30)
    flow = both()
    model.fit(x, y, batch_size=15, track=flow)
    column = {name: place for place, name in enumerate(flow.layers)}
    ratio, gradient = flow.distribution("update_ratio"), flow.distribution("weight_grad")
    assert ratio.total[:, column["dense2"]].tolist() == [0, 0]  # frozen
    assert gradient.total[0].tolist() == [20, 0, 12, 6]
    assert np.isnan(gradient.quantile(0.5)[:, column["dropout1"]]).all()
    assert np.isnan(flow.unit_weight["dropout1"]).all()
    assert np.isnan(flow.unit_saturated["dense3"]).all()
    assert np.isfinite(flow.unit_delta["dropout1"]).all()
    assert flow.unit_delta["dropout1"].shape == (2, 4)


def test_units_make_up_their_layers():
    """Recurrent layers both ways, blocks and norms: of all gates, timesteps and weights."""
    layers = [
        vg.Bidirectional(vg.LSTM(3, return_sequences=True)),
        vg.Residual([vg.Dense(6, "tanh"), vg.LayerNorm()]),
        vg.GRU(4, return_sequences=True),
        vg.Highway("relu"),
        vg.RNN(5),
        vg.Dense(2),
    ]
    model = vg.Sequential(layers, input_shape=(None, 2), dtype="float64", seed=0)
    model.compile("mse")
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(19, 7, 2)), rng.integers(1, 8, 19)
    flow = model.gradient_flow(
        x, rng.normal(size=(19, 2)), lengths=lengths, distributions=True, units=True
    )
    for place, name in enumerate(flow.layers):
        for unit, layer in (("unit_delta", "delta"), ("unit_weight", "weight_norm")):
            whole, parts = getattr(flow, layer)[0, place], getattr(flow, unit)[name][0]
            np.testing.assert_allclose(
                np.hypot.reduce(parts), whole, rtol=1e-12, err_msg=(unit, name)
            )
        mean = flow.unit_saturated[name].mean()
        np.testing.assert_allclose(mean, flow.saturated[0, place], rtol=1e-12, err_msg=name)
        assert (flow.unit_dead[name] == 1).mean() == flow.dead[0, place]
    numbers = {
        name: flow.distribution("delta").total[0, place] for place, name in enumerate(flow.layers)
    }
    steps = lengths.sum()
    assert numbers["bidirectional1.forward"] == numbers["bidirectional1.backward"] == 4 * 3 * steps
    assert numbers["gru1"] == 3 * 4 * steps
    assert numbers["rnn1"] == 5 * steps
    assert flow.distribution("activation").total[0, flow.layers.index("rnn1")] == 5 * steps
    assert numbers["highway1"] == 2 * 4 * steps


# ---- bits


def bins_of(flow, field):
    """The counts of the first step, by layer and edge."""
    told_of = flow.distribution(field)
    _, layers, bins = told_of.counts[:1].nonzero()
    return {
        (k, told_of.edges[b]): told_of.counts[0, k, b] for k, b in zip(layers, bins, strict=True)
    }


def test_large_and_small_layers_are_told_side_by_side():
    """Counts above 65535 take more room in the engine's record."""
    model = network([300, 290, 3], ["tanh", "identity"], dtype="float32")
    x, y = samples(model, 300)
    flow = vg.GradientFlow(distributions=True)
    model.fit(x, y, batch_size=100, track=flow)
    for field, totals in {
        "weight_grad": [300 * 290, 290 * 3],
        "update_ratio": [300 * 290, 290 * 3],
        "activation": [100 * 290, 100 * 3],
    }.items():
        assert (flow.distribution(field).total == totals).all()
    gradients = model.gradients(x, y)[1]
    look = model.gradient_flow(x, y, distributions=True)
    for layer in look.layers:
        assert_counted(look, "weight_grad", layer, [gradients[f"{layer}.weight"]], near=0)


def test_threads_change_nothing():
    records = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        flow = both()
        trained(flow)
        records.append(parts_of(flow))
    assert_same_bits(records[0], records[1])
    assert_same_bits(records[0], records[2])


@pytest.mark.parametrize(
    "clip", [{}, {"clip_norm": 0.1}, {"clip_value": 1e-3}, {"on_nonfinite": "raise"}]
)
def test_counting_changes_nothing_and_clipping_nothing_but_updates(clip):
    models, flows = [], [None, vg.GradientFlow(), both()]
    for flow in flows:
        model = network([6, 40, 3], ["tanh", "softmax"], SPARSE, "adam", **clip)
        models.append(trained(flow, model=model).state_dict())
    assert_same_bits(models[0], models[1])
    assert_same_bits(models[0], models[2])
    assert_same_bits(record_of(flows[1]), record_of(flows[2]))
    plain = both()
    trained(plain, model=network([6, 40, 3], ["tanh", "softmax"], SPARSE, "adam"))
    for field in ("delta", "weight_grad", "activation"):
        got, expected = (flow.distribution(field) for flow in (flows[2], plain))
        assert got.total[0].tolist() == expected.total[0].tolist()
    assert bins_of(flows[2], "weight_grad") == bins_of(plain, "weight_grad")
    assert (flows[2].distribution("update_ratio").total == [240, 120]).all()


def sequences(**options):
    """A stack of walks and a block over timesteps, some samples and their lengths."""
    layers = [
        vg.LSTM(5, return_sequences=True),
        vg.Residual([vg.Dense(5, "tanh"), vg.Dense(5)]),
        vg.GRU(4, return_sequences=True),
        vg.Dense(3, "tanh"),
        vg.RNN(3),
    ]
    model = vg.Sequential(layers, input_shape=(None, 2), dtype="float64", seed=0)
    model.compile("mse", "adam", **options)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 12, 30)
    lengths[0] = 11
    return model, rng.normal(size=(30, 11, 2)), rng.normal(size=(30, 3)), lengths


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_checkpoints_change_no_bit(window):
    records = []
    for checkpoint in (window, None):
        model, x, y, lengths = sequences(checkpoint=checkpoint)
        flow = both()
        model.fit(x, y, lengths=lengths, batch_size=19, epochs=2, track=flow)
        records.append(parts_of(flow))
    assert_same_bits(*records)


def test_truncated_steps_count_the_timesteps_of_their_window():
    _, x, _, _ = sequences()
    flow = both()
    many = vg.Sequential(
        [vg.LSTM(3, return_sequences=True), vg.Dense(2)], input_shape=(None, 2), seed=0
    )
    many.compile("mse", tbptt=4)
    many.fit(x, np.zeros((30, 11, 2)), batch_size=30, track=flow)
    assert flow.distribution("delta").total[:, 0].tolist() == [30 * t * 12 for t in (4, 4, 3)]
    assert flow.distribution("activation").total[:, 0].tolist() == [30 * t * 3 for t in (4, 4, 3)]


def test_resumed_training_goes_on_with_the_same_bits(tmp_path):
    whole, first = both(), both()
    trained(whole, epochs=4)
    model = trained(first, epochs=2)
    model.save(tmp_path / "model.npz")
    first.save(tmp_path / "flow.npz")
    again, flow = vg.load(tmp_path / "model.npz"), vg.GradientFlow.load(tmp_path / "flow.npz")
    again.fit(*samples(again, 50), epochs=4, initial_epoch=2, batch_size=16, track=flow)
    assert_same_bits(parts_of(whole), parts_of(flow))


# ---- when


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"distributions": True}, [0, 2, 4, 6, 8, 10]),
        ({"distributions": 3}, [0, 6]),
        ({"distributions": [4, 10, 4]}, [4, 10]),
        ({"distributions": np.arange(0, 5, 2)}, [0, 2, 4]),
        ({"distributions": []}, []),
        ({"distributions": np.True_}, [0, 2, 4, 6, 8, 10]),
        ({"distributions": np.int64(5)}, [0, 10]),
    ],
    ids=str,
)
def test_steps_are_chosen_among_those_recorded(options, expected):
    flow = vg.GradientFlow(every=2, units=4, **options)
    trained(flow)
    assert flow.step.tolist() == [0, 2, 4, 6, 8, 10]
    assert flow.distribution().step.tolist() == expected
    assert flow.unit_step.tolist() == [0, 4, 8]
    assert len(flow.unit_delta["dense2"]) == 3


@pytest.mark.parametrize("name", ["distributions", "units"])
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            "yes",
            TypeError,
            "expected True or False, an integer of at least 1 or step numbers, got 'yes'",
        ),
        (b"yes", TypeError, "expected True or False"),
        (0, ValueError, "expected an integer of at least 1, got 0"),
        (-1, ValueError, "expected an integer of at least 1, got -1"),
        (1.5, TypeError, "expected an integer, got 1.5"),
        (None, TypeError, "expected an integer, got None"),
        ([0, -2], ValueError, "expected an integer of at least 0, got -2"),
        ([0.5], TypeError, "expected an integer, got 0.5"),
        ([2, 3], ValueError, r"expected steps that are recorded \(every=2\), got 3"),
    ],
)
def test_other_choices_are_refused(name, wrong, error, message):
    with pytest.raises(error, match=f"^{name}: {message}"):
        vg.GradientFlow(every=2, **{name: wrong})


def test_a_step_that_is_not_listed_cannot_be_chosen():
    with pytest.raises(
        ValueError, match=r"units: expected steps that are recorded \(steps\), got 7"
    ):
        vg.GradientFlow(steps=[1, 5], units=[5, 7])


def test_what_was_not_recorded_says_how_to_record_it():
    model = network([3, 2], ["tanh"])
    flow = model.gradient_flow(*samples(model, 5))
    with pytest.raises(ValueError, match=r"record them with GradientFlow\(distributions=True\)"):
        flow.distribution("delta")
    for name in (*UNIT_FIELDS, "unit_step"):
        with pytest.raises(ValueError, match=r"record them with GradientFlow\(units=True\)"):
            getattr(flow, name)
    with pytest.raises(
        ValueError,
        match="field: expected one of delta, weight_grad, activation, update_ratio; got 'deltas'",
    ):
        flow.distribution("deltas")
    with pytest.raises(TypeError, match="field: expected a name"):
        flow.distribution(3)
    with pytest.raises(KeyError, match="dense9: expected one of dense1"):
        model.gradient_flow(*samples(model, 5), units=True).unit_delta["dense9"]
    for name in ("distributions", "units"):
        with pytest.raises(TypeError, match=f"{name}: expected True or False, got 2"):
            model.gradient_flow(*samples(model, 5), **{name: 2})


def test_nothing_yet_is_nothing_not_an_error():
    flow = both()
    assert flow.distribution().step.shape == (0,)
    assert flow.unit_delta == {}
    flow.declare(["a", "b"])
    told_of = flow.distribution("activation")
    assert (told_of.counts.shape, told_of.edges.shape) == ((0, 2, 0), (1,))
    assert told_of.quantile([0.1, 0.5]).shape == (2, 0, 2)
    assert flow.unit_delta["a"].shape == (0, 0)


def test_a_record_without_room_ends_the_call_and_loses_no_step(monkeypatch):
    """Where entries are longer than is usual."""
    expected = both()
    trained(expected)
    monkeypatch.setattr(told, "_USUAL_EXPONENTS", -3)
    flow = both()
    trained(flow)
    assert_same_bits(parts_of(expected), parts_of(flow))
    assert_same_bits(record_of(expected), record_of(flow))


def test_reading_while_it_is_trained_changes_nothing():
    expected, flow, seen = both(), both(), []

    class Reading:
        every_steps = 1

        def on_step(self, model, logs):
            seen.append(
                (len(flow.distribution("update_ratio").step), len(flow.unit_weight["dense1"]))
            )

    trained(expected)
    trained(flow, callbacks=[Reading()])
    assert seen == [(n, n) for n in range(1, 13)]
    assert_same_bits(parts_of(expected), parts_of(flow))


def test_a_refused_step_has_no_update_and_shares_its_number_with_the_next():
    model = network([3, 8, 2], ["tanh", "identity"], optimizer="sgd", on_nonfinite="raise")
    x, y = samples(model, 20)
    flow = both()
    bad = x.copy()
    bad[0, 0] = 1e308
    model.fit(x, y, batch_size=10, track=flow)
    state = model.state_dict()
    state["dense2.weight"][:] = 1e308
    model.load_state_dict(state)
    with pytest.raises(FloatingPointError):
        model.fit(x, y, batch_size=10, track=flow)
    model.load_state_dict({name: np.zeros_like(value) for name, value in state.items()})
    model.fit(x, y, batch_size=10, track=flow)
    assert flow.step.tolist() == [0, 1, 2, 2, 3]
    told_of = flow.distribution("update_ratio")
    assert told_of.step.tolist() == [0, 1, 2, 2, 3]
    assert told_of.total[:, 0].tolist() == [24, 24, 0, 24, 24]
    assert flow[2:3].distribution("update_ratio").total[0, 0] == 0
    assert flow[3:4].distribution("update_ratio").total[0, 0] == 24


# ---- all that a record does


def test_slices_and_joins_keep_what_they_have():
    flow = vg.GradientFlow(distributions=2, units=[1, 5, 6])
    trained(flow)
    told_of = flow.distribution("weight_grad")
    for some in (slice(3, 9), slice(None, None, 3), slice(-4, None), slice(5, 5)):
        part = flow[some]
        steps = set(flow.step[some].tolist())
        mine = [place for place, step in enumerate(told_of.step) if step in steps]
        got = part.distribution("weight_grad")
        assert got.step.tolist() == told_of.step[mine].tolist()
        assert got.total.tolist() == told_of.total[mine].tolist()
        assert got.quantile(0.3).tolist() == told_of.quantile(0.3)[mine].tolist()
        units = [place for place, step in enumerate(flow.unit_step) if step in steps]
        assert part.unit_delta["dense1"].tolist() == flow.unit_delta["dense1"][units].tolist()
    assert flow[6].distribution().step.tolist() == [6]
    joined = vg.concat([flow[:1], flow[1:6], flow[6:6], flow[6:]])
    assert_same_bits(parts_of(flow), parts_of(joined))
    mixed = vg.concat([flow[:5], trained_without(flow)])
    assert mixed.distribution().step.tolist() == [0, 2, 4]


def trained_without(flow):
    """Later steps of the same layers, of which nothing more is recorded."""
    other = vg.GradientFlow()
    other.declare(flow.layers)
    other.add(100)
    return other


def test_copies_pickles_and_files_are_the_record(tmp_path):
    flow = vg.GradientFlow(every=2, distributions=4, units=[0, 6])
    trained(flow)
    flow.save(tmp_path / "flow.npz")
    made = [
        copy.copy(flow),
        copy.deepcopy(flow),
        pickle.loads(pickle.dumps(flow)),
        vg.GradientFlow.load(tmp_path / "flow.npz"),
    ]
    for other in made:
        assert_same_bits(parts_of(flow), parts_of(other))
        assert_same_bits(record_of(flow), record_of(other))
    after = trained(vg.GradientFlow(), epochs=3)
    for other in made:  # which go on to record what they were to
        copy.deepcopy(after).fit(*samples(after, 50), batch_size=16, track=other)
        assert other.distribution().step.tolist() == [0, 4, 8, 12]
        assert other.unit_step.tolist() == [0, 6]
    told_of = pickle.loads(pickle.dumps(flow.distribution("activation")))
    assert told_of.quantile(0.5).tolist() == flow.distribution("activation").quantile(0.5).tolist()


def test_files_of_records_without_them_are_as_they_were(tmp_path):
    flow = vg.GradientFlow()
    trained(flow)
    flow.save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as arrays:
        assert set(arrays) == {"layers", "every", "step", "loss", *vg.flow.FIELDS}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("distributions/delta/counts", None),
        ("distributions/delta/counts", lambda a: a[1:]),
        ("distributions/delta/counts", lambda a: a[..., :1]),
        ("distributions/delta/counts", lambda a: a.astype(float)),
        ("distributions/delta/counts", lambda a: a.astype(np.uint64) + 2**63),
        ("distributions/delta/lowest", lambda a: a[:, 1:]),
        ("distributions/delta/lowest", lambda a: a * 0 - 2000),
        ("distributions/delta/lowest", lambda a: a * 0 + 1024),
        ("distributions/delta/special", lambda a: a.astype(np.uint64) + 2**63),
        ("distributions/delta/special", lambda a: a.astype(str)),
        ("distributions/place", lambda a: a[::-1]),
        ("distributions/place", lambda a: a + 1),
        ("distributions/place", lambda a: a - 1),
        ("distributions/place", lambda a: a.astype(float)),
        ("distributions/every", lambda a: a * 0),
        ("distributions/every", lambda a: np.array([1, 2])),
        ("units/unit_delta/dense1", None),
        ("units/unit_delta/dense1", lambda a: a[0]),
        ("units/unit_dead/dense1", lambda a: a > 0),
        ("units/unit_dead/dense9", lambda a: np.zeros((12, 3))),
        ("units/unit_dead/dense1", lambda a: np.concatenate([a, a], axis=1)),
        ("units/place", None),
    ],
)
def test_a_file_with_other_arrays_is_refused(key, change, tmp_path):
    flow = both()
    trained(flow)
    flow.save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as file:
        arrays = dict(file)
    if change is None:
        del arrays[key]
    else:
        arrays[key] = change(arrays.get(key))
    np.savez(tmp_path / "flow.npz", **arrays)
    with pytest.raises(ValueError, match="path: expected a GradientFlow record"):
        vg.GradientFlow.load(tmp_path / "flow.npz")


def test_fit_many_is_fit():
    models, flows = [], [both(), None, both()]
    for _ in flows:
        models.append(network([6, 40, 9, 3], ["tanh", "relu", "softmax"], SPARSE, "adam"))
    vg.fit_many(models, *samples(models[0], 50), epochs=3, batch_size=16, track=flows)
    expected = both()
    trained(expected)
    assert_same_bits(parts_of(expected), parts_of(flows[0]))
    assert_same_bits(parts_of(expected), parts_of(flows[2]))


# ---- by anybody


def test_anybody_may_add_numbers_and_units():
    flow = vg.GradientFlow()
    flow.declare(["a", "b"])
    flow.add(0, delta=[1, 2], distributions={"delta": {"a": [1, -3, 0, np.inf], "b": np.nan}})
    flow.add(3, units={"unit_delta": {"a": [1.0, 2.0]}})
    flow.add(4, distributions={"activation": {"b": [[0.1, 5e-324], [1e308, -1]]}})
    told_of = flow.distribution("delta")
    assert told_of.step.tolist() == [0, 4]
    assert told_of.edges.tolist() == [1, 2, 4]
    assert told_of.positive[0].tolist() == [[1, 0], [0, 0]]
    assert told_of.negative[0].tolist() == [[0, 1], [0, 0]]
    assert (told_of.zero[0, 0], told_of.plus_inf[0, 0], told_of.nan[0, 1]) == (1, 1, 1)
    assert flow.distribution("activation").edges[[0, -1]].tolist() == [5e-324, np.inf]
    assert flow.distribution("activation").total.tolist() == [[0, 0], [0, 4]]
    assert flow.unit_step.tolist() == [3]
    assert flow.unit_delta["a"].tolist() == [[1, 2]]
    assert flow.unit_dead["b"].shape == (1, 0)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"distributions": 3}, TypeError, "distributions: expected a dict"),
        ({"distributions": {"time": {}}}, ValueError, "distributions: expected one of delta"),
        (
            {"distributions": {"delta": [1]}},
            TypeError,
            r"distributions\['delta'\]: expected a dict",
        ),
        (
            {"distributions": {"delta": {"c": [1]}}},
            ValueError,
            r"distributions\['delta'\]: expected one of a, b",
        ),
        ({"distributions": {"delta": {"a": ["x"]}}}, TypeError, r"\['a'\]: expected real numbers"),
        ({"units": {"delta": {}}}, ValueError, "units: expected one of unit_delta"),
        (
            {"units": {"unit_delta": {"a": 1.0}}},
            ValueError,
            r"units\['unit_delta'\]\['a'\]: expected shape",
        ),
        ({"units": {"unit_delta": {"a": [1.0]}}}, ValueError, r"expected shape \(2\), got \(1,\)"),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(given, error, message):
    flow = vg.GradientFlow()
    flow.declare(["a", "b"])
    flow.add(0, units={"unit_delta": {"a": [1.0, 2.0]}}, distributions={})
    with pytest.raises(error, match=message):
        flow.add(1, **given)
    assert (len(flow), flow.unit_step.tolist()) == (1, [0])


# ---- quantiles, and how it is shown


def test_quantiles_are_within_a_bin_of_the_numbers_own():
    rng = np.random.default_rng(0)
    numbers = {
        "a": rng.normal(size=4000),
        "b": np.exp(rng.normal(size=500) * 9),
        "c": np.full(7, 0.7),
    }
    flow = vg.GradientFlow()
    flow.declare([*numbers, "d"])
    flow.add(0, distributions={"delta": numbers})
    shares = np.linspace(0, 1, 21)
    got = flow.distribution().quantile(shares)
    for place, values in enumerate(numbers.values()):
        own = np.quantile(np.abs(values), shares)
        assert (got[:, 0, place] <= own * 2.0001).all()
        assert (got[:, 0, place] >= own / 2.0001).all()
    assert (np.diff(got[:, 0, :3], axis=0) >= 0).all()
    assert np.isnan(got[:, 0, 3]).all()
    np.testing.assert_allclose(got[:, 0, 2], 2 ** (shares - 1))  # even in log2
    assert flow.distribution().quantile(0.5).shape == (1, 4)


def test_zeros_and_infinities_are_at_the_ends():
    flow = vg.GradientFlow()
    flow.declare(["a"])
    flow.add(0, distributions={"delta": {"a": [0, 0, -0.0, 1, -1, 1, np.inf, -np.inf]}})
    flow.add(1, distributions={"delta": {"a": [0, np.inf]}})
    got = flow.distribution().quantile([0, 3 / 8, 0.4, 6 / 8, 0.8, 1])[..., 0]
    assert got[:, 0].tolist() == [0, 0, 2 ** (0.2 / 3), 2, np.inf, np.inf]
    assert got[[0, -1], 1].tolist() == [0, np.inf]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, [0.5, 2], np.nan, "half", None, [[0.5]]])
def test_other_shares_are_refused(wrong):
    flow = both()
    with pytest.raises((TypeError, ValueError), match="q: expected"):
        flow.distribution().quantile(wrong)


def test_it_shows_itself_and_can_be_a_table():
    pandas = pytest.importorskip("pandas")
    flow = vg.GradientFlow()
    flow.declare(["<a>", "b"])
    flow.add(0, distributions={"delta": {"<a>": [1, 1, -3, 0, np.nan], "b": [np.inf]}})
    told_of = flow.distribution()
    assert repr(told_of) == "<Distribution of delta: 1 step of 2 layers, magnitudes from 1 to 4>"
    shown = told_of._repr_html_()
    assert "&lt;a&gt;" in shown
    assert "plus inf" in shown
    assert both().distribution()._repr_html_()
    table = told_of.to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    rows = [tuple(row) for row in table.fillna(-1).itertuples(index=False)]
    assert rows == [
        (0, "<a>", 0.0, 0, 0, 1),
        (0, "<a>", 1.0, 2, 0, 2),
        (0, "<a>", 2.0, 0, 1, 1),
        (0, "<a>", -1.0, 0, 0, 1),
        (0, "b", np.inf, 1, 0, 1),
    ]
    assert table["count"].sum() == told_of.total.sum()


def test_units_can_be_a_table():
    pytest.importorskip("pandas")
    flow = both(every=2)
    trained(flow)
    table = flow.to_dataframe(units=True)
    assert list(table.columns) == ["step", "layer", "unit", *UNIT_FIELDS]
    for layer in flow.layers:
        mine = table[table["layer"] == layer].pivot(index="step", columns="unit")
        assert mine.index.tolist() == flow.unit_step.tolist()
        for field in UNIT_FIELDS:
            np.testing.assert_array_equal(mine[field], getattr(flow, field)[layer])
    assert len(vg.GradientFlow(units=True).to_dataframe(units=True)) == 0
    with pytest.raises(ValueError, match=r"^units: this record has none"):
        vg.GradientFlow().to_dataframe(units=True)
    with pytest.raises(ValueError, match=r"^units: expected False where time is True"):
        flow.to_dataframe(time=True, units=True)


def test_numbers_that_no_double_holds_are_infinite_without_a_warning():
    flow = vg.GradientFlow(distributions=True)
    flow.declare(["a"])
    huge = np.array([np.longdouble(2) ** 2000, 1], np.longdouble)
    odd = np.array([0x7FA00000], np.uint32).view(np.float32)  # a signalling NaN
    flow.add(0, delta=[1], distributions={"delta": {"a": huge}, "activation": {"a": odd}})
    if np.finfo(np.longdouble).maxexp > 2000:
        assert flow.distribution("delta").plus_inf.tolist() == [[1]]
    assert flow.distribution("activation").nan.tolist() == [[1]]


def test_a_layer_has_as_many_units_in_each_field():
    pytest.importorskip("pandas")
    flow = vg.GradientFlow(units=True)
    flow.declare(["a", "b"])
    uneven = {"unit_delta": {"a": [1, 2, 3]}, "unit_weight": {"a": [1, 2]}}
    with pytest.raises(ValueError, match=r"units\['unit_weight'\]\['a'\]: expected shape \(3\)"):
        flow.add(0, units=uneven)
    assert len(flow) == 0
    flow.add(0, units={"unit_delta": {"a": [1, 2, 3]}})
    assert np.isnan(flow.unit_weight["a"]).all()
    assert len(flow.to_dataframe(units=True)) == 3
    with pytest.raises(ValueError, match=r"expected shape \(3\)"):
        flow.add(1, units={"unit_weight": {"a": [1, 2]}})


def test_a_distribution_cannot_be_written_into():
    flow = both()
    trained(flow)
    told_of = flow.distribution()
    for name in ("step", "edges", "positive", "zero"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(told_of, name)[...] = 0
        with pytest.raises(AttributeError):
            setattr(told_of, name, 0)
    with pytest.raises(ValueError, match="read-only"):
        flow.unit_delta["dense1"][...] = 0


@pytest.mark.parametrize("asked", ["distributions", "units"])
def test_a_record_that_ends_before_a_step_that_was_to_be_told_can_be_read(asked):
    model = vg.Sequential([vg.Dense(3)], input_shape=4, seed=0)
    model.compile("mse", on_nonfinite="stop")
    flow = vg.GradientFlow(**{asked: [3]})
    with pytest.warns(RuntimeWarning, match="not finite at step 0"):
        model.fit(
            np.full((8, 4), 1e30), np.ones((8, 3)), epochs=1, batch_size=2, track=flow, verbose=0
        )
    assert len(flow) <= 1
    assert len(flow[:].step) == len(flow)
    if asked == "distributions":
        assert flow.distribution("delta").counts.shape[:2] == (0, 1)
    else:
        assert flow.unit_delta["dense1"].shape == (0, 3)
