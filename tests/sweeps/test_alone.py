"""Where Python cannot start threads, as in a browser, the caller trains all models itself."""

import threading

import pytest
from side_by_side import LABELS, X, assert_as_alone, dense, several

import vgcore as vg
from vgcore.model import threads
from vgcore.sweeps import crew


@pytest.fixture(autouse=True)
def no_threads(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(threads, "startable", lambda most: 0)


@pytest.mark.parametrize("turn", [0.0, 10.0])
def test_each_model_is_trained_as_if_by_itself(turn, monkeypatch):
    monkeypatch.setattr(crew, "_TURN", turn)
    assert_as_alone(several, [X] * 6, [LABELS] * 6, epochs=4, batch_size=7)


def test_callbacks_are_told_and_may_raise():
    class Watching(vg.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append((logs["model"], epoch))
            if logs["model"] == 1 and epoch == 2:
                raise ValueError("mine")

    seen, models = [], several()
    results = vg.fit_many(models, X, LABELS, epochs=4, callbacks=[Watching()])
    assert isinstance(results[1], ValueError) and models[1].history.epoch == [0, 1, 2]
    assert sorted(seen) == [(m, e) for m in range(6) for e in range(3 if m == 1 else 4)]


def test_an_interrupt_stops_all_and_keeps_all():
    class Interrupted(vg.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 3:
                raise KeyboardInterrupt

    models = several()
    with pytest.raises(KeyboardInterrupt):
        vg.fit_many(models, X, LABELS, epochs=10**6, callbacks=[Interrupted()])
    assert all(len(model.history.epoch) == -(-model.step // 2) for model in models)


def test_warnings_say_which_model_and_point_to_the_caller():
    """And of what trains afterwards no model of these speaks."""
    models = [dense(0), dense(1, optimizer=vg.SGD(1e30))]
    with pytest.warns(RuntimeWarning, match=r"models\[1\]: not finite at step") as caught:
        vg.fit_many(models, X * 1e3, LABELS, epochs=3)
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(RuntimeWarning, match="^not finite at step"):
        dense(1, optimizer=vg.SGD(1e30)).fit(X * 1e3, LABELS, epochs=3)


def test_time_is_limited_and_shown(capsys):
    models = several()
    vg.fit_many(models, X, LABELS, epochs=10**6, seconds=0.3, verbose=2)
    assert all(model.step for model in models)
    assert "models[5], epoch 1/" in capsys.readouterr().out
