"""What a prompt and a notebook show: representations, HTML, and what Tab finds."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import vgcore as vg

ROOMS = [
    *(vg, vg.callbacks, vg.data, vg.initializers, vg.layers, vg.losses, vg.meanfield, vg.metrics),
    *(vg.optimizers, vg.plot, vg.schedules, vg.zoo),
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_tab_finds_what_is_there_and_nothing_else(room):
    names = dir(room)
    assert len(set(names)) == len(names) > 1
    assert all(hasattr(room, name) for name in names)
    assert not [name for name in names if name.startswith("_") and name != "__version__"]
    assert not {"annotations", "TYPE_CHECKING", "Any", "np"} & set(names)


def network(name=None):
    model = vg.Sequential(
        [vg.Bidirectional(vg.LSTM(3)), vg.Dense(2, "softmax", name=name)],
        input_shape=(4, 2),
        seed=0,
    )
    model.compile("sparse_categorical_crossentropy", vg.Adam())
    return model


def trained(name=None, epochs=3):
    model, flow = network(name), vg.GradientFlow()
    model.fit(np.ones((8, 4, 2)), np.arange(8) % 2, epochs=epochs, track=flow)
    return model, flow


def test_tab_of_what_people_hold():
    model, flow = trained()
    assert {"fit", "predict", "layers", "step"} < set(dir(model))
    assert "session" not in dir(model)
    assert {"delta", "weight_grad", "time", "step", "loss", "plot", "to_dataframe"} < set(dir(flow))
    assert not {"follow", "wants"} & set(dir(flow))
    dense = model.layers[1]
    assert {"units", "activation", "weight", "bias", "name", "views"} <= set(dir(dense))
    assert not {"operations", "walks", "adopt", "meets"} & set(dir(dense))
    assert "weight" not in dir(vg.Dense(3))
    for held in (model, flow, dense):
        assert all(hasattr(held, name) for name in dir(held))


LAYERS = [
    "Dense(3)",
    "Dense(3, activation='relu', use_bias=False, name='a')",
    "Dense(3, activation=elu(0.5))",
    "Dense(3, weight_initializer=Orthogonal(gain=2.0), bias_initializer=Normal(mean=0.0, std=0.1))",
    "GRU(3, recurrent_initializer=Zeros())",
    "Conv2d(4, (2, 3), stride=2, padding=1)",
    "LSTM(3, num_layers=2, dropout=0.1)",
    "Bidirectional(GRU(3, return_sequences=True))",
    "Residual([Dense(3, activation='tanh')], gate=0.5)",
    "Residual([Dense(3)], shortcut=(Dense(3),))",
    "Parallel([Dense(3), [Dense(2), Dense(3)]], merge='concat')",
    "Embedding(5, 3)",
    "Activation('tanh')",
    "Reshape((3, 3))",
    "MaxPool(2, stride=1)",
    "PReLU()",
    "Dropout(0.3)",
]


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_is_shown_as_it_is_made(text):
    shown = repr(eval(text, {**vars(vg.initializers), **{n: getattr(vg, n) for n in vg.__all__}}))
    assert re.sub(r", name='[a-z]+\d+'|name='[a-z]+\d+'", "", shown) == text


def test_a_model_is_shown_as_it_is_made():
    model = network()
    again = eval(repr(model).partition("  #")[0], {name: getattr(vg, name) for name in vg.__all__})
    assert repr(again) in repr(model)
    assert "sparse_categorical_crossentropy" in repr(model)


class Checked(HTMLParser):
    """Every tag that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", "dense"])
def test_notebooks_show_tables(name):
    model, flow = trained(name)
    for held in (model, flow, flow[:0], model.history, model.summary()):
        text = held._repr_html_()
        assert "script" not in Checked(text).seen and "<script" not in text
        assert "http" not in text and "overflow-x:auto" in text
    assert "delta" in flow._repr_html_() and "loss" in model.history._repr_html_()


def test_long_tables_are_folded():
    layers = [vg.Dense(2) for _ in range(60)]
    text = vg.Sequential(layers, input_shape=2)._repr_html_()
    assert "<details>" in text and "dense60" in text
    assert "<details>" not in network()._repr_html_()


def test_a_model_may_be_called():
    model, x = network(), np.ones((3, 4, 2))
    np.testing.assert_array_equal(model(x), model.predict(x))
    np.testing.assert_array_equal(model(x, lengths=[1, 2, 3]), model.predict(x, lengths=[1, 2, 3]))


# ---- records as tables, and parts of them


def same(one, other):
    assert one.step.tolist() == other.step.tolist()
    for name in vg.flow.FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in vg.flow.TIME_FIELDS:
        assert dict(getattr(one, name)).keys() == dict(getattr(other, name)).keys()
        for walk, values in getattr(one, name).items():
            np.testing.assert_array_equal(values, getattr(other, name)[walk])


def test_parts_of_a_record():
    _, flow = trained(epochs=9)
    assert flow[2:5].step.tolist() == [2, 3, 4]
    assert flow[-2:].step.tolist() == [7, 8] and flow[::4].step.tolist() == [0, 4, 8]
    assert flow[3].step.tolist() == [3] and flow[-1].step.tolist() == [8]
    np.testing.assert_array_equal(flow[2:5].delta, flow.delta[2:5])
    np.testing.assert_array_equal(
        flow[2:5].time["bidirectional1.forward"], flow.time["bidirectional1.forward"][2:5]
    )
    part = flow[:]
    same(part, flow)
    part.add(100)
    assert len(part) == 10 and len(flow) == 9
    assert len(flow[5:5]) == 0 and flow[5:5].layers == flow.layers
    assert len(list(flow)) == 9
    for place, error in (
        (9, IndexError),
        (-10, IndexError),
        ("delta", TypeError),
        (True, TypeError),
        (slice(None, None, -1), ValueError),
    ):
        with pytest.raises(error):
            flow[place]


def test_records_are_joined(tmp_path):
    model, flow = trained(epochs=4)
    same(vg.concat([flow[:1], flow[1:3], flow[3:]]), flow)
    same(vg.concat([flow]), flow)
    flow.save(tmp_path / "flow")
    loaded = vg.GradientFlow.load(tmp_path / "flow")
    model.fit(np.ones((8, 4, 2)), np.arange(8) % 2, track=loaded)
    assert loaded.step.tolist() == [0, 1, 2, 3, 4]
    joined = vg.concat([flow, loaded[4:]])
    same(joined, loaded)
    model.fit(np.ones((8, 4, 2)), np.arange(8) % 2, track=joined)
    assert joined.step.tolist() == [0, 1, 2, 3, 4, 5]
    joined.save(tmp_path / "joined")
    same(vg.GradientFlow.load(tmp_path / "joined"), joined)


def cell(kind):
    model = vg.Sequential([kind(3, name="walk"), vg.Dense(1)], input_shape=(4, 2))
    model.compile()
    return model.gradient_flow(np.ones((2, 4, 2)), np.ones((2, 1)))


@pytest.mark.parametrize(
    ("flows", "error", "message"),
    [
        (lambda flow: [], ValueError, "flows: expected at least one"),
        (lambda flow: flow, TypeError, "flows"),
        (lambda flow: [flow, 3], TypeError, r"flows\[1\]: expected a GradientFlow"),
        (
            lambda flow: [flow, flow],
            ValueError,
            r"flows\[1\]: expected steps after 2, .*flows\[0\], got step 0",
        ),
        (
            lambda flow: [vg.GradientFlow(), flow, vg.GradientFlow(), flow[1:]],
            ValueError,
            r"flows\[3\]: expected steps after 2, the last of flows\[1\], got step 1",
        ),
        (
            lambda flow: [cell(vg.GRU), cell(vg.LSTM)],
            ValueError,
            r"flows\[1\]: .* layers walk \(gates r, z, n\), dense1, got one of walk \(gates i, f, g, o\), de",
        ),
        (lambda flow: [flow, trained("other")[1]], ValueError, r"flows\[1\]: .*dense1.*other"),
    ],
)
def test_records_that_do_not_fit_are_not_joined(flows, error, message):
    with pytest.raises(error, match=message):
        vg.concat(flows(trained()[1]))


def test_records_as_tables():
    _, flow = trained()
    table = flow.to_dataframe()
    assert list(table.columns[:3]) == ["step", "loss", "layer"]
    wide = table.pivot(index="step", columns="layer", values="delta")
    np.testing.assert_array_equal(wide[flow.layers].to_numpy(), flow.delta)
    time = flow.to_dataframe(time=True)
    walk = time[time["layer"] == "bidirectional1.backward"]
    np.testing.assert_array_equal(
        walk["time"].to_numpy().reshape(3, 4), flow.time["bidirectional1.backward"]
    )
    np.testing.assert_array_equal(
        walk["time_gate_f"].to_numpy().reshape(3, 4),
        flow.time_gate["bidirectional1.backward"][:, :, 1],
    )
    assert len(vg.GradientFlow().to_dataframe()) == 0
    assert len(vg.GradientFlow().to_dataframe(time=True)) == 0


def test_a_walk_that_is_two_is_told_with_both():
    _, flow = trained()
    with pytest.raises(KeyError, match=r"bidirectional1.forward and bidirectional1.backward"):
        flow.time["bidirectional1"]
    with pytest.raises(KeyError, match=r"lstm9: expected one of bidirectional1.forward"):
        flow.time_gate["lstm9"]
    assert "lstm9" not in flow.time and flow.time.get("lstm9") is None
