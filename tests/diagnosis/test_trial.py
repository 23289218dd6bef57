"""Trials: what is compared, that it is compared fairly, that cures cure, and that nothing else is touched."""

import dataclasses
import json
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from recipes import CLASSES, blobs, deep, recurrent, sequences

import vgcore as vg
from vgcore.diagnosis import race, rounds, schedule
from vgcore.diagnosis.changes import CHANGES, Given
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import Rows, split
from vgcore.diagnosis.score import Measure
from vgcore.diagnosis.table import Trials, Tried
from vgcore.diagnosis.trial import tried

SECONDS = 20.0  # never used up: steps are few


def trials(model, changes, data, *, steps=60, seeds=2, **options):
    recipe = Recipe.of(model, batch_size=16)
    return tried(recipe, changes, *data, seconds=SECONDS, steps=steps, seeds=seeds, **options)


def compiled(layers, shape, loss=CLASSES, optimizer="adam", dtype="float32", **options):
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=0)
    model.compile(loss, optimizer, **options)
    return model


def by_kind(table, kind):
    return [row for row in table if row.kind == kind]


@pytest.fixture(scope="module")
def table():
    return trials(deep(2), ["relu", "lstm", "faster", "relu"], blobs())


def test_every_run_takes_as_many_steps_from_as_many_seeds(table):
    assert {row.steps for row in table} == {60}
    assert {len(row.results) for row in table} == {2}


def test_beside_changes_stand_none_random_ones_and_a_plain_network(table):
    (none,) = by_kind(table, "none")
    (plain,) = by_kind(table, "reference")
    assert none.name == "no change"
    assert plain.score > 0.9
    singles = {row.changes for row in by_kind(table, "change") if len(row.changes) == 1}
    assert singles == {("relu",), ("faster",)}  # there is no recurrent layer
    drawn = {row.changes for row in by_kind(table, "random")}
    assert len(drawn) == 2
    assert not drawn & singles


def test_rows_are_in_order_of_score(table):
    scores = [row.score for row in table]
    assert scores == sorted(scores, reverse=True)
    assert [row["change"] for row in table.to_rows()] == [row.name for row in table]


def test_rows_are_what_json_can_hold(table):
    for row in json.loads(json.dumps(table.to_rows())):
        assert row["loss_low"] <= row["loss"] <= row["loss_high"]
        assert row["accuracy_low"] <= row["accuracy"] == row["score"] <= row["accuracy_high"]
        assert (row["steps"], row["seeds"], row["diverged"]) == (60, 2, 0)
        assert row["seconds"] > 0
        assert row["gradient_ratio"] > 0
    assert table.to_rows()[0]["equal"]


def test_a_table_prints(table):
    lines = str(table).splitlines()
    assert lines[0].split() == [
        "change", "score", "loss", "gradient", "ratio", "steps", "time", "seeds",
    ]  # fmt: skip
    assert len(
        [line for line in lines if line.startswith(tuple(row.name for row in table))]
    ) == len(table)
    assert "<table>" in table._repr_html_()


def test_a_table_is_a_dataframe(table):
    pytest.importorskip("pandas")
    frame = table.to_dataframe()
    assert frame["change"].tolist() == [row.name for row in table]


def test_the_same_seed_gives_the_same_scores():
    one, other = (trials(deep(2), ["relu"], blobs(), rng=4, steps=40) for _ in range(2))
    pick = {row.name: [result.score for result in row.results] for row in one}
    assert pick == {row.name: [result.score for result in row.results] for row in other}


def test_nothing_else_is_touched():
    model = deep(3, clip_norm=1.0, frozen=["dense1"])
    x, y = blobs()
    arrays = x.tobytes(), y.tobytes()
    state = model.session.values.tobytes(), str(model.session.rng.bit_generator.state)
    chosen, threads = model.session.chosen.config(), vg.get_num_threads()
    filters, legacy = [*warnings.filters], np.random.get_state()[1].tobytes()
    table = trials(model, ["batchnorm", "faster", "range_test"], (x, y))
    assert (x.tobytes(), y.tobytes()) == arrays
    assert (model.session.values.tobytes(), str(model.session.rng.bit_generator.state)) == state
    assert (model.session.chosen.config(), vg.get_num_threads()) == (chosen, threads)
    assert ([*warnings.filters], np.random.get_state()[1].tobytes()) == (filters, legacy)
    assert (model.step, model.history) == (0, None)
    assert model.session._program is None
    normed = next(row for row in table if row.changes == ("batchnorm",))
    assert normed.apply(0).session.chosen.treatment.frozen == ("dense1",)


def test_symmetric_units_need_another_start():
    model = compiled([vg.Dense(8, "tanh"), vg.Dense(4, "softmax")], 2, optimizer=vg.Adam(0.02))
    model.layers[0].weight = np.full((8, 2), 0.01)
    model.layers[1].weight = np.full((4, 8), 0.01)
    rng = np.random.default_rng(0)
    y = np.arange(160) % 4
    x = np.array([[3, 3], [-3, -3], [3, -3], [-3, 3]])[y] + rng.normal(size=(160, 2))
    table = trials(model, ["clip", "start"], (x, y), steps=150)
    assert table.none.score < 0.8
    clipped, started = (
        next(row for row in table if row.changes == (key,)) for key in ("clip", "start")
    )
    assert started.better_than(table.none)
    assert not clipped.better_than(table.none)
    assert table.best is not None
    cured = started.apply(3)
    assert cured.step == 0
    cured.fit(*started.prepare(x, y)[:2], epochs=30, verbose=0)
    assert cured.evaluate(x, y).accuracy > 0.95
    assert "set the parameters" in clipped.code()
    assert "set the parameters" not in started.code()


def test_two_faults_need_two_changes():
    """Targets far beyond what a softmax gives, and a rate at which they would diverge."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x @ rng.normal(size=(3, 2)) * 300 + 1000
    model = compiled([vg.Dense(8, "tanh"), vg.Dense(2, "softmax")], 3, "mse", vg.SGD(0.1))
    table = trials(model, ["output", "scale_targets"], (x, y), steps=200)
    assert table.none.score < 0
    assert {"output", "scale_targets"} <= set(table.best.changes)
    assert table.best.score > 0.9
    outputs = table.best.apply(0).predict(table.best.prepare(x)[0])
    assert np.abs(outputs).max() < 50
    assert table.best.recipe.restored(outputs).mean() > 500


def test_a_network_that_learns_has_no_cure():
    table = trials(deep(1, units=16, activation="tanh"), ["relu", "adam"], blobs(), steps=300)
    assert table.none.score > 0.95
    assert table.best is None
    assert table.equal(table.none)


def test_what_diverges_is_said_and_warns_nobody():
    rng = np.random.default_rng(0)
    x = 100 * rng.normal(size=(80, 3))
    y = x.sum(axis=1, keepdims=True)
    model = compiled([vg.Dense(8, "relu"), vg.Dense(1)], 3, "mse", vg.SGD(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = trials(model, ["slower", "adam"], (x, y))
    assert table.none.diverged == 2
    assert table.none.score == -math.inf
    assert math.isinf(table.none.to_row(equal=False)["loss"])
    assert table[-1].diverged
    assert "diverged" in str(table)
    finite = [row for row in table if not row.diverged]
    assert {row.steps for row in finite} == {60}


def test_few_rows_are_all_trained_with():
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0.0, 1, 1, 0])
    model = compiled(
        [vg.Dense(8, "tanh"), vg.Dense(1, "sigmoid")], 2, "binary_crossentropy", vg.Adam(0.05)
    )
    table = trials(model, ["relu", "batchnorm"], (x, y))
    assert table.notes == ("Of 4 rows none are held out: scores are of those trained with.",)
    assert {result.score * 4 % 1 for row in table for result in row.results} == {0.0}


def test_held_out_rows_have_all_classes_alike():
    y = np.repeat([0, 1, 2], [100, 40, 12])
    rows = split(Recipe.of(deep(1)), Given(np.arange(152.0), y), np.random.default_rng(0))
    assert np.bincount(rows.held.y).tolist() == [25, 10, 3]
    assert sorted([*rows.held.x, *rows.train.x]) == [*range(152)]
    assert rows.kind == "labels"


@pytest.mark.parametrize("rows", [21, 23, 40])
def test_a_last_minibatch_of_one_row_is_no_fault(rows):
    """Batch norm cannot take statistics over it."""
    x, y = blobs(rows)
    recipe = Recipe.of(deep(1), batch_size=max((rows - rows // 4 - 1) // 2, 1))
    table = tried(recipe, ["batchnorm"], x, y, seconds=SECONDS, steps=10, seeds=1)
    assert ("batchnorm",) in {row.changes for row in table}


def everywhere():
    x, _ = sequences(24, 5)
    return (x, (x[:, :, 0] > 0).astype(int), np.arange(24) % 4 + 2)


def own(y, h):
    return ((h - y) ** 2).mean(axis=1), 2 * (h - y) / h.shape[1]


X, Y = blobs(80, classes=2)
VALIDATED = vg.schedules.ReduceOnPlateau(0.1, monitor="val_loss")
KINDS = {
    "one feature": (lambda: compiled([vg.Dense(4, "relu"), vg.Dense(2, "softmax")], 1), (X[:, :1], Y)),
    "many classes": (
        lambda: compiled([vg.Dense(4, "relu"), vg.Dense(122, "softmax")], 4),
        (np.tile(X, (4, 1)), np.arange(320) % 122),
    ),
    "double": (lambda: compiled([vg.Dense(2, "softmax")], 4, dtype="float64"), (X, Y)),
    "lists": (lambda: compiled([vg.Dense(2, "softmax")], 4), (X.tolist(), Y.tolist())),
    "dropout": (lambda: compiled([vg.Dense(8, "relu"), vg.Dropout(0.5), vg.Dense(2, "softmax")], 4), (X, Y)),
    "own loss": (lambda: compiled([vg.Dense(2)], 4, vg.losses.Custom(own)), (X, np.eye(2)[Y])),
    "own shape": (
        lambda: compiled([vg.Dense(2)], 4, vg.losses.Custom(lambda y, h: own(y["f"][:, :2], h))),
        (X, np.array([(row,) for row in X], [("f", "f4", (4,))])),
    ),
    "signs": (lambda: compiled([vg.Dense(1, "tanh")], 4, "hinge"), (X, 2.0 * Y - 1)),
    "one hot": (lambda: compiled([vg.Dense(2, "sigmoid")], 4, "mse"), (X, np.eye(2)[Y])),
    "several labels": (
        lambda: compiled([vg.Dense(2, "sigmoid")], 4, "multilabel_crossentropy"),
        (X, (X[:, :2] > 0) * 1.0),
    ),
    "padded": (lambda: recurrent(), (*sequences(), np.arange(40) % 4 + 1)),
    "every step": (
        lambda: compiled([vg.GRU(4, return_sequences=True), vg.Dense(2, "softmax")], (None, 3)),
        everywhere(),
    ),
    "stateful": (lambda: recurrent(vg.LSTM, 6, stateful=True), sequences()),
    "words": (
        lambda: compiled([vg.Embedding(9, 3), vg.LSTM(4), vg.Dense(2, "softmax")], (None,)),
        (np.arange(320).reshape(80, 4) % 9, Y),
    ),
    "whole numbers": (
        lambda: compiled([vg.Dense(1)], 2, "mse", vg.Adam(0.1)),
        (np.arange(120).reshape(60, 2) * 7 % 100, np.arange(60) * 3 % 50),
    ),
    "images": (
        lambda: compiled([vg.Conv2d(2, 3, "relu"), vg.Flatten(), vg.Dense(2, "softmax")], (1, 5, 5)),
        (np.random.default_rng(0).normal(size=(40, 1, 5, 5)), np.arange(40) % 2),
    ),
    "plateau": (
        lambda: compiled([vg.Dense(2, "softmax")], 4, optimizer=vg.SGD(vg.schedules.ReduceOnPlateau(0.1))),
        (X, Y),
    ),
    "validated plateau": (
        lambda: compiled([vg.Dense(2, "softmax")], 4, optimizer=vg.SGD(VALIDATED)),
        (X, Y),
    ),
    "ignored labels": (
        lambda: compiled([vg.Dense(2, "softmax")], 4, ignore_index=-100),
        (X, np.where(X[:, 0] > 3, -100, Y)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_networks_and_data(kind):
    make, data = KINDS[kind]
    table = trials(
        make(), ["scale_inputs", "faster", "batchnorm", "start", "loss"], data, steps=8, seeds=1
    )
    assert table.none.steps == 8
    assert len(by_kind(table, "change")) >= 1
    assert np.isfinite(table.none.score)
    table.none.apply(0)


def test_scores_are_accuracy_and_explained_variance():
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = blobs()
    data = Given(x, y)
    (run,) = started(Recipe.of(deep(1), batch_size=16), Rows(data, data, "labels"))
    result = run.result()
    assert result.score == metrics.accuracy_score(y, run.model.predict(x).argmax(axis=1))
    assert result.loss == pytest.approx(run.model.evaluate(x, y).loss)
    targets = np.c_[x[:, 0] * 50 + 300, x[:, 1]]
    numbers = Given(x, targets)
    recipe = Recipe.of(compiled([vg.Dense(2)], 4, "mse", vg.SGD(0.01)), batch_size=16)
    scaled = CHANGES["scale_targets"].edit(recipe, x, targets)
    (run,) = started(scaled, Rows(numbers, numbers, "numbers"))
    outputs = scaled.restored(run.model.predict(x))
    assert run.result().score == pytest.approx(
        metrics.r2_score(targets, outputs, multioutput="variance_weighted")
    )
    ratio = run.model.gradient_flow(*scaled.prepare(x, targets)[:2]).delta
    assert run.result().gradient_ratio == ratio[0, 0] / ratio[0, -1]


def test_padding_does_not_count_in_scores():
    x, y, lengths = everywhere()
    data = Given(x, y, lengths)
    model = compiled([vg.GRU(4, return_sequences=True), vg.Dense(2, "softmax")], (None, 3))
    (run,) = started(Recipe.of(model, batch_size=8), Rows(data, data, "labels"))
    right = run.model.predict(x, lengths=lengths).argmax(axis=2) == y
    valid = np.arange(5) < lengths[:, np.newaxis]
    assert run.result().score == right[valid].mean()


def started(recipe, rows):
    contender = race.Contender("", "none", (), recipe)
    contender.start([3], rows)
    race.train([contender], 5, math.inf)
    return contender.runs


RECIPE = Recipe.of(deep(1))


def row(name, scores, kind="change", changes=None, place=0):
    results = tuple(race.Result(1.0, score, 1.0, 1.0, 10, False) for score in scores)
    keys = (name,) if changes is None else changes
    return Tried(name, kind, keys, RECIPE, results, Given(*blobs()), True, place)


def ranked(*rows):
    return Trials(tuple(sorted(rows, key=lambda each: -each.score)))


NONE = row("none", (0.4, 0.5, 0.6), "none", ())


def test_the_best_is_the_simplest_that_is_as_good():
    both = row("both", (0.91, 0.94, 0.95), changes=("relu", "adam"))
    second = row("second", (0.90, 0.93, 0.96), place=2)
    first = row("first", (0.88, 0.92, 0.95), place=1)
    worse = row("worse", (0.70, 0.72, 0.75))
    table = ranked(NONE, both, second, first, worse)
    assert table.best is second
    assert [each["equal"] for each in table.to_rows()] == [True, True, True, False, False]


def test_what_is_below_the_best_from_every_seed_is_not_as_good():
    wide = row("wide", (0.70, 0.83, 0.86), place=1)
    below = row("below", (0.73, 0.74, 0.78), place=0)
    table = ranked(NONE, wide, below)
    assert table.best is wide
    assert not table.equal(below)


def test_a_suggested_change_goes_before_one_by_chance():
    drawn = row("drawn", (0.9, 0.92, 0.94), "random", place=1)
    suggested = row("suggested", (0.9, 0.92, 0.94), place=2)
    assert ranked(NONE, drawn, suggested).best is suggested
    assert repr(suggested) == "Tried('suggested', score 0.92 (0.9 to 0.94))"


def test_luck_is_no_cure():
    assert ranked(NONE, row("lucky", (0.45, 0.58, 0.9))).best is None
    assert ranked(NONE, row("unsure", (0.3, 0.9, 0.9))).best is None
    assert ranked(NONE, row("plain", (0.9, 0.9, 0.9), "reference")).best is None
    assert ranked(NONE, row("drawn", (0.9, 0.9, 0.9), "random")).best.name == "drawn"


def test_what_is_no_better_than_chance_is_no_cure():
    beaten = Trials((row("as chance", (0.9, 0.92, 0.91)), NONE), chance=0.905)
    assert beaten.best is None
    assert Trials(beaten.rows, chance=0.5).best is beaten[0]


def test_chance_has_luck_of_its_own():
    """Two standard errors of 100 rows are 0.1."""
    luck = Measure(np.arange(100) % 2, sparse=True).luck(np.arange(100) % 2)
    assert luck == pytest.approx(0.1)
    rows = (row("lucky", (0.58, 0.58, 0.58)), row("none", (0.3, 0.3, 0.3), "none", ()))
    assert Trials(rows, chance=0.5, luck=luck).best is None
    assert Trials(rows, chance=0.4, luck=luck).best is rows[0]


def test_what_was_given_up_is_not_compared():
    short = row("short", (0.9, 0.9, 0.9))
    short = dataclasses.replace(
        short, results=tuple(dataclasses.replace(each, steps=5) for each in short.results)
    )
    unsure = row("unsure", (0.95,))
    table = ranked(NONE, short, unsure, row("long", (0.8, 0.8, 0.8)))
    assert table.best.name == "long"
    assert [each.name for each in table if table.equal(each)] == ["long"]


def test_a_cure_that_fails_from_one_seed_is_worse_than_one_that_never_does():
    none = row("none", (0.2, 0.2, 0.2), "none", ())
    failing = row("failing", (0.3, 0.95, 0.95, 0.95, 0.95))
    steady = row("steady", (0.9, 0.9, 0.9, 0.9, 0.9), changes=("relu", "adam"))
    assert ranked(none, failing, steady).best is steady


def test_a_start_that_always_succeeds_is_a_cure_of_one_that_does_at_times():
    none = row("none", (0.5, 1.0, 1.0, 0.5, 1.0), "none", ())
    assert row("", (1.0, 1.0, 1.0, 0.98, 1.0)).better_than(none)
    assert not none.better_than(none)


def test_luck_of_rows_and_of_seeds_add_as_errors_do():
    """Of 100 rows 0.05 and of the seeds 0.1 are 0.11, and not 0.15."""
    none = row("none", (0.3, 0.6, 0.3), "none", ())
    steady = dataclasses.replace(row("", (0.55, 0.55, 0.55)), held=100)
    assert steady.better_than(none)
    assert not dataclasses.replace(steady, held=10).better_than(none)


def test_what_does_not_diverge_is_better_than_what_does():
    none = row("none", (-math.inf, -math.inf), "none", ())
    assert row("", (0.4, 0.4)).better_than(none)
    assert not none.better_than(none)


def test_a_cure_is_better_by_more_than_its_standard_error():
    """Welch's, as SciPy has it: t is the difference in units of it."""
    stats = pytest.importorskip("scipy.stats")
    none = row("none", (0.4, 0.5, 0.6), "none", ())
    for scores in ((0.45, 0.58, 0.9), (0.55, 0.68, 0.9), (0.5, 0.6, 0.7), (0.52, 0.52, 0.53)):
        t = stats.ttest_ind([score - 0.01 for score in scores], (0.4, 0.5, 0.6), equal_var=False)
        assert row("", scores).better_than(none) == (t.statistic > 1)


def test_what_does_not_fit_into_the_time_is_said():
    x, y = blobs(2000, 60)
    wide = vg.Sequential(
        [*(vg.Dense(400, "relu") for _ in range(3)), vg.Dense(3, "softmax")], input_shape=60
    )
    wide.compile(CLASSES, "adam")
    recipe = Recipe.of(wide, batch_size=200)
    table = tried(recipe, ["relu", "tanh", "elu", "selu"], x, y, seconds=0.2)
    assert table.not_tried
    assert not set(table.not_tried) & {row.name for row in table}
    assert f"Not tried: {table.not_tried[0]}" in str(table)


def test_too_little_time_is_said():
    table = tried(Recipe.of(deep(2)), ["relu", "batchnorm"], *blobs(), seconds=1e-3)
    assert [row.kind for row in table] == ["none"]
    assert table.best is None
    assert table.not_tried == ("relu, He starts", "batch norm")
    assert any("Too little time" in note and "seconds=" in note for note in table.notes)


def test_finalists_whom_no_time_was_left_for_a_step_end(monkeypatch):
    first = rounds.Rounds.first

    def until_time_is_over(self, field):
        left = first(self, field)
        for each in left:
            each.runs = [run.anew() for run in each.runs]
        self.steps, self._schedule.seconds = 0, 1e-9
        return left

    monkeypatch.setattr(rounds.Rounds, "first", until_time_is_over)
    assert tried(Recipe.of(deep(2)), ["relu"], *blobs(), seconds=SECONDS)


def test_a_field_that_does_not_fit_is_halved(monkeypatch):
    """A quarter of the steps for all, half of them for the better half, all for the half of these."""
    plan = schedule.Plan(9, 1, 2, 128)
    monkeypatch.setattr(schedule.Schedule, "plan", lambda *_: plan)
    monkeypatch.setattr(schedule.Schedule, "reach", lambda *_: 128.0)
    monkeypatch.setattr("vgcore.diagnosis.trial._ROUNDS", 0)
    keys = ["relu", "tanh", "elu", "selu"]
    table = trials(deep(4), keys, blobs(), steps=128, seeds=1, reference=False)
    changed = [row.steps for row in table if row.kind != "none"]
    assert sorted(changed) == [32] * 4 + [64] * 2 + [128] * 2
    assert table.none.steps == 128
    assert not any(map(table.equal, (row for row in table if row.steps < 128)))
    assert any("given up" in note for note in table.notes)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0, 20.0, 100.0])
def test_what_is_planned_fits_into_the_time(monkeypatch, seconds):
    """Each part of the steps is done by half as many as the part before."""
    monkeypatch.setattr(schedule.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(schedule.threads, "get_num_threads", lambda: 2)
    field = [SimpleNamespace(cost=0.01, size=1.0, fewest_steps=0)] * 16
    clock = schedule.Schedule(seconds)
    number, seeds, halvings, steps = clock.plan(field, 3, 50, 800, clock.at(1.0))
    done, work, left = 0, 0.0, number
    for halving in range(halvings, -1, -1):
        part = steps / 2**halving
        work, done, left = work + left * (part - done), part, left / 2
    assert 50 <= steps <= 800
    assert 0.6 * 2 * seconds <= 0.01 * seeds * work <= 2 * seconds or (number, steps, seeds) == (
        16,
        800,
        3,
    )


def test_finalists_have_no_fewer_seeds_than_what_stands_beside(monkeypatch):
    """There is time for 12 runs."""
    monkeypatch.setattr(schedule.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(schedule.threads, "get_num_threads", lambda: 1)
    one, two = (SimpleNamespace(cost=1.0, runs=[None] * number) for number in (1, 2))
    clock = schedule.Schedule(12 / schedule._SAFE)
    assert clock.finalists([one], [one] * 5, 5, 1) == (3, 4)
    assert clock.finalists([one, one], [one], 5, 1) == (1, 5)
    assert clock.finalists([two], [one] * 20, 2, 1) == (12, 2)
    slow = schedule.Schedule(0.5)
    assert slow.finalists([two], [one] * 3, 5, 1) == (3, 1)


def test_nothing_is_planned_where_nothing_fits(monkeypatch):
    monkeypatch.setattr(schedule.time, "monotonic", lambda: 0.0)
    clock = schedule.Schedule(0.1)
    field = [SimpleNamespace(cost=1.0, size=1.0, fewest_steps=0)] * 3
    assert clock.plan(field, 3, 50, 800, clock.at(1.0)).number == 0


def test_what_goes_together_is_tried_together():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    y = x @ rng.normal(size=(3, 2)) * 300 + 1000
    model = compiled([vg.Dense(8, "tanh"), vg.Dense(2, "softmax")], 3, "mse")
    table = trials(model, [("output", "scale_targets", "loss", "lstm")], (x, y))
    there = {row.changes for row in by_kind(table, "change")}
    assert {("output",), ("scale_targets",), ("output", "scale_targets")} <= there
    assert ("loss",) not in there  # which comes to the same
    assert not any({"output", "loss"} <= set(keys) or "lstm" in keys for keys in there)


def test_chance_is_that_of_the_best_constant_answer():
    dummy = pytest.importorskip("sklearn.dummy")
    x, y = blobs(90)
    y = np.where(x[:, 0] > 1, 0, y)
    recipe = Recipe.of(deep(1))
    rows = split(recipe, Given(x, y), np.random.default_rng(0))
    constant = dummy.DummyClassifier().fit(*rows.held[:2])
    assert race.judged_by(recipe, rows)[1] == constant.score(*rows.held[:2])


def test_a_range_test_that_would_take_too_long_is_not_done(monkeypatch):
    def never(recipe, data):
        raise AssertionError

    changed = dataclasses.replace(CHANGES["range_test"], function=never)
    monkeypatch.setitem(CHANGES, "range_test", changed)
    x, y = blobs(600, 60)
    wide = vg.Sequential(
        [vg.Dense(900, "relu"), vg.Dense(900), vg.Dense(3, "softmax")], input_shape=60
    )
    wide.compile(CLASSES, "adam")
    recipe = Recipe.of(wide, batch_size=400)
    table = tried(recipe, ["range_test", "faster"], x, y, seconds=0.3, seeds=1, reference=False)
    assert "learning rate by a range test" in table.not_tried


def test_classes_that_are_held_out_alone_do_not_fit():
    x, _ = blobs(40)
    data = Given(x, np.arange(40) // 2 + 1)
    rows = Rows(data.of(np.arange(30)), data.of(np.arange(30, 40)), "labels")
    recipe = Recipe.of(compiled([vg.Dense(21, "softmax")], 4))
    changed = CHANGES["labels"].edit(recipe, *rows.train)
    with pytest.raises(ValueError, match="y: expected"):
        race.Contender("labels", "change", ("labels",), changed).check(rows)


def test_it_can_be_broken_off():
    def interrupt(share):
        assert 0 <= share <= 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trials(deep(2), ["relu"], blobs(), progress=interrupt)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"seconds": 0}, ValueError, "seconds"),
        ({"seconds": "long"}, TypeError, "seconds"),
        ({"seconds": 1, "seeds": 0}, ValueError, "seeds"),
        ({"seconds": 1, "steps": 0}, ValueError, "steps"),
        ({"seconds": 1, "changes": ["rleu"]}, ValueError, "changes: .*relu"),
    ],
)
def test_bad_arguments_are_named(options, error, named):
    with pytest.raises(error, match=named):
        tried(Recipe.of(deep(1)), *[options.pop("changes", ["relu"])], *blobs(), **options)


def test_data_that_do_not_fit_are_refused():
    x, y = blobs()
    with pytest.raises(ValueError, match="x: expected shape"):
        trials(deep(1), ["relu"], (x[:, :2], y))
