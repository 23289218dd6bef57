"""He's start and Xavier's differ by what the paper says, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import he
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.courses import GUESSING, Course, Training, standardized
from vgcore.experiments.images import images
from vgcore.experiments.keep import Keep

TINY = he.Scale(24, Training(images=320, held_out=300, epochs=2, batch_size=32, every=5))


def measured(data: Path, folder: Path | None = None, meter: Meter = silent) -> he.Result:
    return he.measure(data, TINY, 0, Keep(folder, "he", seed=0), meter)


@pytest.fixture(scope="module")
def seen(mnist_directory: Path) -> he.Result:
    return measured(mnist_directory)


def test_pixels_are_standardized_and_constant_ones_are_0(mnist_directory: Path) -> None:
    given = images(mnist_directory, 500, 100)
    scaled = standardized(given)
    alike = given.x.std(axis=0) == 0
    assert 0 < alike.sum() < 784 and not scaled.x[:, alike].any()
    np.testing.assert_allclose(scaled.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.x[:, ~alike].std(axis=0), 1, rtol=1e-4)
    mean, std = given.x[:, ~alike].mean(axis=0), given.x[:, ~alike].std(axis=0)
    np.testing.assert_allclose(
        scaled.held_out_x[:, ~alike],
        (given.held_out_x[:, ~alike] - mean) / std,
        rtol=1e-4,
        atol=1e-5,
    )


def test_starts_differ_in_scale_alone_and_the_signal_by_its_powers(seen: he.Result) -> None:
    ours, theirs = (he.network(30, name, 24, [0, 1]).state_dict() for name in ("He", "Xavier"))
    for name, weight in ours.items():
        np.testing.assert_allclose(weight, np.asarray(theirs[name]) * 2**0.5, rtol=1e-6)
    one, other = (seen.cells[30][name].courses[1].start for name in ("He", "Xavier"))
    powers = 2 ** (np.arange(1, 30) / 2)
    np.testing.assert_allclose(
        one.activation_std[0, :-1], other.activation_std[0, :-1] * powers, rtol=1e-4
    )


def test_the_start_is_that_of_a_plain_network(mnist_directory: Path, seen: he.Result) -> None:
    given = standardized(images(mnist_directory, 320, 300))
    state = he.network(22, "He", 24, [0, 0]).state_dict()
    weights = [np.asarray(v, float) for name, v in state.items() if name.endswith("weight")]
    h, outputs = given.held_out_x.astype(float), []
    for w in weights[:-1]:
        h = np.maximum(h @ w.T, 0)
        outputs.append(h)
    start = seen.cells[22]["He"].courses[0].start
    np.testing.assert_allclose(start.activation_std[0, :-1], [o.std() for o in outputs], rtol=1e-4)
    factor = (outputs[-1].std() / outputs[0].std()) ** (1 / 20)
    assert seen.cells[22]["He"].factor("activation_std")[0] == pytest.approx(factor, rel=1e-4)


def test_claims_can_fail(seen: he.Result) -> None:
    def cell(loss: list[float], like: he.Cell) -> he.Cell:
        class Flow(SimpleNamespace):
            def __len__(self) -> int:
                return len(loss)

        step = np.arange(0, 50 * len(loss), 50)  # a window is one update of these
        flow = Flow(step=step, loss=np.array(loss))
        return he.Cell([replace(course, flow=cast(Any, flow)) for course in like.courses])

    def verdicts(he22: Any, xavier22: Any, he30: Any, xavier30: Any) -> list[str]:
        like = seen.cells[30]["He"]
        cells = {
            22: {"He": cell(he22, like), "Xavier": cell(xavier22, like)},
            30: {"He": cell(he30, like), "Xavier": cell(xavier30, seen.cells[30]["Xavier"])},
        }
        return [claim.verdict for claim in replace(seen, cells=cells).claims()][2:]

    quick, slow, still = [2.3, 1.0, 0.5], [2.3, 2.0, 0.5], [GUESSING] * 3
    late = [GUESSING, GUESSING, 0.9]
    assert verdicts(quick, slow, quick, still) == [IN_KIND] * 3
    assert verdicts(quick, slow, quick, late) == [IN_KIND, IN_KIND, DOES_NOT]
    assert verdicts(slow, quick, slow, quick) == [DOES_NOT] * 3
    assert verdicts(quick, still, still, still) == [DOES_NOT, DOES_NOT, IN_KIND]
    assert verdicts(quick, slow, quick, slow)[1] == DOES_NOT
    same = seen.cells[30]["He"]
    swapped = replace(seen, cells=seen.cells | {30: {"He": same, "Xavier": same}})
    assert [claim.verdict for claim in swapped.claims()][:2] == [DOES_NOT] * 2
    assert seen.claims()[0].verdict in (REPRODUCES, IN_KIND)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ([], "none of 5 left guessing in 20 updates"),
        ([1820], "1 of 5 left guessing in 20 updates: after 1,820"),
        ([1820, 900, 1065], "3 of 5 left guessing in 20 updates: after 900, 1,065 and 1,820"),
    ],
)
def test_networks_that_leave_the_plateau_are_counted(
    seen: he.Result, left: list[int], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    courses = seen.cells[30]["Xavier"].courses
    of = dict(zip(map(id, courses), left, strict=False))
    monkeypatch.setattr(Course, "learned", lambda course, loss: of.get(id(course)))
    claim = seen._stalls()
    assert claim.measured == told
    assert claim.verdict == (DOES_NOT if left else IN_KIND)
    assert f"ends for {len(left)} of 5" in claim.why if left else claim.why.startswith("dense")


def test_it_is_shown(seen: he.Result) -> None:
    seen.picture().savefig(BytesIO())
    (table,) = seen.tables()
    assert len(table.rows) == 4 and "20 updates" in table.title
    assert "MNIST's" in seen.notes()[0]


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, seen: he.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "22-Xavier-1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    pairs: list[tuple[Course, Course]] = [
        (one, other)
        for depth in he.DEPTHS
        for name in ("He", "Xavier")
        for one, other in zip(
            again.cells[depth][name].courses, seen.cells[depth][name].courses, strict=True
        )
    ]
    for one, other in pairs:
        np.testing.assert_array_equal(one.flow.loss, other.flow.loss)
        assert one.error == other.error


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data: expected a folder that holds MNIST"):
        he.run(tmp_path)
