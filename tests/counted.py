"""Distributions against the numbers themselves."""

import numpy as np


def exponents_of(arrays):
    """Of the numbers of some arrays: those by sign, and how many are 0, NaN, inf and -inf."""
    numbers = np.concatenate([np.zeros(0), *(np.asarray(a, float).ravel() for a in arrays)])
    some = np.isfinite(numbers) & (numbers != 0)
    special = (numbers == 0, np.isnan(numbers), numbers == np.inf, numbers == -np.inf)
    signs = [np.abs(numbers[some & (numbers > 0)]), np.abs(numbers[some & (numbers < 0)])]
    return signs, [int(each.sum()) for each in special]


def assert_counted(flow, field, layer, arrays, *, row=-1, near=1e-9):
    """A record's counts are those of the numbers, which rounding may move by ``near``, relatively."""
    told = flow.distribution(field)
    place = flow.layers.index(layer)
    signs, special = exponents_of(arrays)
    got = [getattr(told, name)[row, place] for name in ("zero", "nan", "plus_inf", "minus_inf")]
    assert got == special, (field, layer)
    assert told.total[row, place] == sum(np.size(a) for a in arrays), (field, layer)
    for counts, numbers in zip((told.positive, told.negative), signs, strict=True):
        below = counts[row, place].cumsum()
        for edge, count in zip(told.edges[1:], below, strict=True):
            least, most = (numbers < edge * (1 - near)).sum(), (numbers < edge * (1 + near)).sum()
            assert least <= count <= most, (field, layer, edge)
        assert counts[row, place].sum() == len(numbers), (field, layer)
        assert not (numbers < told.edges[0] * (1 - near)).any()
