"""Embeddings with a row for padding."""

import numpy as np
import pytest

import vgcore as vg


@pytest.fixture(autouse=True)
def _threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def made(padding_idx, dtype="float64", optimizer=None, **options):
    layers = [vg.Embedding(11, 5, padding_idx=padding_idx), vg.RNN(4), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None,), dtype=dtype, seed=0)
    model.compile("mse", optimizer or vg.SGD(0.1), **options)
    return model


def data(rows=40):
    rng = np.random.default_rng(1)
    return rng.integers(0, 11, (rows, 6)), rng.normal(size=(rows, 2))


@pytest.mark.parametrize("row", [0, 3, 10, -1, -11])
def test_padding_is_0_and_has_no_gradient(row):
    x, y = data()
    model, without = made(row), made(None)
    assert model.layers[0].padding_idx == row % 11
    others = np.arange(11) != row % 11
    np.testing.assert_array_equal(model.layers[0].weight[~others], 0)
    np.testing.assert_array_equal(model.layers[0].weight[others], without.layers[0].weight[others])
    without.layers[0].weight[~others] = 0
    got, want = model.gradients(x, y)[1], without.gradients(x, y)[1]
    np.testing.assert_array_equal(got["embedding1.weight"][~others], 0)
    assert want["embedding1.weight"][~others].all()
    want["embedding1.weight"][~others] = 0
    for name, gradient in want.items():
        np.testing.assert_array_equal(got[name], gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [vg.Adam, vg.AdamW, vg.Nesterov, vg.Lion])
def test_no_optimizer_moves_it(optimizer, dtype):
    x, y = data(700)
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model = made(2, dtype, optimizer(0.01), clip_norm=1.0)
        flow = vg.GradientFlow()
        model.fit(x, y, batch_size=303, epochs=2, track=flow)
        np.testing.assert_array_equal(model.layers[0].weight[2], 0)
        results.append((model.state_dict(), flow))
    for state, flow in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        np.testing.assert_array_equal(flow.delta, results[0][1].delta)


def test_recorded_norms_are_without_it():
    x, y = data()
    model = made(4)
    gradient = model.gradients(x, y)[1]["embedding1.weight"]
    flow = vg.GradientFlow()
    model.fit(x, y, batch_size=len(x), epochs=1, shuffle=False, track=flow)
    recorded = flow.weight_grad[0, list(flow.layers).index("embedding1")]
    assert recorded == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


def test_truncated_and_checkpointed_gradients_have_none_either():
    x, y = data()
    whole = made(4).gradients(x, y)[1]["embedding1.weight"]
    cut = made(4, checkpoint=2).gradients(x, y)[1]["embedding1.weight"]
    np.testing.assert_array_equal(whole, cut)
    np.testing.assert_array_equal(cut[4], 0)


def test_what_is_assigned_stays():
    x, y = data()
    model = made(4)
    model.layers[0].weight[4] = 7
    model.fit(x, y, epochs=2, batch_size=8)
    np.testing.assert_array_equal(model.layers[0].weight[4], 7)


def test_saved_and_loaded(tmp_path):
    x, y = data()
    model = made(-2)
    model.save(tmp_path / "model.npz")
    other = vg.load(tmp_path / "model.npz")
    assert other.layers[0].padding_idx == 9
    for each in (model, other):
        each.fit(x, y, epochs=2, batch_size=8)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


@pytest.mark.parametrize("row", [11, -12])
def test_rows_that_there_are_not(row):
    with pytest.raises(ValueError, match="padding_idx: expected an integer of at"):
        vg.Embedding(11, 5, padding_idx=row)


@pytest.mark.parametrize("row", [1.0, "0", True])
def test_what_is_no_row(row):
    with pytest.raises(TypeError, match="padding_idx: expected an integer, got"):
        vg.Embedding(11, 5, padding_idx=row)
