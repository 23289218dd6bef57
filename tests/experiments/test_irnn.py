"""The identity start: images are read in order, gradients are carried, and claims can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from vgcore.data import mnist
from vgcore.experiments import irnn
from vgcore.experiments.base import silent

SCALE = irnn.Scale(64, 32, 7, 6, 2, 16, (1e-2, 1e-4))


@pytest.fixture(scope="module")
def measured(mnist_directory: Path) -> irnn.Result:
    return irnn.measured(mnist_directory, SCALE, 0, None, silent)


def test_images_are_read_row_by_row_and_pixel_by_pixel(mnist_directory: Path) -> None:
    x = mnist(mnist_directory, "test")[0][:3]
    np.testing.assert_array_equal(irnn.sequences(x, 28, 28), x.reshape(3, 28, 28))
    np.testing.assert_array_equal(irnn.sequences(x, 28, 1)[..., 0], x)
    small = irnn.sequences(x, 14, 1)
    assert small.shape == (3, 196, 1)
    image = x[1].reshape(28, 28)
    np.testing.assert_allclose(small[1, 3 * 14 + 5, 0], image[6:8, 10:12].mean(), rtol=1e-6)


def test_at_the_identity_start_units_that_are_on_pass_the_error_on_as_it_is() -> None:
    model = irnn.network("irnn", 1, 9, 3)
    model.compile("sparse_categorical_crossentropy")
    x = np.random.default_rng(0).uniform(0.1, 1, (20, 12, 1)).astype(np.float32)
    y = np.arange(20) % 10
    found = irnn._gradient(model, "irnn", x, y)
    w_in, w_h, *_, v, b = (np.asarray(value, float) for value in model.state_dict().values())
    np.testing.assert_array_equal(w_h, np.eye(9))
    on = w_in[:, 0] > 0  # inputs are positive: so are these units, and the others are off for ever
    h = x.sum(axis=1) * np.where(on, w_in[:, 0], 0)
    z = h @ v.T + b
    odds = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    odds[np.arange(20), y] -= 1
    last = odds @ v
    share = np.linalg.norm(last[:, on]) / np.linalg.norm(last)
    np.testing.assert_allclose(found[:-1] / found[-1], share, rtol=1e-4)


def test_the_better_rate_is_shown(measured: irnn.Result) -> None:
    assert [(each.cell, each.steps) for each in measured.courses] == [
        (cell, steps) for steps in (28, 49) for cell in ("rnn", "irnn", "lstm")
    ]
    for each in measured.courses:
        assert each.rate == 1e-2  # in two epochs the other one hardly moves
        assert each.loss.shape == (2,) and each.start.shape == each.end.shape == (each.steps,)
        assert 0 <= each.accuracy <= 1
    assert list(measured.pixels) == ["rnn", "irnn", "lstm"]
    assert len(measured.tables()[0].rows) == 6 and "test split" in measured.notes()[0]
    measured.picture().savefig(io.BytesIO())


def test_the_picture_names_the_timesteps_whose_gradient_it_does_not_show(
    measured: irnn.Result,
) -> None:
    starts = {"rnn": np.geomspace(1e-30, 1, 49), "irnn": np.ones(49), "lstm": np.ones(49)}
    starts["irnn"][:18] = 0
    courses = [
        dataclasses.replace(each, start=starts[each.cell]) for each in measured.pixels.values()
    ]
    lines = dataclasses.replace(measured, courses=courses).picture().axes[0].lines
    assert [line.get_label() for line in lines] == [
        "RNN, tanh: below $10^{-15}$ up to step 24",
        "IRNN: 0 up to step 18, no ink yet (ReLUs are off)",
        "LSTM",
    ]
    drawn = np.asarray(lines[1].get_ydata(), float)
    assert np.isnan(drawn[:18]).all() and (drawn[18:] == 1).all()


def test_claims_can_come_out_both_ways(measured: irnn.Result) -> None:
    def verdicts(accuracies: dict[str, float], kept: float) -> list[str]:
        courses = [
            dataclasses.replace(
                each,
                accuracy=accuracies[each.cell],
                start=np.geomspace(kept if each.cell == "irnn" else 0.01, 1, each.steps),
            )
            for each in measured.courses
        ]
        return [claim.verdict for claim in dataclasses.replace(measured, courses=courses).claims()]

    assert verdicts({"rnn": 0.3, "irnn": 0.97, "lstm": 0.65}, 1.0) == ["reproduces"] * 3
    assert verdicts({"rnn": 0.1, "irnn": 0.8, "lstm": 0.3}, 0.5) == ["in kind"] * 3
    assert verdicts({"rnn": 0.9, "irnn": 0.8, "lstm": 0.9}, 1e-4) == ["does not"] * 3


def test_a_run_that_was_stopped_goes_on(
    tmp_path: Path, measured: irnn.Result, mnist_directory: Path
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part.startswith("LSTM, 28") and "0.0001" in part:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        irnn.measured(mnist_directory, SCALE, 0, tmp_path / "kept", stop)
    again = irnn.measured(mnist_directory, SCALE, 0, tmp_path / "kept", silent)
    for one, other in zip(measured.courses, again.courses, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="full: expected"):
        irnn.run(full=1)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST's files"):
        irnn.run(tmp_path)
