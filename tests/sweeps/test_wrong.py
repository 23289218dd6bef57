"""What is wrong: said before anything is changed, or the result of the model it happens to."""

import warnings

import numpy as np
import pytest
from reference import assert_same_bits
from side_by_side import (
    LABELS,
    LENGTHS,
    SEQUENCES,
    TARGETS,
    WEIGHTS,
    X,
    compiled,
    dense,
    lstm,
    same_history,
    several,
)

import vgcore as vg


def wrong(models=None, x=X, y=LABELS, **options):
    return lambda: vg.fit_many(several() if models is None else models(), x, y, **options)


def twice():
    return [dense(0), dense(1)] * 2


def of_one_generator():
    generator = np.random.default_rng(0)
    return [dense(generator), dense(generator)]


def compiled_for_a_plateau():
    return [
        dense(),
        dense(1, optimizer=vg.SGD(vg.schedules.ReduceOnPlateau(0.1, monitor="val_loss"))),
    ]


def one_that_fixes_time():
    layers = [[vg.LSTM(5)], [vg.Flatten()]]
    return [compiled([*some, vg.Dense(2)], (9, 4), "mse", seed=n) for n, some in enumerate(layers)]


FLOW, STOPPING = vg.GradientFlow(), vg.callbacks.EarlyStopping()
WRONG = {
    "no models": (wrong(list), ValueError, "models: expected at least one"),
    "one model": (wrong(dense), TypeError, "models: expected a list of models"),
    "none": (wrong(lambda: [dense(), None]), TypeError, r"models\[1\]: expected a Sequential"),
    "twice": (wrong(twice), ValueError, r"models\[2\]: expected each model once.*models\[0\]"),
    "not compiled": (
        wrong(lambda: [dense(), vg.Sequential([vg.Dense(3)], input_shape=6)]),
        RuntimeError,
        r"models\[1\]: the model has no loss yet",
    ),
    "generator": (wrong(of_one_generator), ValueError, r"models\[1\]: expected a seed of its own"),
    "shape": (
        wrong(lambda: [dense(), lstm()]),
        ValueError,
        r"models\[1\]: x: expected shape \(n, time, 4\)",
    ),
    "labels": (wrong(y=LABELS + 1), ValueError, r"models\[0\]: y: expected labels in 0 .. 2"),
    "list of x": (wrong(x=[X] * 5), ValueError, "x: expected one for all, or .* 6 models, got 5"),
    "list of y": (wrong(y=[LABELS] * 5), ValueError, "y: expected one for all, .* 6 models, got 5"),
    "iterator": (
        wrong(x=iter([(X, LABELS)]), y=None),
        ValueError,
        r"x: expected what can be gone through once for each model",
    ),
    "epochs": (wrong(epochs=0), ValueError, "epochs: expected an integer of at least 1"),
    "seconds": (wrong(seconds=0), ValueError, "seconds: expected a finite number above 0"),
    "one flow": (wrong(track=FLOW), TypeError, "track: expected a list with a GradientFlow"),
    "few flows": (wrong(track=[None]), ValueError, "track: expected a list .* 6 models, got 1"),
    "one flow twice": (wrong(track=[FLOW] * 6), ValueError, r"track\[1\]: .*track\[0\] again"),
    "a flow of another": (
        wrong(track=[*[None] * 5, lstm().gradient_flow(SEQUENCES, TARGETS)]),
        ValueError,
        r"models\[5\]: track: expected a tracker of the layers",
    ),
    "validation": (wrong(compiled_for_a_plateau), ValueError, r"models\[1\]: validation_data"),
    "validation data for each": (
        wrong(x=[X] * 6, validation_data=[(X, LABELS)] * 5),
        ValueError,
        "validation_data: expected one for all, or a list with one for each of the 6 models, got 5",
    ),
    "weights for few": (
        wrong(sample_weight=[WEIGHTS] * 5),
        ValueError,
        "sample_weight: expected one for all, or a list with one for each of the 6 models, got 5",
    ),
    "classes for few": (
        wrong(class_weight=[None] * 5),
        ValueError,
        "class_weight: expected one for all, or a list with one for each of the 6 models, got 5",
    ),
    "lengths of no sequences": (
        wrong(lengths=LENGTHS),
        ValueError,
        r"models\[0\]: lengths: expected None, for the model takes no sequences",
    ),
    "lengths that one cannot have": (
        wrong(one_that_fixes_time, x=SEQUENCES, y=TARGETS[:, 0], lengths=LENGTHS),
        ValueError,
        r"models\[1\]: lengths: expected None, for flatten1",
    ),
    "lengths of validation that one cannot have": (
        wrong(
            *(one_that_fixes_time, SEQUENCES, TARGETS[:, 0]),
            validation_data=(SEQUENCES, TARGETS[:, 0], LENGTHS),
        ),
        ValueError,
        r"models\[1\]: lengths of validation_data: expected None, for flatten1",
    ),
    "no weight": (
        wrong(sample_weight=[*[None] * 5, np.zeros(60)]),
        ValueError,
        r"models\[5\]: sample_weight: expected some weight above 0",
    ),
    "class": (wrong(class_weight={7: 1}), ValueError, r"models\[0\]: class_weight: expected an"),
    "validation twice": (
        wrong(validation_split=0.1, validation_data=(X, LABELS)),
        ValueError,
        "validation_split: expected None beside validation_data",
    ),
    "split": (wrong(validation_split=1.0), ValueError, "validation_split: .* below 1"),
    "drop_last": (wrong(drop_last=1), TypeError, "drop_last: expected True or False"),
    "all dropped": (wrong(drop_last=True, batch_size=61), ValueError, r"\]: drop_last: expected F"),
    "initial_epoch": (wrong(initial_epoch=2), ValueError, "initial_epoch: .* at most 1, got 2"),
    "weights beside minibatches": (
        wrong(x=[(X, LABELS)], y=None, sample_weight=WEIGHTS),
        ValueError,
        "sample_weight: expected None, for x is an iterable of minibatches, which hold theirs",
    ),
    "split of minibatches": (
        wrong(x=[(X, LABELS)], y=None, validation_split=0.5),
        ValueError,
        "validation_split: expected None, for x is an iterable of minibatches",
    ),
    "callback": (
        wrong(callbacks=[3]),
        TypeError,
        r"callbacks\[0\]: expected a callable \(epoch, logs\)",
    ),
    "callbacks for few": (
        wrong(callbacks=[[]] * 5),
        ValueError,
        "callbacks: expected one for all, or a list with one for each of the 6 models, got 5",
    ),
    "one callback for each": (
        wrong(callbacks=[[STOPPING]] * 6),
        ValueError,
        r"callbacks: expected each model's own, got one EarlyStopping for models\[0\] and models\[1\]",
    ),
    "one callback of a function": (
        wrong(callbacks=lambda model: [STOPPING]),
        ValueError,
        "callbacks: expected each model's own, got one EarlyStopping",
    ),
    "a callback that is no list": (
        wrong(callbacks=lambda epoch, logs: None),
        TypeError,
        r"callbacks: expected a sequence of callbacks, or a function that takes \(model\), got",
    ),
    "a hook that is no list": (wrong(callbacks=STOPPING), TypeError, "callbacks: expected a seq"),
    "a class that is no list": (
        wrong(callbacks=vg.callbacks.EarlyStopping),
        TypeError,
        "callbacks: expected a sequence of callbacks",
    ),
    "a function of no list": (
        wrong(callbacks=lambda model: print),
        TypeError,
        "callbacks: expected a sequence of callbacks, got <built-in function print>",
    ),
    "lists and others": (
        wrong(callbacks=[[], print]),
        TypeError,
        r"callbacks\[1\]: expected a sequence of callbacks",
    ),
    "one file": (
        wrong(callbacks=[vg.callbacks.Checkpoint("m.npz")]),
        ValueError,
        "path: expected a place for {model}",
    ),
    "one log": (
        wrong(callbacks=[vg.callbacks.CSVLogger("log.csv")]),
        ValueError,
        "path: expected a place for {model}",
    ),
    "verbose": (wrong(verbose=3), ValueError, "verbose: expected an integer of at most 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_before_anything_is_changed(case):
    call, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        call()


def test_nothing_is_changed_where_one_model_is_wrong():
    models, flows = several(), [vg.GradientFlow() for _ in range(7)]
    before = [model.session.values.copy() for model in models]
    with pytest.raises(ValueError, match=r"models\[6\]: x"):
        vg.fit_many([*models, lstm()], X, LABELS, track=flows)
    assert all(model.history is None and model.step == 0 for model in models)
    assert all(not flow.layers for flow in flows)
    for model, values in zip(models, before, strict=True):
        np.testing.assert_array_equal(model.session.values, values)


def test_a_model_that_raises_is_told_and_the_others_go_on():
    def make():
        hot = vg.SGD(1e30)
        return [dense(0), dense(1, optimizer=hot, on_nonfinite="raise"), dense(2)]

    models, others = make(), make()
    histories = vg.fit_many(models, X * 1e3, LABELS, epochs=3)
    assert isinstance(histories[1], FloatingPointError) and "step" in str(histories[1])
    for place in (0, 2):
        same_history(others[place].fit(X * 1e3, LABELS, epochs=3), histories[place])
        assert_same_bits(others[place].session.vectors(), models[place].session.vectors())
    with pytest.raises(FloatingPointError):
        others[1].fit(X * 1e3, LABELS, epochs=3)
    same_history(others[1].history, models[1].history)


def test_warnings_say_which_model_and_point_to_the_caller():
    models = [dense(0), dense(1, optimizer=vg.SGD(1e30))]
    with pytest.warns(RuntimeWarning, match=r"models\[1\]: not finite at step") as caught:
        histories = vg.fit_many(models, X * 1e3, LABELS, epochs=3)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert len(histories[1].epoch) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models = [dense(0), dense(1, optimizer=vg.SGD(1e30))]
        histories = vg.fit_many(models, X * 1e3, LABELS, epochs=3)
    assert isinstance(histories[1], RuntimeWarning) and len(histories[0].epoch) == 3


def test_what_functions_of_ones_own_raise_is_the_models():
    def loss(y, h):
        raise ZeroDivisionError("mine")

    models = [dense(0), compiled([vg.Dense(3)], 6, vg.losses.Custom(loss))]
    histories = vg.fit_many(models, X, LABELS)
    assert isinstance(histories[1], ZeroDivisionError) and len(histories[0].epoch) == 1


def exits():
    yield X[:20], LABELS[:20]
    raise SystemExit(3)


def test_what_is_no_exception_ends_all():
    models = several()[:2]
    with pytest.raises(SystemExit):
        vg.fit_many(models, [[(X, LABELS)] * 3, exits()], epochs=1000)
    assert models[1].step == 1 and models[1].history["loss"]
    assert models[0].step < 3000
