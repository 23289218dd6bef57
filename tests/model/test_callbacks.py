"""Callbacks, what they are told, and those that come with vgcore; how a run is shown."""

import csv
import io
import sys
import types

import numpy as np
import pytest

import vgcore as vg
from vgcore.model import progress

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


def network(seed=0, **options):
    model = vg.Sequential(
        [vg.Dense(8, "tanh"), vg.Dense(2, "softmax")], input_shape=4, seed=seed, dtype="float64"
    )
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.05), **options)
    return model


class Told(vg.callbacks.Callback):
    """Notes every call."""

    every_steps = 4

    def __init__(self):
        self.calls = []

    def on_train_begin(self, model):
        self.calls.append(("begin", model))

    def on_train_end(self, model):
        self.calls.append(("end", model))

    def on_epoch_begin(self, epoch, logs):
        self.calls.append(("epoch", epoch, dict(logs)))

    def on_epoch_end(self, epoch, logs):
        self.calls.append(("done", epoch, dict(logs)))

    def on_step(self, step, logs):
        self.calls.append(("step", step, dict(logs)))

    def named(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


def test_all_hooks_are_called_in_order():
    model, told, plain = network(), Told(), []
    flow = vg.GradientFlow()
    history = model.fit(
        *(X, Y),
        epochs=2,
        batch_size=10,
        validation_data=(X[:9], Y[:9]),
        track=flow,
        callbacks=[told, lambda epoch, logs: plain.append((epoch, logs["loss"]))],
    )
    order = [call[0] for call in told.calls]
    assert order == ["begin", "epoch", "step", "done", "epoch", "step", "step", "done", "end"]
    assert told.named("begin") == told.named("end") == [(model,)]
    assert [step for step, _ in told.named("step")] == [3, 7, 11]
    for step, logs in told.named("step"):
        assert logs == {"epoch": step // 6, "loss": flow.loss[step], "learning_rate": 0.05}
    (_, first), (_, second) = told.named("done")
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert list(first) == [*names, "gradient_norm"] == list(history)
    assert {name: [first[name], second[name]] for name in first} == dict(history)
    assert told.named("epoch") == [(0, {}), (1, first)]
    assert plain == [(0, first["loss"]), (1, second["loss"])]
    norms = flow.weight_grad[-1], flow.bias_grad[-1]
    assert second["gradient_norm"] == pytest.approx(np.linalg.norm(norms))


def test_steps_that_are_told_of_change_no_bit():
    class Each(vg.callbacks.Callback):
        every_steps = 1
        seen = 0

        def on_step(self, step, logs):
            Each.seen += 1

    one, other = network(), network()
    one.fit(X, Y, epochs=3, batch_size=7, callbacks=[Each()])
    other.fit(X, Y, epochs=3, batch_size=7)
    assert Each.seen == one.step == 27
    assert one.history["loss"] == other.history["loss"]
    assert all((v == other.state_dict()[k]).all() for k, v in one.state_dict().items())


@pytest.mark.parametrize(
    ("hook", "steps"),
    [("on_epoch_end", 6), ("on_step", 4), ("on_epoch_begin", 0), ("on_train_begin", 0)],
)
def test_a_hook_that_returns_true_stops(hook, steps):
    told = Told()
    own = getattr(told, hook)
    setattr(told, hook, lambda first, *more: (own(first, *more), True)[1])
    model = network()
    model.fit(X, Y, epochs=9, batch_size=10, callbacks=[told])
    assert model.step == steps
    assert told.calls[-1] == ("end", model)


HOOKS = [f"on_{when}" for when in ("train_begin", "epoch_begin", "step", "epoch_end", "train_end")]


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, GeneratorExit, LookupError])
@pytest.mark.parametrize("hook", [*HOOKS, "on_progress"])
def test_what_a_hook_raises_comes_out_as_it_is(hook, error):
    mine = error("mine")

    def raising(*arguments):
        raise mine

    for verb in (lambda **options: network().fit(X, Y, **options), together):
        with pytest.raises(error) as caught:
            verb(epochs=2, callbacks=[types.SimpleNamespace(**{hook: raising})])
        assert caught.value is mine


def together(**options):
    return vg.fit_many([network()], X, Y, **options)


class Four:
    def on_epoch_end(self, epoch, logs, more, most):
        """Take too much."""


@pytest.mark.parametrize(
    ("given", "error", "fragments"),
    [
        ([3], TypeError, ["callbacks[0]: ", "on_epoch_end", "int"]),
        (print, TypeError, ["callbacks: ", "sequence"]),
        (vg.callbacks.EarlyStopping(), TypeError, ["callbacks: ", "sequence"]),
        (
            [vg.callbacks.EarlyStopping],
            TypeError,
            ["callbacks[0]: ", "class", "EarlyStopping(...)"],
        ),
        ([lambda: None], TypeError, ["callbacks[0]: ", "(epoch, logs)"]),
        ([print, Four()], TypeError, ["callbacks[1]: on_epoch_end", "(epoch, logs)"]),
        ([types.SimpleNamespace(name="x")], TypeError, ["callbacks[0]: ", "SimpleNamespace"]),
        (
            [types.SimpleNamespace(on_step=lambda step, logs: 0, every_steps=-1)],
            ValueError,
            ["callbacks[0].every_steps: ", "-1"],
        ),
    ],
    ids=str,
)
def test_what_is_no_callback_is_refused_before_anything_happens(given, error, fragments):
    model = network()
    before = model.state_dict()
    with pytest.raises(error) as caught:
        model.fit(X, Y, callbacks=given)
    assert all(fragment in str(caught.value) for fragment in fragments), caught.value
    assert all((v == before[k]).all() for k, v in model.state_dict().items())


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_callbacks_may_be_an_iterator(verbose, capsys):
    seen = []
    network().fit(
        X, Y, epochs=2, callbacks=iter([lambda epoch, logs: seen.append(epoch)]), verbose=verbose
    )
    assert seen == [0, 1]


# ---- those that come with vgcore


def made_up(values, callback, **options):
    """Train with a callback, the loss of whose validation data is made up."""
    model, left = network(), iter(values)
    states = []

    class MakeUp(vg.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            states.append(model.state_dict())
            logs["val_loss"] = next(left)

    model.fit(X, Y, epochs=len(values), callbacks=[MakeUp(), callback], **options)
    return model, states


@pytest.mark.parametrize(
    ("values", "options", "best", "stopped"),
    [
        ([3, 2, 1, 0.5], {}, 3, None),
        ([3, 2, 2.5, 1], {}, 1, 2),
        ([3, 2, 2.5, 1, 1.5, 1.5, 1.5], {"patience": 2}, 3, 6),
        ([3, 2.95, 2.9, 2.85], {"min_delta": 0.1}, 0, 1),
        ([3, np.nan, 1], {}, 0, 1),
        ([1, 2, 3, 2], {"mode": "max"}, 2, 3),
    ],
)
@pytest.mark.parametrize("restore", [False, True])
def test_early_stopping(values, options, best, stopped, restore):
    stopping = vg.callbacks.EarlyStopping("val_loss", restore_best=restore, **options)
    model, states = made_up(values, stopping)
    assert (stopping.best_epoch, stopping.stopped_epoch) == (best, stopped)
    assert len(model.history.epoch) == (len(values) if stopped is None else stopped + 1)
    expected = states[best] if restore else states[-1]
    assert all((v == expected[k]).all() for k, v in model.state_dict().items())


def test_early_stopping_begins_anew_with_each_fit():
    stopping = vg.callbacks.EarlyStopping("val_loss")
    made_up([1, 2, 3], stopping)
    made_up([9, 8, 7], stopping)
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, None)


@pytest.mark.parametrize("name", ["accuracy", "val_accuracy", "top_1", "val_r2"])
def test_what_rises_is_better_where_it_is_larger(name):
    assert vg.callbacks.EarlyStopping(name)._best.sign == -1


def test_a_name_that_is_not_in_the_logs_is_told_with_those_that_are():
    with pytest.raises(ValueError, match=r"monitor: expected one of loss, accuracy, .*'val_loss'"):
        network().fit(X, Y, callbacks=[vg.callbacks.EarlyStopping()])


def test_checkpoints(tmp_path):
    model = network()
    each = vg.callbacks.Checkpoint(tmp_path / "run-{epoch:02d}.npz", every=2)
    model.fit(X, Y, epochs=5, callbacks=[each])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-01.npz", "run-03.npz"]
    resumed = vg.load(tmp_path / "run-03.npz")
    history = resumed.fit(X, Y, epochs=5, initial_epoch=4)
    assert history.epoch == [4]
    assert all((v == model.state_dict()[k]).all() for k, v in resumed.state_dict().items())


def test_a_checkpoint_of_the_best(tmp_path):
    best = vg.callbacks.Checkpoint(tmp_path / "best", best=True)
    _, states = made_up([3, 1, 2], best)
    loaded = vg.load(tmp_path / "best").state_dict()
    assert all((v == states[1][k]).all() for k, v in loaded.items())


@pytest.mark.parametrize("path", ["r-{.npz", "r-{}.npz", "r-{0}.npz"])
def test_a_pattern_that_is_none_is_refused(path):
    with pytest.raises(ValueError, match="path: expected"):
        vg.callbacks.Checkpoint(path)


@pytest.mark.parametrize("path", ["r-{nothing}", "r-{epoch:zz}"])
def test_a_pattern_that_cannot_be_filled_in_names_the_path(path, tmp_path):
    with pytest.raises(ValueError, match="path: expected"):
        network().fit(X, Y, callbacks=[vg.callbacks.Checkpoint(str(tmp_path / path))])


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    model = network(metrics=["confusion_matrix"])
    history = model.fit(X, Y, epochs=2, callbacks=[vg.callbacks.CSVLogger(path)])
    model.fit(
        X, Y, epochs=3, initial_epoch=2, callbacks=[vg.callbacks.CSVLogger(path, append=True)]
    )
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["loss"]) for row in rows[:2]] == history["loss"]
    assert "confusion_matrix" not in rows[0] and "accuracy" in rows[0]
    model.fit(X, Y, callbacks=[vg.callbacks.CSVLogger(path)])
    assert len(path.read_text().splitlines()) == 2


def test_csv_of_other_columns_is_not_gone_on_with(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,foo\n")
    with pytest.raises(ValueError, match="path: expected a file with the columns epoch, loss"):
        network().fit(X, Y, callbacks=[vg.callbacks.CSVLogger(path, append=True)])
    model = network()
    with pytest.raises(OSError, match="nowhere"):
        model.fit(X, Y, callbacks=[vg.callbacks.CSVLogger(tmp_path / "nowhere" / "log.csv")])
    assert model.step == 0


# ---- how a run is shown


def test_a_line_per_epoch(capsys):
    network().fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2: loss ")
    network().fit(X, Y, epochs=2, verbose=0)
    network().fit(X, Y, epochs=2)  # nobody looks
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2])
def test_an_epoch_of_which_no_step_was_recorded_shows_no_norm(verbose, capsys):
    """The record has NaN there, which would read as a gradient that is."""
    flow = vg.GradientFlow(every=10)
    history = network().fit(X, Y, epochs=2, batch_size=10, track=flow, verbose=verbose)
    assert flow.step.tolist() == [0, 10] and "gradient_norm" in history._repr_html_()
    history = network().fit(X, Y, batch_size=10, track=vg.GradientFlow(steps=[99]), verbose=verbose)
    assert np.isnan(history["gradient_norm"]).all() and "nan" not in repr(history)
    assert "nan" not in history._repr_html_()
    captured = capsys.readouterr()
    assert "nan" not in captured.out + captured.err
    assert "<History of 1 epoch: loss " in repr(history)


def test_a_gradient_that_is_nan_is_shown(capsys):
    model = network(on_nonfinite="ignore")
    model.load_state_dict({**model.state_dict(), "dense1.weight": np.full((8, 4), np.nan)})
    history = model.fit(X, Y, track=vg.GradientFlow(), verbose=2)
    assert "gradient_norm nan" in repr(history) and "gradient_norm nan" in capsys.readouterr().out
    assert history._repr_html_().count(">nan<") == 2


def test_a_bar(capsys):
    network().fit(X, Y, epochs=3, batch_size=10, validation_split=0.5, verbose=1)
    shown = capsys.readouterr().err
    assert "epoch 3/3: 100%" in shown and "step/s, loss " in shown and "val_loss" in shown


def test_somebody_looks_at_a_run_of_more_than_two_seconds(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    network().fit(X, Y, epochs=2)
    assert sys.stderr.getvalue() == ""
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    network().fit(X, Y, epochs=2)
    assert "epoch 2/2" in sys.stderr.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match=r"verbose=1 needs tqdm: .*progress"):
        network().fit(X, Y, verbose=1)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    network().fit(X, Y, epochs=2)
    assert "epoch 2/2" in capsys.readouterr().out


@pytest.mark.parametrize("verbose", ["loud", 3, -1, None, 0.5])
def test_another_verbosity_is_refused(verbose):
    with pytest.raises((TypeError, ValueError), match="verbose: expected"):
        network().fit(X, Y, verbose=verbose)


# ---- what is told before it is too late


def test_a_hook_that_would_never_be_called_is_refused():
    class Keras(vg.callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            """Be never called."""

    with pytest.raises(TypeError, match=r"callbacks\[0\]: .*on_train_batch_end"):
        network().fit(X, Y, callbacks=[Keras()])


def test_on_step_is_called_after_each_step_unless_it_says_otherwise():
    seen = []
    model = network()
    model.fit(X, Y, callbacks=[types.SimpleNamespace(on_step=lambda step, logs: seen.append(step))])
    assert seen == list(range(model.step))


def test_a_checkpoint_that_could_never_be_written_is_refused_before_training(tmp_path):
    model = network()
    with pytest.raises(FileNotFoundError, match="path: expected an existing folder"):
        model.fit(X, Y, callbacks=[vg.callbacks.Checkpoint(tmp_path / "nowhere" / "model")])
    model.compile(vg.losses.Custom(lambda y, h: (h.sum(axis=1), np.ones_like(h))))
    with pytest.raises(ValueError, match="to save or copy"):
        model.fit(X, Y, callbacks=[vg.callbacks.Checkpoint(tmp_path / "model", every=9)])
    assert model.step == 0


def test_val_loss_without_validation_data_says_what_to_give():
    with pytest.raises(ValueError, match="there are no validation data: give validation_data= or"):
        network().fit(X, Y, callbacks=[vg.callbacks.EarlyStopping()])


def test_a_line_that_a_kill_has_torn_is_cut_off(tmp_path):
    path = tmp_path / "log.csv"
    model = network()
    model.fit(X, Y, epochs=2, callbacks=[vg.callbacks.CSVLogger(path)])
    whole = path.read_text()
    path.write_text(whole[:-5])
    model.fit(
        X, Y, epochs=3, initial_epoch=2, callbacks=[vg.callbacks.CSVLogger(path, append=True)]
    )
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "2"]
