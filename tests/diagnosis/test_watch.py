"""What fit(watch=True) warns of, and how often."""

import re
import warnings

import numpy as np
import pytest
from illnesses import X, Y, dense, vanishing

import vgcore as vg
from vgcore.initializers import Constant


def warned(network, x, y, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        network.fit(x, y, verbose=0, watch=True, **options)
    return said


def test_one_line_each_when_it_begins():
    network, x, y = vanishing()
    said = warned(network, x, y, epochs=40)
    texts = [str(each.message) for each in said]
    assert len([text for text in texts if "vanishes on its way back" in text]) == 1
    assert all("\n" not in text and text.startswith("step ") for text in texts)
    assert said[0].filename == __file__


def test_a_layer_that_dies_is_named():
    said = warned(dense(bias_initializer=Constant(-10)), X, Y, epochs=10)
    assert any("dead units in dense" in str(each.message) for each in said)


def test_the_step_is_that_at_which_it_begins():
    network = dense()

    class Kill:
        every_steps = 1

        def on_step(self, step, logs):
            if step == 100:
                for layer in network.layers[:2]:
                    layer.views["bias"][...] = -100

    said = warned(network, X, Y, epochs=20, callbacks=[Kill()], track=vg.GradientFlow())
    (step,) = (
        int(re.match(r"step (\d+): a whole layer is dead", str(each.message))[1]) for each in said
    )
    assert 100 <= step <= 105


def test_a_healthy_network_is_left_in_peace():
    assert not warned(dense(), X, Y, epochs=30)


def test_the_users_record_is_used_and_bits_are_the_same():
    flow, (network, x, y) = vg.GradientFlow(every=3), vanishing()
    warned(network, x, y, epochs=4, track=flow)
    twin, other = vanishing()[0], vg.GradientFlow(every=3)
    twin.fit(x, y, epochs=4, track=other, verbose=0)
    np.testing.assert_array_equal(flow.delta, other.delta)
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(network.state_dict()[name], value)


def test_it_is_a_boolean():
    with pytest.raises(TypeError, match="watch"):
        dense().fit(X, Y, watch="closely")
