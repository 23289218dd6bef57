"""Plain and residual networks are compared as in the paper, on what files hold, and the claims can fail."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from vgcore.experiments import resnet
from vgcore.experiments.base import DOES_NOT, IN_KIND, REPRODUCES, Meter, silent
from vgcore.experiments.cifar import cifar10
from vgcore.experiments.keep import Keep
from vgcore.experiments.shifting import Shifted

TINY = resnet.Scale(4, 2, images=64, held_out=40, epochs=2, batch_size=32, rate=0.02)


def measured(
    data: Path | None,
    folder: Path | None = None,
    meter: Meter = silent,
    cifar: Path | None = None,
) -> resnet.Result:
    return resnet.measure(data, cifar, TINY, 0, Keep(folder, "resnet", seed=0), meter)


@pytest.fixture(scope="module")
def seen(mnist_directory: Path) -> resnet.Result:
    return measured(mnist_directory)


def test_both_kinds_of_a_depth_start_from_the_same_weights() -> None:
    plain, residual = (
        [np.asarray(v) for v in resnet.network(k, 20, (1, 7, 7), TINY, 4, 3).state_dict().values()]
        for k in ("plain", "resnet")
    )
    assert len(plain) == len(residual)
    for one, other in zip(plain, residual, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_gradient_is_that_of_each_convolution(seen: resnet.Result) -> None:
    for courses in seen.courses.values():
        for depth, course in courses.items():
            assert course.gradient.shape == (depth - 1,) and (course.gradient > 0).all()
    skip, body = seen.courses["resnet"][56].way
    assert len(skip) == len(body) == 27
    assert not len(seen.courses["plain"][56].way[0])


def test_images_are_averaged_by_squares() -> None:
    x = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, -1)
    small = resnet.averaged(x, (3, 4, 4), 2)
    assert small.shape == (2, 3, 2, 2)
    assert small[1, 2, 1, 0] == np.mean([x[1, 32 + place] for place in (8, 9, 12, 13)])
    np.testing.assert_array_equal(resnet.averaged(x, (3, 4, 4), 1), x.reshape(2, 3, 4, 4))


def test_a_share_is_above_another_beyond_two_standard_errors() -> None:
    error = (2 * 0.5 * 0.5 / 200) ** 0.5
    assert resnet.above(0.5 + 2.1 * error, 0.5, 200)
    assert not resnet.above(0.5 + 1.9 * error, 0.5, 200)
    assert not resnet.above(0.0, 0.0, 200) and not resnet.above(0.1, 0.9, 200)
    # where hardly an image is wrong, starts differ by more than images do
    assert resnet.above(0.0015, 0.0, 10**6) and not resnet.above(0.0013, 0.0, 10**6)


def test_claims_can_fail(seen: resnet.Result) -> None:
    def verdicts(
        plain: tuple[float, float],
        residual: tuple[float, float],
        gradient: float = 1.0,
        paper: bool = False,
    ) -> list[str]:
        def course(error: float) -> resnet.Course:
            start = SimpleNamespace(
                layers=["conv2d1", "conv2d2"], weight_grad=np.array([[gradient, 1.0]])
            )
            shares = np.array([0.9, error])
            return resnet.Course(cast(Any, start), shares, shares, shares)

        courses = {
            kind: {depth: course(e) for depth, e in zip(resnet.DEPTHS, errors, strict=True)}
            for kind, errors in (("plain", plain), ("resnet", residual))
        }
        result = replace(seen, courses=courses, counts=(8_000, 2_000), paper=paper)
        return [claim.verdict for claim in result.claims()]

    known, published = (0.08, 0.6), (0.0875, 0.0697)
    assert verdicts(known, published) == [IN_KIND] * 3 + [REPRODUCES] * 2
    assert verdicts(known, published, paper=True) == [REPRODUCES] * 5
    assert verdicts(known, (0.05, 0.04), paper=True)[1] == IN_KIND
    assert verdicts((0.6, 0.08), (0.08, 0.6)) == [DOES_NOT] * 3 + [REPRODUCES] * 2
    assert verdicts((0.08, 0.081), known)[:2] == [DOES_NOT] * 2
    signals = [verdicts(known, published, gradient)[3:] for gradient in (1e-3, 1.0, 1e3)]
    assert signals == [[DOES_NOT] * 2, [REPRODUCES] * 2, [REPRODUCES, DOES_NOT]]


def test_it_is_shown(seen: resnet.Result) -> None:
    seen.picture().savefig(BytesIO())
    (table,) = seen.tables()
    assert len(table.rows) == 4 and table.title == "After 4 updates"
    assert "MNIST's" in seen.notes()[0] and "7 x 7" in seen.notes()[0]


def test_a_run_that_was_stopped_goes_on(
    mnist_directory: Path, tmp_path: Path, seen: resnet.Result
) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "plain-56":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(mnist_directory, tmp_path / "kept", stop)
    again = measured(mnist_directory, tmp_path / "kept")
    for kind, courses in seen.courses.items():
        for depth, course in courses.items():
            other = again.courses[kind][depth]
            np.testing.assert_array_equal(other.loss, course.loss)
            np.testing.assert_array_equal(other.held_out_error, course.held_out_error)
            np.testing.assert_array_equal(other.gradient, course.gradient)


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """Three images in each file, of random bytes."""
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]:
        rows = rng.integers(256, size=(3, 3073), dtype=np.uint8)
        rows[:, 0] %= 10
        rows.tofile(tmp_path / name)
    return tmp_path


def test_cifar_is_read_in_order(cifar: Path) -> None:
    given = cifar10(cifar, 100, 2)
    assert given.x.shape == (15, 3072) and given.held_out_x.shape == (2, 3072)
    raw = (cifar / "data_batch_2.bin").read_bytes()
    assert given.y[4] == raw[3073]
    np.testing.assert_allclose(given.x[4] * 255, list(raw[3074:6146]), atol=1e-4)
    assert "15 of CIFAR-10's" in given.about


def test_damaged_files_of_cifar_are_refused(cifar: Path) -> None:
    path = cifar / "data_batch_3.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"data_batch_3.bin: expected images of 3,073 bytes each"):
        cifar10(cifar, 1, 1)
    path.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(ValueError, match="expected labels from 0 to 9, got 10"):
        cifar10(cifar, 1, 1)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"cifar: expected .* data_batch_3.bin not found"):
        resnet.run(cifar=cifar)


def test_the_papers_setting_is_trained_on_cifar_and_goes_on(
    cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TINY._replace(pool=1, batch_size=8)
    monkeypatch.setattr(resnet, "FULL", tiny)
    monkeypatch.setattr(resnet, "DEPTHS", (8,))
    monkeypatch.setattr("vgcore.experiments.keep._SECONDS", 0)

    def ran(folder: Path | None, meter: Meter = silent) -> resnet.Course:
        kept = Keep(folder, "resnet", seed=0)
        result = resnet.measure(None, cifar, tiny, 0, kept, meter)
        assert result.paper and result.updates == 4
        return result.courses["resnet"][8]

    def stop(part: str, done: int, whole: int) -> None:
        if part == "resnet-8" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path / "kept", stop)
    np.testing.assert_array_equal(ran(tmp_path / "kept").loss, ran(None).loss)


def test_images_are_shifted_and_mirrored_anew_in_each_epoch() -> None:
    x = np.arange(1, 1 + 6 * 2 * 5 * 5, dtype=np.float32).reshape(6, 2, 5, 5)
    y = np.arange(6)
    samples = Shifted(x, y, 4, 0)
    assert len(samples) == 2

    def epoch(number: int) -> tuple[np.ndarray, np.ndarray]:
        samples.epoch = number
        parts = list(samples)
        assert [len(labels) for _, labels in parts] == [4, 2]
        return np.concatenate([p for p, _ in parts]), np.concatenate([q for _, q in parts])

    ways = set()
    padded = np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)))
    for number in range(8):
        seen, labels = epoch(number)
        assert sorted(labels) == list(y)
        for image, label in zip(seen, labels, strict=True):
            found = [
                (down, right, mirrored)
                for down in range(9)
                for right in range(9)
                for mirrored in (False, True)
                if np.array_equal(
                    padded[label, :, down : down + 5, right : right + 5][..., :: 1 - 2 * mirrored],
                    image,
                )
            ]
            assert found
            ways.update(found)
    assert {mirrored for *_, mirrored in ways} == {False, True} and len(ways) > 20
    np.testing.assert_array_equal(epoch(1)[0], epoch(1)[0])
    assert not np.array_equal(epoch(1)[0], epoch(2)[0])
