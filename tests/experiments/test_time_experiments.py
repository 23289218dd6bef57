"""The recurrent experiments measure what they say, from one seed, and show it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import vgcore as vg
from vgcore import data
from vgcore.experiments import keep, text, time
from vgcore.experiments.base import DOES_NOT, REPRODUCES, silent

CHANCE = data.chance.adding_problem()


@pytest.fixture(scope="module")
def compared() -> time.Result:
    return time.run(length=20, units=16, epochs=1)


@pytest.fixture(scope="module")
def passage(shakespeare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "passage.txt"
    path.write_bytes(shakespeare.read_bytes()[:30_000])
    return path


@pytest.fixture(scope="module")
def written(passage: Path) -> text.Result:
    return text.run(passage, epochs=3, units=16)


def test_cells_take_the_same_steps(compared: time.Result) -> None:
    assert [course.cell for course in compared.courses] == ["rnn", "lstm", "gru"]
    assert compared.steps == 1000
    for course in compared.courses:
        np.testing.assert_array_equal(course.flow.step, np.arange(0, 1000, 10))
        assert course.start.layers == [course.cell, "dense1"]
        assert course.start.time[course.cell].shape == (1, 20)
        assert course.end.step == [1000]
    # The same sequences in the same order: with its output near 0, a network's loss is the target's.
    losses = np.array([course.flow.loss[:20] for course in compared.courses])
    assert np.all(np.corrcoef(losses) > 0.3)


def test_gated_cells_beat_chance_and_keep_their_gradient(compared: time.Result) -> None:
    for course in compared.courses[1:]:
        assert course.mse < CHANCE / 5
        before, after = (flow.time_rate(course.cell).factor for flow in (course.start, course.end))
        assert before < 0.95 < after < 1.05


def test_time_prints_the_numbers_of_the_flows(compared: time.Result) -> None:
    learned, decays = compared.tables()
    assert "20 timesteps, after 1,000 steps" in learned.title
    assert [row[0] for row in learned.rows] == ["RNN", "LSTM", "GRU", "always 1 (chance)"]
    assert [float(row[1]) for row in learned.rows] == pytest.approx(
        [*(course.mse for course in compared.courses), 1 / 6], abs=1e-5
    )
    assert learned.rows[-1][2] == "100.0%"
    assert [row[0] for row in decays.rows] == [
        *("RNN, dL/dh_t", "LSTM, dL/dh_t", "LSTM, dL/dc_t", "GRU, dL/dh_t")
    ]
    lstm = compared.courses[1]
    for row, field in zip(decays.rows[1:3], ("time", "time_cell"), strict=True):
        before, after = (flow.time_rate("lstm", field) for flow in (lstm.start, lstm.end))
        assert list(row[1:]) == [f"{number[0]:.4f}" for number in (*before, *after)]


def test_time_claims_come_out_both_ways(compared: time.Result) -> None:
    def verdicts(mse: float, wrong: int) -> list[str]:
        courses = [dataclasses.replace(each, mse=mse, wrong=wrong) for each in compared.courses]
        return [claim.verdict for claim in dataclasses.replace(compared, courses=courses).claims()]

    assert verdicts(1e-4, 4) == ["does not", "reproduces", "reproduces"]
    assert verdicts(1e-3, 5) == ["does not", "in kind", "reproduces"]
    assert verdicts(CHANCE, 2_500) == ["reproduces", "does not", "does not"]
    for (
        course
    ) in compared.courses:  # as the error of a sequence that is right is 0.08 here, squared
        assert course.wrong <= 2_560 * course.mse / 0.08**2


def test_time_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == "GRU" and done > 1_000:
            raise StoppedError

    monkeypatch.setattr("vgcore.experiments.keep._SECONDS", 0)
    options: dict[str, Any] = {"cell": "rnn,gru", "length": 2, "units": 2, "epochs": 2}
    with pytest.raises(StoppedError):
        time.run(**options, keep=tmp_path / "kept", meter=stop)
    whole, again = time.run(**options), time.run(**options, keep=tmp_path / "kept")
    for one, other in zip(whole.courses, again.courses, strict=True):
        assert (one.cell, one.mse, one.wrong) == (other.cell, other.mse, other.wrong)
        np.testing.assert_array_equal(one.flow.loss, other.flow.loss)
        np.testing.assert_array_equal(one.end.time[one.cell], other.end.time[one.cell])


def test_time_draws_before_and_after_on_one_log_axis(compared: time.Result) -> None:
    figure = compared.picture()
    before, after = figure.axes
    assert before.get_yscale() == after.get_yscale() == "log"
    assert before.get_ylim() == after.get_ylim()
    assert (before.get_title(), after.get_title()) == ("before training", "after 1,000 steps")
    for ax, moment in ((before, "start"), (after, "end")):
        rnn, lstm, cell, gru = (np.asarray(line.get_ydata()) for line in ax.get_lines())
        flows = {course.cell: getattr(course, moment) for course in compared.courses}
        for name, drawn in (("rnn", rnn), ("lstm", lstm), ("gru", gru)):
            np.testing.assert_array_equal(drawn, flows[name].time[name][0])
        np.testing.assert_array_equal(cell, flows["lstm"].time_cell["lstm"][0])
    (legend,) = figure.legends
    labels = [entry.get_text() for entry in legend.get_texts()]
    assert [label.split(":")[0] for label in labels if ":" in label] == ["RNN", "LSTM", "GRU"]
    figure.canvas.draw()


def test_time_of_some_cells_is_reproducible_and_reports_its_steps() -> None:
    parts: list[tuple[str, int, int]] = []
    first, again = (
        time.run(" GRU", length=2, units=2, epochs=1, meter=lambda *part: parts.append(part))
        for _ in range(2)
    )
    other = time.run("gru", length=2, units=2, epochs=1, seed=1)
    losses = [result.courses[0].flow.loss for result in (first, again, other)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])
    assert first.courses[0].mse == again.courses[0].mse
    assert parts[-1] == ("GRU", 1000, 1000)
    assert [row[0] for row in first.tables()[1].rows] == ["GRU, dL/dh_t"]
    first.picture().canvas.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn,lstn"}, "cell: expected one of rnn, lstm, gru; got 'lstn'; did you mean"),
        ({"cell": ""}, "cell: expected one of rnn, lstm, gru; got ''"),
        ({"cell": "gru,lstm,gru"}, "cell: expected each cell once, got gru, lstm, gru"),
        ({"length": 1}, "length: expected an integer of at least 2"),
        ({"units": 0}, "units: expected an integer of at least 1"),
        ({"epochs": 0}, "epochs: expected an integer of at least 1"),
        ({"seed": -1}, "seed: expected an integer of at least 0"),
    ],
)
def test_time_refuses_what_it_cannot_run(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        time.run(**options)


def test_time_wants_names_of_cells() -> None:
    with pytest.raises(TypeError, match="cell: expected names separated by commas, got list"):
        time.run(cast(Any, ["rnn"]))


def test_text_learns_and_writes(written: text.Result) -> None:
    chance = np.log2(written.vocabulary)
    assert chance > written.held_out[0] > written.held_out[-1]
    assert written.training[-1] < written.training[0] < chance
    assert written.held_out[-1] < 4.8
    assert len(written.sample) == text.SAMPLE
    assert written.complete
    assert written.characters == (26_624, 2_048)  # whole minibatches of 27,000 and 3,000


def test_text_tracks_both_layers_in_every_window(written: text.Result) -> None:
    assert written.layers == ["lstm1", "lstm2"]
    np.testing.assert_array_equal(written.flow.step, np.arange(3 * 13))
    for name in written.layers:
        total, direct = written.flow.time[name], written.flow.time_direct[name]
        assert total.shape == (39, text.WINDOW)
        assert np.all(total > 0)
        # At a window's end, there is nothing behind it: gradients are not carried.
        np.testing.assert_allclose(total[:, -1], direct[:, -1], rtol=1e-6)
        assert not np.allclose(total[:, 0], direct[:, 0], rtol=1e-3)


def test_text_prints_its_score_beside_chance_and_the_sample(written: text.Result) -> None:
    table, reaches = written.tables()
    assert [row[0] for row in table.rows] == ["1", "2", "3", "frequencies", "equal odds (chance)"]
    assert [row[2] for row in table.rows[:3]] == [f"{score:.3f}" for score in written.held_out]
    assert table.rows[-1][1] == f"{np.log2(written.vocabulary):.3f}"
    assert [row[0] for row in reaches.rows] == [
        f"{layer}, {moment} training" for layer in written.layers for moment in ("before", "after")
    ]
    about, _, sample = written.notes()
    assert "2,048" in about
    assert written.sample in sample
    assert "temperature 0.8" in sample


def test_an_errors_gradient_is_that_of_the_windows_last_character_alone(passage: Path) -> None:
    model, (_, _, (x, y)) = text.network(61, 8, 2), text._read(passage)
    x, y = x[: text.STREAMS] % 61, y[: text.STREAMS] % 61
    found = text.reach(model, x, y)
    odds = model.predict(x)[:, -1].astype(float)
    odds[np.arange(len(odds)), y[:, -1]] -= 1
    delta = odds @ np.asarray(model.layers[-1].weight, float)
    assert found["lstm2"][-1] == pytest.approx(np.linalg.norm(delta) / x.size, rel=1e-4)
    y[:, :-1] = 0  # what is to be told before does not matter
    for layer, norms in text.reach(model, x, y).items():
        np.testing.assert_array_equal(norms, found[layer])
        assert norms.shape == (text.WINDOW,) and norms[0] < norms[-1]


def test_how_far_back_is_where_a_gradient_falls_below_a_share() -> None:
    assert text._back(np.array([0.001, 0.05, 0.2, 1.0]), 0.1) == "2"
    assert text._back(np.array([0.05, 0.2, 1.0]), 0.01) == "over 2"


def test_frequencies_are_those_of_what_was_trained_on() -> None:
    training, tail = np.array([[0, 0, 0], [1, 1, 0]]), np.array([[0, 1, 2, 2]])
    odds = np.array([5, 3, 1, 1]) / 9
    assert text._frequencies(training, tail, 3) == pytest.approx(-np.log2(odds).mean())


def test_a_model_must_beat_the_frequencies(written: text.Result) -> None:
    for held_out, verdict in ((written.frequencies - 0.1, REPRODUCES), (5.5, DOES_NOT)):
        (claim,) = dataclasses.replace(written, held_out=[held_out]).claims()
        assert claim.verdict == verdict and bool(claim.why) == (verdict == DOES_NOT)
    assert 4 < written.frequencies < 5.5 < np.log2(written.vocabulary)


def test_text_draws_both_layers(written: text.Result) -> None:
    figure = written.picture()
    titles = [ax.get_title() for ax in figure.axes]
    assert [title.split(":")[0] for title in titles] == ["lstm1", "lstm1", "lstm2", "lstm2"]
    norms = written.end["lstm2"]
    np.testing.assert_array_equal(figure.axes[2].get_lines()[1].get_ydata(), norms / norms[-1])
    whole = written.flow.time["lstm2"][-1]
    np.testing.assert_array_equal(figure.axes[3].get_lines()[0].get_ydata(), whole / whole[-1])
    assert f"{written.held_out[-1]:.2f} bits" in figure.get_suptitle()
    figure.canvas.draw()


def test_text_is_reproducible(written: text.Result, passage: Path) -> None:
    parts: list[tuple[str, int, int]] = []
    again = text.run(passage, epochs=3, units=16, meter=lambda *part: parts.append(part))
    assert (again.held_out, again.sample) == (written.held_out, written.sample)
    assert ("training", 39, 39) in parts
    assert parts[-1] == ("writing", text.SAMPLE, text.SAMPLE)
    other = text.run(passage, epochs=1, units=16, seed=1)
    assert other.held_out[0] != written.held_out[0]
    assert other.sample != written.sample


def test_text_stops_when_the_time_is_up(passage: Path) -> None:
    short = text.run(passage, epochs=1000, units=16, minutes=1e-3)
    assert len(short.held_out) == len(short.training) < 1000
    assert not short.complete
    assert "--minutes" in short.notes()[0]
    short.picture().canvas.draw()


def test_bits_are_those_of_streams_that_are_never_broken() -> None:
    model = text.network(vocabulary=7, units=5, seed=3)
    codes = np.random.default_rng(0).integers(7, size=3 * text.STREAMS * text.WINDOW + 1)
    whole = vg.Sequential(
        [
            vg.Embedding(7, 64),
            *(vg.LSTM(5, return_sequences=True) for _ in range(2)),
            vg.Dense(7, "softmax"),
        ],
        input_shape=(None,),
    )
    whole.load_state_dict(model.state_dict())
    whole.compile("sparse_categorical_crossentropy")
    wanted = whole.evaluate(*data.windows(codes, 3 * text.WINDOW)).loss / np.log(2)
    streams = data.streams(codes, text.WINDOW, text.STREAMS)
    for _ in range(2):  # from fresh states each time
        assert text.bits(model, *streams) == pytest.approx(wanted, rel=1e-6)


def test_text_goes_on_where_it_was_stopped(
    written: text.Result, passage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "_SECONDS", 0)

    def stop(part: str, done: int, whole: int) -> None:
        if part == "training" and done > whole // 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        text.run(passage, epochs=3, units=16, keep=tmp_path / "kept", meter=stop)
    some = text.run(passage, epochs=3, units=16, minutes=1e-6, keep=tmp_path / "kept")
    assert len(some.training) == 2 and not some.complete
    again = text.run(passage, epochs=3, units=16, keep=tmp_path / "kept")
    assert (again.training, again.held_out) == (written.training, written.held_out)
    assert again.sample == written.sample and again.complete
    np.testing.assert_array_equal(again.flow.loss, written.flow.loss)
    assert (tmp_path / "kept" / "model.fit.json").exists()


def test_a_cold_sample_is_what_is_likeliest_after_all_that_was_written() -> None:
    model = text.network(vocabulary=7, units=5, seed=3)
    for name, values in model.state_dict().items():
        model.load_state_dict({**model.state_dict(), name: 3 * values})
    rng = np.random.default_rng(0)
    codes = text.sample(model, 2, 1e-3, rng, silent)
    model.reset_states()
    odds = model.predict([[2, *codes[:-1]]])[0]
    assert codes == list(odds.argmax(axis=1))
    warm = text.sample(model, 2, 1.0, rng, silent)
    assert set(warm) == set(range(7))


def test_text_names_a_file_that_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"file: expected a text file .* got .*no-such-file"
    ):
        text.run(tmp_path / "no-such-file")
    with pytest.raises(IsADirectoryError, match=r"file: expected a text file"):
        text.run(tmp_path)
    short = tmp_path / "short.txt"
    short.write_text("to be " * 100)
    with pytest.raises(ValueError, match=r"file: expected a text of at least 20,490 .* with 600"):
        text.run(short)


@pytest.mark.parametrize("name", ["epochs", "minutes", "units", "temperature", "seed"])
def test_text_refuses_numbers_out_of_range(tmp_path: Path, name: str) -> None:
    long = tmp_path / "long.txt"
    long.write_text("to be or not " * 2000)
    with pytest.raises(ValueError, match=rf"{name}: expected .* got -1"):
        text.run(long, **cast(Any, {name: -1}))


def test_results_hold_what_they_were_given(written: text.Result) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        written.sample = ""  # type: ignore[misc]
