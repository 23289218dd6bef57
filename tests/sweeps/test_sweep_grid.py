"""Which configurations a grid has."""

import json
import math

import numpy as np
import pytest
from scipy import stats

import vgcore as vg
from vgcore.sweeps.grid import Run, configurations


def configs(grid, where=None):
    return [json.loads(each) for each in configurations(grid, where)]


def test_every_combination_is_there_once():
    found = configs({"a": [1, 2, 1], "b": range(2), "c": ("x", None)})
    assert [tuple(each.values()) for each in found] == [
        (a, b, c) for a in (1, 2) for b in (0, 1) for c in ("x", None)
    ]


def test_values_are_what_json_has():
    (found,) = configs(
        {
            "array": np.array([0.5]),
            "integer": [np.int16(3)],
            "flag": [np.True_],
            "list": [(1, [2.5, "x"])],
            "dict": [{"units": 3}],
        }
    )
    assert found == {
        **{"array": 0.5, "integer": 3, "flag": True},
        **{"list": [1, [2.5, "x"]], "dict": {"units": 3}},
    }
    assert type(found["integer"]) is int


def test_names_follow_from_values_and_not_from_their_order():
    one, other = configurations({"a": [1], "b": ["é"]}), configurations({"b": ["é"], "a": [1]})
    assert one == other == ['{"a":1,"b":"\\u00e9"}']
    ids = {Run(config, repeat).id for config in ('{"a":1}', '{"a":1.0}') for repeat in (0, 1)}
    assert len(ids) == 4


def test_conditions():
    grid = {
        "optimizer": ["sgd", "adam", "lion"],
        "depth": [1, 2],
        "momentum": vg.sweeps.when([0.5, 0.9], optimizer="sgd"),
        "beta": vg.sweeps.when([0.99], optimizer=["adam", "lion"], depth=2),
        "wide": vg.sweeps.when([True], lambda config: config.get("momentum") == 0.9),
    }
    assert configs(grid) == [
        {"depth": 1, "momentum": 0.5, "optimizer": "sgd"},
        {"depth": 1, "momentum": 0.9, "optimizer": "sgd", "wide": True},
        {"depth": 2, "momentum": 0.5, "optimizer": "sgd"},
        {"depth": 2, "momentum": 0.9, "optimizer": "sgd", "wide": True},
        {"depth": 1, "optimizer": "adam"},
        {"beta": 0.99, "depth": 2, "optimizer": "adam"},
        {"depth": 1, "optimizer": "lion"},
        {"beta": 0.99, "depth": 2, "optimizer": "lion"},
    ]
    few = configs({"a": range(4), "b": range(4)}, lambda config: config["a"] * config["b"] == 6)
    assert few == [{"a": 2, "b": 3}, {"a": 3, "b": 2}]


def test_draws_go_together():
    grid = {
        "depth": [1, 2],
        "rate": vg.sweeps.loguniform(1e-4, 1, 30),
        "share": vg.sweeps.uniform(0, 1, 30),
    }
    found = configs(grid)
    assert len(found) == 60
    by_depth = [[each for each in found if each["depth"] == depth] for depth in (1, 2)]
    pairs = [[(each["rate"], each["share"]) for each in some] for some in by_depth]
    assert pairs[0] == pairs[1] and len(set(pairs[0])) == 30
    only = configs({"a": ["x", "y"], "b": vg.sweeps.when(vg.sweeps.uniform(0, 1, 3), a="x")})
    assert [each["a"] for each in only] == ["x"] * 3 + ["y"]


def test_many_draws_go_together():
    grid = {name: vg.sweeps.uniform(0, 1, 5000) for name in "abc"}
    assert len(configs(grid)) == 5000


def test_draws_are_even_and_the_same_for_ever():
    rates = vg.sweeps.loguniform(1e-4, 1, 2000).of("rate")
    assert (
        stats.kstest(np.log(rates), stats.uniform(math.log(1e-4), -math.log(1e-4)).cdf).pvalue
        > 0.01
    )
    shares = vg.sweeps.uniform(-1, 3, 2000).of("share")
    assert stats.kstest(shares, stats.uniform(-1, 4).cdf).pvalue > 0.01
    assert abs(stats.spearmanr(rates, shares).statistic) < 0.05
    assert vg.sweeps.loguniform(1e-4, 1, 3).of("rate") == rates[:3]
    assert vg.sweeps.loguniform(1e-4, 1, 3, seed=1).of("rate") != rates[:3]
    # The first bits of PCG64, by NumPy's own generator
    generator = np.random.Generator(np.random.PCG64([0, *b"share"]))
    np.testing.assert_allclose(shares[:50], 4 * generator.random(50) - 1, rtol=1e-4, atol=1e-5)
    assert all(float(f"{each:.6g}") == each for each in rates)


WRONG = {
    "no dict": ([1], TypeError, "grid: expected a dict of names and values, got list"),
    "empty": ({}, ValueError, "grid: expected at least one configuration, got none"),
    "no values": ({"a": []}, ValueError, r"grid\['a'\]: expected at least one value, got none"),
    "one value": ({"a": 3}, TypeError, r"grid\['a'\]: expected a list, a range, or draws, got 3"),
    "a text": (
        {"a": "tanh"},
        TypeError,
        r"grid\['a'\]: expected a list, a range, or draws, got 'ta",
    ),
    "nan": ({"a": [math.nan]}, TypeError, r"grid\['a'\]\[0\]: expected a finite number"),
    "a function": ({"a": [1, len]}, TypeError, r"grid\['a'\]\[1\]: expected a finite number, str"),
    "an array": ({"a": np.ones((2, 2))}, TypeError, r"grid\['a'\]\[0\]: expected a finite number"),
    "in a dict": ({"a": [{"b": [1j]}]}, TypeError, r"grid\['a'\]\[0\]\['b'\]\[0\]: expected"),
    "a number": ({3: [1]}, TypeError, "grid: expected a str, got 3"),
    "a column": ({"seed": [1]}, ValueError, "grid: expected names other than .* got 'seed'"),
    "other draws": (
        {"a": vg.sweeps.uniform(0, 1, 2), "b": vg.sweeps.uniform(0, 1, 3)},
        *(ValueError, r"grid\['b'\]: expected as many draws as other names have, got 3"),
    ),
    "a late condition": (
        {"a": vg.sweeps.when([1], b=1), "b": [1]},
        *(ValueError, r"grid\['a'\]: expected conditions of names before it, got 'b'"),
    ),
    "too many": (
        {name: range(2000) for name in "ab"},
        *(ValueError, "grid: expected at most 1,000,000 configurations"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_grid(name):
    grid, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        configs(grid)


def test_nothing_left():
    with pytest.raises(ValueError, match="where: expected at least one configuration to be left"):
        configs({"a": [1, 2]}, lambda config: False)
    with pytest.raises(TypeError, match="where: expected a function"):
        configs({"a": [1]}, 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: vg.sweeps.uniform(1, 1, 3), ValueError, "low: expected less than high=1, got 1"),
        (lambda: vg.sweeps.uniform(0, math.inf, 3), ValueError, "high: expected a finite number"),
        (lambda: vg.sweeps.uniform(0, 1, 0), ValueError, "n: expected an integer of at least 1"),
        (lambda: vg.sweeps.uniform(0, 1, 3, seed=-1), ValueError, "seed: expected an integer"),
        (
            lambda: vg.sweeps.loguniform(0, 1, 3),
            ValueError,
            "low: expected a finite number above 0",
        ),
        (
            lambda: vg.sweeps.loguniform(2, 1, 3),
            ValueError,
            "low: expected less than high=1, got 2",
        ),
        (lambda: vg.sweeps.when([1]), ValueError, "condition: expected a function, or names"),
        (lambda: vg.sweeps.when([1], 3), TypeError, "condition: expected a function of the config"),
    ],
)
def test_what_is_no_draw_and_no_condition(make, error, message):
    with pytest.raises(error, match=message):
        make()
