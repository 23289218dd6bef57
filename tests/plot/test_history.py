"""Pictures of a training, epoch by epoch."""

from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import vgcore as vg
from vgcore.model.history import History

mpl.use("Agg")


def course(**columns):
    history = History()
    for epoch, values in enumerate(zip(*columns.values(), strict=True)):
        history.append(epoch, dict(zip(columns, values, strict=True)))
    return history


def drawn(ax):
    ax.figure.savefig(BytesIO())
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_loss_and_that_of_the_validation_data_share_an_axis():
    history = course(loss=[2.0, 1.0, 0.5], val_loss=[2.0, 1.5, 1.25], accuracy=[0.1, 0.2, 0.3])
    ax = history.plot()
    lines = drawn(ax)
    assert set(lines) == {"loss", "val_loss"} and ax.get_yscale() == "log"
    assert lines["val_loss"].get_ydata().tolist() == [2.0, 1.5, 1.25]
    assert lines["loss"].get_xdata().tolist() == [0, 1, 2]
    share = vg.plot.history(history, "accuracy")
    assert set(drawn(share)) == {"accuracy"} and share.get_yscale() == "linear"


def test_losses_below_0_stand_on_a_linear_axis():
    ax = course(loss=[1.0, -2.0]).plot()
    assert ax.get_yscale() == "linear" and drawn(ax)["loss"].get_ydata().tolist() == [1.0, -2.0]


def test_what_an_axis_cannot_show_is_counted():
    ax = course(loss=[1.0, np.inf, np.nan, np.nan, 0.0]).plot()
    drawn(ax)
    named = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    for mark in ("NaN (2 values)", "infinite (1 value)", "0 (1 value)"):
        assert mark in named


def test_several_trainings_share_an_axis():
    ax = vg.plot.history(course(loss=[2.0, 1.0]), label="relu")
    assert vg.plot.history(course(loss=[2.0, 1.5, 1.2]), label="tanh", ax=ax) is ax
    assert set(drawn(ax)) == {"relu, loss", "tanh, loss"}
    assert ax.get_xlim()[1] >= 2


def test_no_epoch_is_an_empty_frame_that_says_so():
    ax = vg.plot.history(History())
    ax.figure.savefig(BytesIO())
    assert any("no epoch" in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("values", [[2.0, None, 0.5], (2, np.nan, 0.5), np.array([2, np.nan, 0.5])])
def test_a_mapping_without_epochs_counts_them_from_0(values):
    line = drawn(vg.plot.history({"loss": values, "matrix": [np.eye(2)] * 3}))["loss"]
    assert line.get_xdata().tolist() == [0, 1, 2]
    np.testing.assert_array_equal(line.get_ydata(), [2, np.nan, 0.5])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"loss": 1}, TypeError),
        ({"loss": None}, TypeError),
        ({"loss": "abc"}, TypeError),
        ({"loss": ["abc"]}, TypeError),
        ({"loss": {0: 1.0}}, TypeError),
        ({"loss": [1j]}, TypeError),
        ({"loss": [10**400]}, TypeError),
        ({"loss": [1.0], "accuracy": 0.5}, TypeError),
        ({0: [1.0]}, TypeError),
        ({"loss": [[1, 2]]}, ValueError),
        ({"loss": np.eye(2)}, ValueError),
        ({"loss": [1.0, 2.0], "val_loss": [1.0]}, ValueError),
        ([1.0], TypeError),
    ],
)
def test_what_is_no_history_is_refused_by_name_before_anything_is_drawn(given, error):
    before = pyplot.get_fignums()
    with pytest.raises(error, match=r"^history(\['\w+'\])?: expected"):
        vg.plot.history(given)
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("name", "error"), [("lost", ValueError), ("confusion_matrix", ValueError), (3, TypeError)]
)
def test_a_name_that_is_not_there_is_refused(name, error):
    history = course(loss=[1.0], confusion_matrix=[np.eye(2)])
    with pytest.raises(error, match="name: expected"):
        vg.plot.history(history, name)
