"""SELU's map is the paper's closed form, signals are those of a plain twin, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from math import erfc, exp, pi, sqrt
from pathlib import Path

import numpy as np
import pytest

from vgcore.experiments import normalizing, selu
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.courses import Training
from vgcore.experiments.keep import Keep

TINY = selu.Scale(60, 6, 2, 1, Training(images=128, held_out=300, epochs=1, batch_size=32, every=2))


def measured(data: Path, folder: Path | None = None, meter: Meter = silent) -> selu.Result:
    return selu.measure(data, TINY, 0, Keep(folder, "selu", seed=0), meter)


@pytest.fixture(scope="module")
def seen(mnist_directory: Path) -> selu.Result:
    return measured(mnist_directory)


@pytest.mark.parametrize("variance", [0.05, 1.0, 9.0])
def test_the_map_is_the_closed_form(variance: float) -> None:
    """E of lambda z for z > 0 and of lambda alpha (e^z - 1) below, and of their squares, by erfc."""
    alpha, scale, s = 1.6732632423543772, 1.0507009873554805, sqrt(variance)
    below = [exp(k**2 * variance / 2) * erfc(k * s / sqrt(2)) / 2 for k in (0, 1, 2)]
    mean = scale * (s / sqrt(2 * pi) + alpha * (below[1] - below[0]))
    square = scale**2 * (variance / 2 + alpha**2 * (below[2] - 2 * below[1] + below[0]))
    assert normalizing.mapped(variance) == pytest.approx((mean, square - mean**2), abs=1e-6)


def test_paths_are_those_of_plain_networks(seen: selu.Result) -> None:
    assert seen.paths.moments.shape == (8, 7, 2)
    np.testing.assert_allclose(seen.paths.moments[:, 0], normalizing.FROM, atol=1.5)
    place, (mean, variance) = 5, normalizing.FROM[5]
    h = np.random.default_rng([0, 3, place]).normal(mean, sqrt(variance), size=(100, 60))
    assert seen.paths.moments[place, 0] == pytest.approx((h.mean(), h.var()), rel=1e-5)
    layers = [normalizing.Dense(60, "selu", weight_initializer="lecun_normal") for _ in range(6)]
    model = normalizing.Sequential(layers, input_shape=60, seed=[0, 0, place])
    for step, name in enumerate(model.state_dict()):
        if name.endswith("weight"):
            z = h @ np.asarray(model.state_dict()[name], float).T
            h = 1.0507009873554805 * np.where(
                z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))
            )
            found = seen.paths.moments[place, step // 2 + 1]
            assert found == pytest.approx((h.mean(), h.var()), rel=1e-4, abs=1e-5)


def test_the_first_layer_keeps_mean_and_variance(seen: selu.Result) -> None:
    """Inputs must not be the numbers that weights are made of."""
    np.testing.assert_allclose(seen.deep.moments[0, :, 0], 0, atol=0.05)
    np.testing.assert_allclose(seen.deep.moments[1, :, 0], 1, atol=0.05)


def test_the_cosine_is_the_mean_over_pairs() -> None:
    model = normalizing.network("ReLU", [0])
    x = np.random.default_rng(0).normal(size=(3, 784)).astype(np.float32)
    h = np.asarray(list(model.internals(x).values())[-2].h, float)
    pairs = [
        h[i] @ h[j] / np.linalg.norm(h[i]) / np.linalg.norm(h[j])
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    assert normalizing.cosine(model, x) == pytest.approx(np.mean(pairs), rel=1e-5)


def test_claims_can_fail(seen: selu.Result) -> None:
    assert [claim.verdict for claim in seen.claims()][:2] == [REPRODUCES] * 2
    steps = np.linspace(-1, 1, 8)

    def ends(mean: float, variance: float) -> str:
        moments = np.zeros((8, 2, 2))
        moments[:, -1] = np.stack([mean + 0.01 * steps, variance + 0.02 * steps], axis=1)
        return replace(seen, paths=normalizing.Paths(moments)).claims()[2].verdict

    assert [ends(0, 1), ends(0.1, 1.1), ends(0, 3)] == [REPRODUCES, IN_KIND, DOES_NOT]

    def drawn(shift: float) -> str:
        draws = np.array(selu.PRINTED)[:, None] + 0.02 * np.array([-1, 0, 1])[:, None] + shift
        return replace(seen, deep=normalizing.Deep(draws)).claims()[3].verdict

    assert [drawn(0), drawn(0.1), drawn(2)] == [REPRODUCES, IN_KIND, DOES_NOT]

    def right(one: float, other: float, why: str = "") -> str:
        courses = {
            name: [replace(course, error=1 - share) for course in seen.courses[name]]
            for name, share in (("SELU", one), ("ReLU", other))
        }
        claim = replace(seen, courses=courses).claims()[4]
        assert claim.why.startswith(why) and bool(claim.why) == bool(why)
        return claim.verdict

    below = "SELU 34 points below the notebook's, ReLU 50 points below the notebook's: "
    apart = "SELU 64 points below the notebook's, ReLU 20 points below"
    assert right(0.83, 0.7) == REPRODUCES
    assert [right(0.5, 0.2, below), right(0.2, 0.5, apart)] == [IN_KIND, DOES_NOT]


def test_it_is_shown(seen: selu.Result) -> None:
    seen.picture().savefig(BytesIO())
    layers, learned = seen.tables()
    assert len(layers.rows) == 10 and [row[0] for row in learned.rows] == ["SELU", "ReLU"]
    assert seen.alike["ReLU"] > 0.9 > seen.alike["SELU"]
    assert "MNIST's" in seen.notes()[0]


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, seen: selu.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "ReLU-0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    np.testing.assert_array_equal(again.deep.moments, seen.deep.moments)
    np.testing.assert_array_equal(again.paths.moments, seen.paths.moments)
    for name in ("SELU", "ReLU"):
        one, other = again.courses[name][0], seen.courses[name][0]
        np.testing.assert_array_equal(one.flow.loss, other.flow.loss)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST"):
        selu.run(tmp_path)
