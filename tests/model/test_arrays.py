"""What comes in as an array: what is one, what is none, and what hides elements behind a mask."""

import numpy as np
import pytest

import vgcore as vg

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(8, 4)), np.arange(8) % 3
SEQUENCES, LENGTHS = RNG.normal(size=(8, 5, 4)), np.array([5, 4, 3, 2, 1, 5, 4, 3])
STATE = np.zeros((8, 6))


class Frame:
    """As a pandas object is one: an array that is asked for."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


def dense():
    model = vg.Sequential([vg.Dense(5, "tanh"), vg.Dense(3, "softmax")], input_shape=4, seed=0)
    model.compile("sparse_categorical_crossentropy")
    return model


def recurrent():
    model = vg.Sequential([vg.RNN(6), vg.Dense(3, "softmax")], input_shape=(None, 4), seed=0)
    model.compile("sparse_categorical_crossentropy")
    return model


def read_only(values):
    values = np.array(values, np.float32)
    values.flags.writeable = False
    return values


class Tensor:
    """What PyTorch's tensors are like that have a graph, and a dtype or a device that NumPy has not."""

    def __init__(self, values, *, plain=False, known=True):
        self.values, self.plain, self.known = values, plain, known
        self.shape = values.shape

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.values, plain=True, known=self.known)

    def float(self):
        return Tensor(self.values.astype(np.float32), plain=self.plain)

    def numpy(self):
        if not self.plain or not self.known:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


LIKE = {
    "tensor with a graph": Tensor(X),
    "bfloat16": Tensor(X, known=False),
    "list": X.tolist(),
    "rows": tuple(X),
    "frame": Frame(X),
    "float16": X.astype(np.float16),
    "big-endian": X.astype(">f4"),
    "negative strides": X[::-1, ::-1],
    "columns first": np.asfortranarray(X),
    "long double": X.astype(np.longdouble),
    "int8": X.astype(np.int8),
    "uint64": np.abs(100 * X).astype(np.uint64),
    "bool": X > 0,
    "read-only": read_only(X),
    "nothing masked": np.ma.array(X),
    "mask of False": np.ma.array(X, mask=np.zeros(X.shape, bool)),
}


@pytest.mark.parametrize("kind", LIKE)
def test_what_is_like_an_array_is_one(kind):
    known = getattr(LIKE[kind], "values", LIKE[kind])
    plain = np.array(np.asarray(known), np.float32)
    before = plain.copy()
    assert dense().predict(LIKE[kind]).tobytes() == dense().predict(plain).tobytes()
    states = []
    for given in (LIKE[kind], plain):
        model = dense()
        model.fit(given, LABELS, batch_size=3)
        states.append([v.tobytes() for v in model.state_dict().values()])
    assert states[0] == states[1]
    np.testing.assert_array_equal(np.asarray(known).astype(np.float32), before)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        LABELS.astype(np.int8),
        LABELS.astype(">i4"),
        LABELS.astype(np.uint64),
        np.repeat(LABELS, 2)[::2],
        np.ma.array(LABELS),
        Frame(LABELS),
    ],
)
def test_what_is_like_labels_is_labels(labels):
    assert dense().evaluate(X, labels) == dense().evaluate(X, LABELS)


NONE = {
    "None": None,
    "generator": (row for row in X),
    "dict": {"a": X},
    "object": object(),
    "objects": X.astype(object),
    "huge integers": [[10**400] * 4] * 8,
    "complex": X + 1j,
    "datetime": X.astype("M8[s]"),
    "text": X.astype(str),
    "records": np.zeros(8, "f4,f4"),
    "bytes": b"1234",
}


@pytest.mark.parametrize("kind", NONE)
def test_what_is_no_array_of_numbers_is_refused_by_name(kind):
    model = dense()
    with pytest.raises(TypeError, match=r"^x: expected real numbers, got dtype"):
        model.predict(NONE[kind])
    with pytest.raises(TypeError, match=r"^y: expected integer class labels, got (dtype|None)"):
        model.fit(X, NONE[kind])
    with pytest.raises((TypeError, ValueError), match=r"^dense1\.weight: expected"):
        model.layers[0].weight = NONE[kind]


def test_what_an_object_is_is_said():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"^x: .*dtype object \(csr_matrix\)"):
        dense().predict(scipy_sparse.csr_matrix(X))
    with pytest.raises(TypeError, match=r"^x: .*dtype object \(generator\)"):
        dense().predict(row for row in X)


# ---- masks


def masked(values):
    values = np.ma.array(values)
    values[0, ...] = np.ma.masked
    return values


def state_with(name, values):
    state = dense().state_dict()
    return {**state, name: values(state[name])}


def jacobian_of(x):
    return recurrent().state_jacobian(x, "rnn1", [1])


DOORS = {
    "x": [
        lambda: dense().predict(masked(X)),
        lambda: dense().fit(masked(X), LABELS),
        lambda: dense().train_on_batch(masked(X), LABELS),
        lambda: dense().gradients(masked(X), LABELS),
        lambda: dense().gradient_flow(masked(X), LABELS),
        lambda: dense().evaluate(masked(X), LABELS),
        lambda: dense().predict([np.ma.array(row, mask=row > 0) for row in X]),
        lambda: dense().predict([[np.ma.masked] * 4] * 8),
        lambda: recurrent().predict(masked(SEQUENCES)),
        lambda: jacobian_of(masked(SEQUENCES)),
        lambda: vg.initializers.lsuv(dense(), masked(X)),
        lambda: vg.data.train_test_split(masked(X), LABELS),
        lambda: dense().fit(X, LABELS, validation_data=(masked(X), LABELS)),
    ],
    "y": [
        lambda: dense().fit(X, masked(LABELS)),
        lambda: dense().fit(X, LABELS, validation_data=(X, masked(LABELS))),
        lambda: dense().evaluate(X, masked(LABELS)),
        lambda: vg.data.train_test_split(X, masked(LABELS)),
        lambda: vg.data.one_hot(masked(LABELS)),
    ],
    "lengths": [
        lambda: recurrent().predict(SEQUENCES, lengths=masked(LENGTHS)),
        lambda: recurrent().fit(SEQUENCES, LABELS, lengths=masked(LENGTHS)),
    ],
    "initial_state": [
        lambda: recurrent().predict(SEQUENCES, initial_state=[masked(STATE)]),
        lambda: recurrent().gradients(SEQUENCES, LABELS, initial_state=[masked(STATE)]),
    ],
    "state": [lambda: dense().load_state_dict(state_with("dense1.weight", masked))],
    "dense1.weight": [lambda: setattr(dense().layers[0], "weight", masked(np.ones((5, 4))))],
    "codes": [lambda: vg.data.windows(masked(np.arange(9)), 2)],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in DOORS.items() for call in calls]
)
def test_a_masked_array_is_refused_by_name(argument, call):
    with pytest.raises(ValueError, match=f"^{argument}.*: expected an array without masked"):
        call()


def test_masked_weights_of_a_function_are_refused():
    layer = vg.Dense(3, weight_initializer=lambda shape, rng, dtype: masked(np.ones(shape)))
    with pytest.raises(ValueError, match=r"dense1\.weight: .*without masked"):
        vg.Sequential([layer], input_shape=2)


def test_masked_rows_of_a_record_are_refused():
    flow = vg.GradientFlow()
    flow.declare(["a", "b"])
    with pytest.raises(ValueError, match=r"^delta: expected an array without masked"):
        flow.add(0, delta=np.ma.array([1.0, 2.0], mask=[True, False]))


# ---- sizes


BIG = 2**31 - 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: vg.Dense(10**12), ValueError, "units: .*at most 2147483647, got 1000000000000"),
        (lambda: vg.Sequential([vg.Dense(BIG)], input_shape=BIG), MemoryError, "layers: .*TiB"),
        (
            lambda: vg.Sequential([vg.LSTM(BIG)], input_shape=(None, 3)),
            MemoryError,
            "layers: .*TiB",
        ),
        (
            lambda: vg.Sequential([vg.Embedding(BIG, BIG)], input_shape=(None,)),
            MemoryError,
            "layers: .*TiB",
        ),
        (
            lambda: vg.Sequential([vg.Flatten()], input_shape=(BIG,) * 3),
            ValueError,
            "input_shape: ",
        ),
        (lambda: vg.Sequential([vg.Flatten()], input_shape=(BIG,) * 2), ValueError, "flatten1: "),
        (
            lambda: vg.Sequential([vg.Conv1d(8, 3, padding=BIG)], input_shape=(30, 8)),
            ValueError,
            r"conv1d1: .*timesteps, got \(4294967322, 8\)",
        ),
        (
            lambda: vg.Sequential([vg.Conv2d(8, 3, padding=BIG)], input_shape=(3, 9, 9)),
            ValueError,
            "conv2d1: .*numbers",
        ),
        (
            lambda: vg.Sequential([vg.Residual([vg.Subsample(BIG)])], input_shape=(3, 9, 9)),
            ValueError,
            "residual1",
        ),
        (
            lambda: vg.Sequential([vg.Dropout(0.5)], input_shape=(BIG, BIG)).summary(),
            MemoryError,
            "batch_size: .*TiB",
        ),
        (
            lambda: vg.Sequential([vg.Dense(9)], input_shape=10**6).summary(BIG),
            MemoryError,
            "batch_size: .*TiB",
        ),
        (lambda: vg.data.adding_problem(BIG, BIG), MemoryError, "n: .*TiB"),
        (lambda: vg.data.temporal_order(BIG, BIG), MemoryError, "n: .*TiB"),
        (lambda: vg.data.copy_memory(BIG, BIG), MemoryError, "n: .*TiB"),
        (lambda: vg.data.parity(BIG, BIG), MemoryError, "n: .*TiB"),
        (lambda: vg.data.one_hot(np.zeros(10**6, int), BIG), MemoryError, "classes: .*TiB"),
        (
            lambda: vg.initializers.Zeros()((BIG, BIG), np.random.default_rng(0), "float32"),
            MemoryError,
            "shape: .*TiB",
        ),
    ],
)
def test_sizes_that_overflow_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call()


def test_a_model_that_is_too_large_to_plan_is_as_it_was():
    model = dense()
    before = [v.tobytes() for v in model.state_dict().values()]
    with pytest.raises(MemoryError):
        vg.Sequential([vg.Dense(5)], input_shape=10**6).summary(BIG)
    layer = vg.Dense(BIG)
    with pytest.raises(MemoryError):
        vg.Sequential([layer], input_shape=BIG)
    assert layer.name is None
    assert [v.tobytes() for v in model.state_dict().values()] == before
