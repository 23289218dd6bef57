"""What the lessons of scenes say is what their networks do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tabs import measured, trained

from vgcore.live.course import Course
from vgcore.live.scenes import SCENES


def both(name: str, steps: int = 1, **settings: Any) -> list[Course]:
    """Network A of a scene, and B if there is one, after so many steps; settings are other of both."""
    scene = SCENES[name]
    found = (
        [scene.settings] if scene.other is None else [scene.settings, scene.settings | scene.other]
    )
    return [trained({**each, **settings}, steps) for each in found]


def kept(course: Course) -> float:
    """The gradient of the first layer over that of the last hidden one."""
    delta = measured(course, "delta")
    return float(delta[0] / delta[-2])


def kept_in_time(course: Course) -> float:
    """The gradient of the first timestep over that of the last."""
    time = course.newest.time[course.layers[0]][-1]
    return float(time[0] / time[-1])


def recent(course: Course) -> float:
    return float(np.mean(course.record().loss[-20:]))


SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


@SEEDS
def test_sigmoids_pass_on_about_a_quarter(seed: int) -> None:
    sigmoid, relu = both("sigmoid_depth", 300, seed=seed)
    layers = len(sigmoid.layers) - 2
    assert 0.2 < kept(sigmoid) ** (1 / layers) < 0.27
    assert abs(recent(sigmoid) - np.log(2)) < 0.03
    relu_first = both("sigmoid_depth", seed=seed)[1]
    assert 0.3 < kept(relu_first) < 3
    assert recent(relu) < recent(sigmoid) - 0.03


@SEEDS
def test_lecun_loses_what_he_keeps(seed: int) -> None:
    lecun, he = both("he_start", seed=seed)
    layers = len(lecun.layers) - 2
    assert kept(lecun) ** (1 / layers) == pytest.approx(1 / np.sqrt(2), rel=0.05)
    assert kept(he) ** (1 / layers) == pytest.approx(1, rel=0.05)


def test_digits_are_learned_near_the_edge_alone() -> None:
    losses = [recent(both("edge_of_chaos", 200, sigma_w=sigma)[0]) for sigma in (0.7, 1.3, 2.5)]
    assert losses[1] < 0.5 and min(losses[0], losses[2]) > 2.2
    ends = [kept(both("edge_of_chaos", sigma_w=sigma)[0]) for sigma in (0.7, 1.0, 2.5)]
    assert ends[0] < 1e-6 and 0.05 < ends[1] < 20 and ends[2] > 1e3


@SEEDS
def test_fast_steps_kill_relus(seed: int) -> None:
    relu, leaky = both("dead_relu", 60, seed=seed)
    dead = measured(relu, "dead")[:-1]
    assert 0.2 < dead.mean() < 0.5
    assert measured(leaky, "dead")[:-1].max() == 0
    worst = both("dead_relu", 400, seed=seed, rate=0.2)[0]
    assert measured(worst, "dead")[:-1].max() == 1 and recent(worst) > 0.6


@SEEDS
def test_batch_norm_undoes_the_scale_of_weights(seed: int) -> None:
    plain, normed = both("batch_norm", seed=seed)
    assert measured(plain, "saturated")[:-1].mean() > 0.5
    assert kept(plain) > 50
    assert measured(normed, "saturated")[:-1].max() < 0.02
    for start in ("gaussian", "he_normal"):
        other = both("batch_norm", seed=seed, start=start)[1]
        assert other.loss == pytest.approx(normed.loss, rel=1e-3)


@SEEDS
def test_skips_let_the_first_layer_hear_of_the_loss(seed: int) -> None:
    plain, skipping = both("skips", 100, seed=seed)
    assert kept(plain) < 1e-12 and kept(skipping) > 1
    assert recent(skipping) < 0.67 < recent(plain)


@SEEDS
def test_the_lstm_remembers_what_the_rnn_cannot(seed: int) -> None:
    for length, least in ((60, 1e-6), (100, 1e-10)):
        rnn, lstm = both("rnn_lstm", seed=seed, length=length)
        assert kept_in_time(rnn) < least and kept_in_time(lstm) > 0.05
    rnn, lstm = both("rnn_lstm", 450, seed=seed)
    assert recent(lstm) < 0.5 < recent(rnn)


@SEEDS
def test_clipping_holds_what_falls_off_the_cliff(seed: int) -> None:
    free, clipped = both("clipping", 800, seed=seed)
    assert recent(free) > np.log(4) - 0.1 and recent(clipped) < 0.3
    leaps = [np.abs(np.diff(course.record().loss)).max() for course in (free, clipped)]
    assert leaps[0] > 0.5
    assert np.nanmax(clipped.record().weight_grad) > 3  # of a norm that is clipped to 1


@SEEDS
def test_an_open_forget_gate_lets_the_gradient_through(seed: int) -> None:
    half, opened = both("forget_bias", seed=seed)
    assert kept_in_time(half) < 1e-13 and kept_in_time(opened) > 0.1
    half, opened = both("forget_bias", 100, seed=seed)
    assert kept_in_time(half) < 1e-6 and kept_in_time(opened) > 1e-3
