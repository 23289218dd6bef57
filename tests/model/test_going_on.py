"""Copies and files hold all of a network, one that has diverged or carries states too: it goes on bitwise."""

import copy
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from copies import COPIES
from reference import OPTIMIZERS, assert_same_bits, network, samples

import vgcore as vg

over_copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def everything(model):
    """All that makes up a model, comparable; NaN equals NaN."""
    carried = model.session.carried
    arrays = [] if carried is None else [a if a is None else a.tobytes() for a in carried.arrays]
    vectors = {name: vector.tobytes() for name, vector in model.session.vectors().items()}
    return vectors, arrays, json.dumps(model.session.description())


def assert_goes_on(model, again, train):
    """A copy is equal, stays so while both train, and shares nothing."""
    assert everything(again) == everything(model)
    before = everything(again)
    train(model)
    assert everything(again) == before
    train(again)
    assert everything(again) == everything(model)


# ---- networks that have diverged


@over_copies
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_diverged_network_is_copied(optimizer, copied, tmp_path):
    model = network((2, 3, 1), ("identity", "identity"), optimizer=optimizer, dtype="float32",
                    on_nonfinite="ignore")  # fmt: skip
    x, y = samples(model, 4)
    for scale in (1, 1e10, 1e30, 1e37):
        model.train_on_batch(scale * x, scale * -y)
    assert not all(np.isfinite(vector).all() for vector in model.session.vectors().values())
    assert_goes_on(model, copied(model, tmp_path), lambda m: m.train_on_batch(x, y))


@over_copies
def test_one_step_of_adam_is_enough(copied, tmp_path):
    model = vg.Sequential([vg.Dense(1)], input_shape=1, seed=0)
    model.compile("mse", "adam", on_nonfinite="ignore")
    model.train_on_batch([[1e10]], [[-1e10]])
    assert np.isinf(model.session.vectors()["moment2"]).any()
    assert_goes_on(model, copied(model, tmp_path), lambda m: m.train_on_batch([[1.0]], [[2.0]]))


@over_copies
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_of_any_value_are_copied(value, copied, tmp_path):
    model = network((3, 4, 2), ("tanh", "softmax"), optimizer=vg.Adam())
    state = model.state_dict()
    for array in state.values():
        array.flat[0] = value
    model.load_state_dict(state)
    assert_same_bits(model.state_dict(), state)
    again = copied(model, tmp_path)
    assert_same_bits(again.state_dict(), state)
    other = network((3, 4, 2), ("tanh", "softmax"), seed=1)
    other.load_state_dict(model.state_dict())
    assert_same_bits(other.state_dict(), state)


@over_copies
def test_statistics_that_have_diverged_are_copied(copied, tmp_path):
    layers = [vg.Dense(3), vg.BatchNorm(), vg.Residual([vg.Dense(3), vg.BatchNorm()]), vg.Dense(1)]
    model = vg.Sequential(layers, input_shape=2, seed=0)
    model.compile("mse", vg.RMSProp(centered=True, momentum=0.5), on_nonfinite="ignore")
    x, y = np.random.default_rng(0).normal(size=(2, 6, 2)).astype("float32")
    y = y[:, :1]
    model.train_on_batch(x * 1e30, y)
    assert np.isinf(layers[1].running_var).any()
    assert_goes_on(model, copied(model, tmp_path), lambda m: m.train_on_batch(x, y))


@over_copies
@pytest.mark.parametrize("best", [np.nan, np.inf, None, 0.5, 3])
def test_what_a_schedule_has_seen_is_copied(best, copied, tmp_path):
    schedule = vg.schedules.Warmup(vg.schedules.ReduceOnPlateau(0.1, patience=0), 3)
    model = network((2, 1), ("identity",), optimizer=vg.SGD(schedule))
    model.session.chosen.course.resume([0.05, best, 2, 1])
    again = copied(model, tmp_path)
    assert str(again.session.chosen.course.seen) == str(model.session.chosen.course.seen)
    assert_goes_on(model, again, lambda m: m.fit(*samples(m, 4), epochs=2))


def test_an_epoch_of_nan_can_be_saved(tmp_path):
    optimizer = vg.SGD(vg.schedules.ReduceOnPlateau(0.1))
    model = network((2, 1), ("identity",), optimizer=optimizer, on_nonfinite="ignore")
    model.layers[0].weight = np.full((1, 2), np.nan)
    model.fit(*samples(model, 4), epochs=2)
    model.save(tmp_path / "model")
    assert everything(vg.load(tmp_path / "model")) == everything(model)


# ---- networks that are being trained


def test_a_copy_made_during_training_is_of_one_step():
    x, y = np.random.default_rng(0).normal(size=(2, 4000, 40))
    model, twin = (network((40, 40), ("tanh",), optimizer=vg.Adam()) for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(model.fit, x, y, batch_size=2, epochs=10, shuffle=False)
        copies, states = [], []
        while not training.done():
            copies.append(copy.deepcopy(model))
            states.append(model.state_dict())
        training.result()
    found = {each.step: everything(each)[0] for each in (*copies, model)}
    weights = {state["dense1.weight"].tobytes() for state in states}
    for step in range(model.step + 1):
        weights.discard(twin.layers[0].weight.tobytes())
        if step in found:
            assert everything(twin)[0] == found[step]
        begin = 2 * step % 4000
        twin.train_on_batch(x[begin : begin + 2], y[begin : begin + 2])
    assert not weights


# ---- what no state can be


def test_a_layer_may_be_given_any_numbers():
    model = network((2, 2), ("tanh",), dtype="float32")
    dense = model.layers[0]
    dense.weight = [[np.nan, 1], [np.inf, -np.inf]]
    assert str(dense.weight.tolist()) == "[[nan, 1.0], [inf, -inf]]"
    assert np.isnan(model.predict([[1.0, 1.0]])).any()
    for value in ([1e300, 1], [1j, 0], ["a", "b"], [1, 2, 3]):
        with pytest.raises((TypeError, ValueError), match=r"^dense1\.bias: expected"):
            dense.bias = value


@pytest.mark.parametrize("value", [-1.0, -np.inf, -1e-45])
def test_a_negative_variance_is_refused_by_name(value):
    inner, outer = vg.BatchNorm(), vg.BatchNorm()
    model = vg.Sequential(
        [vg.Dense(3), outer, vg.Residual([inner])], input_shape=2, dtype="float32", seed=0
    )
    for name, layer in (("batchnorm1", outer), ("residual1.batchnorm1", inner)):
        state = model.state_dict()
        state["dense1.bias"][:] = 7
        state[f"{name}.running_var"][1] = value
        with pytest.raises(ValueError, match="numbers >= 0, got -") as error:
            model.load_state_dict(state)
        assert str(error.value).startswith(f"state['{name}.running_var']: expected")
        assert str(error.value).endswith("[1]")
        with pytest.raises(ValueError, match="running_var: expected numbers >= 0"):
            layer.running_var = [1, value, 1]
        assert (layer.running_var == 1).all() and (model.layers[0].bias == 0).all()
        state[f"{name}.running_var"][1] = np.nan
        model.load_state_dict(state)
        model.load_state_dict({**state, "dense1.bias": [0, 0, 0], f"{name}.running_var": [1, 1, 1]})


# The states of each optimizer that hold squares
SQUARES = {
    "moment2": vg.Adam(),
    "square_sum": vg.AdaGrad(),
    "square_mean": vg.RMSProp(),
    "delta_square_mean": vg.AdaDelta(),
}


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = {**file, **changes}
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(("state", "optimizer"), SQUARES.items(), ids=SQUARES)
def test_negative_squares_in_a_file_are_refused_by_name(state, optimizer, tmp_path):
    path = tmp_path / "model"
    network((2, 2), ("tanh",), optimizer=optimizer).save(path)
    rewrite(path, **{f"{state}/dense1.bias": np.array([0.0, -2.0])})
    with pytest.raises(
        ValueError, match=rf"path: .*{state}\['dense1\.bias'\]: expected numbers >= 0"
    ):
        vg.load(path)
    for allowed in (np.nan, np.inf, 0.0, -0.0):
        rewrite(path, **{f"{state}/dense1.bias": np.array([0.0, allowed])})
        assert str(allowed) in str(vg.load(path).session.vectors()[state].tolist())


def test_states_that_may_be_negative(tmp_path):
    """Means of gradients, velocities and running means are of either sign, infinite ones too."""
    for optimizer in (vg.Adam(), vg.Lion(), vg.Momentum(), vg.RMSProp(centered=True, momentum=0.9)):
        model = network((2, 2), ("tanh",), optimizer=optimizer)
        for name, vector in model.session.vectors().items():
            if name not in SQUARES:
                vector[0] = -np.inf
        model.save(tmp_path / "model")
        assert everything(vg.load(tmp_path / "model")) == everything(model)


# ---- states that are carried

STATEFUL = {
    "mixed": lambda: [
        vg.LSTM(4, stateful=True, return_sequences=True),
        vg.GRU(3, return_sequences=True),
        vg.Residual([vg.RNN(3, stateful=True, return_sequences=True)]),
        vg.RNN(2, stateful=True),
    ],
    "both ways": lambda: [vg.Bidirectional(vg.LSTM(3, stateful=True))],
}


def stateful(layers, **options):
    model = vg.Sequential(STATEFUL[layers](), input_shape=(None, 2), seed=0, dtype="float64")
    model.compile("mse", vg.Adam(0.01), **options)
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(6, 5, 2)), rng.normal(size=(6, *model.session.shapes[-1]))


def train(x, y):
    return lambda model: model.fit(x, y, batch_size=3, epochs=2, shuffle=False)


@over_copies
@pytest.mark.parametrize("layers", STATEFUL)
def test_stateful_layers_go_on(layers, copied, tmp_path):
    model, x, y = stateful(layers)
    train(x, y)(model)
    again = copied(model, tmp_path)
    assert any(array.any() for array in again.session.carried.arrays if array is not None)
    assert_goes_on(model, again, train(x, y))
    assert again.predict(x[:3]).tobytes() == model.predict(x[:3]).tobytes()
    assert everything(again) == everything(model)
    again.reset_states()
    assert copied(again, tmp_path).session.carried is None


@over_copies
def test_a_model_goes_on_amid_its_epochs(copied, tmp_path):
    """Minibatch by minibatch, each time on with the copy."""
    model, x, y = stateful("mixed")
    again = model if copied is COPIES["copy"] else copied(model, tmp_path)
    again = copied(again, tmp_path)
    for _ in range(3):
        assert model.train_on_batch(x, y) == again.train_on_batch(x, y)
        again = copied(again, tmp_path)
    assert everything(again) == everything(model)


@pytest.fixture
def carrying(tmp_path):
    """A file of a model that carries states, and the path."""
    model, x, y = stateful("mixed")
    train(x, y)(model)
    model.save(tmp_path / "model")
    return tmp_path / "model"


def describe(path, **changes):
    with np.load(path) as file:
        description = {**json.loads(str(file["description"])), **changes}
    rewrite(path, description=np.array(json.dumps(description)))


def test_carried_states_have_names_in_a_file(carrying):
    with np.load(carrying) as file:
        names = [name for name in file.files if name.startswith("carried/")]
        assert names == [
            f"carried/{n}" for n in ("lstm1.h", "lstm1.c", "residual1.rnn1.h", "rnn1.h")
        ]
        assert file["carried/lstm1.h"].shape == (3, 4)


def test_files_of_before_carried_states_still_load(carrying):
    with np.load(carrying) as file:
        arrays = {name: array for name, array in file.items() if not name.startswith("carried/")}
    description = json.loads(str(arrays["description"]))
    del description["carried"]
    with carrying.open("wb") as file:
        np.savez(file, **{**arrays, "description": np.array(json.dumps(description))})
    assert vg.load(carrying).session.carried is None


@pytest.mark.parametrize(
    "changes",
    [
        {"carried": None},
        {"carried": [3]},
        {"carried": [0, 5]},
        {"carried": [3, "5"]},
        {"carried": [2**31 - 1, 5]},
        {"carried": [2, 5]},
        {"carried": {"rows": 3}},
        {"carried": 3},
    ],
    ids=str,
)
def test_carried_states_that_do_not_fit_are_refused(changes, carrying):
    describe(carrying, **changes)
    with pytest.raises(ValueError, match="path: expected a vgcore model"):
        vg.load(carrying)


# ---- steps beyond 32 bits

LATE = {
    "adam": vg.Adam(),
    "nadam": vg.NAdam(0.01),
    "adagrad": vg.AdaGrad(lr_decay=0.1),
    "cosine": vg.Adam(vg.schedules.Cosine(0.01, 1000)),
    "restarts": vg.SGD(vg.schedules.Cosine(0.01, 10, period_factor=1)),
    "growing restarts": vg.SGD(vg.schedules.Cosine(0.01, 10, period_factor=2)),
    "steps": vg.SGD(vg.schedules.Step(0.01, 2**30, 0.5)),
    "milestones": vg.SGD(vg.schedules.MultiStep(0.01, [5, 2**31 - 1], 0.5)),
    "inverse": vg.SGD(vg.schedules.InverseTime(0.01, 0.1)),
    "warmup": vg.SGD(vg.schedules.Warmup(vg.schedules.Constant(0.01), 5)),
    "one cycle": vg.SGD(vg.schedules.OneCycle(0.01, 50)),
}


@pytest.mark.parametrize("step", [2**31 - 2, 2**31, 2**40])
@pytest.mark.parametrize("optimizer", LATE.values(), ids=LATE)
def test_steps_are_counted_beyond_32_bits(optimizer, step, tmp_path):
    model = vg.Sequential([vg.Dense(3), vg.Dropout(0.5), vg.Dense(1)], input_shape=2, seed=0)
    model.compile("mse", optimizer, noise=vg.GradientNoise())
    model.session.step = step
    x, y = np.ones((12, 2)), np.ones((12, 1))
    flow = vg.GradientFlow(steps=[step, step + 2])
    model.fit(x, y, batch_size=3, track=flow)
    assert flow.step.tolist() == [step, step + 2] and model.step == step + 4
    model.save(tmp_path / "model")
    flow.save(tmp_path / "flow")
    again = vg.load(tmp_path / "model")
    assert again.step == step + 4
    assert vg.GradientFlow.load(tmp_path / "flow").step.tolist() == [step, step + 2]
    every = vg.GradientFlow(every=2)
    again.fit(x, y, batch_size=3, track=every)
    model.fit(x, y, batch_size=3)
    assert every.step.tolist() == [step + 4, step + 6]
    assert everything(again) == everything(model)


# ---- what cannot be made again


def test_a_schedule_of_the_users_own_is_refused_before_it_is_lost(tmp_path):
    class Mine(vg.schedules.Schedule):
        def rates(self, steps):
            return np.full(len(steps), 0.1)

    class Cosine(vg.schedules.Cosine):
        """Called as one of vgcore's."""

    for schedule in (Mine(), Cosine(0.1, 10)):
        model = network((2, 1), ("identity",), optimizer=vg.SGD(schedule))
        for copied in COPIES.values():
            with pytest.raises(ValueError, match="optimizer: expected one of vgcore's own"):
                copied(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_generator_of_the_users_own_is_refused_before_it_is_lost(tmp_path):
    class Dice(np.random.PCG64):
        """Not NumPy's."""

    model = network((2, 1), ("identity",), seed=np.random.Generator(Dice(1)))
    for copied in COPIES.values():
        with pytest.raises(ValueError, match=re.escape("seed: expected a generator of PCG64, ")):
            copied(model, tmp_path)
    assert not list(tmp_path.iterdir())
