"""Many models side by side: bitwise as if alone, told in one thread, and nothing lost however it ends."""

import _thread
import inspect
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore._core import team
from vgcore.model import progress, training
from vgcore.sweeps import crew

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(60, 6)), RNG.integers(3, size=60)
SEQUENCES, TARGETS = RNG.normal(size=(40, 9, 4)), RNG.normal(size=(40, 9, 2))
SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(autouse=True)
def two_threads():
    vg.set_num_threads(2)


def compiled(layers, input_shape, loss=SPARSE, optimizer="adam", seed=0, **options):
    model = vg.Sequential(layers, input_shape=input_shape, seed=seed)
    model.compile(loss, optimizer, **options)
    return model


def dense(seed=0, units=8, **options):
    return compiled([vg.Dense(units, "tanh"), vg.Dense(3, "softmax")], 6, seed=seed, **options)


def random_layers(seed=0):
    layers = [vg.Dense(9, "relu"), vg.Dropout(0.3), vg.BatchNorm(), vg.Dense(3, "softmax")]
    return compiled(layers, 6, seed=seed, optimizer=vg.SGD(0.1, momentum=0.9))


def lstm(seed=0, **options):
    layers = [vg.LSTM(5, return_sequences=True), vg.Dense(2)]
    return compiled(layers, (None, 4), "mse", seed=seed, **options)


def several():
    shared = vg.Adam(vg.schedules.Exponential(0.01, 0.9))
    return [
        *(dense(seed, units=3 + seed, optimizer=shared) for seed in range(3)),
        random_layers(7),
        random_layers(8),
        dense(9, metrics=["top_2"]),
    ]


def same_history(one, other):
    assert one.epoch == other.epoch and {*one} == {*other}
    for name in {*one} - {"seconds"}:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def same_flow(one, other):
    np.testing.assert_array_equal(one.step, other.step)
    for field in vg.flow.FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    for walk, values in one.time.items():
        np.testing.assert_array_equal(values, other.time[walk])


def assert_as_alone(make, x, y, **options):
    """fit_many against fit, one model after the other; x and y are lists with one for each."""
    alone, together = make(), make()
    flows = [[vg.GradientFlow(every=2) for _ in alone] for _ in range(2)]
    expected = [
        model.fit(*given, track=flow, **options)
        for model, flow, *given in zip(alone, flows[0], x, y, strict=True)
    ]
    all_x, all_y = (
        given[0] if all(each is given[0] for each in given) else given for given in (x, y)
    )
    histories = vg.fit_many(together, all_x, all_y, track=flows[1], **options)
    for one, other in zip(alone, together, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())
        assert one.step == other.step
    for one, other in zip(expected, histories, strict=True):
        same_history(one, other)
    for one, other in zip(*flows, strict=True):
        same_flow(one, other)
    for model, history in zip(together, histories, strict=True):
        assert model.history is history


@pytest.mark.parametrize("turn", [0.0, 0.05, 10.0])
@pytest.mark.parametrize("threads", [1, 2, 3, 20])
def test_each_model_is_trained_as_if_alone(threads, turn, monkeypatch):
    monkeypatch.setattr(crew, "_TURN", turn)
    vg.set_num_threads(threads)
    assert_as_alone(
        several, [X] * 6, [LABELS] * 6, epochs=4, batch_size=7, validation_data=(X[:9], LABELS[:9])
    )


def test_windows_of_time_and_data_of_each_models_own():
    options = [{"tbptt": 4}, {"checkpoint": 3}, {}]
    x = [SEQUENCES[:, : 9 - place] for place in range(3)]
    y = [TARGETS[:, : 9 - place] for place in range(3)]

    def make():
        return [lstm(seed, **each) for seed, each in enumerate(options)]

    assert_as_alone(make, x, y, epochs=3, batch_size=8)


def test_stateful_layers_and_no_shuffling():
    def make():
        layers = [[vg.GRU(3, stateful=True), vg.Dense(2)] for _ in range(3)]
        return [compiled(each, (9, 4), "mse", seed=n) for n, each in enumerate(layers)]

    assert_as_alone(
        make, [SEQUENCES] * 3, [TARGETS[:, 0]] * 3, epochs=2, batch_size=10, shuffle=False
    )


@pytest.mark.parametrize("kind", [list, tuple])
def test_minibatches_for_all_and_for_each(kind):
    parts = kind([(X[:20], LABELS[:20]), {"x": X[20:], "y": LABELS[20:]}])
    assert_as_alone(several, [parts] * 6, [None] * 6, epochs=3)
    models = several()[:2]
    each = [parts, [(X[:5], LABELS[:5])]]
    vg.fit_many(models, each, epochs=2)
    assert [model.step for model in models] == [4, 2]
    iterators = [iter(parts), iter(parts)]
    with pytest.warns(UserWarning, match=r"models\[[01]\]: fit: x is an iterator"):
        vg.fit_many(several()[:2], iterators, epochs=2)


def test_targets_for_each_model():
    models, others = several()[:3], several()[:3]
    y = [RNG.integers(3, size=60) for _ in models]
    vg.fit_many(models, X, y, epochs=2)
    for model, labels in zip(others, y, strict=True):
        model.fit(X, labels, epochs=2)
    for one, other in zip(models, others, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())


def test_lists_of_numbers_are_one_for_all():
    """As many samples as models: rows are not taken for data of each model."""
    x, y = [[0.0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]

    def make():
        return [compiled([vg.Dense(2, "softmax")], 2, seed=seed) for seed in range(4)]

    assert_as_alone(make, [x] * 4, [y] * 4, epochs=3)
    assert_as_alone(make, [np.array(x)] * 4, [y] * 4, epochs=3)
    rows = [np.array(row) for row in x]
    models, others = make(), make()
    vg.fit_many(models, rows, np.array(y))
    vg.fit_many(others, np.array(x), y)
    for one, other in zip(models, others, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())


def test_data_are_checked_and_copied_once():
    models = [dense(seed) for seed in range(5)]
    seen = []
    x = X.astype(np.float64)

    class Counted:
        def __array__(self, dtype=None, copy=None):
            seen.append(1)
            return x

        def __len__(self):
            return len(x)

    vg.fit_many(models, Counted(), LABELS, validation_data=(X, LABELS))
    assert len(seen) == 1


# ---- arguments of fit

WEIGHTS, LENGTHS = RNG.integers(3, size=60) / 2, RNG.integers(10, size=40)
OPTIONS = {
    "weights": {"sample_weight": WEIGHTS},
    "classes": {"class_weight": {1: 3.0}},
    "balanced": {"class_weight": "balanced", "sample_weight": WEIGHTS},
    "split": {"validation_split": 0.3, "sample_weight": WEIGHTS},
    "drop_last": {"drop_last": True},
    "drop_last in order": {"drop_last": True, "shuffle": False, "validation_split": 0.1},
    "initial_epoch": {"initial_epoch": 2},
    "no epoch": {"initial_epoch": 4, "validation_data": (X, LABELS)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_arguments_of_fit_are_for_all_models(options):
    assert_as_alone(several, [X] * 6, [LABELS] * 6, **{"epochs": 4, "batch_size": 7, **options})


def sequence_models():
    return [lstm(seed, **each) for seed, each in enumerate([{"tbptt": 4}, {"checkpoint": 3}, {}])]


@pytest.mark.parametrize("split", [False, True])
def test_lengths_and_weights_of_timesteps(split):
    assert_as_alone(
        sequence_models,
        [SEQUENCES] * 3,
        [TARGETS] * 3,
        **{"epochs": 2, "batch_size": 8, "lengths": LENGTHS},
        sample_weight=RNG.random((40, 9)),
        **{"validation_split": 0.2}
        if split
        else {"validation_data": (SEQUENCES, TARGETS, LENGTHS)},
    )


@pytest.mark.parametrize("x", [X, [X, X[::-1], X]], ids=["one x", "x for each"])
@pytest.mark.parametrize("y", [LABELS, [LABELS] * 3], ids=["one y", "y for each"])
def test_a_list_with_one_for_each(x, y):
    weights = [WEIGHTS, None, WEIGHTS[::-1]]
    classes = ["balanced", {0: 2.0}, None]
    models, others = several()[3:], several()[3:]
    histories = vg.fit_many(
        models, x, y, epochs=2, sample_weight=weights, class_weight=classes, validation_split=0.1
    )
    for place, (model, history) in enumerate(zip(others, histories, strict=True)):
        expected = model.fit(
            *(given[place] if isinstance(given, list) else given for given in (x, y)),
            **{"epochs": 2, "validation_split": 0.1},
            sample_weight=weights[place],
            class_weight=classes[place],
        )
        same_history(expected, history)
        assert_same_bits(model.session.vectors(), models[place].session.vectors())


def test_lengths_for_each():
    models, others = sequence_models(), sequence_models()
    lengths = [LENGTHS, None, LENGTHS[::-1]]
    vg.fit_many(models, SEQUENCES, TARGETS, lengths=lengths)
    for model, other, mine in zip(models, others, lengths, strict=True):
        other.fit(SEQUENCES, TARGETS, lengths=mine)
        assert_same_bits(model.session.vectors(), other.session.vectors())


def test_lists_of_numbers_are_weights_and_lengths_of_all():
    """As many samples as models, again."""

    def make():
        return [lstm(seed) for seed in range(4)]

    some = {"lengths": [9, 0, 3, 4], "sample_weight": [1.0, 0.0, 2.0, 3.0]}
    assert_as_alone(make, [SEQUENCES[:4]] * 4, [TARGETS[:4]] * 4, epochs=2, **some)


def test_padding_that_would_count_is_told_once():
    with pytest.warns(UserWarning, match="lengths are given, and none in validation_data") as told:
        vg.fit_many(
            *(sequence_models(), SEQUENCES, TARGETS),
            lengths=LENGTHS,
            validation_data=(SEQUENCES, TARGETS),
        )
    assert len(told) == 1 and told[0].filename == __file__


def test_minibatches_weighed_by_class():
    parts = [(X[:20], LABELS[:20]), {"x": X[20:], "y": LABELS[20:], "sample_weight": WEIGHTS[20:]}]
    assert_as_alone(several, [parts] * 6, [None] * 6, epochs=2, class_weight={2: 0.5})


def test_arguments_have_the_order_and_defaults_of_fit():
    def given(verb):
        every = inspect.signature(verb).parameters.values()
        return {each.name: each.default for each in every}

    of_fit, of_many = given(vg.Sequential.fit), given(vg.fit_many)
    del of_fit["self"], of_many["models"], of_many["seconds"]
    assert list(of_fit) == list(of_many)
    assert {**of_fit, "callbacks": ()} == of_many


# ---- what goes wrong


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
        r"callbacks\[0\]: expected a call",
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


# ---- who is told


class Seen(vg.callbacks.Callback):
    def __init__(self):
        self.calls, self.threads, self.now, self.most = [], set(), 0, 0

    def take(self, *what):
        self.now += 1
        self.most = max(self.most, self.now)
        self.threads.add(threading.get_ident())
        time.sleep(1e-4)
        self.calls.append(what)
        self.now -= 1

    def on_train_begin(self, model):
        self.take("begin", model)

    def on_epoch_end(self, epoch, logs):
        self.take("epoch", logs["model"], epoch)

    def on_step(self, step, logs):
        self.take("step", logs["model"], step)

    def on_train_end(self, model):
        self.take("end", model)


def test_callbacks_are_told_of_every_model_by_the_caller_one_at_a_time():
    models, seen = several(), Seen()
    vg.fit_many(models, X, LABELS, epochs=3, batch_size=20, callbacks=[seen])
    assert seen.most == 1 and seen.threads == {threading.get_ident()}
    for place, model in enumerate(models):
        mine = [call for call in seen.calls if call[1] is model or call[1] is place]
        steps = [("step", place, step) for step in range(9)]
        epochs = [("epoch", place, epoch) for epoch in range(3)]
        expected = [("begin", model), ("end", model)]
        for epoch in range(3):
            expected[-1:-1] = [*steps[3 * epoch : 3 * epoch + 3], epochs[epoch]]
        assert mine == expected


def test_early_stopping_is_each_models_own():
    def make():
        return [dense(seed, optimizer=vg.SGD(10.0)) for seed in range(5)]

    models, others = make(), make()
    options = {"epochs": 30, "validation_data": (X, LABELS), "batch_size": 6}
    stopping = vg.callbacks.EarlyStopping(patience=1, restore_best=True)
    histories = vg.fit_many(models, X, LABELS, callbacks=[stopping], **options)
    assert stopping.best_epoch is None
    for model, other, history in zip(models, others, histories, strict=True):
        same_history(other.fit(X, LABELS, callbacks=[stopping], **options), history)
        assert_same_bits(model.session.vectors(), other.session.vectors())
    assert len({len(history.epoch) for history in histories}) > 1


def test_callbacks_of_each_models_own_are_told_themselves():
    models, others = [[dense(n, optimizer=vg.SGD(10.0)) for n in range(5)] for _ in range(2)]
    options = {"epochs": 30, "validation_split": 0.2, "batch_size": 6}
    stopping, alone = [[vg.callbacks.EarlyStopping() for _ in range(5)] for _ in range(2)]
    seen = Seen()
    own = [[each] for each in stopping[:4]] + [(stopping[4], seen)]
    vg.fit_many(models, X, LABELS, callbacks=own, **options)
    for model, each in zip(others, alone, strict=True):
        model.fit(X, LABELS, callbacks=[each], **options)
    assert [each.stopped_epoch for each in stopping] == [each.stopped_epoch for each in alone]
    assert [each.best_epoch for each in stopping] == [each.best_epoch for each in alone]
    assert {call[1] for call in seen.calls} == {models[4], 4}


def fit_alone(**options):
    return dense().fit(X, LABELS, **options)


def fit_one_of_many(**options):
    return vg.fit_many([dense()], X, LABELS, **options)


@pytest.mark.parametrize("verb", [fit_alone, fit_one_of_many])
@pytest.mark.parametrize(
    ("monitor", "hint"),
    [
        ("val_loss", "; got 'val_loss', and there are no validation data"),
        ("loss_", "; got 'loss_'"),
    ],
)
def test_what_is_no_number_of_a_training_is_not_offered_to_watch(verb, monitor, hint):
    offered = "monitor: expected one of loss, accuracy, learning_rate, seconds"
    with pytest.raises(ValueError, match=offered + hint):
        verb(callbacks=[vg.callbacks.EarlyStopping(monitor)])


def test_callbacks_made_for_each_model():
    models, made = several(), {}

    def callbacks(model):
        made[model] = Seen()
        return [made[model]]

    vg.fit_many(models, X, LABELS, callbacks=callbacks)
    assert list(made) == models
    assert all(seen.calls[0] == ("begin", model) for model, seen in made.items())


def test_files_of_each_model(tmp_path):
    models = several()
    vg.fit_many(
        models,
        X,
        LABELS,
        epochs=2,
        callbacks=[
            vg.callbacks.Checkpoint(tmp_path / "m{model:02d}-{epoch}.npz"),
            vg.callbacks.CSVLogger(tmp_path / "log{model}.csv"),
        ],
    )
    for place, model in enumerate(models):
        loaded = vg.load(tmp_path / f"m{place:02d}-1.npz")
        assert_same_bits(loaded.session.vectors(), model.session.vectors())
        lines = (tmp_path / f"log{place}.csv").read_text().splitlines()
        assert len(lines) == 3


def test_a_callback_that_raises_ends_its_model():
    def raising(epoch, logs):
        if logs["model"] == 1 and epoch == 1:
            raise KeyError("mine")

    models = several()
    histories = vg.fit_many(models, X, LABELS, epochs=3, callbacks=[raising])
    assert isinstance(histories[1], KeyError) and models[1].history.epoch == [0, 1]
    assert [len(model.history.epoch) for model in models] == [3, 2, 3, 3, 3, 3]


def test_a_callback_may_use_any_of_the_models():
    models = several()

    def use(epoch, logs):
        return [model.predict(X) for model in models] and None

    histories = vg.fit_many(models, X, LABELS, epochs=5, callbacks=[use])
    assert all(len(history.epoch) == 5 for history in histories)


def test_a_callback_may_stop_its_model():
    histories = vg.fit_many(
        several(), X, LABELS, epochs=9, callbacks=[lambda epoch, logs: epoch == logs["model"]]
    )
    assert [len(history.epoch) for history in histories] == [1, 2, 3, 4, 5, 6]


# ---- how it ends


@pytest.mark.parametrize("seconds", [1e-9, 0.05, 0.4])
def test_a_budget_of_time(seconds):
    """Every step that was done is kept, and models come on alike."""
    models, flows = several(), [vg.GradientFlow() for _ in range(6)]
    ended = []

    class End(vg.callbacks.Callback):
        def on_train_end(self, model):
            ended.append(model)

    begin = time.monotonic()
    histories = vg.fit_many(
        models, X, LABELS, epochs=10**6, track=flows, seconds=seconds, callbacks=[End()]
    )
    assert time.monotonic() - begin < seconds + 2
    assert {*ended} == {*models}
    for model, flow, history in zip(models, flows, histories, strict=True):
        assert flow.step.tolist() == list(range(model.step))
        assert len(history.epoch) == -(-model.step // 2)
    if seconds == 0.4:
        assert min(model.step for model in models) > 0


@pytest.fixture
def interrupts_are_heard():
    """Where a shell has started the tests in the background, they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_ends_all_models_is_raised():
    with pytest.raises(ValueError, match="monitor: expected one of loss"):
        vg.fit_many([dense(0), dense(1)], X, LABELS, callbacks=[vg.callbacks.EarlyStopping()])


def test_of_little_time_each_model_gets_some():
    models = [dense(seed) for seed in range(40)]
    histories = vg.fit_many(models, X, LABELS, epochs=10**6, seconds=0.4)
    assert all(len(history["loss"]) for history in histories)


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3])
@pytest.mark.usefixtures("interrupts_are_heard")
def test_an_interrupt_stops_all_and_keeps_all(seconds):
    models, flows = several(), [vg.GradientFlow() for _ in range(6)]
    others, expected = several(), [vg.GradientFlow() for _ in range(6)]
    timer = threading.Timer(seconds, _thread.interrupt_main)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        vg.fit_many(models, X, LABELS, epochs=10**6, track=flows)
    assert time.monotonic() - begin < seconds + 2
    timer.join()
    assert not [t for t in threading.enumerate() if t.name.startswith("fit_many")]
    steps = [model.step for model in models]
    time.sleep(0.05)
    assert steps == [model.step for model in models]
    for model, flow, other, wanted in zip(models, flows, others, expected, strict=True):
        assert flow.step.tolist() == list(range(model.step))
        assert len(model.history.epoch) == -(-model.step // 2)
        if 0 < model.step < 4000 and model.step % 2 == 0:
            other.fit(X, LABELS, epochs=model.step // 2, track=wanted)
            assert_same_bits(model.session.vectors(), other.session.vectors())
            same_flow(flow, wanted)


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_step", "on_progress", "on_train_begin"])
def test_an_interrupt_in_a_callback(hook):
    models = several()

    class Interrupted(vg.callbacks.Callback):
        pass

    def interrupt(self, *arguments):
        raise KeyboardInterrupt

    setattr(Interrupted, hook, interrupt)
    with pytest.raises(KeyboardInterrupt):
        vg.fit_many(models, X, LABELS, epochs=10**6, callbacks=[Interrupted()])
    assert not [t for t in threading.enumerate() if t.name.startswith("fit_many")]
    assert all(len(model.history.epoch) == -(-model.step // 2) for model in models)


def test_short_steps_are_broken_off_within_an_epoch(monkeypatch):
    """An epoch in which it happens is told with the steps that were done."""
    monkeypatch.setattr(training, "_BREATH", 0.0)
    models = several()[:2]
    left = [5]

    class Interrupted(vg.callbacks.Callback):
        def on_step(self, step, logs):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vg.fit_many(models, X, LABELS, batch_size=1, callbacks=[Interrupted()])
    assert 0 < sum(model.step for model in models) < 60
    for model in models:
        assert len(model.history.epoch) == (model.step > 0)


def test_training_goes_on_after_it():
    models, others = several(), several()
    vg.fit_many(models, X, LABELS, epochs=2)
    vg.fit_many(models, X, LABELS, epochs=3)
    for model, other in zip(models, others, strict=True):
        other.fit(X, LABELS, epochs=2)
        other.fit(X, LABELS, epochs=3)
        assert_same_bits(model.session.vectors(), other.session.vectors())


# ---- threads


def test_a_thread_that_stays_counts_between_its_calls():
    vg.set_num_threads(8)
    shares = []

    def member():
        with team.Staying():
            shares.append(team.share())
            with team.Present():
                shares.append(team.share())
        time.sleep(0.05)
        with team.Present(), team.Present():
            shares.append(team.share())

    time.sleep(0.05)
    with team.Present():
        thread = threading.Thread(target=member)
        thread.start()
        thread.join()
    assert shares == [4, 4, 2]


def test_models_that_another_thread_uses():
    models, alone = several(), several()
    stop = threading.Event()
    errors = []

    def predict():
        try:
            while not stop.is_set():
                for model in models:
                    model.predict(X)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=predict)
    thread.start()
    vg.fit_many(models, X, LABELS, epochs=30)
    stop.set()
    thread.join()
    assert not errors
    for model, other in zip(models, alone, strict=True):
        other.fit(X, LABELS, epochs=30)
        assert_same_bits(model.session.vectors(), other.session.vectors())


def test_called_by_a_thread():
    models, alone, found = several(), several(), []
    thread = threading.Thread(target=lambda: found.extend(vg.fit_many(models, X, LABELS, epochs=2)))
    thread.start()
    thread.join()
    for model, history in zip(alone, found, strict=True):
        same_history(model.fit(X, LABELS, epochs=2), history)


# ---- what is shown


@pytest.mark.parametrize("turn", [0.0, 10.0])
def test_a_line_for_each_epoch_of_each_model(turn, monkeypatch, capsys):
    monkeypatch.setattr(crew, "_TURN", turn)
    models, others = several(), several()
    options = {"epochs": 5, "initial_epoch": 2, "validation_split": 0.2, "verbose": 2}
    vg.fit_many(models, X, LABELS, **options)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 * 3
    for place, model in enumerate(others):
        model.fit(X, LABELS, **options)
        mine = [line for line in lines if line.startswith(f"models[{place}], epoch ")]
        alone = [f"models[{place}], {line}" for line in capsys.readouterr().out.splitlines()]
        assert [line.rpartition(" (")[0] for line in mine] == [
            line.rpartition(" (")[0] for line in alone
        ]
        assert all("val_loss" in line for line in mine)


def test_without_tqdm_somebody_who_looks_sees_lines_of_all(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress, "_watched", lambda: True)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    vg.fit_many(several(), X, LABELS, epochs=3)
    assert capsys.readouterr().out.splitlines()[-1].startswith("epoch 3/3: loss ")


def test_a_bar_of_all_steps(capsys):
    pytest.importorskip("tqdm")
    vg.fit_many(several(), X, LABELS, epochs=5, verbose=1)
    shown = capsys.readouterr().err
    assert "100%" in shown and "epoch 5/5" in shown and "loss" in shown
    vg.fit_many(several(), [(X, LABELS)], epochs=5, verbose=1)
    assert "30step" in capsys.readouterr().err


def test_nothing_is_shown_where_nobody_looks(capsys):
    vg.fit_many(several(), X, LABELS)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
