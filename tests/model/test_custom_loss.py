"""Losses that are functions of one's own: as those of the engine, and what functions may do besides."""

import numpy as np
import pytest

import vgcore as vg

N, TIMES = 21, 7


def squared(y, h):
    """Mse of each output, or of each timestep's or pixel's."""
    axis = 1 if h.ndim == 4 else -1
    return ((h - y) ** 2).mean(axis=axis), 2 * (h - y) / h.shape[axis]


def layers(kind, units=6):
    if kind == "vectors":
        hidden = [vg.Dense(units, "tanh"), vg.Dense(units, "tanh"), vg.BatchNorm(), vg.Dropout(0.2)]
        return [*hidden, vg.Dense(3)], (4,)
    if kind == "last":
        return [vg.LSTM(units), vg.Dense(3)], (None, 4)
    if kind == "times":
        return [vg.LSTM(units, return_sequences=True), vg.Dense(3)], (None, 4)
    return [vg.Conv2d(units, 3, activation="tanh"), vg.Conv2d(2, 3)], (2, 6, 7)


def model(kind, loss, dtype="float64", units=6, **options):
    stack, shape = layers(kind, units)
    made = vg.Sequential(stack, input_shape=shape, dtype=dtype, seed=3)
    made.compile(loss, vg.SGD(0.1), **options)
    return made


def samples(kind, dtype="float64", n=N):
    rng = np.random.default_rng(1)
    shape = tuple(TIMES if size is None else size for size in layers(kind)[1])
    x = rng.normal(size=(n, *shape)).astype(dtype)
    y = rng.normal(size=model(kind, "mse", dtype).predict(x).shape).astype(dtype)
    return x, y


def state(trained):
    return np.concatenate([each.ravel() for each in trained.state_dict().values()])


def weights(kind, by_time, n=N):
    rng = np.random.default_rng(2)
    given = rng.uniform(size=(n, TIMES) if by_time and kind == "times" else n)
    given[::3] = 0
    return given


@pytest.mark.parametrize("kind", ["vectors", "last", "times", "images"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_trains_and_evaluates_as_the_loss_that_is_built_in(kind, dtype, weighted):
    x, y = samples(kind, dtype)
    options = {"sample_weight": weights(kind, True)} if weighted else {}
    if kind in ("last", "times"):
        options["lengths"] = np.arange(N) % TIMES + 1
    results = []
    for loss in ("mse", vg.losses.Custom(squared)):
        trained = model(kind, loss, dtype)
        history = trained.fit(x, y, epochs=3, batch_size=8, **options)
        evaluated = trained.evaluate(x, y, **options).loss
        alone, _ = trained.gradients(x, y, **options)
        results.append((history["loss"], evaluated, alone, state(trained)))
    for builtin, own in zip(*results, strict=True):
        np.testing.assert_allclose(
            own, builtin, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-6
        )


@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize("options", [{}, {"tbptt": 3}, {"checkpoint": 2}], ids=str)
@pytest.mark.parametrize("lengths", [None, np.arange(N) % (TIMES + 1)], ids=["whole", "lengths"])
def test_windows_of_time_and_reductions(reduction, options, lengths):
    def own(y, h):
        losses, gradients = squared(y, h)
        return (losses, gradients) if reduction == "mean" else (3 * losses, 3 * gradients)

    x, y = samples("times")
    results = []
    for loss in ("mse", vg.losses.Custom(own)):
        trained = model("times", loss, reduction=reduction, **options)
        history = trained.fit(x, y, epochs=2, batch_size=8, lengths=lengths)
        evaluated = trained.evaluate(x, y, lengths=lengths).loss
        alone, gradients = trained.gradients(x, y, lengths=lengths)
        flat = np.concatenate([each.ravel() for each in gradients.values()])
        results.append((history["loss"], evaluated, alone, flat, state(trained)))
    for builtin, own_result in zip(*results, strict=True):
        np.testing.assert_allclose(own_result, builtin, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize("kind", ["times", "images"])
def test_a_loss_of_a_whole_sample_is_averaged_over_the_batch(kind, reduction):
    def whole(y, h):
        axes = tuple(range(1, h.ndim))
        return ((h - y) ** 2).mean(axis=axes), 2 * (h - y) / h[0].size

    x, y = samples(kind)
    given = weights(kind, False)
    builtin = model(kind, "mse")
    own = model(kind, vg.losses.Custom(whole), reduction=reduction)
    expected, gradients = builtin.gradients(x, y, sample_weight=given)
    loss, found = own.gradients(x, y, sample_weight=given)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-10, atol=1e-14)
    assert own.evaluate(x, y, sample_weight=given).loss == pytest.approx(
        builtin.evaluate(x, y, sample_weight=given).loss, rel=1e-12
    )


WIDE = {"vectors": 160, "times": 48, "images": 32}  # enough for two threads to pay


@pytest.mark.parametrize("kind", WIDE)
def test_bits_do_not_depend_on_threads_or_on_tracking(kind):
    x, y = samples(kind, n=96)
    found = []
    threads = vg.get_num_threads()
    try:
        for number in (1, 2, 3):
            vg.set_num_threads(number)
            for flow in (None, vg.GradientFlow()):
                trained = model(kind, vg.losses.Custom(squared), units=WIDE[kind])
                history = trained.fit(x, y, epochs=2, batch_size=40, track=flow)
                found.append((history["loss"], state(trained).tobytes()))
    finally:
        vg.set_num_threads(threads)
    assert all(each == found[0] for each in found)


def test_rows_come_with_their_targets_whatever_these_are():
    """Y is of integers, of another shape than h, and shuffled as x is."""
    seen = []

    def own(y, h):
        assert y.dtype == np.int16
        assert y.shape == (len(h), 2, 5)
        seen.append((y[:, 0, 0].copy(), h.copy()))
        return np.zeros(len(h)), np.zeros_like(h)

    x = np.arange(N, dtype=np.float64)[:, np.newaxis]
    y = np.broadcast_to(np.arange(N, dtype=np.int16)[:, np.newaxis, np.newaxis], (N, 2, 5))
    net = vg.Sequential([vg.Dense(1)], input_shape=(1,), dtype="float64", seed=0)
    net.compile(vg.losses.Custom(own), "sgd")
    net.load_state_dict({"dense1.weight": [[1.0]], "dense1.bias": [0.0]})
    net.fit(x, y, epochs=1, batch_size=8)
    assert [len(h) for _, h in seen] == [8, 8, 5]
    for labels, h in seen:
        np.testing.assert_array_equal(h[:, 0], labels)


def test_chunks_of_time_that_are_steps_get_their_part_of_y():
    shapes = []

    def own(y, h):
        shapes.append((y.shape, h.shape))
        return squared(y, h)

    x, y = samples("times", n=4)
    model("times", vg.losses.Custom(own), tbptt=3).fit(x, y, epochs=1, batch_size=4)
    assert shapes == [((4, t, 3), (4, t, 3)) for t in (3, 3, 1)]


def test_outputs_behind_the_end_are_0_whatever_was_there_before():
    def own(y, h):
        assert not h[y.astype(bool)].any()
        return np.full(h.shape[:2], np.where(y, np.nan, 1.0)), np.ones_like(h)

    x, _ = samples("times")
    lengths = np.random.default_rng(0).integers(0, TIMES + 1, N)
    ended = np.arange(TIMES) >= lengths[:, np.newaxis]
    trained = model("times", vg.losses.Custom(own))
    history = trained.fit(x, ended, epochs=2, batch_size=5, lengths=lengths)
    np.testing.assert_allclose(history["loss"], 1, rtol=1e-12)


def test_a_weight_of_0_hides_what_is_not_finite():
    def own(y, h):
        bad = y[:, 0] > 0
        losses, gradients = squared(0, h)
        losses[bad], gradients[bad] = np.inf, np.nan
        return losses, gradients

    x, y = samples("vectors")
    trained = model("vectors", vg.losses.Custom(own))
    loss, gradients = trained.gradients(x, y, sample_weight=(y[:, 0] <= 0).astype(float))
    assert np.isfinite(loss)
    assert all(np.isfinite(each).all() for each in gradients.values())


class OwnError(Exception):
    """What a function of a test raises."""


@pytest.mark.parametrize("kind", ["vectors", "times"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["warn", "raise"])
def test_what_it_raises_is_raised_and_the_step_never_was(kind, threads, mode):
    calls = []

    def own(y, h):
        calls.append(len(h))
        if len(calls) == 4:
            raise OwnError("the fourth")
        return squared(y, h)

    x, y = samples(kind, n=192)
    before = vg.get_num_threads()
    vg.set_num_threads(threads)
    try:
        broken = model(kind, vg.losses.Custom(own), units=WIDE[kind], on_nonfinite=mode)
        with pytest.raises(OwnError, match="fourth"):
            broken.fit(x, y, epochs=1, batch_size=32, shuffle=False)
        good = model(kind, vg.losses.Custom(squared), units=WIDE[kind], on_nonfinite=mode)
        good.fit(x[:96], y[:96], epochs=1, batch_size=32, shuffle=False)
        assert broken.step == good.step == 3
        np.testing.assert_array_equal(state(broken), state(good))
        broken.fit(x[96:], y[96:], epochs=1, batch_size=32, shuffle=False)
        good.fit(x[96:], y[96:], epochs=1, batch_size=32, shuffle=False)
        np.testing.assert_array_equal(state(broken), state(good))
    finally:
        vg.set_num_threads(before)


def test_what_it_raises_leaves_carried_states():
    x, y = samples("times", n=4)

    def carrying(loss):
        net = vg.Sequential(
            [vg.LSTM(5, return_sequences=True, stateful=True), vg.Dense(3)],
            input_shape=(None, 4),
            dtype="float64",
            seed=3,
        )
        net.compile(loss, "sgd")
        return net

    def raising(y, h):
        if y[0, 0, 0] > 1e6:
            raise OwnError
        return squared(y, h)

    broken, good = carrying(vg.losses.Custom(raising)), carrying(vg.losses.Custom(squared))
    for net in (broken, good):
        net.train_on_batch(x, y)
    with pytest.raises(OwnError):
        broken.train_on_batch(x, y + 1e7)
    with pytest.raises(OwnError):
        broken.evaluate(x, y + 1e7)
    assert broken.train_on_batch(x, y) == good.train_on_batch(x, y)
    np.testing.assert_array_equal(state(broken), state(good))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda y, h: None, TypeError, "a pair, got None"),
        (lambda y, h: h, TypeError, "a pair"),
        (lambda y, h: (h[:, 0], h, h), TypeError, "a pair, got 3 items"),
        (
            lambda y, h: (h, h),
            ValueError,
            r"losses of shape \(21,\) from the function, got \(21, 3\)",
        ),
        (lambda y, h: (h.mean(), h), ValueError, r"losses of shape \(21,\) .* got \(\)"),
        (lambda y, h: (h[:, 0], h[:, 0]), ValueError, r"gradients of shape \(21, 3\)"),
        (lambda y, h: (h[:, 0] * 1j, h), TypeError, "losses from the function as real numbers"),
        (lambda y, h: (h[:, 0], h.astype(str)), TypeError, "gradients from the function as real"),
        (lambda y, h: (h[:, 0], [[1], [2, 3]]), TypeError, "gradients from the function as real"),
        (lambda y, h: (h[:, 0] * np.nan, h), ValueError, r"losses .* NaN at \(0,\)"),
        (lambda y, h: (h[:, 0], h * np.nan), ValueError, r"gradients .* NaN at \(0,\)"),
    ],
)
def test_what_it_returns_is_checked(answer, error, message):
    x, y = samples("vectors")
    trained = model("vectors", vg.losses.Custom(answer))
    before = state(trained)
    for verb in (trained.train_on_batch, trained.gradients, trained.evaluate, trained.fit):
        with pytest.raises(error, match=f"^loss: .*{message}"):
            verb(x, y)
    np.testing.assert_array_equal(state(trained), before)
    assert trained.step == 0


def test_losses_of_whole_sequences_do_not_go_with_lengths():
    trained = model("times", vg.losses.Custom(lambda y, h: (h.mean((1, 2)), h)))
    x, y = samples("times")
    with pytest.raises(ValueError, match=r"loss: expected losses of shape \(21, 7\)"):
        trained.gradients(x, y, lengths=np.full(N, 2))
    with pytest.raises(ValueError, match=r"loss: expected losses of shape \(21, 7\)"):
        trained.gradients(x, y, sample_weight=np.ones((N, TIMES)))


def test_it_may_not_run_its_own_model():
    x, y = samples("vectors")
    trained = model("vectors", vg.losses.Custom(lambda y, h: trained.predict(x)))
    with pytest.raises(RuntimeError, match=r"^loss: expected a function that does not run"):
        trained.train_on_batch(x, y)
    trained.predict(x)


def test_outputs_that_are_not_finite_are_the_models_own_matter():
    """NaN that comes of NaN is told as of any loss, not laid at the function's door."""
    x, y = samples("vectors")
    trained = model("vectors", vg.losses.Custom(squared), on_nonfinite="raise")
    spoilt = trained.state_dict()
    spoilt["dense2.bias"][0] = np.nan
    trained.load_state_dict(spoilt)
    with pytest.raises(FloatingPointError, match="dense2"):
        trained.train_on_batch(x, y)


def test_subnormals_are_numbers_to_it():
    found = []

    def own(y, h):
        found.append((np.full(3, 2.0**-1074) * 2).any())
        return squared(y, h)

    x, y = samples("vectors")
    model("vectors", vg.losses.Custom(own)).train_on_batch(x, y)
    assert found == [True]


def test_it_is_not_saved_or_copied(tmp_path):
    trained = model("vectors", vg.losses.Custom(squared))
    with pytest.raises(
        ValueError, match="loss: expected one of vgcore's own, to save or copy a model"
    ):
        trained.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_what_goes_with_classes_does_not_go_with_it():
    own = vg.losses.Custom(squared)
    for option in ({"ignore_index": 0}, {"label_smoothing": 0.1}, {"metrics": ["accuracy"]}):
        with pytest.raises(ValueError, match=next(iter(option))):
            model("vectors", own, **option)
    x, y = samples("vectors")
    with pytest.raises(ValueError, match="class_weight"):
        model("vectors", own).fit(x, y, class_weight={0: 2})
    with pytest.raises(TypeError, match="function: expected a function of y and h"):
        vg.losses.Custom(3)


def test_metrics_compare_targets_of_the_outputs_shape():
    x, y = samples("vectors")
    trained = model("vectors", vg.losses.Custom(squared), metrics=["mae"])
    assert trained.evaluate(x, y).metrics["mae"] == pytest.approx(
        np.abs(trained.predict(x) - y).mean()
    )
    with pytest.raises(ValueError, match=r"^y: expected shape \(21, 3\), for mae"):
        trained.fit(x, y[:, :1])
    assert trained.step == 0
    plain = model("vectors", vg.losses.Custom(squared))
    with pytest.raises(ValueError, match="metrics: expected none, for y has shape"):
        plain.evaluate(x, y[:, :1], metrics=["mae"])
    with pytest.raises(ValueError, match=r"^y: expected as many rows as x has samples"):
        plain.fit(x, y[1:])
