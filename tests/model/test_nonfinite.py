"""Steps whose loss or gradient is not finite: what is said, what is taken back, what goes on."""

import itertools
import re
import warnings

import numpy as np
import pytest
from processes import run_python
from reference import DTYPES, OPTIMIZERS, assert_same_bits

import vgcore as vg

MODES = ("warn", "raise", "stop", "ignore")
RNG = np.random.default_rng(0)


def dense(**options):
    """Statistics, dropout and a few layers: all that a step moves."""
    layers = [
        vg.Dense(9, "relu"),
        vg.BatchNorm(),
        vg.Dropout(0.3),
        vg.Dense(5, "relu"),
        vg.Dense(1),
    ]
    made = vg.Sequential(layers, input_shape=4, seed=0)
    made.layers[0].weight *= 4
    made.compile("mse", **{"optimizer": vg.Adam(0.01), **options})
    return made


def exploding(**options):
    """A linear RNN whose state grows a hundredfold at each timestep."""
    made = vg.Sequential([vg.RNN(3, "identity"), vg.Dense(1)], input_shape=(None, 2), seed=0)
    made.layers[0].weight_hh = 100 * np.eye(3)
    made.compile("mse", **{"optimizer": vg.SGD(0.01), **options})
    return made


def everything(model):
    """All that training changes, the order of the next epoch included."""
    session = model.session
    carried = (
        [] if session.carried is None else [a for a in session.carried.arrays if a is not None]
    )
    return {
        **{name: vector.copy() for name, vector in session.vectors().items()},
        "step": np.array(model.step),
        **{f"carried{i}": array.copy() for i, array in enumerate(carried)},
    }


def huge(row, rows=40):
    """Samples of which one overflows float32 in the first layer, whose statistics are then spoilt, too."""
    x, y = RNG.normal(size=(rows, 4)), RNG.normal(size=(rows, 1))
    x[row] = 3.4e38
    return x, y


# ---- the last good step


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("mode", ["raise", "stop"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_is_left_is_the_last_good_step(optimizer, mode, tracked, threads):
    vg.set_num_threads(threads)
    x, y = huge(row=27)
    until = dense(optimizer=optimizer, on_nonfinite="ignore")
    until.fit(x[:24], y[:24], batch_size=8, shuffle=False)
    model = dense(optimizer=optimizer, on_nonfinite=mode)
    flow = vg.GradientFlow() if tracked else None
    expected = (
        pytest.raises(FloatingPointError) if mode == "raise" else pytest.warns(RuntimeWarning)
    )
    with expected:
        model.fit(x, y, batch_size=8, shuffle=False, track=flow)
    assert_same_bits(everything(model), everything(until))
    assert model.history.history["loss"] == until.history.history["loss"]
    if tracked:  # what was seen of the bad step is in the record
        assert flow.step.tolist() == [0, 1, 2, 3]
        assert np.isnan(flow.loss[-1]) and np.isnan(flow.update_ratio[-1]).all()
        assert np.isfinite(flow.weight_norm[:, [0, 3, 4]]).all()


@pytest.mark.parametrize("mode", ["raise", "stop"])
def test_training_goes_on_from_there(mode):
    """With other data, as if the bad step had never been tried."""
    x, y = huge(row=27)
    models = dense(on_nonfinite=mode), dense(on_nonfinite="ignore")
    with pytest.raises(FloatingPointError) if mode == "raise" else pytest.warns(RuntimeWarning):
        models[0].fit(x, y, batch_size=8, shuffle=False)
    models[1].fit(x[:24], y[:24], batch_size=8, shuffle=False)
    for model in models:
        model.fit(x[:24], y[:24], batch_size=8, shuffle=False)
    assert_same_bits(*map(everything, models))


@pytest.mark.parametrize("mode", ["raise", "stop"])
def test_a_refused_step_is_told_from_the_one_made_in_its_stead(mode, tmp_path):
    """They have one number; nothing was applied in the first."""
    x, y = huge(row=27)
    model, flows = dense(on_nonfinite=mode), [vg.GradientFlow(), vg.GradientFlow()]
    for flow in flows:
        with pytest.raises(FloatingPointError) if mode == "raise" else pytest.warns(RuntimeWarning):
            model.fit(x, y, batch_size=8, shuffle=False, track=flow)
    assert flows[0].step.tolist() == [0, 1, 2, 3] and flows[1].step.tolist() == [3, 4, 5, 6]
    joined = vg.concat(flows)
    assert joined.step.tolist() == [0, 1, 2, 3, 3, 4, 5, 6]
    applied = [not np.isnan(row).all() for row in joined.update_ratio]
    assert applied == [True] * 3 + [False] + [True] * 3 + [False]
    np.testing.assert_array_equal(
        np.isnan(joined.weight_grad_applied), np.isnan(joined.update_ratio)
    )
    model.fit(x[:24], y[:24], batch_size=8, shuffle=False, track=joined)
    assert joined.step.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8]
    joined.save(tmp_path / "joined")
    loaded = vg.GradientFlow.load(tmp_path / "joined")
    np.testing.assert_array_equal(loaded.step, joined.step)
    with pytest.raises(ValueError, match=r"flows\[1\]: expected steps after 6"):
        vg.concat([joined[:9], joined[8:9]])
    again = vg.concat([joined[:8], joined[7:8], joined[8:]])  # as of a step that was refused twice
    assert again.step.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 6, 6, 7, 8]
    with pytest.raises(ValueError, match=r"flows\[1\]: expected steps after 6"):
        vg.concat([joined[:8], joined[:1]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [{}, {"clip_norm": 0.1}, {"clip_adaptive": 0.01}, {"noise": vg.GradientNoise()}],
    ids=str,
)
def test_a_guard_changes_no_bit_of_good_steps(options, mode):
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 1))
    models = [dense(on_nonfinite=each, **options) for each in (mode, "ignore")]
    flows = [vg.GradientFlow(), vg.GradientFlow()]
    for model, flow in zip(models, flows, strict=True):
        model.fit(x, y, batch_size=16, epochs=2, track=flow)
    assert_same_bits(*map(everything, models))
    for field in vg.flow.FIELDS:
        np.testing.assert_array_equal(*(getattr(flow, field) for flow in flows), err_msg=field)


def test_carried_states_are_put_back():
    """In the chunk that went wrong and in one behind which the sequences end."""
    x, y = RNG.normal(size=(4, 8, 2)), RNG.normal(size=(4, 8, 3))
    for chunk, tbptt in itertools.product((0, 1), (None, 4)):
        models = []
        for mode in ("raise", "ignore"):
            layer = vg.RNN(3, stateful=True, return_sequences=True)
            models.append(vg.Sequential([layer], input_shape=(8, 2), dtype="float64", seed=0))
            models[-1].compile("mse", "adam", tbptt=tbptt, on_nonfinite=mode)
            models[-1].train_on_batch(x, y)
        spoilt = y.copy()
        spoilt[2, 4 * chunk + 1] = 1e300
        with pytest.raises(FloatingPointError):
            models[0].train_on_batch(x, spoilt)
        carried = [model.session.carried.arrays[0] for model in models]
        assert_same_bits({"h": carried[0]}, {"h": carried[1]})
        if tbptt is None:
            assert_same_bits(*map(everything, models))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_that_overflows_where_the_loss_does_not(dtype):
    top = {"float32": 1e19, "float64": 1e154}[dtype]  # its square is finite, times x it is not
    model = vg.Sequential([vg.Dense(1, use_bias=False)], input_shape=1, dtype=dtype, seed=0)
    model.layers[0].weight = [[0]]
    model.compile("mse", vg.SGD(1.0), on_nonfinite="raise")
    before = everything(model)
    with pytest.raises(
        FloatingPointError, match=r"step 0: the gradient, first in that of dense1; no"
    ):
        model.train_on_batch([[3e38 if dtype == "float32" else 1e308]], [[top]])
    assert_same_bits(everything(model), before)


# ---- what is said


def test_the_message_names_step_epoch_layer_timestep_and_sample():
    model = exploding(on_nonfinite="raise")
    x = np.zeros((6, 40, 2))
    x[4, 7] = 1
    state, last = model.layers[0].weight_ih[:, 0].copy(), 7
    while np.isfinite(state).all():
        with np.errstate(over="ignore"):
            state, last = state * np.float32(100), last + 1
    match = rf"at step 1, epoch 0: .*, first in the output of rnn1 at timestep {last}, sample 4; "
    with pytest.raises(FloatingPointError, match=match):
        model.fit(x, np.zeros((6, 1)), batch_size=3, shuffle=False)
    with pytest.raises(FloatingPointError, match=match.replace("step 1, epoch 0", "step 1")):
        model.train_on_batch(x, np.zeros((6, 1)))


def test_padding_is_not_blamed():
    """Sample 4 would overflow behind its end; sample 5 does before its own."""
    model = exploding(on_nonfinite="raise")
    x = np.zeros((6, 40, 2))
    x[4, 7] = x[5, 10] = 1
    with pytest.raises(FloatingPointError, match="of rnn1 at timestep 30, sample 5"):
        model.train_on_batch(x, np.zeros((6, 1)), lengths=[40, 3, 9, 40, 20, 36])


def test_the_timestep_of_a_layer_that_goes_backwards():
    layer = vg.RNN(3, "identity", go_backwards=True)
    model = vg.Sequential([layer, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.layers[0].weight_hh = 100 * np.eye(3)
    model.compile("mse", on_nonfinite="raise")
    x = np.zeros((1, 40, 2))
    x[0, 30] = 1
    with pytest.raises(FloatingPointError, match="of rnn1 at timestep 10, sample 0"):
        model.train_on_batch(x, np.zeros((1, 1)))


def test_the_timestep_of_a_gradient():
    """The state is 0, so nothing grows forwards; backwards it does."""
    layer = vg.RNN(3, "identity", return_sequences=True)
    model = vg.Sequential([layer], input_shape=(None, 2), seed=0)
    model.layers[0].weight_hh = 100 * np.eye(3)
    model.compile("mse", on_nonfinite="raise")
    y = np.zeros((2, 40, 3))
    y[1, 35] = 1
    with pytest.raises(
        FloatingPointError, match=r"gradient, first in that of rnn1 at timestep 1\d, sample 1"
    ):
        model.train_on_batch(np.zeros((2, 40, 2)), y)


def cut_in_time(begin, **options):
    """What is said of a state that grows from timestep ``begin`` on, in steps or windows of 10 timesteps.

    A saturated output hides it from loss and gradient until it is infinite.
    """
    layers = [vg.RNN(3, "identity", return_sequences=True), vg.Dense(1, "tanh")]
    model = vg.Sequential(layers, input_shape=(None, 2), seed=0)
    model.layers[0].weight_hh = 100 * np.eye(3)
    model.compile("mse", vg.SGD(1e-30), on_nonfinite="raise", **options)
    x = np.zeros((2, 40, 2))
    x[0, begin] = 1
    with pytest.raises(FloatingPointError) as error:
        model.fit(x, np.zeros((2, 40, 1)), batch_size=2, shuffle=False)
    return str(error.value)


def test_the_timestep_of_a_chunk():
    """Chunks are steps; timesteps count from the beginning of the sequence."""
    found = re.search(r"step 3, .* of rnn1 at timestep (\d+), sample 0", cut_in_time(13, tbptt=10))
    assert found is not None and 30 <= int(found[1]) < 40


def test_the_timestep_between_checkpoints():
    """It is known of the first window, which is the last to be run again; of others, that it is behind."""
    whole = re.search(r"timestep (\d+), sample 0", cut_in_time(0, checkpoint=None))
    assert f"timestep {whole[1]}, sample 0" in cut_in_time(0, checkpoint=30)
    assert "behind timestep 9;" in cut_in_time(13, checkpoint=10)


def test_parameters_that_the_step_before_has_spoilt_are_named():
    model = vg.Sequential([vg.Dense(1)], input_shape=1, seed=0)
    model.compile("mse", vg.SGD(3e38), on_nonfinite="raise")
    model.train_on_batch([[10.0]], [[1e5]])
    with pytest.raises(
        FloatingPointError, match=r"step 1.*step before has made dense1.weight.* not "
    ):
        model.train_on_batch([[10.0]], [[1e5]])


# ---- warnings


def test_a_warning_comes_once_and_training_goes_on():
    x, y = huge(row=9)
    models = dense(), dense(on_nonfinite="ignore")
    for model in models:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x, y, batch_size=8, epochs=3, shuffle=False)
        wanted = [__file__] if model is models[0] else []
        assert [each.filename for each in caught] == wanted
    assert "step 1, epoch 0: the loss is nan" in str(caught[0].message) if caught else True
    assert_same_bits(*map(everything, models))
    with pytest.warns(RuntimeWarning, match="the loss is nan"):  # each fit warns anew
        models[0].fit(x, y)


def test_train_on_batch_warns_once_since_compile():
    model = dense()
    x, y = huge(row=3, rows=8)
    with pytest.warns(RuntimeWarning, match="step 0: the loss is nan"):
        model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    model.compile("mse")
    with pytest.warns(RuntimeWarning, match="step 0: the loss is nan"):
        model.train_on_batch(x, y)


def test_parameters_are_looked_at_when_fit_ends():
    """The loss of the last step cannot tell what it has left."""
    model = vg.Sequential([vg.Dense(1)], input_shape=1, seed=0)
    model.compile("mse", vg.SGD(3e38))
    with pytest.warns(RuntimeWarning, match="not finite after step 0: dense1.weight"):
        model.fit([[10.0]], [[1e5]])


def test_a_warning_that_is_an_error_loses_nothing():
    x, y = huge(row=9)
    model, flow = dense(), vg.GradientFlow()
    with pytest.raises(RuntimeWarning):
        model.fit(x, y, batch_size=8, shuffle=False, track=flow)
    assert flow.step.tolist() == [0, 1]
    assert len(model.history.history["loss"]) == 1


def test_looking_at_gradients_neither_warns_nor_raises():
    x, y = huge(row=0)
    for mode in MODES:
        model = dense(on_nonfinite=mode)
        assert np.isnan(model.gradients(x, y)[0])
        assert np.isnan(model.gradient_flow(x, y).loss)


def test_stop_ends_training_with_the_history_so_far():
    x, y = huge(row=27)
    model = dense(on_nonfinite="stop")
    with pytest.warns(RuntimeWarning, match="training stops"):
        history = model.fit(x, y, batch_size=8, epochs=9, shuffle=False)
    assert history is model.history and len(history.history["loss"]) == 1
    with pytest.warns(RuntimeWarning), pytest.MonkeyPatch.context():
        assert model.fit(x[24:], y[24:], batch_size=8, shuffle=False).history == {}
    with pytest.warns(RuntimeWarning, match="nothing of it was applied"):
        assert np.isnan(model.train_on_batch(x, y))


def test_the_mode_is_saved_and_checked(tmp_path):
    model = dense(on_nonfinite="stop")
    model.save(tmp_path / "model.npz")
    x, y = huge(row=0)
    before = everything(vg.load(tmp_path / "model.npz"))
    again = vg.load(tmp_path / "model.npz")
    with pytest.warns(RuntimeWarning):
        again.train_on_batch(x, y)
    assert_same_bits(everything(again), before)
    with pytest.raises(
        ValueError, match=r"on_nonfinite: expected one of warn, raise, stop, ignore"
    ):
        dense(on_nonfinite="rise")
    with pytest.raises(TypeError, match="on_nonfinite: "):
        dense(on_nonfinite=True)


SCRIPT = """
import warnings, numpy as np, vgcore as vg
def main():
    model = vg.Sequential([vg.Dense(1)], input_shape=4, seed=0)
    model.compile("mse", vg.SGD(1e20), on_nonfinite={mode!r})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(np.ones((64, 4)), np.ones((64, 1)), epochs=5)
    print([(each.filename, each.lineno) for each in caught])
main()
"""


@pytest.mark.parametrize("mode", ["warn", "stop"])
def test_a_warning_in_a_script_points_at_the_script(mode, tmp_path):
    """A script is in no package, and its functions have a caller."""
    (tmp_path / "script.py").write_text(SCRIPT.format(mode=mode))
    run = run_python(str(tmp_path / "script.py"))
    assert run.stdout.strip() == str([(str(tmp_path / "script.py"), 8)]), run.stderr


def test_parameters_that_were_not_finite_to_begin_with():
    model = vg.Sequential([vg.Dense(1)], input_shape=1, seed=0)
    model.layers[0].weight = [[np.nan]]
    model.compile("mse", on_nonfinite="raise")
    with pytest.raises(FloatingPointError, match=r"it began with dense1.weight not finite"):
        model.train_on_batch([[10.0]], [[1.0]])
