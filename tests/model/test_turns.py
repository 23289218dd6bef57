"""One model in several Python threads: calls wait for each other, and none starves."""

import os
import threading
import time

import numpy as np
import pytest

import vgcore as vg
from vgcore.model import training, turns

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 9, 4)), RNG.normal(size=(60, 3))


def recurrent(**options):
    layers = [vg.LSTM(8, return_sequences=True), vg.GRU(5), vg.Dense(3)]
    made = vg.Sequential(layers, input_shape=(None, 4), seed=0, **options)
    made.compile("mse", "adam")
    return made


def in_threads(*tasks):
    """Run the tasks at once; what each returns or raises, in order."""
    found = [None] * len(tasks)

    def run(place, task):
        try:
            found[place] = task()
        except Exception as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_predictions_of_several_threads_are_those_of_one(threads):
    """Of different numbers of rows and timesteps, with states given and returned."""
    vg.set_num_threads(threads)
    model = recurrent()
    inputs = [X[:n, :times] for n, times in ((3, 9), (60, 4), (17, 1), (41, 9))]
    expected = [model.predict(x, return_state=True) for x in inputs]

    def repeatedly(x):
        return lambda: [model.predict(x, return_state=True) for _ in range(150)]

    for results, (outputs, states) in zip(
        in_threads(*map(repeatedly, inputs)), expected, strict=True
    ):
        assert not isinstance(results, Exception), results
        for got, state in results:
            np.testing.assert_array_equal(got, outputs)
            np.testing.assert_array_equal(state[0][1], states[0][1])
            np.testing.assert_array_equal(state[1], states[1])


def test_every_verb_may_be_called_while_fit_runs(tmp_path):
    """None changes the training, and each gives what it would between two steps."""
    alone, model = recurrent(), recurrent()
    alone.fit(X, Y, epochs=40, batch_size=5)
    done = threading.Event()

    def train():
        model.fit(X, Y, epochs=40, batch_size=5)
        done.set()

    def watch(verb):
        def run():
            count = 0
            while not done.is_set():
                verb()
                count += 1
            return count

        return run

    verbs = [
        lambda: model.predict(X),
        lambda: model.evaluate(X, Y),
        lambda: model.gradients(X, Y, wrt_inputs=True),
        lambda: model.gradient_flow(X[:7, :5], Y[:7]),
        lambda: model.save(tmp_path / "model.npz"),
        lambda: model.state_dict(),
        lambda: model.summary(),
    ]
    counts = in_threads(train, *map(watch, verbs))[1:]
    assert all(isinstance(count, int) for count in counts), counts
    np.testing.assert_array_equal(model.session.values, alone.session.values)


def test_who_waits_gets_a_turn_while_fit_runs():
    """A prediction does not have to wait for the end of the training."""
    model = recurrent()
    begun, stop = threading.Event(), threading.Event()

    def train():
        def callback(progress):
            begun.set()
            return stop.is_set()

        return model.fit(X, Y, epochs=100_000, callbacks=[vg.callbacks.OnProgress(callback)])

    def look():
        begun.wait()
        outputs = [model.predict(X[:2]) for _ in range(5)]
        stop.set()
        return outputs

    history, outputs = in_threads(train, look)
    assert len(outputs) == 5
    assert len(history.history["loss"]) < 100_000


def test_short_epochs_offer_a_turn_no_more_often_than_long_ones(monkeypatch):
    """Each is a pause where other threads are about, as in a notebook; epochs of a millisecond feel it."""
    offers = []
    monkeypatch.setattr(turns, "offer", lambda: offers.append(time.monotonic()))
    begin = time.monotonic()
    recurrent().fit(X, Y, epochs=100)
    assert len(offers) <= (time.monotonic() - begin) / training._BREATH < 100


def test_two_threads_may_train_one_model():
    """Each step is whole, whoever's it is."""
    model = recurrent()
    results = in_threads(*[lambda: model.fit(X, Y, epochs=10, batch_size=20)] * 2)
    assert all(isinstance(each, vg.model.history.History) for each in results), results
    assert model.step == 60
    results = in_threads(*[lambda: [model.train_on_batch(X, Y) for _ in range(50)]] * 2)
    assert model.step == 160
    assert np.isfinite(results).all()


def test_compiling_ends_the_fit_of_another_thread():
    model = recurrent()
    begun = threading.Event()

    def train():
        model.fit(
            X, Y, epochs=100_000, callbacks=[vg.callbacks.OnProgress(lambda progress: begun.set())]
        )

    def compile_anew():
        begun.wait()
        model.compile("mse", "sgd")

    error, _ = in_threads(train, compile_anew)
    assert isinstance(error, RuntimeError) and "compiled anew" in str(error)


def test_a_callback_may_call_the_model():
    model = recurrent()
    outputs = []
    model.fit(
        X,
        Y,
        callbacks=[vg.callbacks.OnProgress(lambda progress: outputs.append(model.predict(X[:1])))],
    )
    np.testing.assert_array_equal(outputs[-1], model.predict(X[:1]))


class Compiling:
    """Data that compiles the model anew as it is read."""

    def __init__(self, array, model, loss):
        self.array, self.model, self.loss = array, model, loss

    def __array__(self, dtype=None, copy=None):
        self.model.compile(self.loss, "sgd")
        return np.asarray(self.array, dtype=dtype)


@pytest.mark.parametrize(
    "verb", ["fit", "train_on_batch", "evaluate", "gradients", "gradient_flow"]
)
def test_targets_are_read_with_the_loss_that_they_were_checked_for(verb):
    """Numbers taken for labels would be indices of anything."""
    x, y = np.ones((16, 4), np.float32), np.full((16, 3), 1e9)
    model = vg.Sequential([vg.Dense(5, "tanh"), vg.Dense(3, "softmax")], input_shape=4, seed=0)
    model.compile("mse")
    sparse = "sparse_categorical_crossentropy"
    with pytest.raises(RuntimeError, match="compiled anew"):
        getattr(model, verb)(Compiling(x, model, sparse), y)
    with pytest.raises(RuntimeError, match="compiled anew"):
        getattr(model, verb)(Compiling(x, model, "mse"), np.zeros(16, int))
    if verb == "fit":
        model.compile("mse")
        with pytest.raises(RuntimeError, match="compiled anew"):
            model.fit(x, y, validation_data=(Compiling(x, model, sparse), y))


def test_a_compile_before_validation_ends_the_fit():
    model = recurrent()

    def callback(progress):
        model.compile("mse", "sgd")

    with pytest.raises(RuntimeError, match="compiled anew"):
        model.fit(X, Y, validation_data=(X, Y), callbacks=[vg.callbacks.OnProgress(callback)])


def test_a_flow_is_whole_whoever_reads_it_meanwhile():
    """Steps are neither lost nor out of order."""
    x, y = np.zeros((1500, 2), np.float32), np.zeros((1500, 1), np.float32)
    for _ in range(6):
        model = vg.Sequential([vg.Dense(1)], input_shape=2, seed=0)
        model.compile("mse", "sgd")
        flow, done = vg.GradientFlow(), threading.Event()

        def train(model=model, flow=flow, done=done):
            model.fit(x, y, batch_size=1, epochs=2, track=flow)
            done.set()

        def read(flow=flow, done=done):
            while not done.is_set():
                assert len(flow.delta) >= 0 and (np.diff(flow.step) == 1).all()

        assert in_threads(train, read, read) == [None] * 3
        assert flow.step.tolist() == list(range(3000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_thread_that_it_has_not():
    model = recurrent()
    expected = model.predict(X[:3])
    flow = model.gradient_flow(X, Y)
    with model.session.turn, flow._lock:
        started = threading.Event()

        def fork():
            child = os.fork()
            if child == 0:
                os._exit(len(flow) != 1 or not np.array_equal(model.predict(X[:3]), expected))
            started.set()
            return child

        (child,) = in_threads(fork)
    deadline = time.monotonic() + 30
    status = (0, 0)
    while status == (0, 0) and time.monotonic() < deadline:
        status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if status == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert status == (child, 0)
