"""Treatment of gradients: clipping, noise, amplification, rates and freezing by layer, and Omega.

Twins are PyTorch's optimizers in float64, and NumPy where PyTorch has nothing.
"""

import pickle
import time
from itertools import pairwise

import numpy as np
import pytest
from reference import ACTIVATIONS, DTYPES, assert_close, assert_same_bits, samples

import vgcore as vg

SPARSE = "sparse_categorical_crossentropy"
HALF = vg.Amplification(["dense2"], 3.0, epochs=[(1, 2)])
TREATMENTS = {
    "clip_norm": {"clip_norm": 0.05},
    "clip_value": {"clip_value": 0.004},
    "clip_layer_norm": {"clip_layer_norm": 0.03},
    "clip_adaptive": {"clip_adaptive": 0.02},
    "amplify": {"amplify": HALF},
    "amplify, twice": {
        "amplify": [HALF, vg.Amplification(["dense2", "dense3"], 0.5)],
        "clip_layer_norm": 0.03,
    },
    "amplify and clip": {"amplify": HALF, "clip_norm": 0.05},
    "amplify and clip units": {"amplify": HALF, "clip_adaptive": 0.02},
    "amplify and clip values": {"amplify": HALF, "clip_value": 0.004},
    "rates": {"learning_rates": {"dense1": 0.1, "dense3": 4.0}},
    "frozen": {"frozen": ["dense2"]},
    "frozen, clipped": {"frozen": ["dense2"], "clip_norm": 0.05},
    "all": {
        "amplify": HALF,
        "clip_layer_norm": 0.03,
        "learning_rates": {"dense1": 0.1},
        "frozen": ["dense3"],
    },
}
NOISE = {"noise": vg.GradientNoise(0.01, 0.6)}
over_treatments = pytest.mark.parametrize("options", TREATMENTS.values(), ids=TREATMENTS)


def network(optimizer="sgd", *, dtype="float64", seed=0, sizes=(17, 9), **options):
    hidden = [vg.Dense(units, "tanh") for units in sizes]
    model = vg.Sequential([*hidden, vg.Dense(3, "softmax")], input_shape=6, dtype=dtype, seed=seed)
    model.compile(SPARSE, optimizer, **options)
    return model


def unit_norms(w):
    return w.norm() if w.ndim <= 1 else w.flatten(1).norm(dim=1, keepdim=True)


def treat_in_torch(torch, layers, options, epoch):
    """The gradients of {layer: parameters}, in place."""
    given = options.get("amplify", [])
    for each in [given] if isinstance(given, vg.Amplification) else given:
        for name in each.layers if each.acts(epoch) else []:
            for p in layers[name]:
                p.grad *= each.factor
    trained = [p for parameters in layers.values() for p in parameters if p.requires_grad]
    if "clip_norm" in options:
        torch.nn.utils.clip_grad_norm_(trained, options["clip_norm"])
    if "clip_value" in options:
        torch.nn.utils.clip_grad_value_(trained, options["clip_value"])
    if "clip_layer_norm" in options:
        for parameters in layers.values():
            torch.nn.utils.clip_grad_norm_(
                [p for p in parameters if p.requires_grad], options["clip_layer_norm"]
            )
    if "clip_adaptive" in options:  # timm.utils.agc
        for p in trained:
            most = unit_norms(p.detach()).clamp(min=1e-3) * options["clip_adaptive"]
            now = unit_norms(p.grad)
            p.grad.copy_(torch.where(now < most, p.grad, p.grad * (most / now.clamp(min=1e-6))))


@pytest.mark.parity
@pytest.mark.parametrize("optimizer", [vg.SGD(0.3), vg.Momentum(0.2), vg.Adam(0.02)], ids=repr)
@over_treatments
def test_trajectories(options, optimizer):
    """Two epochs of five minibatches, the last a short one."""
    torch = pytest.importorskip("torch")
    model = network(optimizer, **options)
    x, y = samples(model, 23)
    start = model.state_dict()
    model.fit(x, y, epochs=2, batch_size=5, shuffle=False)

    twins = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    names = [layer.name for layer in model.layers]
    layers = {name: [twins[f"{name}.weight"], twins[f"{name}.bias"]] for name in names}
    for name in options.get("frozen", []):
        for p in layers[name]:
            p.requires_grad = False
    groups = [
        {
            "params": parameters,
            "lr": optimizer.learning_rate * options.get("learning_rates", {}).get(name, 1),
        }
        for name, parameters in layers.items()
    ]
    if isinstance(optimizer, vg.Adam):
        rule = torch.optim.Adam(groups, eps=optimizer.epsilon)
    else:
        rule = torch.optim.SGD(groups, lr=0.1, momentum=getattr(optimizer, "momentum", 0))
    for epoch in range(2):
        for begin in range(0, 23, 5):
            h = torch.tensor(x[begin : begin + 5].astype(float))
            for name in names:
                z = torch.nn.functional.linear(h, *layers[name])
                h = torch.tanh(z)
            rule.zero_grad()
            torch.nn.functional.cross_entropy(z, torch.tensor(y[begin : begin + 5])).backward()
            treat_in_torch(torch, layers, options, epoch)
            rule.step()
    assert_close(model.state_dict(), {k: p.detach().numpy() for k, p in twins.items()}, 1e-10)


@pytest.mark.parametrize("options", [*TREATMENTS.values(), NOISE], ids=[*TREATMENTS, "noise"])
def test_the_tracker_tells_norms_before_and_after(options):
    """Plain SGD moves by the rate times what it was given."""
    options = dict(options)
    rates, frozen = options.get("learning_rates", {}), options.get("frozen", [])
    model = network(vg.SGD(0.5), **options)
    x, y = samples(model, 11)
    flow = vg.GradientFlow()
    raw, before = model.gradients(x, y)[1], model.state_dict()
    model.fit(x, y, track=flow, shuffle=False)
    after = model.state_dict()
    for column, name in enumerate(flow.layers):
        for kind in ("weight", "bias"):
            key = f"{name}.{kind}"
            before_norm, applied = (
                getattr(flow, f"{kind}_grad{suffix}")[0, column] for suffix in ("", "_applied")
            )
            assert before_norm == pytest.approx(np.linalg.norm(raw[key]), rel=1e-12)
            moved = np.linalg.norm(after[key] - before[key])
            if name in frozen:
                assert moved == 0 and np.isnan(applied)
                assert np.isnan(flow.update_ratio[0, column])
            else:
                assert applied == pytest.approx(moved / 0.5 / rates.get(name, 1), rel=1e-9)


def test_without_treatment_the_optimizer_gets_the_gradient():
    model = network(vg.Adam())
    flow = vg.GradientFlow()
    model.fit(*samples(model, 40), track=flow)
    for kind in ("weight_grad", "bias_grad"):
        np.testing.assert_array_equal(getattr(flow, f"{kind}_applied"), getattr(flow, kind))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options", [TREATMENTS["all"], TREATMENTS["amplify and clip units"], NOISE], ids=str
)
def test_bits_depend_neither_on_threads_nor_on_the_tracker(options, dtype):
    results = []
    threads = vg.get_num_threads()
    for count, track in ((1, None), (2, vg.GradientFlow(every=2)), (3, vg.GradientFlow())):
        vg.set_num_threads(count)
        model = network(vg.Adam(0.01), dtype=dtype, sizes=(131, 257), **options)
        model.fit(*samples(model, 179), epochs=2, batch_size=64, track=track)
        results.append(model.state_dict())
    vg.set_num_threads(threads)
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@pytest.mark.parametrize(
    "options", [{**TREATMENTS["all"], **NOISE}, TREATMENTS["clip_adaptive"]], ids=str
)
def test_training_goes_on_bitwise_after_load(options, tmp_path):
    model = network(vg.Adam(0.01), **options)
    x, y = samples(model, 30)
    model.fit(x, y)
    model.save(tmp_path / "model.npz")
    other = vg.load(tmp_path / "model.npz")
    assert other.session.description() == model.session.description()
    for each in (model, other):
        each.fit(x, y, epochs=2)
        each.train_on_batch(x, y)
    assert_same_bits(model.state_dict(), other.state_dict())


def test_windows_of_time_change_no_bit():
    def trained(checkpoint):
        layers = [vg.RNN(9, return_sequences=True), vg.LSTM(5), vg.Dense(2)]
        model = vg.Sequential(layers, input_shape=(12, 3), seed=0)
        model.compile(
            "mse", "adam", checkpoint=checkpoint, clip_adaptive=0.01, frozen=["lstm1"], **NOISE
        )
        rng = np.random.default_rng(1)
        model.fit(rng.normal(size=(20, 12, 3)), rng.normal(size=(20, 2)))
        return model.state_dict()

    assert_same_bits(trained(None), trained(5))


def test_frozen_layers_keep_their_bits_and_their_state():
    model = network(vg.Adam(0.02), frozen=["dense1", "dense3"])
    free = network(vg.Adam(0.02))
    flow, other = vg.GradientFlow(), vg.GradientFlow()
    x, y = samples(model, 20)
    before = model.state_dict()
    model.fit(x, y, epochs=2, track=flow)
    free.fit(x, y, track=other)
    np.testing.assert_array_equal(flow.weight_grad[0], other.weight_grad[0])
    moments = model.layout.views(model.session.vectors()["moment1"])
    for name, value in model.state_dict().items():
        frozen = not name.startswith("dense2")
        assert (value.tobytes() == before[name].tobytes()) == frozen
        assert (not moments[name].any()) == frozen


def test_the_name_of_a_block_stands_for_all_in_it():
    def trained(**options):
        inner = vg.Residual([vg.Dense(8, "tanh"), vg.Dense(8)], gate=0.5)
        layers = [vg.Dense(8), vg.Residual([inner, vg.Dense(8)]), vg.Dense(3)]
        model = vg.Sequential(layers, input_shape=6, seed=0, dtype="float64")
        model.compile("mse", vg.SGD(0.1), **options)
        before = model.state_dict()
        rng = np.random.default_rng(0)
        model.train_on_batch(rng.normal(size=(9, 6)), rng.normal(size=(9, 3)))
        return {name: value - before[name] for name, value in model.state_dict().items()}

    free = trained()
    slow = trained(learning_rates={"residual1": 0.5, "residual1.residual1": 0.5})
    for name, value in trained(frozen=["residual1"]).items():
        assert value.any() != name.startswith("residual1.")
        factor = 0.25 if name.startswith("residual1.residual1.") else 0.5
        factor = factor if name.startswith("residual1.") else 1
        np.testing.assert_allclose(slow[name], factor * free[name], rtol=1e-9, atol=1e-15)


def test_both_directions_go_by_one_name():
    model = vg.Sequential([vg.Bidirectional(vg.GRU(4)), vg.Dense(1)], input_shape=(5, 2))
    model.compile("mse", frozen=["bidirectional1"], clip_layer_norm=1.0)
    before = model.state_dict()
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 1)))
    changed = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert changed == {"dense1.weight", "dense1.bias"}


def test_statistics_are_not_treated():
    model = vg.Sequential([vg.Dense(7), vg.BatchNorm(), vg.Dense(1)], input_shape=3, seed=0)
    model.compile("mse", clip_adaptive=0.01, **NOISE)
    free = vg.Sequential([vg.Dense(7), vg.BatchNorm(), vg.Dense(1)], input_shape=3, seed=0)
    free.compile("mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
    for each in (model, free):
        each.train_on_batch(x, y)
    for name in set(model.layout.names) - set(model.layout.trained):
        assert (model.state_dict()[name] == free.state_dict()[name]).all()


class TestNoise:
    """Of inputs 0 the gradient of a weight is 0: it moves by the noise alone."""

    def moves(self, noise=None, steps=4, seed=0, dtype="float64"):
        noise = noise or vg.GradientNoise(eta=0.3, gamma=0.55)
        layers = [vg.Dense(300, use_bias=False), vg.Dense(300, use_bias=False)]
        model = vg.Sequential(layers, input_shape=301, dtype=dtype, seed=seed)
        model.compile("mse", vg.SGD(1.0), noise=noise)
        x, y = np.zeros((2, 301)), np.zeros((2, 300))
        weights = [model.state_dict()]
        for _ in range(steps):
            model.train_on_batch(x, y)
            weights.append(model.state_dict())
        return [
            np.concatenate([(after[name] - before[name]).ravel() for name in before])
            for before, after in pairwise(weights)
        ]

    def test_variance_falls_with_the_step(self):
        for t, move in enumerate(self.moves()):
            deviation = np.sqrt(0.3 / (1 + t) ** 0.55)
            assert move.mean() == pytest.approx(0, abs=5 * deviation / np.sqrt(move.size))
            assert move.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * move.size))
            kurtosis = ((move / move.std()) ** 4).mean()
            assert kurtosis == pytest.approx(3, abs=5 * np.sqrt(24 / move.size))

    def test_steps_elements_and_seeds_are_independent(self):
        one, two, *_ = self.moves()
        (other,) = self.moves(steps=1, seed=1)
        layers = one[:90_000], one[-90_000:]
        for a, b in (
            (one, two),
            (one, other),
            layers,
            (one[1:], one[:-1]),
            (one[300:], one[:-300]),
        ):
            assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(a))

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_it_is_reproducible(self, dtype):
        (one,), (other,) = self.moves(steps=1, dtype=dtype), self.moves(steps=1, dtype=dtype)
        np.testing.assert_array_equal(one, other)

    def test_padding_stays_zero(self):
        model = network(**NOISE, sizes=(7, 5))
        model.fit(*samples(model, 20))
        kept = sum(np.count_nonzero(value) for value in model.state_dict().values())
        assert np.count_nonzero(model.session.vectors()["parameters"]) == kept


def test_amplified_epochs():
    ranges = vg.Amplification(["a"], 2, epochs=[range(0, 6, 2), (8, 9)])
    assert [epoch for epoch in range(12) if ranges.acts(epoch)] == [0, 2, 4, 8]
    assert not ranges.acts(None)
    assert [vg.Amplification(["a", "b"], 2, range(2)).acts(e) for e in (0, 2)] == [True, False]
    assert vg.Amplification(["a"], 2).acts(None)


def omega_by_definition(weight, deltas, slopes, alive):
    """Of (timesteps, samples, units) in the order of the walk: eq. 9, its mean over the samples."""
    total = 0
    for t in range(len(deltas) - 1):
        for sample in np.flatnonzero(alive[t] & alive[t + 1] & deltas[t + 1].any(axis=1)):
            delta = deltas[t + 1, sample]
            back = slopes[t, sample] * (weight.T @ delta)
            total += (np.linalg.norm(back) / np.linalg.norm(delta) - 1) ** 2
    return total / alive.shape[1]


def walked(model, x, y, lengths, mask=1):
    """dL/dz, the slope of what W_hh sees by z, and whether a row is alive at each timestep, in the order of
    the walk; W_hh sees h times ``mask``.
    """
    p, rnn = model.state_dict(), model.layers[0]
    f, slope = ACTIVATIONS[rnn.activation.name]
    alpha, weight = rnn.activation.alpha, p["rnn1.weight_hh"]
    n, times, _ = x.shape
    order = [*range(times)][:: -1 if rnn.go_backwards else 1]
    alive = np.array([t < lengths for t in order])
    h, hs, zs = np.zeros((n, rnn.units)), [], []
    for t, living in zip(order, alive, strict=True):
        z = x[:, t] @ p["rnn1.weight_ih"].T + p["rnn1.bias_ih"] + p["rnn1.bias_hh"]
        z = z + (h * mask) @ weight.T
        h = np.where(living[:, np.newaxis], f(z, alpha), h)
        zs.append(z)
        hs.append(h)
    direct = np.zeros((times, n, rnn.units))
    if rnn.return_sequences:
        errors = np.array(hs) @ p["dense1.weight"].T + p["dense1.bias"] - y.swapaxes(0, 1)[order]
        direct = (
            errors * alive[..., np.newaxis] * 2 / alive.sum() / y.shape[-1] @ p["dense1.weight"]
        )
    else:
        last = times - 1 - alive[::-1].argmax(axis=0)
        errors = h @ p["dense1.weight"].T + p["dense1.bias"] - y
        direct[last, range(n)] = errors * 2 / errors.size @ p["dense1.weight"]
    slopes = np.array([slope(z, alpha) for z in zs])
    deltas, carry = np.zeros_like(slopes), 0
    for i in reversed(range(times)):
        deltas[i] = (direct[i] + carry) * slopes[i] * alive[i][:, np.newaxis]
        carry = np.where(alive[i][:, np.newaxis], deltas[i] @ weight * mask, carry)
    return deltas, mask * slopes, alive


def omega_differences(model, fixed, e=1e-6):
    weight = model.state_dict()["rnn1.weight_hh"]
    found = np.empty_like(weight)
    for i in np.ndindex(*weight.shape):
        moved = np.zeros_like(weight)
        moved[i] = e
        up, down = (omega_by_definition(weight + sign * moved, *fixed) for sign in (1, -1))
        found[i] = (up - down) / (2 * e)
    return found


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("times", [1, 6])
def test_omega_by_central_differences(times, return_sequences, go_backwards, activation):
    """All but W_hh is held fixed; nothing else changes."""
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(11, times, 3)), rng.integers(1, times + 1, 11)
    y = rng.normal(size=(11, times, 2) if return_sequences else (11, 2))
    found = []
    for omega in (0, 0.7):
        rnn = vg.RNN(
            5, activation, omega=omega, return_sequences=return_sequences, go_backwards=go_backwards
        )
        model = vg.Sequential([rnn, vg.Dense(2)], input_shape=(None, 3), dtype="float64", seed=3)
        model.compile("mse")
        found.append(model.gradients(x, y, lengths=lengths))
    (loss, plain), (same, regularised) = found
    assert loss == same
    expected = 0.7 * omega_differences(model, walked(model, x, y, lengths))
    difference = regularised["rnn1.weight_hh"] - plain["rnn1.weight_hh"]
    np.testing.assert_allclose(difference, expected, rtol=1e-6, atol=1e-8)
    del plain["rnn1.weight_hh"], regularised["rnn1.weight_hh"]
    assert_same_bits(plain, regularised)


def test_omega_where_units_are_dropped():
    """Columns of W_hh whose gradient is 0 belong to the units that one sample does not see."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 6, 3)), rng.normal(size=(1, 2))
    found = []
    for omega in (0, 1):
        rnn = vg.RNN(8, omega=omega, recurrent_dropout=0.4)
        model = vg.Sequential([rnn, vg.Dense(2)], input_shape=(6, 3), dtype="float64", seed=0)
        model.compile("mse")
        found.append(model.gradients(x, y)[1]["rnn1.weight_hh"])
    kept = found[0].any(axis=0)
    assert 0 < kept.sum() < 8
    fixed = walked(model, x, y, np.array([6]), kept / 0.6)
    expected = omega_differences(model, fixed)
    np.testing.assert_allclose(found[1] - found[0], expected, rtol=1e-6, atol=1e-8)


def test_omega_holds_up_a_gradient_that_vanishes():
    """Small recurrent weights grow, and a gradient below what a float32 can be squared counts."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 40, 2)), rng.normal(size=(8, 1))
    rates = []
    for omega in (0, 0.2):
        rnn = vg.RNN(6, omega=omega, recurrent_initializer=vg.initializers.Normal(std=0.05))
        model = vg.Sequential([rnn, vg.Dense(1)], input_shape=(40, 2), seed=0)
        model.compile("mse", vg.SGD(0.05))
        flow = vg.GradientFlow()
        model.fit(x, y, epochs=30, batch_size=8, track=flow)
        assert np.isfinite(flow.weight_grad).all()
        rates.append(flow.time_rate("rnn1").factor[-1])
    assert rates[1] > 3 * rates[0]


def test_omega_is_kept_and_does_not_depend_on_threads():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 30, 20)), rng.normal(size=(64, 1))
    results = []
    threads = vg.get_num_threads()
    for count in (1, 2, 3):
        vg.set_num_threads(count)
        layers = [vg.Bidirectional(vg.RNN(40, omega=0.5)), vg.Dense(1)]
        model = vg.Sequential(layers, input_shape=(30, 20), seed=0)
        model.compile("mse")
        model.fit(x, y)
        results.append(model.state_dict())
    vg.set_num_threads(threads)
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])
    assert model.session.description()["layers"][0]["layer"]["omega"] == 0.5


@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"clip_layer_norm": 0}, ValueError, ["clip_layer_norm: ", "above 0", "got 0"]),
        ({"clip_adaptive": -1}, ValueError, ["clip_adaptive: ", "above 0", "got -1"]),
        ({"clip_adaptive": "1"}, TypeError, ["clip_adaptive: expected a number, got '1'"]),
        (
            {"clip_norm": 1, "clip_adaptive": 1},
            ValueError,
            ["clip_adaptive: expected either clip_norm or clip_adaptive, got both"],
        ),
        ({"noise": 0.3}, TypeError, ["noise: expected a GradientNoise, got 0.3 (float)"]),
        ({"amplify": 2.0}, TypeError, ["amplify: expected an Amplification or several, got 2.0"]),
        ({"amplify": ["dense1"]}, TypeError, ["amplify: expected Amplifications, got 'dense1'"]),
        (
            {"amplify": vg.Amplification(["dens2"], 2)},
            ValueError,
            ["amplify: ", "dense1, dense2, dense3", "'dens2'; did you mean 'dense2'"],
        ),
        ({"learning_rates": 0.1}, TypeError, ["learning_rates: expected a dict by layer, got 0.1"]),
        (
            {"learning_rates": {"dense1": 0}},
            ValueError,
            ["learning_rates['dense1']: expected a finite number above 0, got 0"],
        ),
        ({"learning_rates": {"dense4": 1}}, ValueError, ["learning_rates: ", "'dense4'; did you"]),
        (
            {"frozen": "dense1"},
            TypeError,
            ["frozen: expected a list of names of layers, got 'dense1'"],
        ),
        ({"frozen": [1]}, TypeError, ["frozen: expected names of layers, got 1"]),
        ({"frozen": ["Dense1"]}, ValueError, ["frozen: ", "got 'Dense1'; did you mean 'dense1'"]),
    ],
)
def test_compile_refuses(options, error, fragments):
    model = network()
    before = model.session.description()
    with pytest.raises(error) as caught:
        model.compile(SPARSE, **options)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert model.session.description() == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: vg.GradientNoise(0), ValueError, "eta: expected a finite number above 0, got 0"),
        (lambda: vg.GradientNoise(1, -1), ValueError, "gamma: expected .* of at least 0, got -1"),
        (lambda: vg.GradientNoise("a"), TypeError, "eta: expected a number, got 'a'"),
        (
            lambda: vg.Amplification("dense1", 2),
            TypeError,
            "layers: expected a list of names of layers",
        ),
        (lambda: vg.Amplification(["a"], 0), ValueError, "factor: expected .* above 0, got 0"),
        (lambda: vg.Amplification(["a"], 2, 3), TypeError, "epochs: expected a range or pairs"),
        (
            lambda: vg.Amplification(["a"], 2, [3]),
            TypeError,
            "epochs: expected ranges or pairs .*, got 3",
        ),
        (
            lambda: vg.Amplification(["a"], 2, [(3, 3)]),
            ValueError,
            "epochs: expected .* at least one",
        ),
        (lambda: vg.Amplification(["a"], 2, []), ValueError, "epochs: expected .* at least one"),
        (lambda: vg.Amplification(["a"], 2, [(-1, 3)]), ValueError, "epochs: .*at least 0, got -1"),
        (lambda: vg.RNN(3, omega=-1), ValueError, "omega: expected .* of at least 0, got -1"),
        (lambda: vg.LSTM(3, omega=1), TypeError, "omega: LSTM expects the options"),
        (lambda: vg.GRU(3, omega=1), TypeError, "omega: GRU expects the options"),
    ],
)
def test_bad_numbers(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_omega_needs_all_of_time():
    model = vg.Sequential([vg.RNN(3, omega=1.0), vg.Dense(1)], input_shape=(9, 2))
    with pytest.raises(ValueError, match="tbptt: expected None, for the model needs all of time"):
        model.compile("mse", tbptt=3)


def test_layers_without_parameters_cannot_be_frozen():
    model = vg.Sequential([vg.Dense(3), vg.Dropout(0.1), vg.Dense(1)], input_shape=2)
    with pytest.raises(ValueError, match="frozen: expected one of dense1, dense2; got 'dropout1'"):
        model.compile("mse", frozen=["dropout1"])


@pytest.mark.parametrize("epochs", [range(2**62), [range(0, 2**62, 3), (1, 2**31 - 1)]])
def test_the_length_of_a_range_of_epochs_costs_nothing(epochs):
    """Also where there is no epoch, which a range would be searched for."""
    begin = time.perf_counter()
    amplification = vg.Amplification(["dense1"], 2.0, epochs)
    assert [amplification.acts(epoch) for epoch in (0, 3, 2**30, None)] == [True] * 3 + [False]
    model = network()
    model.compile(SPARSE, amplify=amplification)
    x, y = np.ones((4, 6)), np.zeros(4, int)
    model.train_on_batch(x, y)
    model.fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert again.session.compiled.treatment.amplify[0].epochs == amplification.epochs
    assert time.perf_counter() - begin < 5


def test_epochs_before_the_first_are_refused_however_long_the_range():
    for epochs in (range(-1, 2**62), range(2**62, -2, -1), range(3, 3), []):
        with pytest.raises(ValueError, match="epochs: expected epochs from 0 on"):
            vg.Amplification(["dense1"], 2.0, epochs)


def test_a_factor_of_0_points_to_frozen():
    with pytest.raises(ValueError, match=r"learning_rates\['dense1'\]: .*above 0, got 0; frozen="):
        network().compile(SPARSE, learning_rates={"dense1": 0.0})
