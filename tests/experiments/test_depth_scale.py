"""Trainable depth beside ξ_c: the start of the networks, what counts as trainable, and both verdicts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from vgcore.experiments import depth_scale
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES
from vgcore.experiments.keep import Keep

TINY = depth_scale.Scale(16, (1, 3), (1.0, 1.76, 4.0), 60, 2)


def kept(folder: Path | None = None) -> Keep:
    return Keep(folder, depth_scale.NAME, seed=0)


@pytest.fixture(scope="module")
def measured(mnist_directory: Path) -> depth_scale.Result:
    return depth_scale.measure(TINY, mnist_directory, 0, kept())


def of_depths(deep: dict[float, float], steps: int = 14_000) -> depth_scale.Result:
    """A result of networks that learn all up to the given depth at each σw², and nothing below."""
    depths = np.arange(1.0, 101.0)
    learned = np.where(depths[:, np.newaxis] <= list(deep.values()), 1.0, 0.1)
    return depth_scale.Result(
        depths, np.array(list(deep)), learned[..., np.newaxis], steps, "Doctored"
    )


def test_networks_start_with_the_variances_that_are_asked_for() -> None:
    scale = TINY._replace(widths=400)
    model = depth_scale.network(scale, 2, 2.25, 0)
    second = model.layers[1]
    assert second.weight.std() * 20 == pytest.approx(1.5, rel=0.02)
    biases = np.concatenate([layer.bias for layer in model.layers[:2]])
    assert biases.std() == pytest.approx(depth_scale.BIAS**0.5, rel=0.1)
    assert biases.mean() == pytest.approx(0, abs=0.03)


def test_what_is_trainable_lies_where_accuracies_cross() -> None:
    depths = np.array([10.0, 20.0, 30.0])
    assert depth_scale._crossing(depths, np.array([0.95, 0.75, 0.35])) == pytest.approx(25)
    assert depth_scale._crossing(depths, np.array([0.9, 0.9, 0.9])) == 30
    assert depth_scale._crossing(depths, np.array([0.5, 0.9, 0.9])) == 0


def test_claims_hold_of_the_published_law_and_not_of_others() -> None:
    law = {1.0: 20, 1.25: 40, 1.76: 100, 2.5: 69, 3.0: 53, 4.0: 41}
    assert of_depths(law).verdict == REPRODUCES
    fewer = of_depths(law, steps=100)
    assert [claim.verdict for claim in fewer.claims()] == [REPRODUCES, REPRODUCES, IN_KIND]
    assert "14,000" in fewer.claims()[2].why
    alike = of_depths(dict.fromkeys(law, 50))
    assert [claim.verdict for claim in alike.claims()] == [DOES_NOT] * 3
    half = of_depths({variance: depth * 0.3 for variance, depth in law.items()})
    assert [claim.verdict for claim in half.claims()] == [DOES_NOT, REPRODUCES, DOES_NOT]


def test_the_deepest_that_were_trained_are_a_lower_bound() -> None:
    law = {1.0: 20, 1.25: 40, 1.76: 100, 2.5: 100, 3.0: 53, 4.0: 41}
    _, falls, multiple = of_depths(law).claims()
    assert falls.measured == "20 at 1, 40 at 1.25, ≥ 100 at 1.76, ≥ 100 at 2.5, 54 at 3, 42 at 4"
    scale = of_depths(law).scales[3]
    assert f", ≥ {100 / scale:.1f} ξ_c at 2.5" in multiple.measured
    assert "median 5.9 ξ_c" in multiple.measured  # that bound is above the middle
    assert multiple.verdict == REPRODUCES
    middle = of_depths(law | {1.0: 40, 4.0: 70}).claims()[2]
    assert "; median ≥ 8." in middle.measured and middle.verdict == IN_KIND
    assert "instead of 6" in middle.why
    rows = of_depths(law).tables()[0].rows
    assert rows[-1] == ("trainable depth", "20", "40", "≥ 100", "≥ 100", "54", "42")


def test_a_run_that_was_stopped_goes_on(
    measured: depth_scale.Result, tmp_path: Path, mnist_directory: Path
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        depth_scale.measure(TINY, mnist_directory, 0, kept(tmp_path), stop)
    again = depth_scale.measure(TINY, mnist_directory, 0, kept(tmp_path))
    np.testing.assert_array_equal(again.accuracies, measured.accuracies)
    assert measured.accuracies.shape == (2, 3, 2)


def test_it_draws_and_refuses(measured: depth_scale.Result, tmp_path: Path) -> None:
    measured.picture().savefig(io.BytesIO())
    assert len(measured.tables()[0].rows) == 4
    assert "test split" in measured.notes()[0]
    with pytest.raises(ValueError, match="seed: expected an integer of at least 0"):
        depth_scale.run(seed=-1)
    with pytest.raises(FileNotFoundError, match="data: expected a folder"):
        depth_scale.run(data=tmp_path)
