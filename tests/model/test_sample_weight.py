"""Weights of samples, timesteps and classes: the loss is the mean of weight times loss, whatever cuts it."""

import itertools

import numpy as np
import pytest

import vgcore as vg

N, TIMES, CLASSES = 13, 8, 3

KINDS = ("vectors", "last", "times", "pixels")
SPARSE, DENSE = "sparse_categorical_crossentropy", "categorical_crossentropy"
over_kinds = pytest.mark.parametrize("kind", KINDS)
over_reductions = pytest.mark.parametrize("reduction", ["mean", "batchmean"])


def model(kind, loss="mse", outputs=CLASSES, **options):
    if kind == "vectors":
        layers, shape = [vg.Dense(5, "tanh"), vg.Dense(outputs)], (4,)
    elif kind == "pixels":
        layers, shape = [vg.Conv2d(4, 3, "tanh"), vg.Conv2d(outputs, 2)], (2, 5, 6)
    else:
        layers = [vg.GRU(5, return_sequences=kind == "times"), vg.Dense(outputs)]
        shape = (None, 4)
    made = vg.Sequential(layers, input_shape=shape, dtype="float64", seed=5)
    made.compile(loss, vg.SGD(0.05), **options)
    return made


def samples(kind, loss="mse", outputs=CLASSES):
    rng = np.random.default_rng(6)
    net = model(kind, outputs=outputs)
    x = rng.normal(size=(N, *(TIMES if size is None else size for size in net.session.input_shape)))
    shape = net.predict(x).shape
    axis = 1 if kind == "pixels" else -1
    places = tuple(np.delete(shape, axis).tolist())
    labels = rng.integers(0, CLASSES, places)
    if loss == SPARSE:
        return x, labels
    if loss == DENSE:
        return x, np.moveaxis(np.eye(CLASSES)[labels], -1, axis)
    if loss.endswith("hinge") or "binary" in loss:
        return x, rng.integers(0, 2, shape).astype(float)
    return x, rng.normal(size=shape)


def given_lengths(kind):
    return np.random.default_rng(7).integers(0, TIMES + 1, N) if kind in ("last", "times") else None


def given_weights(kind, by_time):
    rng = np.random.default_rng(8)
    weights = rng.uniform(0, 3, (N, TIMES) if by_time else N)
    weights[rng.uniform(size=weights.shape) < 0.3] = 0
    return weights


def flat(arrays):
    return np.concatenate([np.ravel(each) for each in arrays.values()])


def one_by_one(net, x, y, weights, lengths, reduction):
    """Loss and gradient by their definition: of one place of one sample at a time, by unweighted passes."""
    in_time = net.session.gives_time
    loss, gradient, count = 0.0, 0.0, 0
    for i in range(N):
        places = range(TIMES if lengths is None else lengths[i]) if in_time else [0]
        count += len(places) if reduction == "mean" else len(places) > 0
        for t in places:
            if in_time:  # the loss up to t less that up to t - 1, without a divisor
                parts = [
                    [each * (n if reduction == "mean" else 1) for each in of_one(net, x, y, i, n)]
                    for n in (t + 1, t)
                ]
                part = [a - b for a, b in zip(*parts, strict=True)]
            else:
                part = of_one(net, x, y, i, None if lengths is None else lengths[i])
            weight = weights[i, t] if weights.ndim > 1 else weights[i]
            loss, gradient = loss + weight * part[0], gradient + weight * part[1]
    return loss / count, gradient / count


def of_one(net, x, y, i, length):
    lengths = None if length is None else [length]
    loss, gradients = net.gradients(x[i : i + 1], y[i : i + 1], lengths=lengths)
    return loss, flat(gradients)


@over_kinds
@over_reductions
@pytest.mark.parametrize("loss", ["mse", SPARSE, DENSE, "binary_crossentropy", "hinge"])
@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_loss_and_gradient_are_those_of_each_place_times_its_weight(
    kind, reduction, loss, by_time, padded
):
    if (by_time and kind != "times") or (padded and kind in ("vectors", "pixels")):
        return
    net = model(kind, loss, reduction=reduction)
    x, y = samples(kind, loss)
    lengths = given_lengths(kind) if padded else None
    weights = given_weights(kind, by_time)
    options = {"sample_weight": weights, "lengths": lengths}
    expected, gradient = one_by_one(net, x, y, weights, lengths, reduction)
    found, gradients = net.gradients(x, y, **options)
    assert found == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(flat(gradients), gradient, rtol=1e-9, atol=1e-13)
    assert net.evaluate(x, y, **options).loss == pytest.approx(expected, rel=1e-11)
    before = flat(net.state_dict())
    assert net.train_on_batch(x, y, **options) == found
    np.testing.assert_allclose(
        (before - flat(net.state_dict())) / 0.05, gradient, rtol=1e-8, atol=1e-12
    )


@over_reductions
@pytest.mark.parametrize("options", [{"tbptt": 3}, {"checkpoint": 3}], ids=str)
@pytest.mark.parametrize("kind", ["last", "times"])
@pytest.mark.parametrize("padded", [False, True])
def test_windows_of_time_change_nothing_of_a_pass(options, kind, padded, reduction):
    x, y = samples(kind)
    given = {"sample_weight": given_weights(kind, kind == "times")}
    given["lengths"] = given_lengths(kind) if padded else None
    whole, cut = model(kind, reduction=reduction), model(kind, reduction=reduction, **options)
    expected, gradients = whole.gradients(x, y, **given)
    found, others = cut.gradients(x, y, **given)
    assert found == expected
    if "checkpoint" in options:
        np.testing.assert_array_equal(flat(others), flat(gradients))
    assert cut.evaluate(x, y, **given).loss == whole.evaluate(x, y, **given).loss


@over_reductions
@pytest.mark.parametrize("padded", [False, True])
def test_the_loss_of_an_epoch_of_chunks_is_that_of_its_samples(reduction, padded):
    """At a learning rate of next to nothing the chunks' losses add up to what evaluate says."""
    x, y = samples("times")
    given = {"sample_weight": given_weights("times", True)}
    given["lengths"] = given_lengths("times") if padded else None
    net = model("times", reduction=reduction, tbptt=3)
    expected = net.evaluate(x, y, **given).loss
    net.compile("mse", vg.SGD(1e-300), reduction=reduction, tbptt=3)
    history = net.fit(x, y, epochs=1, batch_size=5, **given)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-9)
    plain = model("times", reduction=reduction)
    plain.compile("mse", vg.SGD(1e-300), reduction=reduction)
    history = plain.fit(x, y, epochs=1, batch_size=5, **given)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-9)


@over_kinds
@pytest.mark.parametrize("bad", [1e200, np.finfo(float).max / 4])
def test_what_weighs_0_may_be_anything(kind, bad):
    x, y = samples(kind)
    weights = np.ones(N)
    weights[::4] = 0
    spoilt = y.copy()
    spoilt[::4] = bad
    net, plain = model(kind), model(kind)
    found, expected = (
        m.gradients(x, t, sample_weight=weights) for m, t in ((net, spoilt), (plain, y))
    )
    assert found[0] == expected[0]
    np.testing.assert_array_equal(flat(found[1]), flat(expected[1]))


@pytest.mark.parametrize("kind", ["vectors", "times"])
def test_ones_are_as_none_bit_for_bit(kind):
    x, y = samples(kind)
    found = []
    for weights in (None, np.ones(N), np.ones(N, np.int8), [True] * N):
        net = model(kind)
        history = net.fit(x, y, epochs=2, batch_size=4, sample_weight=weights)
        found.append((history["loss"], flat(net.state_dict()).tobytes()))
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("loss", [SPARSE, DENSE, "kl_divergence"])
@pytest.mark.parametrize("kind", ["vectors", "times", "pixels"])
def test_weights_of_classes_are_those_of_their_places(kind, loss):
    labels = samples(kind, SPARSE)[1]
    x, y = samples(kind, DENSE if loss != SPARSE else SPARSE)
    weights = {0: 0.5, 2: 3}
    factors = np.array([0.5, 1, 3])[labels]
    by_sample = given_weights(kind, False)
    if kind == "pixels":
        factors, combined = None, None
    else:
        combined = factors * by_sample.reshape(N, *(1 for _ in labels.shape[1:]))
    first = model(kind, loss)
    history = first.fit(x, y, epochs=2, batch_size=5, class_weight=weights, sample_weight=by_sample)
    if factors is not None:
        second = model(kind, loss)
        same = second.fit(x, y, epochs=2, batch_size=5, sample_weight=combined)
        assert history["loss"] == same["loss"]
        np.testing.assert_array_equal(flat(first.state_dict()), flat(second.state_dict()))


def test_weights_of_classes_of_pixels_by_hand():
    x, labels = samples("pixels", SPARSE)
    net = model("pixels", SPARSE)
    logits = np.moveaxis(net.predict(x), 1, -1)
    losses = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, labels[..., np.newaxis], -1
    ).squeeze(-1)
    net.compile(SPARSE, vg.SGD(1e-300))
    history = net.fit(x, labels, epochs=1, batch_size=N, class_weight={1: 4.0})
    expected = (losses * np.array([1, 4.0, 1])[labels]).mean()
    assert history["loss"][0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "hinge", "squared_hinge"])
@pytest.mark.parametrize("kind", ["vectors", "times"])
@pytest.mark.parametrize("squeezed", [False, True])
def test_weights_of_two_classes_of_one_output(loss, kind, squeezed):
    x, y = samples(kind, loss, outputs=1)
    factors = np.where(y[..., 0] > 0.5, 3.0, 0.25)
    y = y[..., 0] if squeezed else y
    first, second = model(kind, loss, 1), model(kind, loss, 1)
    history = first.fit(x, y, epochs=2, batch_size=5, class_weight={0: 0.25, 1: 3.0})
    same = second.fit(x, y, epochs=2, batch_size=5, sample_weight=factors)
    assert history["loss"] == same["loss"]
    np.testing.assert_array_equal(flat(first.state_dict()), flat(second.state_dict()))


def test_balanced_weights_are_scikit_learns():
    x, _ = samples("vectors", SPARSE)
    y = np.array([0] * 7 + [1] * 4 + [2] * 2)
    first, second = model("vectors", SPARSE), model("vectors", SPARSE)
    first.fit(x, y, epochs=1, class_weight="balanced")
    second.fit(x, y, epochs=1, class_weight={0: 13 / 21, 1: 13 / 12, 2: 13 / 6})
    np.testing.assert_allclose(flat(first.state_dict()), flat(second.state_dict()), rtol=1e-14)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({3: 1.0}, ValueError, r"class_weight: expected an integer of at most 2, got 3"),
        ({-1: 1.0}, ValueError, r"class_weight: expected an integer of at least 0, got -1"),
        ({"a": 1.0}, TypeError, r"class_weight: expected an integer"),
        ({1: -1.0}, ValueError, r"class_weight\[1\]"),
        ({1: np.nan}, ValueError, r"class_weight\[1\]"),
        ({0: 0, 1: 0, 2: 0}, ValueError, r"class_weight: expected some weight above 0"),
        ([1, 2, 3], TypeError, r"class_weight: expected a dict"),
        ("even", ValueError, r"class_weight: expected one of balanced"),
    ],
)
def test_weights_of_classes_that_cannot_be(given, error, message):
    x, y = samples("vectors", SPARSE)
    net = model("vectors", SPARSE)
    before = flat(net.state_dict())
    with pytest.raises(error, match=message):
        net.fit(x, y, class_weight=given)
    np.testing.assert_array_equal(flat(net.state_dict()), before)


def test_weights_of_classes_want_classes():
    for loss, outputs in (("mse", 3), ("multilabel_crossentropy", 3), ("binary_crossentropy", 2)):
        x, y = samples("vectors", "binary", outputs)
        with pytest.raises(ValueError, match="class_weight: expected None"):
            model("vectors", loss, outputs).fit(x, y, class_weight={0: 2.0})


VERBS = ("fit", "train_on_batch", "gradients", "gradient_flow", "evaluate")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("kind", "weights", "error", "message"),
    [
        ("vectors", np.full(N, -1.0), ValueError, "weights of at least 0, got -1"),
        ("vectors", np.zeros(N), ValueError, "some weight above 0, got zeros alone"),
        ("vectors", np.full(N, np.nan), ValueError, "finite"),
        ("vectors", np.full(N, np.inf), ValueError, "finite"),
        ("vectors", np.ones(N - 1), ValueError, r"shape \(13,\), got \(12,\)"),
        ("vectors", np.ones((N, 1)), ValueError, r"shape \(13,\), got \(13, 1\)"),
        ("vectors", 1.0, ValueError, r"shape \(13,\), got \(\)"),
        ("vectors", ["1"] * N, TypeError, "real numbers"),
        ("vectors", {0: 1}, TypeError, "real numbers"),
        ("last", np.ones((N, TIMES)), ValueError, r"shape \(13,\), got \(13, 8\)"),
        (
            "times",
            np.ones((N, TIMES + 1)),
            ValueError,
            r"shape \(13,\) or \(13, 8\), got \(13, 9\)",
        ),
        ("pixels", np.ones((N, 2, 3)), ValueError, r"shape \(13,\), got \(13, 2, 3\)"),
    ],
)
def test_weights_that_cannot_be(verb, kind, weights, error, message):
    x, y = samples(kind)
    net = model(kind)
    before = flat(net.state_dict())
    with pytest.raises(error, match=f"^sample_weight: .*{message}"):
        getattr(net, verb)(x, y, sample_weight=weights)
    np.testing.assert_array_equal(flat(net.state_dict()), before)


def test_weights_of_padding_alone_are_none():
    x, y = samples("times")
    weights = np.zeros((N, TIMES))
    weights[:, 4:] = 1
    with pytest.raises(ValueError, match="sample_weight: expected some weight above 0"):
        model("times").gradients(x, y, lengths=np.full(N, 4), sample_weight=weights)


def test_accuracy_counts_what_weighs_something():
    x, y = samples("times", SPARSE)
    weights, lengths = given_weights("times", True), given_lengths("times")
    net = model("times", SPARSE)
    right = net.predict(x).argmax(-1) == y
    counted = (weights > 0) & (np.arange(TIMES) < lengths[:, np.newaxis])
    expected = right[counted].mean()
    given = {"sample_weight": weights, "lengths": lengths}
    assert net.evaluate(x, y, **given).metrics["accuracy"] == pytest.approx(expected)
    for options in ({}, {"tbptt": 3}, {"checkpoint": 3}):
        net.compile(SPARSE, vg.SGD(1e-300), **options)
        assert net.fit(x, y, batch_size=4, **given)["accuracy"][0] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["vectors", "times"])
def test_bits_do_not_depend_on_threads_tracking_or_checkpoints(kind):
    rng = np.random.default_rng(0)
    n, units = 96, 128 if kind == "vectors" else 40
    x = rng.normal(size=(n, 64) if kind == "vectors" else (n, TIMES, 64))
    y = rng.integers(0, CLASSES, x.shape[:-1])
    given = {"sample_weight": rng.integers(0, 3, y.shape) * 0.7}
    if kind == "times":
        given["lengths"] = rng.integers(0, TIMES + 1, n)
    before, found = vg.get_num_threads(), []
    cuts = [{}] if kind == "vectors" else [{}, {"checkpoint": 3}]
    try:
        for threads, flow, cut in itertools.product((1, 2, 3), (False, True), cuts):
            vg.set_num_threads(threads)
            hidden = [vg.Dense(units, "tanh"), vg.Dense(units, "tanh")]
            if kind == "times":
                hidden = [
                    vg.LSTM(units, return_sequences=True),
                    vg.GRU(units, return_sequences=True),
                ]
            net = vg.Sequential(
                [*hidden, vg.Dense(CLASSES, "softmax")],
                input_shape=(64,) if kind == "vectors" else (None, 64),
                seed=2,
            )
            net.compile(SPARSE, "adam", **cut)
            history = net.fit(
                x, y, epochs=2, batch_size=40, track=vg.GradientFlow() if flow else None, **given
            )
            state = flat(net.state_dict()).tobytes()
            found.append((history["loss"], history["accuracy"], state))
    finally:
        vg.set_num_threads(before)
    assert all(each == found[0] for each in found)
