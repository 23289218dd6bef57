"""Data that come minibatch by minibatch, lie in files, or are split; metrics; History."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

import vgcore as vg

RNG = np.random.default_rng(1)
X = RNG.normal(size=(50, 4))
Y = RNG.integers(3, size=50)


def network(loss="sparse_categorical_crossentropy", output="softmax", units=3, **options):
    model = vg.Sequential(
        [vg.Dense(8, "tanh"), vg.Dense(units, output)], input_shape=4, seed=0, dtype="float64"
    )
    model.compile(loss, vg.Adam(0.05), **options)
    return model


def batches(x=X, y=Y, size=16):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


class DataSet:
    """What a DataLoader takes: no iterable."""

    __iter__ = None

    def __len__(self):
        return len(X)

    def __getitem__(self, place):
        return X[place], Y[place]


def same(one, other):
    return all((v == other.state_dict()[k]).all() for k, v in one.state_dict().items())


def test_an_iterable_of_minibatches_is_the_samples_in_order():
    one, other, third = network(), network(), network()
    flows = [vg.GradientFlow(), vg.GradientFlow()]
    one.fit(X, Y, batch_size=16, shuffle=False, epochs=3, validation_data=(X, Y), track=flows[0])
    other.fit(batches(), epochs=3, validation_data=batches(), track=flows[1])
    dicts = [{"x": x, "y": y, "sample_weight": np.ones(len(x))} for x, y in batches()]
    third.fit(dicts, epochs=3)
    assert same(one, other) and same(one, third)
    np.testing.assert_array_equal(flows[0].delta, flows[1].delta)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=1e-12)
    assert other.evaluate(batches()) == pytest.approx(tuple(other.evaluate(X, Y)))


@pytest.mark.parametrize("tbptt", [None, 3])
def test_minibatches_of_sequences(tbptt):
    def stack():
        model = vg.Sequential(
            [vg.GRU(5, return_sequences=True), vg.Dense(2, "softmax")],
            input_shape=(None, 3),
            seed=1,
            dtype="float64",
        )
        model.compile("sparse_categorical_crossentropy", "sgd", tbptt=tbptt)
        return model

    x, y = RNG.normal(size=(12, 7, 3)), RNG.integers(2, size=(12, 7))
    lengths, weight = RNG.integers(0, 8, size=12), RNG.random((12, 7))
    one, other = stack(), stack()
    one.fit(x, y, lengths=lengths, sample_weight=weight, batch_size=5, shuffle=False)
    parts = [slice(0, 5), slice(5, 10), slice(10, 12)]
    other.fit(
        {"x": x[p], "y": y[p], "lengths": lengths[p], "sample_weight": weight[p]} for p in parts
    )
    assert same(one, other)
    np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(one.history["accuracy"], other.history["accuracy"], rtol=1e-12)


def test_an_iterator_makes_one_epoch():
    model = network()
    with pytest.warns(
        UserWarning, match="x is an iterator, which ends after one of 3 epochs"
    ) as told:
        history = model.fit(iter(batches()), epochs=3)
    assert len(told) == 1 and told[0].filename == __file__
    assert history.epoch == [0] and model.step == 4
    network().fit(iter(batches()))


def test_an_iterable_is_gone_through_once_an_epoch():
    class Loader:
        begun = 0

        def __iter__(self):
            self.begun += 1
            return iter(batches())

        def __len__(self):
            return 4

    loader, seen = Loader(), []
    network().fit(
        loader, epochs=2, callbacks=[vg.callbacks.OnProgress(lambda p: seen.append(p.steps))]
    )
    assert loader.begun == 2
    assert set(seen) <= {8}


def test_a_loader_that_fails_loses_nothing():
    def loader():
        yield from batches()[:2]
        raise OSError("disk")

    model, flow = network(), vg.GradientFlow()
    with pytest.raises(OSError, match="disk"):
        model.fit(loader(), track=flow)
    assert model.step == len(flow) == 2
    assert model.history["loss"] == [pytest.approx(flow.loss.mean())]


def test_a_minibatch_without_weight_is_a_step_without_loss():
    model = network()
    before = model.state_dict()
    model.compile("sparse_categorical_crossentropy", "sgd")
    history = model.fit([{"x": X, "y": Y, "sample_weight": np.zeros(50)}])
    assert history["loss"] == [0] and np.isnan(history["accuracy"]).all()
    assert all((v == before[k]).all() for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("call", "error", "fragments"),
    [
        (lambda m: m.fit(batches(), Y), ValueError, ["x: ", "unequal lengths"]),
        (lambda m: m.fit(3), TypeError, ["x: ", "iterable", "int"]),
        (lambda m: m.fit(batches), TypeError, ["x: ", "got function; call it: x=function()"]),
        (lambda m: m.fit(iter([0]).__next__), TypeError, ["x: ", "; call it"]),
        (
            lambda m: m.fit(DataSet()),
            TypeError,
            ["x: ", "got DataSet; torch.utils.data.DataLoader"],
        ),
        (lambda m: m.fit("abc"), TypeError, ["x: ", "iterable", "str"]),
        (lambda m: m.fit([]), ValueError, ["x: ", "at least one minibatch"]),
        (lambda m: m.evaluate(iter([])), ValueError, ["x: ", "at least one minibatch"]),
        (lambda m: m.fit([(X, Y), (X[:, :2], Y)]), ValueError, ["x of minibatch 1: ", "(n, 4)"]),
        (lambda m: m.fit([(X, Y + 9)]), ValueError, ["y of minibatch 0: ", "labels"]),
        (lambda m: m.fit([X, Y]), TypeError, ["x, minibatch 0: ", "(x, y)"]),
        (lambda m: m.fit([(X, Y, Y)]), TypeError, ["x, minibatch 0: ", "3 items"]),
        (lambda m: m.fit([{"x": X}]), ValueError, ["x, minibatch 0: ", "'y'"]),
        (lambda m: m.fit([{"x": X, "y": Y, "z": 0}]), ValueError, ["x, minibatch 0: ", "'z'"]),
        (lambda m: m.fit(batches(), lengths=[1]), ValueError, ["lengths: ", "which hold theirs"]),
        (lambda m: m.fit(batches(), sample_weight=[1]), ValueError, ["sample_weight: "]),
        (lambda m: m.fit(batches(), validation_split=0.1), ValueError, ["validation_split: "]),
        (lambda m: m.fit(batches(), drop_last=True), ValueError, ["drop_last: "]),
        (lambda m: m.fit(batches(), batch_size=-3), ValueError, ["batch_size: "]),
        (lambda m: m.fit(batches(), shuffle="no"), TypeError, ["shuffle: "]),
        (lambda m: m.fit(batches(), class_weight="balanced"), ValueError, ["class_weight: "]),
        (lambda m: m.fit(X, Y, validation_split=0.0), ValueError, ["validation_split: "]),
        (lambda m: m.fit(X, Y, validation_split=1), ValueError, ["validation_split: "]),
        (
            lambda m: m.fit(X, Y, validation_split=0.999),
            ValueError,
            ["validation_split: ", "of 50"],
        ),
        (
            lambda m: m.fit(X, Y, validation_split=0.5, validation_data=(X, Y)),
            ValueError,
            ["validation_split: ", "both"],
        ),
        (lambda m: m.fit(X, Y, initial_epoch=2), ValueError, ["initial_epoch: ", "2"]),
        (lambda m: m.fit(X, Y, drop_last=True, batch_size=51), ValueError, ["drop_last: ", "51"]),
        (lambda m: m.fit(X, Y, class_weight={3: 1.0}), ValueError, ["class_weight: ", "3"]),
        (lambda m: m.fit(X, Y, class_weight={0: -1.0}), ValueError, ["class_weight[0]: "]),
        (lambda m: m.fit(X, Y, class_weight=[1, 2, 3]), TypeError, ["class_weight: ", "dict"]),
        (
            lambda m: m.fit(X, Y, class_weight={0: 0, 1: 0, 2: 0}),
            ValueError,
            ["class_weight: ", "above 0"],
        ),
        (lambda m: m.fit(X, Y, sample_weight=-np.ones(50)), ValueError, ["sample_weight: ", "-1"]),
        (
            lambda m: m.fit(X, Y, sample_weight=np.zeros(50)),
            ValueError,
            ["sample_weight: ", "zeros"],
        ),
        (
            lambda m: m.fit(X, Y, sample_weight=np.ones(49)),
            ValueError,
            ["sample_weight: ", "(49,)"],
        ),
        (
            lambda m: m.fit(X, Y, sample_weight=[np.nan] * 50),
            ValueError,
            ["sample_weight: ", "nan"],
        ),
        (
            lambda m: m.fit(X, Y, validation_data={"x": X, "y": Y, "sample_weight": [1]}),
            ValueError,
            ["sample_weight of validation_data: "],
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, fragments):
    with pytest.raises(error) as caught:
        call(network())
    assert all(fragment in str(caught.value) for fragment in fragments), caught.value


# ---- parts of the samples


def test_validation_split_is_the_last_share():
    one, other = network(), network()
    weight = RNG.random(50)
    one.fit(X, Y, validation_split=0.3, sample_weight=weight, epochs=2)
    held = {"x": X[35:], "y": Y[35:], "sample_weight": weight[35:]}
    other.fit(X[:35], Y[:35], sample_weight=weight[:35], validation_data=held, epochs=2)
    assert same(one, other)
    assert one.history["val_loss"] == other.history["val_loss"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_drop_last(shuffle):
    model, flow = network(), vg.GradientFlow()
    model.fit(X, Y, batch_size=16, drop_last=True, epochs=3, shuffle=shuffle, track=flow)
    assert model.step == 9
    if not shuffle:
        other = network()
        other.fit(X[:48], Y[:48], batch_size=16, epochs=3, shuffle=False)
        assert same(model, other)


def test_class_weights_are_sample_weights():
    one, other, third = network(), network(), network()
    one.fit(X, Y, class_weight={0: 2.0, 2: 0.5})
    other.fit(X, Y, sample_weight=np.array([2.0, 1.0, 0.5])[Y])
    third.fit(batches(size=50), class_weight={0: 2.0, 2: 0.5})
    assert same(one, other)
    one, other = network(), network()
    one.fit(X, Y, class_weight="balanced")
    other.fit(X, Y, sample_weight=(50 / (3 * np.bincount(Y)))[Y])
    assert same(one, other)


@pytest.mark.parametrize("kind", ["one-hot", "yes or no", "hinge"])
def test_class_weights_of_other_targets(kind):
    if kind == "one-hot":
        models = [network("categorical_crossentropy") for _ in range(2)]
        y, labels = np.eye(3)[Y], Y
    else:
        loss, output = ("binary_crossentropy", "sigmoid") if kind != "hinge" else ("hinge", None)
        models = [network(loss, output, 1) for _ in range(2)]
        labels = (Y > 0).astype(int)
        y = labels.astype(float)
    models[0].fit(X, y, class_weight={1: 3.0})
    models[1].fit(X, y, sample_weight=np.where(labels == 1, 3.0, 1.0))
    assert same(*models)


@pytest.mark.parametrize("options", [{}, {"tbptt": 3}, {"checkpoint": 2}], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
def test_weights_of_timesteps(options, reduction):
    """The gradient is the weighted sum of the gradients of single timesteps, for any way of cutting time."""
    model = vg.Sequential(
        [vg.RNN(4, return_sequences=True), vg.Dense(2)], input_shape=(7, 3), dtype="float64", seed=0
    )
    model.compile("mse", "sgd", reduction=reduction, **options)
    x, y = RNG.normal(size=(5, 7, 3)), RNG.normal(size=(5, 7, 2))
    weight = RNG.random((5, 7)) * (RNG.random((5, 7)) < 0.6)
    error = ((model.predict(x) - y) ** 2).sum(axis=2)
    divisor = 5 * 7 * 2 if reduction == "mean" else 5
    value, _ = model.gradients(x, y, sample_weight=weight)
    np.testing.assert_allclose(value, (weight * error).sum() / divisor, rtol=1e-12)
    np.testing.assert_allclose(model.evaluate(x, y, sample_weight=weight).loss, value, rtol=1e-12)
    summed = 0
    for place in np.argwhere(weight):
        one = np.zeros((5, 7))
        one[tuple(place)] = weight[tuple(place)]
        summed = summed + model.gradients(x, y, sample_weight=one)[1]["rnn1.weight_ih"]
    whole = model.gradients(x, y, sample_weight=weight)[1]["rnn1.weight_ih"]
    np.testing.assert_allclose(whole, summed, rtol=1e-9, atol=1e-14)
    model.compile("mse", vg.SGD(1e-300), reduction=reduction, **options)
    history = model.fit(x, y, sample_weight=weight, batch_size=2, shuffle=False)
    np.testing.assert_allclose(history["loss"], value, rtol=1e-12)


def test_memory_mapped_samples_are_not_copied(tmp_path):
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", dtype=np.float64, shape=(200_000, 4))
    x[:] = RNG.normal(size=(200_000, 4))
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", dtype=np.float64, shape=(200_000, 1))
    y[:] = x[:, :1]
    model = network("mse", None, 1)
    x, y = np.load(path, mmap_mode="r"), np.load(tmp_path / "y.npy", mmap_mode="r")
    model.fit(x[:50], y[:50])
    tracemalloc.start()
    model.fit(x, y, batch_size=1000, shuffle=False, validation_split=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 2


# ---- metrics


def test_metrics_of_classes():
    model = network(metrics=["top_2", "confusion_matrix", "accuracy"])
    history = model.fit(X, Y, epochs=2, validation_data=(X, Y))
    result = model.evaluate(X, Y)
    told = model.predict(X).argmax(axis=1)
    matrix = np.zeros((3, 3), int)
    np.add.at(matrix, (Y, told), 1)
    np.testing.assert_array_equal(result["confusion_matrix"], matrix)
    assert result.accuracy == result["accuracy"] == np.mean(told == Y)
    ranks = np.argsort(-model.predict(X), axis=1)[:, :2]
    assert result["top_2"] == np.mean((ranks == Y[:, np.newaxis]).any(axis=1))
    assert history["val_top_2"][-1] == result["top_2"]
    loss, accuracy = result
    assert (loss, accuracy) == (result["loss"], result.accuracy)
    assert history["confusion_matrix"][0].sum() == 50
    for again in (copy.copy(result), pickle.loads(pickle.dumps(result))):
        assert again == result and again.metrics["top_2"] == result["top_2"]
    with pytest.raises(KeyError, match=r"r2: expected one of loss, accuracy"):
        result["r2"]


def test_metrics_of_numbers():
    y = RNG.normal(1e8, 1.0, size=(50, 2))
    model = network("mse", None, 2, metrics=["mae", "r2"])
    model.layers[1].bias = y.mean(axis=0)
    result, h = model.evaluate(X, y), model.predict(X)
    assert result["mae"] == pytest.approx(np.abs(h - y).mean(), rel=1e-12)
    expected = 1 - ((h - y) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert result["r2"] == pytest.approx(expected.mean(), rel=1e-6)
    assert model.evaluate(batches(X, y))["r2"] == pytest.approx(expected.mean(), rel=1e-6)
    assert list(model.evaluate(X, y, metrics=["mae"]).metrics) == ["mae"]
    assert np.isnan(result.accuracy)


def test_metrics_of_training_are_those_of_its_outputs():
    """With a rate that changes nothing, they are those of evaluation."""
    model = network(metrics=["top_2", "confusion_matrix"])
    model.compile(
        "sparse_categorical_crossentropy", vg.SGD(1e-300), metrics=["top_2", "confusion_matrix"]
    )
    history, result = model.fit(X, Y, batch_size=7), model.evaluate(X, Y)
    assert history["accuracy"] == [result.accuracy]
    assert history["top_2"] == [result["top_2"]]
    np.testing.assert_array_equal(history["confusion_matrix"][0], result["confusion_matrix"])


def test_metrics_leave_out_what_does_not_count():
    model = network(metrics=["confusion_matrix"], ignore_index=-1)
    y, weight = Y.copy(), np.ones(50)
    y[:10], weight[10:20] = -1, 0
    result = model.evaluate(X, y, sample_weight=weight)
    assert result["confusion_matrix"].sum() == 30
    assert result.accuracy == pytest.approx(model.evaluate(X[20:], Y[20:]).accuracy)
    history = model.fit(X, y, sample_weight=weight)
    assert history["confusion_matrix"][0].sum() == 30


@pytest.mark.parametrize(
    ("loss", "output", "units", "metrics", "fragments"),
    [
        ("mse", None, 3, ["accuracy"], ["metrics: ", "accuracy", "mse"]),
        ("mse", None, 3, ["top_2"], ["metrics: ", "top_2"]),
        ("sparse_categorical_crossentropy", "softmax", 3, ["r2"], ["metrics: ", "r2", "labels"]),
        ("sparse_categorical_crossentropy", "softmax", 3, ["top_3"], ["metrics: ", "below 3"]),
        ("multilabel_crossentropy", "sigmoid", 3, ["confusion_matrix"], ["metrics: ", "label"]),
        ("mse", None, 3, ["mae", "mae"], ["metrics: ", "twice"]),
        ("mse", None, 3, ["maw"], ["metrics: ", "mae"]),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(loss, output, units, metrics, fragments):
    with pytest.raises(ValueError, match=r"^metrics: ") as caught:
        network(loss, output, units, metrics=metrics)
    assert all(fragment in str(caught.value) for fragment in fragments)
    with pytest.raises(TypeError, match="metrics: expected a sequence"):
        network(metrics="accuracy")


# ---- History


def test_history_is_a_mapping():
    history = network().fit(X, Y, epochs=3, validation_split=0.2)
    assert set(history) == set(history.history) and len(history) == len(history.history)
    assert "val_loss" in history and "mae" not in history
    assert dict(history)["loss"] is history["loss"]
    with pytest.raises(KeyError, match="mae: expected one of loss, accuracy"):
        history["mae"]
    table = history.to_dataframe()
    assert list(table.columns) == list(history) and table.index.name == "epoch"
    np.testing.assert_array_equal(table["val_loss"], history["val_loss"])


def test_classes_do_not_weigh_in_validation():
    one, other = network(), network()
    one.fit(X, Y, validation_split=0.3, class_weight={0: 5.0, 1: 5.0, 2: 5.0})
    other.fit(
        X[:35], Y[:35], class_weight=dict.fromkeys(range(3), 5.0), validation_data=(X[35:], Y[35:])
    )
    assert same(one, other)
    assert one.history["val_loss"] == other.history["val_loss"]


def test_lengths_of_validation_data_are_asked_for():
    model = vg.Sequential([vg.RNN(3), vg.Dense(1)], input_shape=(None, 2))
    model.compile()
    x, y, lengths = np.ones((6, 4, 2)), np.ones((6, 1)), np.full(6, 3)
    with pytest.warns(UserWarning, match="lengths are given, and none in validation_data"):
        model.fit(x, y, lengths=lengths, validation_data=(x, y))
    model.fit(x, y, lengths=lengths, validation_data=(x, y, lengths))
    model.fit(x, y, lengths=lengths, validation_split=0.5)


def test_rows_in_the_place_of_labels_are_told_their_loss():
    with pytest.raises(
        TypeError, match="for rows of one number per class use categorical_crossentropy"
    ):
        network().fit(X, np.eye(3)[Y])


# ---- what was lost, or taken, in silence


def test_balanced_classes_are_those_of_valid_timesteps():
    x, lengths = RNG.normal(size=(20, 6, 2)), np.array([2, 1] * 10)
    y = RNG.integers(0, 3, (20, 6))

    def loss(padding):
        model = vg.Sequential(
            [vg.GRU(5, return_sequences=True), vg.Dense(3, "softmax")],
            input_shape=(None, 2),
            seed=0,
        )
        model.compile("sparse_categorical_crossentropy")
        given = np.where(np.arange(6) < lengths[:, np.newaxis], y, padding)
        return model.fit(x, given, lengths=lengths, class_weight="balanced")["loss"]

    assert loss(0) == loss(1)


def test_losses_of_an_epoch_have_the_same_bits_however_they_come():
    one, other = network(), network()
    one.fit(X, Y, epochs=9, batch_size=7, shuffle=False)
    other.fit(batches(size=7), epochs=9)
    assert one.history["loss"] == other.history["loss"]


def test_every_epoch_has_the_same_names():
    class Stop(vg.callbacks.Callback):
        def on_step(self, step, logs):
            return step == 5

    flow = vg.GradientFlow(every=7)
    history = network(metrics=["top_2"]).fit(
        X, Y, epochs=9, batch_size=16, track=flow, callbacks=[Stop()]
    )
    assert {len(column) for column in history.values()} == {len(history.epoch)}
    assert np.isnan(history["top_2"][-1]) and not np.isnan(history["top_2"][0])
    model = network()
    model.fit(X, Y)
    assert np.isnan(model.fit(X, Y, epochs=2, track=vg.GradientFlow(every=9))["gradient_norm"][-1])


def test_a_loader_whose_data_have_no_length():
    class Loader:
        def __iter__(self):
            return iter(batches())

        def __len__(self):
            raise TypeError("no length")

    model = network()
    model.fit(Loader(), epochs=2)
    assert model.step == 8


def test_validation_data_that_end_are_refused_before_training():
    model = network()
    with pytest.raises(ValueError, match=r"validation_data: .*got an iterator"):
        model.fit(X, Y, epochs=2, validation_data=iter(batches()))
    assert model.step == 0
    model.fit(X, Y, validation_data=iter(batches()))


def test_training_samples_without_any_weight_are_refused():
    weight = np.r_[np.zeros(40), np.ones(10)]
    with pytest.raises(ValueError, match="sample_weight: expected some weight above 0"):
        network().fit(X, Y, sample_weight=weight, validation_split=0.2)
    with pytest.raises(ValueError, match="class_weight: expected some weight above 0"):
        network().fit(X, 0 * Y, class_weight={0: 0.0})


class Own(vg.metrics.Metric):
    name = "own"

    def check(self, loss, units):
        """Fit everything."""

    def total(self, loss, outputs, targets):
        return np.array([outputs.sum(), len(outputs)])

    def value(self, total):
        return float(total[0] / total[1])


def test_a_metric_of_ones_own_is_measured_and_not_saved(tmp_path):
    model = network(metrics=[Own()])
    assert model.evaluate(X, Y)["own"] == pytest.approx(1)
    with pytest.raises(ValueError, match="metrics: expected vgcore's own, to save"):
        model.save(tmp_path / "model")
    taken = Own()
    type(taken).name = "loss"
    try:
        with pytest.raises(ValueError, match="metrics: expected a name that logs do not have"):
            network(metrics=[taken])
    finally:
        type(taken).name = "own"


def test_a_small_share_is_as_it_is_written():
    history = network().fit(X[:10], Y[:10], validation_split=0.9)
    assert "val_loss" in history


@pytest.mark.parametrize("none", [[], (), "abc", b"abc"])
def test_validation_data_that_are_none_are_refused_before_training(none):
    model = network()
    with pytest.raises((TypeError, ValueError), match=r"^validation_data: expected"):
        model.fit(X, Y, validation_data=none)
    assert model.step == 0 and model.history is None
