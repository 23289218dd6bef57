"""The comparison of cures: networks are what they are called, and what is shown was measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore import data
from vgcore.experiments import cures, diseases
from vgcore.experiments.base import DOES_NOT, IN_KIND, Claim, silent
from vgcore.experiments.cures import Comparison, Parts
from vgcore.experiments.diseases import CONVOLUTIONAL, DENSE, Cure, Disease
from vgcore.experiments.keep import Keep
from vgcore.layers import BatchNorm, Conv2d, Dense, Highway, Layer, Residual
from vgcore.model import Sequential
from vgcore.optimizers import Adam, Momentum

NOWHERE = Keep(None, "cures")
SHAPES = {DENSE.title: (64,), CONVOLUTIONAL.title: (1, 14, 14)}
ENTRIES = [(disease, cure) for disease in (DENSE, CONVOLUTIONAL) for cure in disease.cures]
named = pytest.mark.parametrize(
    ("disease", "cure"), ENTRIES, ids=[f"{d.depth}-{c.name}" for d, c in ENTRIES]
)


@pytest.fixture(scope="module")
def digits() -> Parts:
    return data.train_test_split(*data.digits(), seed=0)


@pytest.fixture(scope="module")
def result(mnist_directory: Path) -> cures.Result:
    return cures.run(data=mnist_directory, images=64, dense_epochs=1, conv_epochs=1)


def treated(
    digits: Parts, *chosen: Cure, rate: float | None = None, epochs: int = 1, seed: int = 0
) -> Comparison:
    """The dense disease under some cures, at one learning rate or at all of theirs."""
    sick = DENSE.sick if rate is None else dataclasses.replace(DENSE.sick, rates=(rate,))
    disease = dataclasses.replace(DENSE, cures=chosen, sick=sick)
    return cures.compare(disease, digits, epochs, seed, NOWHERE, silent)


def parts(model: Sequential) -> list[Layer]:
    return [part for layer in model.layers for part in layer.parts()]


@named
def test_every_cure_leaves_the_depth_and_takes_the_samples(disease: Disease, cure: Cure) -> None:
    model = disease.network(cure, SHAPES[disease.title], seed=0)
    weighty = [part for part in parts(model) if isinstance(part, Dense | Conv2d | Highway)]
    assert len(weighty) == disease.depth
    x = np.zeros((2, *SHAPES[disease.title]))
    if cure.prepare is None:
        np.testing.assert_allclose(model.predict(x).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("disease", [DENSE, CONVOLUTIONAL], ids=["dense", "conv"])
def test_names_of_cures_tell_them_apart(disease: Disease) -> None:
    every = [cure.name for cure in disease.cures]
    assert len(set(every)) == len(every)
    assert every[0] == "no cure"
    assert disease.cures[0] == Cure("no cure")


def test_two_cures_change_what_either_does() -> None:
    both = diseases.RELU + diseases.BATCH_NORM + diseases.ADAM
    assert both.name == "ReLU + BatchNorm + Adam"
    assert both.activation is diseases.RELU.activation
    assert (both.norm, both.rates) == (BatchNorm, diseases.ADAM.rates)
    assert both.skip is both.treatment is None
    later = diseases.TANH + diseases.ORTHOGONAL
    assert later.start is diseases.ORTHOGONAL.start
    assert isinstance((DENSE.sick + later).rule(0.1), Momentum)  # type: ignore[misc]
    assert isinstance((DENSE.sick + both).rule(0.1), Adam)  # type: ignore[misc]


def test_a_skip_goes_around_each_pair_of_norm_activation_and_layer() -> None:
    model = DENSE.network(diseases.SKIP + diseases.BATCH_NORM, (64,), seed=0)
    first, *blocks, norm, activation, output = model.layers
    assert (first.kind, norm.kind, activation.kind, output.kind) == (
        *("dense", "batchnorm", "activation", "dense"),
    )
    assert len(blocks) == 24
    for block in blocks:
        assert isinstance(block, Residual)
        assert [layer.kind for layer in block.layers] == 2 * ["batchnorm", "activation", "dense"]


def test_the_sick_networks_are_sick_and_nothing_but_a_cure_differs(result: cures.Result) -> None:
    dense, conv = result.comparisons
    assert cures.ratio(dense.courses[0].before) < 1e-28
    assert cures.ratio(conv.courses[0].before) < 1e-8
    for comparison in (dense, conv):
        sick = comparison.courses[0]
        np.testing.assert_array_equal(sick.depth, np.arange(1, comparison.disease.depth + 1))
        for course, cure in zip(comparison.courses, comparison.disease.cures, strict=True):
            assert course.cure == cure.name
            assert course.depth[-1] == comparison.disease.depth
            assert course.before.shape == course.after.shape == course.depth.shape
            assert course.rate in ((comparison.disease.sick + cure).rates or ())
    courses = {course.cure: course for course in dense.courses}
    for name in ("clipping", "AGC", "noise", "amplification", "Adam"):
        np.testing.assert_array_equal(courses[name].before, dense.courses[0].before)


def test_a_block_counts_as_the_layers_that_it_ends(result: cures.Result) -> None:
    courses = {course.cure: course for course in result.comparisons[0].courses}
    np.testing.assert_array_equal(courses["skip"].depth, [*range(1, 50, 2), 50])
    np.testing.assert_array_equal(courses["highway"].depth, np.arange(1, 51))


def test_skips_with_batch_norm_learn_what_the_sick_network_cannot(digits: Parts) -> None:
    chosen = diseases.NOTHING, diseases.CLIPPING, diseases.SKIP + diseases.BATCH_NORM
    sick, clipped, cured = treated(digits, *chosen, rate=0.01, epochs=8).courses
    assert sick.accuracy < 0.2
    assert clipped.accuracy < 0.2
    assert cured.accuracy > 0.85
    assert 0.1 < cures.ratio(cured.before) < 10


def test_a_network_that_diverges_is_left_and_clipping_saves_it(digits: Parts) -> None:
    chosen = diseases.RELU + diseases.SKIP
    comparison = treated(digits, chosen, chosen + diseases.CLIPPING, rate=0.01, epochs=2)
    lost, saved = comparison.courses
    assert cures.ratio(lost.before) == cures.ratio(saved.before) > 100
    assert not np.isfinite(lost.training_loss)
    assert np.isfinite(saved.loss)
    (table,) = cures.Result([comparison]).tables()
    assert (table.rows[0][2], table.rows[0][4]) == ("–", "–")
    cures.Result([comparison]).picture().canvas.draw()


def test_the_rate_with_the_lower_training_loss_is_shown(digits: Parts) -> None:
    for cure in (diseases.TANH, diseases.REZERO):
        single = [treated(digits, cure, rate=rate).courses[0] for rate in (1e-2, 1e-3)]
        (shown,) = treated(digits, cure).courses
        best = min(single, key=lambda course: course.training_loss)
        assert (shown.rate, shown.training_loss) == (best.rate, best.training_loss)


def test_courses_are_reproducible_and_report_their_steps(digits: Parts) -> None:
    calls: list[tuple[str, int, int]] = []
    cure = diseases.RELU + diseases.SKIP
    disease = dataclasses.replace(DENSE, cures=(diseases.REZERO, cure))
    first, again = (
        cures.compare(disease, digits, 1, 3, NOWHERE, lambda *part: calls.append(part)).courses[0]
        for _ in range(2)
    )
    (other,) = treated(digits, diseases.REZERO, seed=4).courses
    np.testing.assert_array_equal(first.before, again.before)
    np.testing.assert_array_equal(first.after, again.after)
    assert (first.loss, first.accuracy) == (again.loss, again.accuracy)
    assert first.loss != other.loss
    assert {call[2] for call in calls} == {4 * 45}
    assert calls[-1] == (DENSE.title, 4 * 45, 4 * 45)


@pytest.mark.parametrize("disease", [0, 1], ids=["dense", "conv"])
def test_skips_and_batch_norm_are_judged_together_and_against_batch_norm_alone(
    result: cures.Result, disease: int
) -> None:
    def claims(**right: float) -> list[Claim]:
        names = {
            "plain": "no cure",
            "skip": "skip",
            "norm": "BatchNorm",
            "both": "skip + BatchNorm",
        }
        of = {names[name]: share for name, share in right.items()}
        comparison = result.comparisons[disease]
        courses = [
            dataclasses.replace(course, accuracy=of.get(course.cure, 0.99))
            for course in comparison.courses
        ]
        return cures.Result([dataclasses.replace(comparison, courses=courses)]).claims()

    cured = claims(plain=0.1, skip=0.353, norm=0.138, both=0.85)
    assert [claim.verdict for claim in cured] == [IN_KIND] * 3
    assert cured[1].measured == "85.0% are right"
    assert cured[2].measured == (
        "13.8% with BatchNorm alone, 35.3% with skips alone, 85.0% with both"
    )
    assert [claim.verdict for claim in claims(plain=0.2, skip=0.6, norm=0.6, both=0.4)] == (
        [DOES_NOT] * 3
    )
    alike = claims(plain=0.1, skip=0.8, norm=0.85, both=0.851)
    assert [claim.verdict for claim in alike] == [IN_KIND, IN_KIND, DOES_NOT]
    assert all(claim.why for claim in cured)


def test_a_run_that_was_stopped_goes_on(
    result: cures.Result, mnist_directory: Path, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == CONVOLUTIONAL.title:
            raise StoppedError

    scale: dict[str, Any] = {"images": 64, "dense_epochs": 1, "conv_epochs": 1, "keep": tmp_path}
    with pytest.raises(StoppedError):
        cures.run(data=mnist_directory, meter=stop, **scale)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("50-layers-*")}
    again = cures.run(data=mnist_directory, **scale)
    for one, other in zip(result.comparisons, again.comparisons, strict=True):
        for course, same in zip(one.courses, other.courses, strict=True):
            for field in {each.name for each in dataclasses.fields(course)} - {"seconds"}:
                np.testing.assert_array_equal(getattr(course, field), getattr(same, field))
    assert kept and all((tmp_path / name).read_bytes() == was for name, was in kept.items())


def test_tables_hold_the_numbers_of_the_courses(result: cures.Result) -> None:
    for table, comparison in zip(result.tables(), result.comparisons, strict=True):
        assert comparison.disease.title in table.title
        assert len(table.columns) == 7
        for row, course in zip(table.rows, comparison.courses, strict=True):
            assert row[0] == course.cure
            assert row[1] == f"{course.before[0] / course.before[-1]:.2g}"
            assert row[3:] == (
                f"{course.rate:g}",
                f"{course.loss:.3f}" if np.isfinite(course.loss) else "–",
                f"{course.accuracy:.1%}",
                f"{course.seconds:.1f}",
            )
    dense, conv = result.tables()
    assert "45 steps on 1,438 samples" in dense.title
    assert "2 steps on 64 samples" in conv.title
    assert "(359, 1,000)" in " ".join(result.notes())


def test_the_picture_has_a_line_a_name_and_a_bar_for_every_cure(result: cures.Result) -> None:
    figure = result.picture()
    rows = np.reshape(np.array(figure.axes, object), (2, 3))
    for (curves, names, bars), comparison in zip(rows, result.comparisons, strict=True):
        courses = comparison.courses
        assert curves.get_yscale() == "log"
        assert curves.get_xlim() == (comparison.disease.depth, 1)
        assert len(curves.get_lines()) == len(courses) + 1  # and one at 1
        sick = next(line for line in curves.get_lines() if line.get_color() == "#d55e00")
        expected = courses[0].before / courses[0].before[-1]
        np.testing.assert_array_equal(sick.get_ydata(), expected)
        written = [text.get_text().removesuffix(" (0 at first)") for text in names.texts]
        assert sorted(written) == sorted(course.cure for course in courses)
        order = [next(c for c in courses if c.cure == name) for name in written]
        ratios = [cures.ratio(course.before) for course in order]
        assert ratios == sorted(ratios)
        assert [bar.get_width() for bar in bars.patches] == [c.accuracy for c in order]
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"disease": "dense,cnv"}, "disease: expected one of dense, conv; got 'cnv'; did you mean"),
        ({"disease": "dense,dense"}, "disease: expected each disease once, got dense, dense"),
        ({"dense_epochs": 0}, "dense_epochs: expected an integer of at least 1"),
        ({"conv_epochs": 0}, "conv_epochs: expected an integer of at least 1"),
        ({"images": 31}, "images: expected an integer of at least 32"),
        ({"seed": -1}, "seed: expected an integer of at least 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cures.run(**options)


def test_missing_images_show_before_any_work(tmp_path: Path, mnist_directory: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    with pytest.raises(FileNotFoundError, match="data: expected a folder"):
        cures.run(data=tmp_path, meter=lambda *part: calls.append(part))
    with pytest.raises(ValueError, match=r"images: expected at most 9,000, .* got 9,001"):
        cures.run(data=mnist_directory, images=9001, meter=lambda *part: calls.append(part))
    assert not calls
