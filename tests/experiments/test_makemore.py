"""Makemore: starts are as the lecture has them, words those of a text, and claims can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from vgcore.experiments import makemore
from vgcore.experiments.base import silent

SCALE = makemore.Scale(300, 100, 3)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "some.txt"
    path.write_text(" ".join(makemore.words(None)[::10]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def measured(file: Path) -> makemore.Result:
    return makemore.measured(file, SCALE, 0, None, silent)


def test_examples_are_letters_behind_the_three_before_them(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("Bé no, NO! I say: 'yes'", encoding="utf-8")
    assert makemore.words(path) == ["no", "say", "yes"]
    x, y = makemore.examples(["no", "yes"])
    letters = ["".join(makemore.LETTERS[code] for code in row) for row in x]
    assert letters == ["...", "..n", ".no", "...", "..y", ".ye", "yes"]
    assert "".join(makemore.LETTERS[code] for code in y) == "no.yes."
    assert len(makemore.words(None)) > 2_000


@pytest.mark.parametrize(
    ("start", "hidden", "bias", "output"),
    [
        ("original", 1, 1, 1),
        ("output", 1, 1, 0.01),
        ("saturation", 0.2, 0.01, 0.01),
        ("kaiming", 5 / 3 / np.sqrt(30), 0, 0.01),
        ("batchnorm", 5 / 3 / np.sqrt(30), None, 0.01),
    ],
)
def test_starts_have_the_lectures_scales(
    start: str, hidden: float, bias: float | None, output: float
) -> None:
    state = makemore.network(start, 0).state_dict()
    stds = {name: float(np.std(value)) for name, value in state.items()}
    assert stds["hidden.weight"] == pytest.approx(hidden, rel=0.05)
    assert stds["output.weight"] == pytest.approx(output, rel=0.05)
    assert stds["letters.weight"] == pytest.approx(1, rel=0.2)
    if bias is None:
        assert "hidden.bias" not in stds
    else:
        assert stds["hidden.bias"] == pytest.approx(bias, rel=0.2)


def test_what_is_measured_is_what_a_twin_in_numpy_measures(
    file: Path, measured: makemore.Result
) -> None:
    found = makemore.words(file)
    order = np.random.default_rng(0).permutation(len(found))
    x, y = makemore.examples([found[place] for place in order][: len(found) * 4 // 5])
    state = {
        k: np.asarray(v, float) for k, v in makemore.network("original", 0).state_dict().items()
    }
    h = np.tanh(
        state["letters.weight"][x].reshape(len(x), -1) @ state["hidden.weight"].T
        + state["hidden.bias"]
    )
    z = h @ state["output.weight"].T + state["output.bias"]
    z -= z.max(axis=1, keepdims=True)
    loss = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]
    course = measured.courses["original"]
    assert course.firsts[0] == pytest.approx(loss.mean(), rel=1e-4)
    assert 0.5 < course.saturated[0] < 0.8
    assert measured.examples == len(x) and measured.words == len(found)


def test_all_starts_are_shown(measured: makemore.Result) -> None:
    assert list(measured.courses) == list(makemore.PUBLISHED)
    for each in (*measured.courses.values(), measured.slow):
        assert each.firsts.shape == (3,) and len(each.step) == len(each.loss) == len(each.saturated)
        assert each.ratio.shape == (len(each.step), 2)
    assert [len(table.rows) for table in measured.tables()] == [5, 5]
    assert "some.txt" in measured.notes()[0]
    figure = measured.picture()
    figure.savefig(io.BytesIO())
    losses, ends, *_ = figure.axes
    for line, each in zip(losses.get_lines(), measured.courses.values(), strict=False):
        assert len(line.get_xdata()) < len(each.step)
        assert each.loss.min() <= np.min(line.get_ydata()) < np.max(line.get_ydata())
    here, published = ends.collections
    expected = [each.held_out for each in measured.courses.values()]
    np.testing.assert_allclose(np.array(here.get_offsets())[:, 0], expected)
    np.testing.assert_allclose(
        np.array(published.get_offsets())[:, 0], list(makemore.PUBLISHED.values())
    )


def test_all_columns_fit_into_80(measured: makemore.Result) -> None:
    for table in measured.tables():
        longest = zip(table.columns, *table.rows, strict=True)
        assert sum(3 + max(map(len, column)) for column in longest) <= 80


def test_losses_are_averaged_over_tenths_of_decades() -> None:
    step, loss = makemore._smooth(np.array([1, 10, 11, 12, 13]), np.array([9.0, 1, 2, 3, 5]))
    np.testing.assert_allclose(step, [1, 11, 13])
    np.testing.assert_allclose(loss, [9, 2, 5])


def test_claims_can_come_out_both_ways(measured: makemore.Result) -> None:
    def verdicts(firsts: list[float], losses: list[float], ratio: float, low: float) -> list[str]:
        courses = {
            start: dataclasses.replace(
                course,
                firsts=np.array(firsts if start == "original" else [firsts[-1] - 20]),
                held_out=loss,
                saturated=np.full(
                    len(course.step), 0.6 if start in ("original", "output") else 0.1
                ),
                ratio=np.full((len(course.step), 2), ratio),
                loss=np.full(len(course.step), 2.0),
            )
            for (start, course), loss in zip(measured.courses.items(), losses, strict=True)
        }
        slow = dataclasses.replace(
            measured.slow,
            ratio=np.full((len(measured.slow.step), 2), low),
            loss=np.full(len(measured.slow.step), 3.0 if low < 1e-4 else 1.0),
        )
        result = dataclasses.replace(measured, courses=courses, slow=slow)
        return [claim.verdict for claim in result.claims()]

    good = verdicts([25.0, 28.0, 23.3], [2.2, 2.1, 2.0, 2.01, 2.01], 1e-3, 1e-5)
    assert good == ["reproduces", *["in kind"] * 4, "reproduces"]
    for ratio, expected in ((1.9e-3, "reproduces"), (2.3e-3, "in kind"), (1.1e-2, "does not")):
        assert verdicts([25.0], [2.2, 2.1, 2.0, 2.0, 2.0], ratio, 1e-5)[-1] == expected
    bad = verdicts([5.0, 6.0, 30.0], [2.0, 2.1, 2.0, 2.2, 1.9], 1e-1, 1e-3)
    assert bad == ["does not", "does not", "in kind", "does not", "does not", "does not"]
    worse = verdicts([20.0, 24.0, 23.3], [2.2, 2.1, 2.3, 2.3, 2.3], 5e-3, 1e-5)
    assert worse[0] == "in kind" and worse[2] == "does not" and worse[5] == "in kind"


def test_a_run_that_was_stopped_goes_on(
    tmp_path: Path, file: Path, measured: makemore.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "kaiming":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        makemore.measured(file, SCALE, 0, tmp_path / "kept", stop)
    again = makemore.measured(file, SCALE, 0, tmp_path / "kept", silent)
    for start, one in measured.courses.items():
        for field in dataclasses.fields(one):
            other = getattr(again.courses[start], field.name)
            np.testing.assert_array_equal(getattr(one, field.name), other)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("two words", encoding="utf-8")
    with pytest.raises(ValueError, match="file: expected a text with at least 100 different words"):
        makemore.run(tmp_path / "few.txt")
    with pytest.raises(FileNotFoundError):
        makemore.run(tmp_path / "missing.txt")
    with pytest.raises(TypeError, match="full: expected"):
        makemore.run(full=1)  # type: ignore[arg-type]
