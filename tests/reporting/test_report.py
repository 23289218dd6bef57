"""A report holds what it is given, fits its size, escapes names, and refuses before it works."""

from __future__ import annotations

import builtins
import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Read, doubles, synthetic
from typer.testing import CliRunner

import vgcore as vg
from vgcore.commands import app
from vgcore.flow.record import FIELDS

NASTY = "</script><script>alert(1)</script><!-- & \" '"


def network(name: str | None = None, activation: str = "sigmoid") -> vg.Sequential:
    layers = [vg.Dense(8, activation) for _ in range(12)]
    model = vg.Sequential([*layers, vg.Dense(3, "softmax", name=name)], input_shape=4, seed=7)
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.25), clip_norm=2.0)
    return model


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(90, 4)), np.arange(90) % 3


def trained(**options: Any) -> tuple[vg.Sequential, vg.GradientFlow]:
    model, flow = network(**options), vg.GradientFlow()
    model.fit(*data(), epochs=2, batch_size=30, track=flow)
    return model, flow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any, Any]:
    path = tmp_path_factory.mktemp("report") / "run.html"
    model, flow = trained()
    diagnosis = model.diagnose(*data(), seconds=0.5)
    vg.report(path, model=model, flow=flow, diagnosis=diagnosis)
    return path, model, flow, diagnosis


def test_the_verdict_comes_first_and_all_of_it_is_there(whole: Any) -> None:
    path, _, _, diagnosis = whole
    text, told = Read(path).text, diagnosis.to_dict()
    assert not diagnosis.healthy
    assert text.index(diagnosis.verdict) < text.index("Findings")
    for finding in told["findings"]:
        assert finding["sentence"] in text and finding["measured"]["what"] in text
        assert finding["why_sentence"] in text
        for suggestion in finding["suggestions"]:
            assert suggestion["name"] in text and " ".join(suggestion["code"].split()) in text
    (vanishing,) = [each for each in told["findings"] if each["symptom"] == "vanishing_gradient"]
    assert len(vanishing["why"]) == 12
    assert all(factor["place"] in text for factor in vanishing["why"])
    assert told["cures"]
    assert all(row["change"] in text for row in told["cures"])
    assert all(name in text for name in told["not_tried"])


def test_how_it_was_made_is_told(whole: Any) -> None:
    path, model, _, _ = whole
    text = Read(path).text
    assert all(name in text for name, *_ in model.summary().layers)
    assert "learning_rate=0.25" in text and "clip_norm 2.0" in text and "seed 7" in text
    assert vg.__version__ in text and np.__version__ in text and vg.cpu_level in text
    assert f"{sum(model.history['seconds']):.3g}" in text
    assert 'vg.Dense(8, activation="sigmoid")' in text and "What these lines cannot say" in text


def test_the_lines_make_the_network_again(whole: Any) -> None:
    path, model, _, _ = whole
    raw = path.read_text(encoding="utf-8")

    lines = html.unescape(
        re.findall(r"To make it again</h3>\s*<pre>(.*?)</pre>", raw, re.DOTALL)[0]
    )
    x, y = data()
    made: dict[str, Any] = {"x": x, "y": y}
    exec(lines, made)
    assert made["model"].summary().layers == model.summary().layers
    assert made["model"].optimizer.learning_rate == 0.25


def test_the_seed_is_told_only_where_it_is_known(tmp_path: Path) -> None:
    model, _ = trained()
    model.save(tmp_path / "m.npz")
    vg.report(tmp_path / "r.html", model=vg.load(tmp_path / "m.npz"))
    assert "seed not known" in Read(tmp_path / "r.html").text


def test_short_records_are_kept_as_they_are(whole: Any) -> None:
    path, _, flow, _ = whole
    (run,) = Read(path).data["flows"]["runs"]
    assert run["layers"] == flow.layers and run["steps"]["first"] == flow.step.tolist()
    for name, held in run["fields"].items():
        if "like" not in held:
            values = doubles(held["first"]).reshape(len(flow), -1)
            np.testing.assert_allclose(values, getattr(flow, name), rtol=1e-6)
            assert "low" not in held
    assert "all of them kept" in Read(path).text


def test_nothing_is_fetched_and_everything_is_plain(whole: Any) -> None:
    page = Read(whole[0])
    assert not [tag for tag, attributes in page.tags if {"src", "srcset"} & attributes.keys()]
    linked = [attributes["href"] or "" for _, attributes in page.tags if "href" in attributes]
    assert all(link.startswith(("#", "data:")) for link in linked)
    assert not re.findall(r"import\(|fetch\(|XMLHttpRequest|@import|eval\(", whole[0].read_text())


def spoil(delta: np.ndarray) -> None:
    delta[5_000:, 3] = np.nan
    delta[7_777, 5] = 1e30
    delta[7_778, 5] = 1e-200
    delta[123, 7] = 0
    delta[124, 7] = np.inf


def test_ten_thousand_steps_of_fifty_layers_fit_into_three_megabytes(tmp_path: Path) -> None:
    flow = synthetic(10_000, 50, tmp_path, spoil)
    vg.report(tmp_path / "r.html", flow=flow)
    assert (tmp_path / "r.html").stat().st_size < 3_000_000
    page = Read(tmp_path / "r.html")
    (run,) = page.data["flows"]["runs"]
    assert set(run["fields"]) == set(FIELDS)
    groups = len(run["steps"]["first"])
    assert f"thinned to {groups} groups" in page.text
    for name, held in run["fields"].items():
        values = getattr(flow, name)
        finite = np.where(np.isfinite(values), values, np.nan)
        for part, extreme in (("low", np.nanmin), ("high", np.nanmax)):
            kept = doubles(held[part]).reshape(groups, 50)
            np.testing.assert_allclose(extreme(kept, axis=0), extreme(finite, axis=0), rtol=1e-6)
    assert run["fields"]["delta"]["counts"][3][1] == 5_000
    assert run["fields"]["delta"]["counts"][7][:3] == [1, 0, 1]


def test_several_runs_share_the_room(tmp_path: Path) -> None:
    flow = synthetic(4_000, 50, tmp_path, spoil=lambda delta: None)
    vg.report(tmp_path / "r.html", flow={str(i): flow for i in range(5)})
    assert (tmp_path / "r.html").stat().st_size < 3_000_000


def test_names_are_escaped(tmp_path: Path) -> None:
    model, flow = trained(name=NASTY)
    path = tmp_path / "r.html"
    vg.report(path, model=model, flow={NASTY: flow}, diagnosis=flow.diagnose())
    page = Read(path)
    assert [tag for tag, _ in page.tags].count("script") == 2
    (run,) = page.data["flows"]["runs"]
    assert run["name"] == NASTY and run["layers"][-1] == NASTY
    assert NASTY in page.text and "<!--" not in path.read_text(encoding="utf-8")


def test_a_diagnosis_alone_and_a_model_that_was_never_compiled(tmp_path: Path) -> None:
    _, flow = trained()
    vg.report(tmp_path / "r.html", diagnosis=flow.diagnose())
    assert flow.diagnose().verdict in Read(tmp_path / "r.html").text
    vg.report(tmp_path / "r.html", model=vg.Sequential([vg.Dense(2)], input_shape=3))
    assert "not compiled" in Read(tmp_path / "r.html").text


def test_runs_that_diverge_are_called_so_and_the_measure_is_told(tmp_path: Path) -> None:
    x, _ = data()
    model = vg.Sequential([vg.Dense(8, "relu"), vg.Dense(1)], input_shape=4, seed=0)
    model.compile("mse", vg.SGD(1e20))
    diagnosis = model.diagnose(x, x[:, :1] * x[:, 1:2], seconds=1)
    vg.report(tmp_path / "r.html", diagnosis=diagnosis)
    told = Read(tmp_path / "r.html").text
    assert "no change diverged diverged" in told and "∞" not in told and "NaN" not in told
    assert "R2 on 22 rows held out" in told


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "expected model=, flow= or diagnosis=, got none"),
        ({"flow": vg.GradientFlow()}, ValueError, "flow: expected a record of at least one step"),
        ({"flow": {"a": vg.GradientFlow()}}, ValueError, r"flow\['a'\]: expected a record"),
        ({"flow": {}}, ValueError, "flow: expected at least one"),
        ({"flow": {1: vg.GradientFlow()}}, TypeError, "flow: expected names"),
        ({"flow": {"a\ud800": vg.GradientFlow()}}, ValueError, "flow: expected names that UTF-8"),
        ({"flow": {"a": 3}}, TypeError, r"flow\['a'\]: expected a GradientFlow, got int"),
        ({"flow": [vg.GradientFlow()]}, TypeError, "flow: expected a GradientFlow, a dict"),
        (
            {"model": vg.Sequential},
            TypeError,
            "model: expected a Sequential or None, got the class",
        ),
        ({"diagnosis": "ill"}, TypeError, "diagnosis: expected a Diagnosis or None, got str"),
    ],
)
def test_what_is_no_report_is_refused(
    arguments: Any, error: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        vg.report(tmp_path / "r.html", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, flow = trained()
    monkeypatch.setattr(vg.Sequential, "summary", lambda *_: pytest.fail("it has begun"))
    with pytest.raises(FileNotFoundError, match=r"no/r\.html"):
        vg.report(tmp_path / "no" / "r.html", model=model)
    with pytest.raises(IsADirectoryError):
        vg.report(tmp_path, model=model)
    with pytest.raises(TypeError, match="path: expected a path"):
        vg.report(None, flow=flow)  # type: ignore[arg-type]


def test_a_report_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = trained()
    path = tmp_path / "r.html"
    path.write_text("old")
    monkeypatch.setattr(vg.Sequential, "summary", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vg.report(path, model=model)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_without_jinja2_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, flow = trained()
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "jinja2":
            raise ModuleNotFoundError(name, name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"reports need jinja2: .*report"):
        vg.report(tmp_path / "r.html", flow=flow)


def vgcore(*arguments: Any) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    model, flow = trained()
    model.save(tmp_path / "model.npz")
    flow.save(tmp_path / "flow.npz")
    x, y = data()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    return tmp_path


def test_reports_of_files(files: Path) -> None:
    out = files / "run.html"
    flow = files / "flow.npz"
    done = vgcore("report", files / "model.npz", f"one={flow}", f"two={flow}", "--out", out)
    assert done.exit_code == 0 and f"Report: {out}" in done.stdout
    page = Read(out)
    assert [run["name"] for run in page.data["flows"]["runs"]] == ["one", "two"]
    assert "learning_rate=0.25" in page.text


def test_diagnoses_of_files(files: Path) -> None:
    out = files / "run.html"
    done = vgcore("diagnose", files / "flow.npz", "--report", out)
    expected = vg.GradientFlow.load(files / "flow.npz").diagnose().verdict
    assert done.exit_code == 0 and " ".join(done.stdout.split()).startswith(expected)
    assert expected in Read(out).text
    given = "--data", files / "data.npz", "--seconds", "0.5"
    done = vgcore("diagnose", files / "model.npz", *given, "--report", out)
    assert done.exit_code == 0 and "Cures that were tried" in done.stdout
    assert "Cures that were tried" in Read(out).text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diagnose", "model.npz"], "data: expected --data"),
        (["diagnose", "flow.npz", "--data", "data.npz"], "data: expected none for a record"),
        (["diagnose", "model.npz", "--data", "flow.npz"], "data: expected arrays x, y"),
        (["diagnose", "model.npz", "--data", "data.npz", "--seconds", "0"], "seconds: expected"),
        (["diagnose", "none.npz"], "No such file"),
        (
            ["diagnose", "flow.npz", "--report", "no/r.html"],
            "No such file or directory: 'no/r.html'",
        ),
        (["report", "flow.npz", "flow.npz"], "expected a name for each record"),
        (["report", "model.npz", "model.npz"], "expected one model at most"),
        (["report", "data.npz"], "expected a GradientFlow record"),
        (["report", "flow.npz", "--out", "no/r.html"], "No such file or directory: 'no/r.html'"),
    ],
)
def test_commands_fail_readably(
    arguments: list[str], message: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    done = vgcore(*arguments)
    assert done.exit_code == 1 and done.stderr.startswith("error: ") and message in done.stderr
