"""The record itself: how it grows, who may fill it, what it says of other runs."""

import contextlib
import copy
import pickle
import sys
import time
import tracemalloc

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore.flow import FIELDS, Walk
from vgcore.flow.record import Column
from vgcore.model import training

RNG = np.random.default_rng(0)


def network(**options):
    layers = [vg.LSTM(4, return_sequences=True), vg.Bidirectional(vg.GRU(3)), vg.Dense(2)]
    made = vg.Sequential(layers, input_shape=(None, 3), seed=0)
    made.compile("mse", vg.Adam(0.01), **options)
    return made


def record_of(flow):
    fields = {name: getattr(flow, name) for name in ("step", "loss", *FIELDS)}
    for field in vg.flow.TIME_FIELDS:
        fields.update({f"{field}/{name}": rows for name, rows in getattr(flow, field).items()})
    return fields


# ---- growth


def test_columns_grow_at_the_end_and_in_time():
    column, rows = Column(np.empty((0, 0, 2))), []
    for n, times in ((1, 3), (0, 9), (4, 2), (2, 5), (70, 1)):
        block = RNG.normal(size=(n, times, 2))
        column.append(block)
        gap = (0, 9 - times), (0, 0)
        rows += [np.pad(row, gap, constant_values=np.nan) for row in block]
        widest = column.rows.shape[1]
        np.testing.assert_array_equal(column.rows, np.array(rows)[:, :widest])
    assert column.rows.shape == (77, 9, 2)


def test_reading_while_it_grows_changes_nothing(monkeypatch):
    monkeypatch.setattr(training, "_BREATH", 0.0)
    x, y = RNG.normal(size=(90, 5, 3)), RNG.normal(size=(90, 2))
    flows = [vg.GradientFlow(every=3), vg.GradientFlow(every=3)]
    seen = []

    def callback(progress):
        seen.append((len(flows[0]), flows[0].delta[-1:].copy()))

    network().fit(
        x,
        y,
        batch_size=2,
        shuffle=False,
        track=flows[0],
        callbacks=[vg.callbacks.OnProgress(callback)],
    )
    network().fit(x, y, batch_size=2, shuffle=False, track=flows[1])
    assert_same_bits(*map(record_of, flows))
    assert [n for n, _ in seen] == [i // 3 + 1 for i in range(45)]
    np.testing.assert_array_equal(np.concatenate([last for _, last in seen[::3]]), flows[0].delta)


def test_time_and_memory_are_those_of_the_record():
    """Ten times the steps of an epoch cost about ten times as much, not a hundred times."""
    model = vg.Sequential([vg.RNN(3), vg.Dense(1)], input_shape=(30, 2), seed=0)
    model.compile("mse", "sgd")
    x, y = np.zeros((8000, 30, 2), np.float32), np.zeros((8000, 1), np.float32)
    for n in (800, 8000):
        flow = vg.GradientFlow()
        tracemalloc.start()
        model.fit(x[:n], y[:n], batch_size=1, shuffle=False, track=flow)
        size, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        raw = n * 8 * (30 * 11 + 2 * 7 + len(model.layout.names) * 4)  # of the engine's own
        assert size < 1.5 * raw
        assert peak < 3 * raw
        model.compile("mse", "sgd")


@pytest.mark.parametrize("every", [1, 7])
def test_the_newest_step_is_the_last_row_and_reads_nothing(every, monkeypatch):
    monkeypatch.setattr(training, "_BREATH", 0.0)
    x, y = RNG.normal(size=(90, 5, 3)), RNG.normal(size=(90, 2))
    flow, seen = vg.GradientFlow(every=every, distributions=True), []
    assert flow.newest() is None
    callback = vg.callbacks.OnProgress(lambda progress: seen.append(flow.newest()))
    with monkeypatch.context() as patch:
        patch.setattr(vg.GradientFlow, "_settled", None)  # what reads the record
        network().fit(x, y, epochs=2, batch_size=9, track=flow, callbacks=[callback], verbose=0)
    for number in range(2):  # to be read, then read
        seen.append(flow.newest())
        assert (flow._pending == []) == number
        assert len(flow)
    assert {int(last.step[0]) for last in seen} == set(flow.step.tolist())
    for last in seen:
        row = flow.step.tolist().index(int(last.step[0]))
        recorded = {name: rows[row : row + 1] for name, rows in flow._rows().items()}
        assert_same_bits(last.columns(), recorded)


def test_looking_every_breath_is_not_quadratic(monkeypatch):
    """A callback that reads the flow copies what is new, now and then all of it."""
    copied = []
    append = Column.append

    def counting(self, rows):
        before = self._rows
        append(self, rows)
        copied.append(len(rows) + (len(self.rows) if self._rows is not before else 0))

    monkeypatch.setattr(Column, "append", counting)
    monkeypatch.setattr(training, "_BREATH", 0.0)
    flow = vg.GradientFlow()
    model = vg.Sequential([vg.Dense(1)], input_shape=2, seed=0)
    model.compile("mse", "sgd")
    x, y = np.zeros((2000, 2)), np.zeros((2000, 1))
    model.fit(
        x,
        y,
        batch_size=1,
        track=flow,
        callbacks=[vg.callbacks.OnProgress(lambda progress: len(flow))],
    )
    assert sum(copied) < 6 * 2000 * len(record_of(flow))


def test_chosen_steps_of_a_long_training():
    steps = [0, 7, 8, 10**9]
    flow = vg.GradientFlow(steps=steps)
    assert flow.wants(0, 9).nonzero()[0].tolist() == [0, 7, 8]
    begin = time.perf_counter()
    flow = vg.GradientFlow(steps=range(200_000))
    for first in range(0, 100_000, 100):
        assert flow.wants(first, 100).all()
    assert time.perf_counter() - begin < 20  # a search of all of them each time takes minutes


# ---- any source


def test_a_flow_is_filled_by_whoever_measures():
    """Step by step from another flow: the two are equal."""
    model, whole = network(), vg.GradientFlow()
    x, y = RNG.normal(size=(12, 6, 3)), RNG.normal(size=(12, 2))
    model.fit(x, y, batch_size=4, track=whole)
    flow = vg.GradientFlow()
    walks = {name: Walk(gates, name in whole.time_cell) for name, gates in whole.gates.items()}
    flow.declare(whole.layers, walks)
    for row, step in enumerate(whole.step):
        flow.add(
            int(step),
            loss=whole.loss[row],
            time={
                field: {name: rows[row] for name, rows in getattr(whole, field).items()}
                for field in vg.flow.TIME_FIELDS
            },
            **{field: getattr(whole, field)[row] for field in FIELDS},
        )
    assert_same_bits(record_of(flow), record_of(whole))
    assert (flow.layers, flow.gates) == (whole.layers, whole.gates)
    np.testing.assert_array_equal(flow.time_rate("lstm1"), whole.time_rate("lstm1"))


def test_what_was_not_measured_is_nan():
    flow = vg.GradientFlow()
    flow.declare(["a", "b"], {"b": Walk(("z",))})
    flow.add(3, delta=[1, np.inf])
    flow.add(4, loss=np.nan, time={"time": {"b": [1, 2, 3]}})
    assert flow.step.tolist() == [3, 4]
    np.testing.assert_array_equal(flow.delta, [[1, np.inf], [np.nan, np.nan]])
    np.testing.assert_array_equal(flow.time["b"], [[np.nan] * 3, [1, 2, 3]])
    assert np.isnan(flow.time_gate["b"]).all() and np.isnan(flow.dead).all()
    assert "b" not in flow.time_cell


BAD = [
    ({"delta": [1, 2, 3]}, ValueError, r"delta: expected shape \(2\), got \(3,\)"),
    ({"delta": 1}, ValueError, r"delta: expected shape \(2\)"),
    ({"deltas": [1, 2]}, ValueError, "fields: expected one of delta"),
    ({"delta": ["x", "y"]}, TypeError, "delta: "),
    ({"time": [1]}, TypeError, "time: "),
    ({"time": {"time": 3}}, TypeError, r"time\['time'\]: "),
    ({"time": {"tide": {"b": [1]}}}, ValueError, "time: expected one of time"),
    ({"time": {"time": {"a": [1]}}}, ValueError, r"time\['time'\]: expected one of b"),
    (
        {"time": {"time_gate": {"b": [1]}}},
        ValueError,
        r"time\['time_gate'\]\['b'\]: expected shape",
    ),
    ({"step": -1}, ValueError, "step: "),
    ({"step": 1.5}, TypeError, "step: "),
    ({"loss": "low"}, TypeError, "loss: "),
]


@pytest.mark.parametrize(("given", "error", "match"), BAD)
def test_bad_measurements_are_refused(given, error, match):
    flow = vg.GradientFlow()
    flow.declare(["a", "b"], {"b": Walk(("z",))})
    with pytest.raises(error, match=match):
        flow.add(**{"step": 0, **given})
    assert len(flow) == 0


DECLARATIONS = [
    ({"layers": None}, TypeError, "layers: "),
    ({"layers": "abc"}, TypeError, "layers: "),
    ({"layers": [1, 2]}, TypeError, "layers: "),
    ({"layers": ["a", "a"]}, ValueError, "layers: .*once"),
    ({"layers": ["a\0"]}, ValueError, "layers: .*printable"),
    ({"layers": ["a"], "walks": {"w": 3}}, TypeError, r"walks\['w'\]: "),
    ({"layers": ["a"], "walks": [("w", 3)]}, TypeError, "walks: "),
]


@pytest.mark.parametrize(("given", "error", "match"), DECLARATIONS)
def test_bad_declarations_are_refused(given, error, match):
    flow = vg.GradientFlow()
    with pytest.raises(error, match=match):
        flow.declare(**given)
    assert flow.layers == []


def test_a_row_that_there_is_no_memory_for_leaves_the_record_as_it_was(monkeypatch):
    flow = vg.GradientFlow()
    flow.declare(["a"], {"w": Walk(("z",))})
    flow.add(0, time={"time": {"w": [1.0]}})
    make_room = Column.make_room

    def full(self, rows):
        if rows.ndim == 3:
            raise MemoryError
        make_room(self, rows)

    monkeypatch.setattr(Column, "make_room", full)
    with pytest.raises(MemoryError):
        flow.add(1, time={"time": {"w": [1.0, 2.0]}})
    monkeypatch.undo()
    flow.add(2)
    assert flow.step.tolist() == [0, 2]
    np.testing.assert_array_equal(flow.time["w"][0, 0], 1.0)
    assert {len(rows) for rows in record_of(flow).values()} == {2}


@pytest.mark.parametrize("name", ["every", "steps", "delta", "time", "layers", "made_up"])
def test_nothing_of_a_record_may_be_assigned(name):
    flow = vg.GradientFlow(every=3)
    flow.declare(["a"])
    flow.add(0, delta=[1.0])
    with pytest.raises(AttributeError, match=f"{name}: nothing of a record may be assigned"):
        setattr(flow, name, 3)
    assert flow.delta.tolist() == [[1.0]] and not hasattr(flow, "made_up")


# ---- whose record it is


def test_a_second_compile_is_told_apart():
    model, flow = network(), vg.GradientFlow()
    x, y = RNG.normal(size=(12, 6, 3)), RNG.normal(size=(12, 2))
    model.fit(x, y, batch_size=4, track=flow)
    model.fit(x, y, batch_size=4, track=flow)
    before = record_of(flow)
    model.compile("mse", "adam")
    with pytest.raises(
        ValueError, match=r"track: .*steps 0 to 5 of another model or an earlier compile"
    ):
        model.fit(x, y, batch_size=4, track=flow)
    assert model.step == 0
    assert_same_bits(record_of(flow), before)


def test_a_flow_that_holds_nothing_goes_with_any_compile():
    model, flow = network(), vg.GradientFlow(steps=[])
    x, y = RNG.normal(size=(12, 6, 3)), RNG.normal(size=(12, 2))
    model.fit(x, y, track=flow)
    model.compile("mse", "adam")
    model.fit(x, y, track=flow)
    assert len(flow) == 0


class Using(vg.callbacks.Callback):
    """Uses a flow before there is a step of the training that has it."""

    def __init__(self, use):
        self.use = use

    def on_train_begin(self, model):
        self.use()


X, Y = RNG.normal(size=(12, 6, 3)), RNG.normal(size=(12, 2))


def alone(model, flow, callback):
    model.fit(X, Y, batch_size=4, track=flow, callbacks=[callback])


def among_others(model, flow, callback):
    others = [network(), network()]
    models, flows = [others[0], model, others[1]], [vg.GradientFlow(), flow, None]
    vg.fit_many(models, X, Y, batch_size=4, track=flows, callbacks=[[], [callback], []])


@pytest.mark.parametrize("verb", [alone, among_others])
@pytest.mark.parametrize("inner", [alone, among_others])
def test_a_flow_is_of_one_training_before_its_first_step(verb, inner):
    model, other, flow, refused = network(), network(), vg.GradientFlow(), []

    def use():
        with pytest.raises(ValueError, match=r"track: .* another model is being trained with"):
            inner(other, flow, vg.callbacks.Callback())
        refused.append(other.step)

    verb(model, flow, Using(use))
    assert refused == [0] and other.history is None
    assert flow.step.tolist() == [0, 1, 2] and model.step == 3
    alone(model, flow, vg.callbacks.Callback())
    assert flow.step.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("verb", [alone, among_others])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, StopIteration])
def test_a_flow_is_let_go_of_however_training_ends(verb, error):
    flow = vg.GradientFlow()

    def fail():
        raise error

    with contextlib.suppress(error):  # of one of many it is its result
        verb(network(), flow, Using(fail))
    other = network()
    alone(other, flow, vg.callbacks.Callback())
    assert flow.step.tolist() == [0, 1, 2]


def test_a_copy_of_a_flow_that_is_held_is_free():
    model, flow, copies = network(), vg.GradientFlow(), []
    alone(model, flow, Using(lambda: copies.append(copy.deepcopy(flow))))
    alone(network(), copies[0], vg.callbacks.Callback())
    assert copies[0].step.tolist() == flow.step.tolist() == [0, 1, 2]


def test_a_training_in_a_callback_of_the_same_model_has_its_flow():
    model, flow = network(), vg.GradientFlow()
    alone(model, flow, Using(lambda: alone(model, flow, vg.callbacks.Callback())))
    assert flow.step.tolist() == list(range(6))


@pytest.mark.parametrize("chosen", [{"every": 3}, {"steps": [1, 4, 2**40]}, {"steps": []}])
def test_a_loaded_flow_records_the_same_steps(chosen, tmp_path):
    model, flow = network(), vg.GradientFlow(**chosen)
    x, y = RNG.normal(size=(24, 6, 3)), RNG.normal(size=(24, 2))
    model.fit(x, y, batch_size=4, track=flow)
    flow.save(tmp_path / "flow.npz")
    loaded = vg.GradientFlow.load(tmp_path / "flow.npz")
    model.fit(x, y, batch_size=4, track=loaded)
    model.fit(x[:1], y[:1], track=flow)
    wanted = range(0, 12, 3) if "every" in chosen else [s for s in chosen["steps"] if s < 12]
    assert loaded.step.tolist() == list(wanted)


def test_files_of_before_say_nothing_of_the_steps_to_record(tmp_path):
    flow = vg.GradientFlow(every=2)
    flow.declare(["a"])
    flow.add(0, delta=[1.0])
    flow.save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as file:
        arrays = {**file}
    del arrays["every"]
    np.savez(tmp_path / "old.npz", **arrays)
    assert vg.GradientFlow.load(tmp_path / "old.npz").wants(0, 3).all()
    for wrong in ({"every": np.array([0])}, {"every": np.array([1.5])}, {"steps": np.array([-1])}):
        np.savez(tmp_path / "bad.npz", **{**arrays, **wrong})
        with pytest.raises(ValueError, match="path: expected a GradientFlow record"):
            vg.GradientFlow.load(tmp_path / "bad.npz")


def test_a_copy_goes_on_where_the_record_ends():
    model, flow = network(), vg.GradientFlow()
    x, y = RNG.normal(size=(12, 6, 3)), RNG.normal(size=(12, 2))
    model.fit(x, y, batch_size=4, track=flow)
    for copied in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        assert_same_bits(record_of(copied), record_of(flow))
        other = pickle.loads(pickle.dumps(model))
        other.fit(x, y, batch_size=4, track=copied)
        assert copied.step.tolist() == list(range(6))
        assert flow.step.tolist() == [0, 1, 2]


# ---- a look at the gradients


def test_a_look_finds_what_the_long_way_finds():
    model, x, y = network(), RNG.normal(size=(6, 5, 3)), RNG.normal(size=(6, 2))
    before = {name: value.copy() for name, value in model.state_dict().items()}
    short, long = model.gradient_flow(x, y), model.gradient_flow(x, y, sample_weight=np.ones(6))
    longer = model.gradient_flow(x, y, lengths=np.full(6, 5))
    assert model.session.step == 0
    for other in (long, longer):
        assert_same_bits(record_of(short), record_of(other))
    assert_same_bits(dict(model.state_dict()), before)


def test_every_look_has_arrays_of_its_own():
    model, x, y = network(), RNG.normal(size=(6, 5, 3)), RNG.normal(size=(6, 2))
    flow = model.gradient_flow(x, y)
    seen = record_of(copy.deepcopy(flow))
    model.fit(x, y, epochs=2)
    model.gradient_flow(-x, y)
    assert_same_bits(record_of(flow), seen)


def test_a_look_costs_few_calls():
    model = vg.Sequential([vg.Dense(3) for _ in range(5)], input_shape=4, seed=0)
    model.compile("mse", vg.SGD(0.1))
    x, y, calls = np.ones((2, 4)), np.ones((2, 3)), 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    model.gradient_flow(x, y)
    sys.setprofile(count)
    try:
        model.gradient_flow(x, y)
    finally:
        sys.setprofile(None)
    assert calls < 150


def test_what_is_read_before_the_first_step_grows_with_it():
    model, x, y = network(), RNG.normal(size=(6, 5, 3)), RNG.normal(size=(6, 2))
    early, late = vg.GradientFlow(), vg.GradientFlow()
    assert early.delta.shape == (0, 0)
    assert early.time == {}
    twin = copy.deepcopy(model)
    model.fit(x, y, epochs=2, track=early)
    twin.fit(x, y, epochs=2, track=late)
    assert_same_bits(record_of(late), record_of(early))


def test_norms_of_several_parameters_are_joined():
    layout = network().session.layout
    norms = RNG.uniform(1, 2, size=(3, len(layout.names), 4))
    joined = layout.layer_norms(norms)
    assert joined.shape == (6, 3, len(layout.columns))
    for column, operation in enumerate(layout.shown):
        for kind, fields in (("weight", {0: 1, 2: 0, 3: 2, 4: 3}), ("bias", {1: 1, 5: 3})):
            mine = [
                place
                for place, name in enumerate(layout.names)
                if layout.operations[place] == operation
                and name.rpartition(".")[2].startswith(kind)
            ]
            for field, norm in fields.items():
                twin = np.sqrt((norms[:, mine, norm] ** 2).sum(axis=1)) if mine else np.nan
                np.testing.assert_allclose(joined[field, :, column], twin, rtol=1e-14)


def test_what_is_read_of_a_record_is_read_only():
    model, (x, y) = network(), (RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 2)))
    flow = vg.GradientFlow()
    model.fit(x, y, track=flow)
    before = flow.delta.copy()
    for array in (flow.delta, flow.step, flow.time["lstm1"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    model.fit(x, y, track=flow)
    np.testing.assert_array_equal(flow.delta[: len(before)], before)


def test_looks_at_one_step_are_joined():
    model, (x, y) = network(), (RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 2)))
    looks = [model.gradient_flow(x * scale, y) for scale in range(1, 4)]
    assert vg.concat(looks).step.tolist() == [0, 0, 0]


def test_a_held_flow_cannot_be_declared_free():
    model, (x, y) = network(), (RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 2)))
    flow, other = vg.GradientFlow(), network()

    def free_it(epoch, logs):
        flow.declare(flow.layers, walks)
        other.fit(x, y, track=flow)

    walks = model.gradient_flow(x, y)._declared.walks
    with pytest.raises(ValueError, match="track: expected a tracker of this model"):
        model.fit(x, y, track=flow, callbacks=[free_it])


class FailsAtOnce(vg.callbacks.Callback):
    def on_train_begin(self, model):
        raise KeyError


def test_a_flow_of_no_step_binds_nobody():
    """Neither to layers nor to a run, also where records are joined."""
    x, y = RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 2))
    failed, flow, model = vg.GradientFlow(), vg.GradientFlow(), network()
    with pytest.raises(KeyError):
        network().fit(x, y, track=failed, callbacks=[FailsAtOnce()])
    model.fit(x, y, track=flow)
    joined = vg.concat([failed, flow])
    model.fit(x, y, track=joined)
    assert joined.step.tolist() == [0, 1]
    with pytest.raises(ValueError, match="another model or an earlier compile"):
        network().fit(x, y, track=joined)
    other = vg.Sequential([vg.Dense(2)], input_shape=3, seed=0)
    other.compile("mse")
    other.fit(x[:, 0], y, track=failed)
    assert failed.layers == ["dense1"] and len(failed) == 1


def test_outputs_at_the_edge_of_the_numbers():
    model = vg.Sequential(
        [vg.Dense(64, use_bias=False, weight_initializer="ones"), vg.Dense(1)],
        input_shape=1,
        seed=0,
        dtype="float64",
    )
    model.compile("mse")
    x, y = np.full((1000, 1), 1e304), np.zeros((1000, 1))
    with np.errstate(over="ignore"):
        flow = model.gradient_flow(x, y)
    assert flow.activation_mean[0, 0] == pytest.approx(1e304, rel=1e-12)


def test_where_no_timestep_is_alive_there_is_no_mean():
    x, y = RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 2))
    flow = network().gradient_flow(x, y, lengths=np.zeros(8, int))
    walks = slice(0, 3)
    assert np.isnan(flow.activation_mean[:, walks]).all()
    assert np.isnan(flow.activation_std[:, walks]).all()
