"""Ctrl-C and exceptions in callbacks lose nothing: flow, history, parameters."""

import _thread
import signal
import threading
import time

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore.model import training

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(400, 6)), RNG.normal(size=(400, 2))


def model():
    made = vg.Sequential([vg.Dense(8, "tanh"), vg.Dense(2)], input_shape=6, seed=0)
    made.compile("mse", "adam")
    return made


def trained(steps):
    """The model after so many steps, and its flow."""
    made, flow = model(), vg.GradientFlow()
    epochs, rest = divmod(steps, 100)
    for _ in range(epochs):
        made.fit(X, Y, batch_size=4, shuffle=False, track=flow)
    if rest:
        made.fit(X[: 4 * rest], Y[: 4 * rest], batch_size=4, shuffle=False, track=flow)
    return made, flow


def assert_nothing_lost(broken, flow):
    """Every step that changed the parameters is in the flow, and the history says what they cost."""
    steps = broken.step
    assert flow.step.tolist() == list(range(steps))
    whole, expected = trained(steps)
    assert_same_bits(broken.session.vectors(), whole.session.vectors())
    for field in vg.flow.FIELDS:
        np.testing.assert_array_equal(getattr(flow, field), getattr(expected, field), err_msg=field)
    losses = [expected.loss[i : i + 100].mean() for i in range(0, steps, 100)]
    np.testing.assert_allclose(broken.history.history["loss"], losses, rtol=1e-12)


class Stop(Exception):  # noqa: N818 - a signal, no error
    pass


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("calls", [1, 3, 130])
def test_an_exception_in_a_callback(calls, error, monkeypatch):
    monkeypatch.setattr(training, "_BREATH", 0.0)  # a step each
    broken, flow, left = model(), vg.GradientFlow(), [calls]

    def callback(progress):
        left[0] -= 1
        if left[0] == 0:
            raise error

    with pytest.raises(error):
        broken.fit(
            X,
            Y,
            epochs=9,
            batch_size=4,
            shuffle=False,
            track=flow,
            callbacks=[vg.callbacks.OnProgress(callback)],
        )
    assert broken.step == calls
    assert_nothing_lost(broken, flow)


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """Where a shell has started the tests in the background, they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("seconds", [0.02, 0.11, 0.3])
def test_an_interrupt_at_any_moment(seconds):
    broken, flow = model(), vg.GradientFlow()

    def after():
        time.sleep(seconds)
        _thread.interrupt_main()

    thread = threading.Thread(target=after)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, Y, epochs=1_000_000, batch_size=4, shuffle=False, track=flow)
    thread.join()
    steps = broken.step
    assert flow.step.tolist() == list(range(steps))
    assert len(broken.history.history["loss"]) >= steps // 100
    whole, expected = trained(min(steps, 3000))
    np.testing.assert_array_equal(flow.delta[:3000], expected.delta)
    if steps <= 3000:
        assert_same_bits(broken.session.vectors(), whole.session.vectors())


def test_history_before_and_after():
    fresh = model()
    assert fresh.history is None
    first = fresh.fit(X, Y, epochs=2)
    assert fresh.history is first
    with pytest.raises(ZeroDivisionError):
        fresh.fit(
            X,
            Y,
            epochs=5,
            validation_data=(X, Y),
            callbacks=[vg.callbacks.OnProgress(lambda progress: 1 / 0)],
        )
    assert fresh.history is not first and len(fresh.history.history["loss"]) == 1


def test_a_broken_epoch_has_no_validation():
    """Every column has an entry per epoch."""
    broken = model()

    def callback(progress):
        if progress.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        broken.fit(
            X, Y, epochs=5, validation_data=(X, Y), callbacks=[vg.callbacks.OnProgress(callback)]
        )
    history = broken.history.history
    assert len(broken.history.epoch) == 2
    assert [len(column) for column in history.values()] == [2] * len(history)
    assert np.isnan(history["val_loss"]).tolist() == [False, True]


def test_an_interrupt_while_validating(monkeypatch):
    broken = model()

    def measure(session, data, metrics):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.inference, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, Y, batch_size=4, shuffle=False, validation_data=(X, Y))
    assert broken.history.history["loss"] == [pytest.approx(trained(100)[1].loss.mean())]


def test_training_goes_on_after_it():
    broken, flow = model(), vg.GradientFlow()
    for _ in range(3):
        with pytest.raises(Stop):
            broken.fit(
                X,
                Y,
                batch_size=4,
                shuffle=False,
                track=flow,
                callbacks=[vg.callbacks.OnProgress(raiser())],
            )
    assert flow.step.tolist() == list(range(broken.step))


def raiser():
    def callback(progress):
        raise Stop

    return callback
