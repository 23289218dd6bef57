"""Thinning keeps extremes and says where there are zeros, NaN and infinities; numbers keep their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pages import doubles

from vgcore.reporting import packing
from vgcore.reporting.thinning import MARKS, edges, thinned

NUMBERS = st.one_of(
    st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e-300]), st.floats(-1e300, 1e300)
)


@given(
    arrays(np.float64, (17, 5), elements=NUMBERS),
    arrays(bool, (17, 5)),
    st.integers(2, 20),
    st.integers(2, 6),
)
def test_each_bucket_keeps_what_stands_out(values, there, rows, columns):
    rows, columns = edges(17, rows), edges(5, columns)
    told = thinned(values, there, rows, columns)
    for i, (top, bottom) in enumerate(zip(rows, [*rows[1:], 17], strict=True)):
        for j, (left, right) in enumerate(zip(columns, [*columns[1:], 5], strict=True)):
            mine = there[top:bottom, left:right]
            block = values[top:bottom, left:right]
            finite = block[mine & np.isfinite(block)]
            first = block[0, 0] if mine[0, 0] else np.nan
            np.testing.assert_equal(told.first[i, j], first)
            if told.low is not None:
                np.testing.assert_equal(told.low[i, j], finite.min() if len(finite) else np.nan)
                np.testing.assert_equal(told.high[i, j], finite.max() if len(finite) else np.nan)
            held = block[mine]
            wanted = {
                "zero": (held == 0).any(),
                "nan": np.isnan(held).any(),
                "plus": (held == np.inf).any(),
                "minus": (held == -np.inf).any(),
                "absent": not mine.all(),
            }
            marks = 0 if told.marks is None else told.marks[i, j]
            assert {name: bool(marks >> bit & 1) for bit, name in enumerate(MARKS)} == wanted
    zeros = np.split((there & (values == 0)).sum(axis=0), columns[1:])
    assert told.counts[:, 0].tolist() == [each.sum() for each in zeros]


@pytest.mark.parametrize(("size", "buckets"), [(1, 5), (5, 5), (6, 5), (10_000, 240), (3, 2)])
def test_both_ends_are_told_as_they_are(size, buckets):
    begin = edges(size, buckets)
    assert begin[0] == 0 and begin[-1] == size - 1 and len(begin) <= buckets
    assert (np.diff(begin) > 0).all()
    assert np.diff(begin).max(initial=1) <= np.ceil(size / (buckets - 1))


@given(st.floats(allow_subnormal=True, width=64))
def test_numbers_keep_six_digits_over_the_whole_range(value):
    (kept,) = doubles(packing.numbers([value]))
    np.testing.assert_allclose(kept, value, rtol=5e-7, atol=1e-308)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, 1.7976931348623157e308]
)
def test_numbers_that_are_special_stay_what_they_are(value):
    (kept,) = doubles(packing.numbers([value]))
    np.testing.assert_allclose(kept, value, rtol=1e-6)
    assert np.isfinite(kept) == np.isfinite(value) and np.signbit(kept) == np.signbit(value)
