"""What all experiments keep to: claims, verdicts, folders that a run goes on from, records and pages."""

from __future__ import annotations

import dataclasses
import inspect
import json
import struct
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from matplotlib.figure import Figure
from processes import run_python

import vgcore as vg
from vgcore import experiments
from vgcore.experiments import base, cures, keep, records
from vgcore.experiments.images import images


@dataclasses.dataclass(repr=False)
class Measured(base.Result):
    number: float
    values: np.ndarray
    flow: vg.GradientFlow

    def claims(self) -> list[base.Claim]:
        kind = self.number > 0
        return [
            base.Claim("it is 1", "1", f"{self.number:g}", base.verdict(self.number == 1, kind)),
            base.Claim("<it> is", "something", "a number", base.REPRODUCES),
        ]

    def tables(self) -> list[base.Table]:
        return [base.Table("Values", ("place", "value"), [("0", f"{self.values[0]:g}")])]

    def notes(self) -> list[str]:
        return ["That is <all>."]

    def picture(self) -> Figure:
        figure = vg.plot.blank(3, 2)
        figure.subplots().plot(self.values)
        return figure


def recorded() -> vg.GradientFlow:
    flow = vg.GradientFlow()
    flow.declare(["one", "two"])
    flow.add(0, loss=1.0, delta=[0.5, 2.0])
    return flow


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_experiment_keeps_the_contract(name: str) -> None:
    module = experiments.module(name)
    about = experiments.about(name)
    assert about == module.ABOUT and 20 < len(about.shows) < 110 and len(about.source) > 20
    assert issubclass(module.Result, base.Result)
    parameters = inspect.signature(module.run).parameters
    hints = get_type_hints(module.run, include_extras=True)
    assert {"seed", "meter"} <= parameters.keys()
    assert module.Result.__repr__ is base.Result.__repr__
    for key in parameters.keys() - {"meter"}:
        assert get_origin(hints[key]) is Annotated, key
        assert get_args(hints[key])[1].endswith("."), key
    file: dict[str, Any] = {"file": Path(__file__)} if name == "text" else {}
    with pytest.raises(ValueError, match="seed: expected an integer of at least 0"):
        module.run(seed=-1, **file)
    for seed in (None, 1.5):
        with pytest.raises(TypeError, match="seed: expected an integer"):
            module.run(seed=seed, **file)


def test_names_that_are_none_are_answered() -> None:
    with pytest.raises(ValueError, match=r"name: expected one of demo, .* did you mean 'nielsen'"):
        experiments.run("nielson")
    with pytest.raises(TypeError, match="name: expected a name"):
        experiments.about(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "verdict"), [(1, "reproduces"), (2, "in kind"), (-1, "does not")]
)
def test_the_verdict_is_the_worst_of_the_claims(number: float, verdict: str) -> None:
    result = Measured(number, np.arange(2.0), recorded())
    assert result.verdict == verdict
    assert str(result).startswith(f"it is 1: {verdict}\n  published: 1\n  measured:  {number}")
    assert f"Verdict: {verdict}" in result._repr_html_()
    assert "&lt;it&gt;" in result._repr_html_()


def test_a_part_is_done_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def work() -> Measured:
        calls.append(1)
        return Measured(2.5, np.array([[1.0, np.nan]]), recorded())

    settings: dict[str, Any] = {"seed": 3, "full": True}
    for _ in range(2):
        part = keep.Keep(tmp_path / "kept", "some", **settings).part("a.b-1", Measured, work)
        assert part.number == 2.5
        np.testing.assert_array_equal(part.values, [[1, np.nan]])
        np.testing.assert_array_equal(part.flow.delta, [[0.5, 2]])
    assert len(calls) == 1
    assert keep.told(tmp_path / "kept").endswith("(parts: 1) and what has begun (trainings: 0)")
    keep.Keep(None, "some", **settings).part("a.b-1", Measured, work)
    assert len(calls) == 2


@dataclasses.dataclass
class Done:
    number: int


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    keep.Keep(tmp_path / "kept", "some", seed=2)  # that failed before anything was done
    keep.Keep(tmp_path / "kept", "some", seed=3).part("a", Done, lambda: Done(1))
    with pytest.raises(ValueError, match=r"keep: .* seed 3 \(now 4\)"):
        keep.Keep(tmp_path / "kept", "some", seed=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="keep: expected a new folder or one of an earlier run"):
        keep.Keep(tmp_path / "other", "some", seed=3)
    for place in ("file", "file/in"):
        with pytest.raises(OSError, match=r"keep: expected a folder, got .*, where a file is"):
            keep.Keep(tmp_path / "other" / place, "some", seed=3)
    with pytest.raises(ValueError, match="keep: expected a folder, got ''"):
        keep.Keep("", "some", seed=3)
    (tmp_path / "broken").mkdir()
    for text, what in (("{", "an earlier"), ('{"theme": "dark"}', "the same")):
        (tmp_path / "broken" / "settings.json").write_text(text)
        with pytest.raises(ValueError, match=f"keep: expected a folder of {what} run"):
            keep.Keep(tmp_path / "broken", "some", seed=3)
    with pytest.raises(TypeError, match="keep: expected a path"):
        keep.Keep(3, "some", seed=3)


def test_what_was_kept_and_is_damaged_is_named(tmp_path: Path) -> None:
    kept = keep.Keep(tmp_path, "some", seed=0)
    path = tmp_path / "a.part.npz"
    kept.part("a", Done, lambda: Done(1))
    whole = path.read_bytes()
    with pytest.raises(ValueError, match=r"keep: .*a\.part\.npz': it differs .* in flow, values"):
        kept.part("a", Measured, lambda: pytest.fail("is there"))
    for content, what in ((whole[:-9], "it is truncated or damaged"), (b"", "it is empty")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"keep: expected a part .*a\.part\.npz': {what}"):
            kept.part("a", Done, lambda: Done(1))
    model = vg.Sequential([vg.Dense(1)], input_shape=1)
    for text in ("{", "{}"):
        (tmp_path / "net.fit.json").write_text(text)
        with pytest.raises(ValueError, match=r"keep: expected a training .*net\.fit\.json'"):
            kept.fit("net", model, [[1.0]], [[1.0]], epochs=1)


def test_a_folder_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    code = (
        "import sys; from vgcore.experiments.keep import Keep\n"
        "try: Keep(sys.argv[1], 'some', seed=0)\n"
        "except BlockingIOError as error: print(error)"
    )

    def other() -> str:
        return str(run_python("-c", code, str(tmp_path)).stdout)

    held = keep.Keep(tmp_path, "some", seed=0)
    again = keep.Keep(tmp_path, "some", seed=0)  # as in a notebook where a run was stopped
    del held
    assert "keep: expected a folder that no other run is using, got" in other()
    del again
    assert other() == ""


def test_a_folder_knows_its_data_by_their_content(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for path, content in ((first, b"1"), (second, b"2"), (third, b"1")):
        path.write_bytes(content)

    def opened(*data: Path) -> keep.Keep:
        return keep.Keep(tmp_path / "kept", "some", data=data, seed=0)

    opened(first).part("a", Done, lambda: Done(1))
    assert opened(third).part("a", Done, lambda: Done(2)).number == 1
    for other in ((second,), (), (first, third)):
        with pytest.raises(ValueError, match=r"keep: expected a folder .* with other data"):
            opened(*other)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none")
    keep.Keep(None, "some", data=[tmp_path / "none"], seed=0)  # nobody asks


@pytest.mark.parametrize("name", ["depth_scale", "glorot", "he", "ioffe", "irnn", "saxe", "selu"])
def test_an_experiment_on_other_images_is_not_gone_on_with(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for folder in ("some", "others"):
        write_images(tmp_path / folder, rng)
    module = experiments.module(name)
    monkeypatch.setattr(module, "images", stop)  # they are read behind the look at the folder
    with pytest.raises(StoppedError):
        module.run(tmp_path / "some", keep=tmp_path / "kept")
    (tmp_path / "kept" / "some.part.npz").touch()
    with pytest.raises(ValueError, match=r"keep: expected a folder .* with other data"):
        module.run(tmp_path / "others", keep=tmp_path / "kept")
    with pytest.raises(StoppedError):
        module.run(tmp_path / "some", keep=tmp_path / "kept")


def test_images_that_are_there_in_part_are_not_passed_over(tmp_path: Path) -> None:
    write_images(tmp_path / "some", np.random.default_rng(0))
    assert images(tmp_path / "some", 9, 5).about == "the first 9 of MNIST's train split"
    with pytest.raises(ValueError, match="data: expected more than 1,000 images, got 200"):
        cures.run(disease="conv", data=tmp_path / "some")
    (tmp_path / "some" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"data: expected .* train-labels-idx1-ubyte,"):
        images(tmp_path / "some", 9, 5)
    (tmp_path / "some" / "train-images-idx3-ubyte").unlink()
    assert "the folder lacks the train split" in images(tmp_path / "some", 9, 5).about
    with pytest.raises(TypeError, match="data: expected a path"):
        images(3, 9, 5)


def write_images(folder: Path, rng: np.random.Generator) -> None:
    """Noise in MNIST's files."""
    folder.mkdir()
    for split, count in (("train", 300), ("t10k", 200)):
        pixels = rng.integers(0, 256, (count, 784), np.uint8)
        labels = rng.integers(0, 10, count, np.uint8)
        for kind, values, shape in (
            ("images-idx3", pixels, (count, 28, 28)),
            ("labels-idx1", labels, (count,)),
        ):
            header = b"\0\0\x08" + struct.pack(f">B{len(shape)}I", len(shape), *shape)
            (folder / f"{split}-{kind}-ubyte").write_bytes(header + values.tobytes())


def stop(*arguments: Any) -> None:
    raise StoppedError


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("tracked", [False, True])
def test_a_training_that_was_stopped_goes_on_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracked: bool
) -> None:
    monkeypatch.setattr(keep, "_SECONDS", 0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))

    def train(folder: Path | None, until: int) -> keep.Trained:
        model = vg.Sequential([vg.Dense(4, "tanh"), vg.Dense(1)], input_shape=3, seed=0)
        model.compile("mse", "adam")

        def stop(epoch: int, logs: Any) -> None:
            if epoch == until:
                raise StoppedError

        kept = keep.Keep(folder, "some", seed=0)
        flow = vg.GradientFlow() if tracked else None
        return kept.fit("net", model, x, y, epochs=5, batch_size=8, track=flow, callbacks=[stop])

    whole = train(None, 9)
    for until in (1, 3):
        with pytest.raises(StoppedError):
            train(tmp_path, until)
    again = train(tmp_path, 9)
    for each in (whole, again):
        assert min(each.history.pop("seconds")) > 0
    assert again.history == whole.history and len(again.history["loss"]) == 5
    for name, value in whole.model.state_dict().items():
        np.testing.assert_array_equal(again.model.state_dict()[name], value)
    if tracked:
        assert whole.flow is not None and again.flow is not None
        np.testing.assert_array_equal(again.flow.step, np.arange(25))
        np.testing.assert_array_equal(again.flow.delta, whole.flow.delta)
    else:
        assert again.flow is None
    third = train(tmp_path, 9)  # nothing is left to do
    assert third.history["loss"] == whole.history["loss"]
    part = Measured(1, np.ones(1), recorded())
    keep.Keep(tmp_path, "some", seed=0).part("net", Measured, lambda: part)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("settings.json", "net.part.npz", "net.flow.flow.npz")
    }


def test_a_record_and_a_page_hold_the_run(tmp_path: Path) -> None:
    result = Measured(2.0, np.array([1.0, np.inf]), recorded())
    about = base.About("What <it> shows", "Whose it is")
    record = records.record("some", about, result, {"seed": 1, "data": Path("here")}, 1.234)
    records.write_json(tmp_path / "some.json", record)
    read = json.loads((tmp_path / "some.json").read_text(encoding="utf-8"))
    assert read["verdict"] == "in kind" and read["seconds"] == 1.23
    assert read["options"] == {"seed": 1, "data": "here"}
    assert read["measured"] == {"number": 2.0, "values": [1.0, None]}
    assert [claim["verdict"] for claim in read["claims"]] == ["in kind", "reproduces"]
    assert read["machine"]["CPU level"] == vg.cpu_level
    records.write_page(tmp_path / "some.html", record, records.png(result.picture()))
    page = (tmp_path / "some.html").read_text(encoding="utf-8")
    assert "What &lt;it&gt; shows" in page and "That is &lt;all&gt;." in page
    assert page.count("data:image/png;base64,iVBOR") == 1
    assert "http" not in page.replace("http-equiv", "")
