"""Sequences of unequal lengths as one array."""

import numpy as np
import pytest

import vgcore as vg
from vgcore.data import pad_sequences

TOKENS = [[1, 2, 3], [4], [5, 6, 7, 8]]


def test_integers():
    x, lengths = pad_sequences(TOKENS)
    np.testing.assert_array_equal(x, [[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 7, 8]])
    assert x.dtype == np.int64
    np.testing.assert_array_equal(lengths, [3, 1, 4])
    assert lengths.dtype == np.int64


def test_arguments():
    x, lengths = pad_sequences(TOKENS, 2, "int16", value=9)
    np.testing.assert_array_equal(x, [[2, 3], [4, 9], [7, 8]])
    assert x.dtype == np.int16
    np.testing.assert_array_equal(lengths, [2, 1, 2])
    x, _ = pad_sequences(TOKENS, maxlen=2, truncating="post")
    np.testing.assert_array_equal(x, [[1, 2], [4, 0], [5, 6]])
    x, lengths = pad_sequences(TOKENS, maxlen=5, padding="pre", dtype=float, value=-0.5)
    np.testing.assert_array_equal(x[1], [-0.5, -0.5, -0.5, -0.5, 4])
    assert lengths is None
    np.testing.assert_array_equal(pad_sequences(TOKENS, 5, value=-1).x[1], [4, -1, -1, -1, -1])


def test_features():
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(n, 3)).astype("float32") for n in (4, 1, 0, 6)]
    x, lengths = pad_sequences(iter([*given[:3], [], given[3]]))
    assert x.shape == (5, 6, 3)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(lengths, [4, 1, 0, 0, 6])
    for row, n, each in zip(x[[0, 1, 4]], (4, 1, 6), (given[0], given[1], given[3]), strict=True):
        np.testing.assert_array_equal(row[:n], each)
        np.testing.assert_array_equal(row[n:], 0)
    assert pad_sequences([given[0], given[1].astype(float)]).x.dtype == np.float64


def test_models_take_them():
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 7, n) for n in (3, 5, 1, 4)]
    x, lengths = pad_sequences(given)
    model = vg.Sequential([vg.Embedding(7, 3), vg.RNN(4)], input_shape=(None,), seed=0)
    each = [model.predict(tokens[None])[0] for tokens in given]
    np.testing.assert_allclose(model.predict(x, lengths=lengths), each, rtol=1e-5)


@pytest.mark.parametrize(
    ("sequences", "options", "error", "message"),
    [
        ([], {}, ValueError, "sequences: expected one at least"),
        ([[], []], {}, ValueError, "sequences: expected at least one timestep"),
        (3, {}, TypeError, "sequences: expected an iterable of sequences"),
        ("abc", {}, TypeError, "sequences: expected an iterable"),
        ([1, 2], {}, ValueError, r"sequences\[0\]: expected shape .*got \(\)"),
        ([["a"]], {}, TypeError, r"sequences\[0\]: expected real numbers"),
        ([[1], [[1, 2]]], {}, ValueError, r"sequences\[1\]: expected shape \(time\)"),
        ([[[1, 2]], [[1, 2, 3]]], {}, ValueError, r"sequences\[1\]: expected shape \(time, 2\)"),
        ([[[1, 2], [3]]], {}, ValueError, r"sequences\[0\]: expected an array"),
        (TOKENS, {"maxlen": 0}, ValueError, "maxlen: expected an integer of at least 1"),
        (TOKENS, {"padding": "after"}, ValueError, "padding: expected one of post, pre"),
        (TOKENS, {"truncating": None}, TypeError, "truncating: expected a name"),
        (TOKENS, {"dtype": "U1"}, ValueError, "dtype: expected one of integers or reals"),
        (TOKENS, {"value": 0.5}, ValueError, "value: expected numbers that int64 holds, got 0.5"),
        (
            [[0.5]],
            {"dtype": int},
            ValueError,
            "sequences: expected numbers that int64 holds, got 0.5",
        ),
        ([[300]], {"dtype": "uint8"}, ValueError, "sequences: expected numbers that uint8 holds"),
        ([[-1]], {"dtype": "uint8"}, ValueError, "sequences: expected numbers that uint8 holds"),
        (
            [[float("nan")]],
            {"dtype": int},
            ValueError,
            "expected numbers that int64 holds, got nan",
        ),
    ],
)
def test_refusals(sequences, options, error, message):
    with pytest.raises(error, match=message):
        pad_sequences(sequences, **options)
