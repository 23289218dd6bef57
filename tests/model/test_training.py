"""fit, train_on_batch, evaluate and predict: what they compute, and on which data and threads."""

import _thread
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import run_python
from reference import (
    CLIPPINGS,
    DTYPES,
    LOSSES,
    OPTIMIZERS,
    Twin,
    assert_close,
    assert_same_bits,
    network,
    samples,
)

import vgcore as vg

SPARSE = "sparse_categorical_crossentropy"
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def classifier(optimizer="sgd", *, dtype="float64", seed=0, **options):
    return network(
        (4, 9, 3), ("tanh", "softmax"), SPARSE, optimizer, dtype=dtype, seed=seed, **options
    )


# ---- what a step computes


@over_dtypes
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_steps_follow_the_twin(optimizer, clipping, dtype):
    model = network((6, 17, 9, 3), ("tanh", "silu", "softmax"), SPARSE, optimizer, dtype=dtype,
                    **clipping)  # fmt: skip
    twin = Twin(model, **clipping)
    for i in range(10):
        x, y = samples(model, 7, seed=i)
        loss = model.train_on_batch(x, y)
        assert loss == pytest.approx(twin.step(x, y).loss, rel=TOLERANCE[dtype])
    assert_close(model.state_dict(), twin.parameters, TOLERANCE[dtype])


def test_batches_that_grow_and_shrink_keep_the_optimizers_state():
    model = classifier(vg.Adam(0.05))
    twin = Twin(model)
    for threads, n in ((1, 3), (2, 17), (1, 1), (3, 257), (3, 5)):
        vg.set_num_threads(threads)
        x, y = samples(model, n)
        model.train_on_batch(x, y)
        model.gradients(x, y)
        model.predict(np.zeros((2 * n, 4)))
        twin.step(x, y)
    assert model.step == 5
    assert_close(model.state_dict(), twin.parameters, 1e-10)


def test_learning_rate_may_be_assigned_between_and_during_calls():
    optimizer = vg.SGD(0.5)
    model = classifier(optimizer)
    twin = Twin(model)
    x, y = samples(model, 8)

    def halve(progress):
        optimizer.learning_rate /= 2

    model.fit(x, y, epochs=3, shuffle=False, callbacks=[vg.callbacks.OnProgress(halve)])
    optimizer.learning_rate = 0.7
    model.train_on_batch(x, y)
    for optimizer.learning_rate in (0.5, 0.25, 0.125, 0.7):
        twin.step(x, y)
    assert_close(model.state_dict(), twin.parameters, 1e-10)


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (vg.SGD, "weight_decay", 0.5),
        (vg.SGD, "momentum", 0.9),
        (vg.Adam, "beta1", 0.5),
        (vg.Adam, "epsilon", 1e-2),
    ],
)
def test_settings_other_than_the_learning_rate_are_fixed(optimizer, name, value):
    chosen = optimizer(0.1)
    before = getattr(chosen, name)
    with pytest.raises(AttributeError, match=f"{name}: only learning_rate"):
        setattr(chosen, name, value)
    assert getattr(chosen, name) == before


def test_compile_starts_anew():
    model, other = classifier(vg.Adam(0.1)), classifier(vg.Adam(0.1))
    x, y = samples(model, 8)
    model.fit(x, y, epochs=3)
    other.load_state_dict(model.state_dict())
    model.compile(SPARSE, vg.Adam(0.1))
    assert model.step == 0
    for each in (model, other):
        each.fit(x, y, epochs=2, shuffle=False)
    assert_same_bits(model.state_dict(), other.state_dict())


# ---- fit


def test_fit_is_train_on_batch_over_the_minibatches():
    """Ten samples in minibatches of four: the last has two."""
    fitted, stepped = classifier(vg.SGD(0.1, momentum=0.9)), classifier(vg.SGD(0.1, momentum=0.9))
    x, y = samples(fitted, 10)
    history = fitted.fit(x, y, epochs=2, batch_size=4, shuffle=False)
    losses = [
        [stepped.train_on_batch(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)] for _ in range(2)
    ]
    assert_same_bits(fitted.state_dict(), stepped.state_dict())
    assert fitted.step == stepped.step == 6
    assert history.epoch == [0, 1]
    assert list(history) == ["loss", "accuracy", "learning_rate", "seconds"]
    np.testing.assert_allclose(
        history.history["loss"], np.average(losses, axis=1, weights=(4, 4, 2)), rtol=1e-12
    )


def test_a_batch_larger_than_the_data_is_the_data():
    one, other = classifier(), classifier()
    x, y = samples(one, 10)
    one.fit(x, y, batch_size=1000, shuffle=False)
    other.train_on_batch(x, y)
    assert_same_bits(one.state_dict(), other.state_dict())


def test_shuffling_is_reproducible_from_the_seed():
    def trained(seed, shuffle=True):
        model = classifier(seed=seed)
        model.load_state_dict(start)
        for _ in range(2):
            model.fit(x, y, epochs=2, batch_size=3, shuffle=shuffle)
        return model.state_dict()

    start = classifier().state_dict()
    x, y = samples(classifier(), 20)
    assert_same_bits(trained(1), trained(1))
    assert_same_bits(trained(1, shuffle=False), trained(2, shuffle=False))
    assert trained(1)["dense1.weight"].tobytes() != trained(2)["dense1.weight"].tobytes()
    assert_same_bits(trained(np.random.default_rng(5)), trained(5))


def test_every_epoch_visits_every_sample_once_in_a_new_order():
    """Steps too small to change anything: the loss of a step tells which sample it saw."""
    model = classifier(vg.SGD(1e-300))
    x, y = samples(model, 19)
    flow = vg.GradientFlow()
    model.fit(x, y, epochs=3, batch_size=1, track=flow)
    alone = [model.evaluate(x[i : i + 1], y[i : i + 1]).loss for i in range(19)]
    visited = np.array(
        [[alone.index(loss) for loss in epoch] for epoch in flow.loss.reshape(3, 19)]
    )
    assert (np.sort(visited, axis=1) == np.arange(19)).all()
    assert len({tuple(order) for order in visited} | {tuple(range(19))}) == 4


def test_validation_data_are_evaluated_after_each_epoch():
    model, twin = classifier(), classifier()
    x, y = samples(model, 12)
    xv, yv = samples(model, 300, seed=1)
    history = model.fit(x, y, epochs=3, shuffle=False, validation_data=(xv, yv)).history
    assert {"loss", "val_loss", "val_accuracy"} < history.keys()
    for epoch in range(3):
        twin.fit(x, y, shuffle=False)
        assert (history["val_loss"][epoch], history["val_accuracy"][epoch]) == twin.evaluate(xv, yv)


def test_callback_is_told_the_progress():
    model = classifier()
    x, y = samples(model, 10)
    seen = []
    history = model.fit(
        x, y, epochs=3, batch_size=4, callbacks=[vg.callbacks.OnProgress(seen.append)]
    )
    ends = [progress for progress in seen if progress.step % 3 == 0]
    assert [(p.epoch, p.epochs, p.step, p.steps) for p in ends] == [
        (1, 3, 3, 9),
        (2, 3, 6, 9),
        (3, 3, 9, 9),
    ]
    assert all(np.isfinite(p.loss) for p in seen)
    assert len(history.epoch) == 3


def test_callback_is_told_the_end_of_each_epoch_of_minibatches():
    model = classifier()
    x, y = samples(model, 10)
    seen = []
    batches = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    model.fit(batches, epochs=2, callbacks=[vg.callbacks.OnProgress(seen.append)])
    ends = [(p.epoch, p.step) for p in seen if p.epoch * 3 == p.step]
    assert ends == [(1, 3), (2, 6)]


@pytest.mark.parametrize("kind", ["arrays", "minibatches"])
def test_a_compile_at_the_end_of_the_last_epoch_is_seen(kind):
    model = classifier()
    x, y = samples(model, 8)
    given = (x, y) if kind == "arrays" else ([(x, y)],)

    def compile_again(progress):
        if progress.epoch == 1:
            model.compile("mse")

    with pytest.raises(RuntimeError, match="compile"):
        model.fit(*given, epochs=1, callbacks=[vg.callbacks.OnProgress(compile_again)])


def test_the_end_of_an_epoch_is_told_where_its_last_step_stops_training():
    class Stop(vg.callbacks.Callback):
        def on_step(self, step, logs):
            return True

    model, seen = classifier(), []
    model.fit(*samples(model, 8), callbacks=[Stop(), vg.callbacks.OnProgress(seen.append)])
    assert [progress.epoch for progress in seen] == [1]


@pytest.mark.parametrize("answer", [True, np.True_], ids=repr)
def test_callback_stops_training(answer):
    stopped, short = classifier(), classifier()
    x, y = samples(stopped, 8)
    history = stopped.fit(
        x,
        y,
        epochs=9,
        callbacks=[vg.callbacks.OnProgress(lambda p: answer if p.epoch == 2 else None)],
    )
    short.fit(x, y, epochs=2)
    assert history.epoch == [0, 1]
    assert_same_bits(stopped.state_dict(), short.state_dict())


def raise_interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "interrupt",
    [raise_interrupt, lambda: signal.raise_signal(signal.SIGINT)],
    ids=["raised", "signal"],
)
def test_interrupted_training_leaves_a_usable_model(interrupt):
    model, short = classifier(vg.Adam()), classifier(vg.Adam())
    x, y = samples(model, 8)
    flow = vg.GradientFlow()
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            x,
            y,
            epochs=9,
            track=flow,
            callbacks=[vg.callbacks.OnProgress(lambda p: p.epoch == 3 and interrupt())],
        )
    short.fit(x, y, epochs=3)
    assert model.step == len(flow) == 3
    for each in (model, short):
        each.fit(x, y, epochs=2, track=flow if each is model else None)
    assert_same_bits(model.state_dict(), short.state_dict())
    assert flow.step.tolist() == list(range(5))


def test_ctrl_c_reaches_a_fit_without_callback():
    model = classifier()
    x, y = samples(model, 8)
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=10**6, batch_size=1)
    timer.join()
    assert np.isfinite(model.train_on_batch(x, y))


# ---- evaluate and predict


@over_dtypes
@pytest.mark.parametrize("n", [1, 3, 255, 256, 257, 600])
def test_predict_any_number_of_samples(n, dtype):
    model = network((5, 33, 4), ("gelu", "softmax"), dtype=dtype)
    x, _ = samples(model, n)
    outputs = model.predict(x)
    assert outputs.dtype == model.dtype
    np.testing.assert_allclose(
        outputs, Twin(model).predict(x), rtol=1e-5 if dtype == "float32" else 1e-12
    )


@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize(("loss", "output"), LOSSES)
def test_evaluate(loss, output, reduction):
    model = network((5, 7, 4), ("tanh", output), loss, reduction=reduction)
    x, y = samples(model, 300)
    result, twin = model.evaluate(x, y), Twin(model)
    assert result.loss == pytest.approx(twin.run(x, y).loss, rel=1e-12)
    if loss == "mse":
        assert np.isnan(result.accuracy)
    else:
        classes = y if y.ndim == 1 else y.argmax(axis=1)
        assert result.accuracy == np.mean(twin.predict(x).argmax(axis=1) == classes)


@pytest.mark.parametrize("output", ["sigmoid", "hard_sigmoid", "identity"])
def test_accuracy_of_one_output_is_the_side_of_a_half(output):
    """An identity output is a logit: its half is 0."""
    model = network((5, 1), (output,), "binary_crossentropy")
    x = np.random.default_rng(0).normal(size=(50, 5))
    y = np.arange(50) % 2
    right = (model.predict(x)[:, 0] > (0 if output == "identity" else 0.5)) == y
    assert model.evaluate(x, y).accuracy == right.mean()


# ---- data as users hold them

RNG = np.random.default_rng(7)
X, Y = RNG.integers(-9, 10, (24, 4)).astype(np.float32), RNG.integers(0, 3, 24)
READ_ONLY = X.copy()
READ_ONLY.setflags(write=False)
INPUTS = {
    "every other row": np.repeat(X, 2, axis=0)[::2],
    "reversed twice": np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "a column of more": np.pad(X, ((0, 0), (3, 2)))[:, 3:-2],
    "Fortran order": np.asfortranarray(X),
    "read-only": READ_ONLY,
    "float64": X.astype(np.float64),
    "float16": X.astype(np.float16),
    "int8": X.astype(np.int8),
    "big-endian": X.astype(">f8"),
    "a list": X.tolist(),
    "unaligned": np.frombuffer(b"?" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape),
}
LABELS = {
    "every other": np.repeat(Y, 2)[::2],
    "uint8": Y.astype(np.uint8),
    "int32": Y.astype(np.int32),
    "big-endian": Y.astype(">i8"),
    "a column": Y[:, np.newaxis],
    "a list": Y.tolist(),
}


@pytest.mark.parametrize(
    ("x", "y"),
    [*((x, Y) for x in INPUTS.values()), *((X, y) for y in LABELS.values())],
    ids=[*(f"x: {name}" for name in INPUTS), *(f"y: {name}" for name in LABELS)],
)
def test_data_in_any_layout_are_the_same_data(x, y):
    one, other = classifier(dtype="float32"), classifier(dtype="float32")
    for model, (a, b) in ((one, (x, y)), (other, (X, Y))):
        model.fit(a, b, epochs=2, batch_size=5)
        model.train_on_batch(a, b)
    assert_same_bits(one.state_dict(), other.state_dict())
    assert one.evaluate(x, y) == other.evaluate(X, Y)
    assert one.predict(x).tobytes() == other.predict(X).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dense_targets_in_any_layout(order, dtype):
    one, other = (network((4, 3), ("sigmoid",), "binary_crossentropy") for _ in range(2))
    y = RNG.integers(0, 2, (24, 3)).astype(dtype, order=order)
    one.fit(X, y, epochs=2, batch_size=5)
    other.fit(X, np.ascontiguousarray(y, np.float64), epochs=2, batch_size=5)
    assert_same_bits(one.state_dict(), other.state_dict())


def test_targets_of_one_output_may_be_flat():
    one, other = (network((4, 1), ("identity",), "mse") for _ in range(2))
    y = RNG.normal(size=24)
    one.fit(X, y, epochs=2)
    other.fit(X, y[:, np.newaxis], epochs=2)
    assert_same_bits(one.state_dict(), other.state_dict())


def test_the_callers_data_are_not_changed():
    model = classifier(dtype="float32")  # X and Y are what the engine can read in place
    x, y = X.copy(), Y.copy()
    model.fit(x, y, epochs=2, batch_size=5, validation_data=(x, y), track=vg.GradientFlow())
    model.train_on_batch(x, y)
    model.gradients(x, y)
    model.evaluate(x, y)
    model.predict(x)[...] = 0
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_assigning_a_parameter_copies_into_it():
    model = classifier()
    layer = model.layers[0]
    values = RNG.normal(size=layer.weight.shape)
    layer.weight = values
    layer.bias = list(range(9))
    np.testing.assert_array_equal(model.state_dict()["dense1.weight"], values)
    np.testing.assert_array_equal(model.state_dict()["dense1.bias"], range(9))
    x = samples(model, 5)[0]
    np.testing.assert_allclose(model.predict(x), Twin(model).predict(x), rtol=1e-12)
    values[...] = 0
    assert layer.weight.all()
    layer.weight[2] = 0  # a view: what is written there is the model's
    assert not model.state_dict()["dense1.weight"][2].any()


# ---- threads and processes

WIDE = (120, 131, 257, 104, 10)


def wide(optimizer="sgd", *, dtype="float32", **options):
    """Wide enough for a team of threads; its data in minibatches of 64 end with one of 51."""
    model = network(WIDE, ("tanh", "relu", "gelu", "softmax"), SPARSE, optimizer, dtype=dtype,
                    **options)  # fmt: skip
    return model, samples(model, 179)


def trained_wide(optimizer, options, track=False, dtype="float32"):
    model, (x, y) = wide(optimizer, dtype=dtype, **options)
    flow = vg.GradientFlow() if track else None
    history = model.fit(x, y, epochs=2, batch_size=64, track=flow).history
    result = {
        **model.state_dict(),
        **model.gradients(x, y)[1],
        "loss": np.array(history["loss"]),
        "outputs": model.predict(x),
        "evaluation": np.array(model.evaluate(x, y)),
    }
    if track:
        result |= {field: getattr(flow, field) for field in ("loss", *vg.flow.FIELDS)}
    return result


@over_dtypes
@pytest.mark.parametrize("track", [False, True], ids=["untracked", "tracked"])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"clip_value": 1e-3}], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_bits_do_not_depend_on_threads(optimizer, options, track, dtype):
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        results.append(trained_wide(optimizer, options, track, dtype))
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


TASKS = Path("/proc/self/task")


@pytest.mark.skipif(not TASKS.is_dir(), reason="threads of a process are counted in /proc")
def test_a_team_is_used_for_wide_networks_only():
    script = f"""
import os, sys
import numpy as np
sys.path.append({str(Path(__file__).parent)!r})
from test_training import classifier, samples, vg, wide
threads = lambda: len(os.listdir({str(TASKS)!r}))
vg.set_num_threads(3)
begin = threads()
model = classifier()
model.fit(*samples(model, 50), batch_size=10)
narrow = threads()
model, data = wide()
model.fit(*data, batch_size=64)
print(narrow - begin, threads() - begin)
"""
    run = run_python("-c", script)
    assert run.stdout.split() == ["0", "2"], run.stderr


def test_two_python_threads_train_two_models_at_once():
    vg.set_num_threads(2)
    optimizers = [vg.SGD(0.2, momentum=0.9), vg.Adam(0.02)] * 2
    alone = [trained_wide(o, {}, track=True) for o in optimizers]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda o: trained_wide(o, {}, track=True), optimizers))
    for one, other in zip(alone, together, strict=True):
        assert_same_bits(one, other)


def send_result(pipe):
    pipe.send(trained_wide(vg.Adam(0.02), {"clip_norm": 0.1}, track=True))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_trains_too():
    vg.set_num_threads(3)
    expected = trained_wide(vg.Adam(0.02), {"clip_norm": 0.1}, track=True)  # starts the team
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send_result, args=(sender,))
    child.start()
    try:
        assert receiver.poll(30), "the child hangs"
        assert_same_bits(receiver.recv(), expected)
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
    assert_same_bits(trained_wide(vg.Adam(0.02), {"clip_norm": 0.1}, track=True), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_callers_subnormal_numbers_survive(threads):
    vg.set_num_threads(threads)
    trained_wide(vg.SGD(), {})
    for subnormal in (np.float32(1e-40), np.float64(1e-310)):
        assert (np.full(8, subnormal) * subnormal.dtype.type(1) == subnormal).all()
        assert (np.full(8, subnormal) != 0).all()


# ---- what a callback may do to a running fit


@pytest.mark.parametrize(
    "callback",
    [
        "y[:] = 10**9",
        "model.compile('mse')",
        "vg.set_num_threads(1 + p.epoch % 3); model.train_on_batch(np.ones((99, 4)), [0] * 99)",
    ],
)
def test_a_callback_cannot_crash_the_process(callback):
    script = f"""
import numpy as np, vgcore as vg
model = vg.Sequential([vg.Dense(100_000, "softmax")], input_shape=4, seed=0)
model.compile("{SPARSE}")
x, y = np.ones((64, 4)), np.zeros(64, np.int64)
def callback(p):
    {callback}
try:
    model.fit(x, y, epochs=4, batch_size=8, callbacks=[vg.callbacks.OnProgress(callback)])
except (ValueError, RuntimeError) as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    run = run_python("-c", script, env=environment)
    assert run.returncode == 0, run.stderr


def test_a_history_of_no_epochs_says_so():
    model = vg.Sequential([vg.Dense(1)], input_shape=2, seed=0)
    model.compile("mse")
    with pytest.raises(KeyError, match="no epoch was run"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 1)), epochs=1, initial_epoch=1, verbose=0)["loss"]
