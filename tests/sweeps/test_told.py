"""Callbacks of many models: who is told, by whom, and what each keeps."""

import threading
import time

import numpy as np
import pytest
from reference import assert_same_bits
from side_by_side import LABELS, X, compiled, dense, same_history, several

import vgcore as vg


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


class Losses(list):
    def on_epoch_end(self, epoch, logs):
        self.append(logs["loss"])


def test_a_callback_may_be_a_list():
    first, second = Losses(), Losses()
    vg.fit_many([dense(0), dense(1)], X, LABELS, epochs=2, callbacks=[first, second])
    assert len(first) == len(second) == 4
    vg.fit_many([dense(0), dense(1)], X, LABELS, epochs=2, callbacks=[[first], None])
    assert len(first) == 6 and len(second) == 4


def test_files_are_named_by_the_model_in_lists_of_its_own(tmp_path):
    path = tmp_path / "log-{model}.csv"
    own = [[vg.callbacks.CSVLogger(path)] for _ in range(2)]
    vg.fit_many([dense(0), dense(1)], X, LABELS, epochs=3, callbacks=own)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log-0.csv", "log-1.csv"]
    assert len((tmp_path / "log-1.csv").read_text().splitlines()) == 4


def test_a_wrong_callback_in_a_list_of_its_own_is_found():
    with pytest.raises(TypeError, match=r"models\[1\]: callbacks\[1\]: expected a call"):
        vg.fit_many([dense(0), dense(1)], X, LABELS, callbacks=[[], [print, 3]])


@pytest.mark.parametrize("number", [1, 2])
def test_divergence_is_a_result_of_one_model_and_of_many(number):
    models = [
        compiled([vg.Dense(1)], 6, "mse", seed=seed, on_nonfinite="raise") for seed in range(number)
    ]
    results = vg.fit_many(models, 1e30 * X, np.full((60, 1), 1e30), shuffle=False)
    assert [type(result) for result in results] == [FloatingPointError] * number


def test_a_bar_ends_where_the_models_did(capsys):
    stopping = vg.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    vg.fit_many([dense(0), dense(1)], X, LABELS, epochs=500, callbacks=[stopping], verbose=1)
    assert "epoch 500/500" not in capsys.readouterr().err
