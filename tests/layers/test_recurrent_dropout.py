"""Recurrent dropout: the same units at every timestep, in forward and backward."""

import numpy as np
import pytest

import vgcore as vg

CELLS = [
    (vg.RNN, {}),
    (vg.LSTM, {}),
    (vg.LSTM, {"peepholes": True}),
    (vg.GRU, {}),
    (vg.GRU, {"reset_after": False}),
]
LENGTHS = [7, 3, 5, 1, 7, 2]


def model_of(cell, rate=0.4, dtype="float64", **options):
    layers = [
        cell(5, recurrent_dropout=rate, return_sequences=True, **options),
        cell(4, recurrent_dropout=rate, **options),
        vg.Dense(2),
    ]
    model = vg.Sequential(layers, input_shape=(None, 3), dtype=dtype, seed=0)
    model.compile("mse", vg.SGD(0.1), checkpoint=None)
    return model


def samples(n=6):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 7, 3)), rng.normal(size=(n, 2))


@pytest.mark.parametrize(("cell", "options"), CELLS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_gradients_are_those_of_the_loss(cell, options, backwards, lengths):
    model = model_of(cell, go_backwards=backwards, **options)
    x, y = samples()
    rng = np.random.default_rng(2)
    _, gradients = model.gradients(x, y, lengths=lengths)
    start, step = model.state_dict(), 1e-6
    for name, value in start.items():
        place = tuple(rng.integers(size) for size in value.shape)
        losses = []
        for sign in (1, -1):
            changed = value.copy()
            changed[place] += sign * step
            model.load_state_dict({**start, name: changed})
            losses.append(model.gradients(x, y, lengths=lengths)[0])
        central = (losses[0] - losses[1]) / (2 * step)
        assert central == pytest.approx(gradients[name][place], rel=1e-6, abs=1e-9), name


def test_one_mask_for_all_timesteps():
    """With identities for weights h_t = m^t x_0, so the mean square over t and units is that of 0 or 2^t."""
    units, times = 64, 4
    layer = vg.RNN(units, "identity", recurrent_dropout=0.5, return_sequences=True)
    model = vg.Sequential([layer], input_shape=(None, units), dtype="float64", seed=0)
    model.compile("mse", vg.SGD(0.1))
    layer.weight_ih = layer.weight_hh = np.eye(units)
    layer.bias_ih = layer.bias_hh = np.zeros(units)
    x = np.zeros((1, times, units))
    x[:, 0] = 1
    loss, _ = model.gradients(x, np.zeros((1, times, units)))
    kept = (loss * times - 1) / sum(4.0**t for t in range(1, times))
    assert kept * units == pytest.approx(round(kept * units), rel=1e-12)
    assert 0.3 < kept < 0.7
    np.testing.assert_array_equal(model.predict(x), np.ones((1, times, units)))


@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_threads_and_windows_change_no_bit(cell, options):
    x, y = np.repeat(samples()[0], 8, axis=0), np.repeat(samples()[1], 8, axis=0)
    states = []
    for threads, checkpoint in ((1, None), (2, None), (3, 3), (1, 2)):
        vg.set_num_threads(threads)
        model = model_of(cell, dtype="float32", **options)
        model.compile("mse", vg.SGD(0.1), checkpoint=checkpoint)
        model.fit(x, y, epochs=2, batch_size=24)
        states.append(model.state_dict())
    for state in states[1:]:
        for name, value in states[0].items():
            np.testing.assert_array_equal(state[name], value)


def test_masks_differ_between_steps_and_go_on_after_loading(tmp_path):
    x, y = samples()
    model = model_of(vg.LSTM)
    first = model.gradients(x, y)[0]
    assert first == model.gradients(x, y)[0]
    model.compile("mse", vg.SGD(1e-12), checkpoint=None)
    losses = [model.train_on_batch(x, y) for _ in range(5)]
    assert len({round(loss, 9) for loss in losses}) == 5
    model.save(tmp_path / "model.npz")
    loaded = vg.load(tmp_path / "model.npz")
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)


def test_prediction_drops_nothing():
    x, _ = samples()
    dropping, plain = model_of(vg.GRU), model_of(vg.GRU, rate=0.0)
    plain.load_state_dict(dropping.state_dict())
    np.testing.assert_array_equal(dropping.predict(x), plain.predict(x))


@pytest.mark.parametrize("rate", [-0.1, 1.0, "much", None])
def test_bad_rates(rate):
    with pytest.raises((TypeError, ValueError), match="recurrent_dropout"):
        vg.LSTM(3, recurrent_dropout=rate)
