"""Many models side by side: bitwise as if alone, and nothing lost however it ends."""

import _thread
import signal
import sys
import threading
import time

import pytest
from reference import assert_same_bits
from side_by_side import (
    LABELS,
    SEQUENCES,
    TARGETS,
    X,
    assert_as_alone,
    compiled,
    dense,
    lstm,
    same_flow,
    same_history,
    several,
)

import vgcore as vg
from vgcore._core import team
from vgcore.model import progress, training
from vgcore.sweeps import crew


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
    monkeypatch.setattr(progress, "watched", lambda: True)
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
