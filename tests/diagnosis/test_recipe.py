"""Recipes: what a network is made of, made again, written down; what is done to its data."""

import numpy as np
import pytest
from recipes import CLASSES, blobs, deep, recurrent, sequences

import vgcore as vg
from vgcore.diagnosis.changes import CHANGES
from vgcore.diagnosis.preparation import (
    AsSequence,
    FindLengths,
    Labels,
    ScaleInputs,
    ScaleTargets,
)
from vgcore.diagnosis.recipe import Recipe


def everything():
    layers = [
        vg.Dense(6, "relu", weight_initializer="he_uniform"),
        vg.Residual([vg.Dense(6, "tanh", name="inner"), vg.Dense(6)], gate=0.0),
        vg.Parallel([vg.Dense(3), [vg.Dense(4, vg.leaky_relu(0.2)), vg.Dense(3)]], merge="concat"),
        vg.BatchNorm("selu"),
        vg.Dropout(0.25),
        vg.Dense(5, weight_initializer=vg.initializers.Normal(0, 0.3), name="neck"),
        vg.Activation(vg.activations.formula("z * sigmoid(1.7 * z)")),
        vg.Dense(3, "softmax", bias_initializer=vg.initializers.Constant(0.1)),
    ]
    model = vg.Sequential(layers, input_shape=4, dtype="float64", seed=0)
    rate = vg.schedules.Warmup(vg.schedules.Cosine(0.1, steps=50), steps=5)
    model.compile(
        CLASSES,
        vg.SGD(rate, momentum=0.8, weight_decay=1e-4),
        label_smoothing=0.1,
        clip_layer_norm=2.0,
        noise=vg.GradientNoise(0.01),
        amplify=vg.Amplification(["dense1"], 2.0, epochs=range(3)),
        learning_rates={"neck": 0.5},
        frozen=["residual1.inner"],
        decay="weights",
        metrics=["top_2"],
        on_nonfinite="stop",
    )
    return model


def stacked():
    layers = [
        vg.Bidirectional(vg.LSTM(3, num_layers=2, dropout=0.2, return_sequences=True)),
        vg.LayerNorm(),
        vg.GRU(4, recurrent_initializer="identity", initial_state="learned"),
        vg.Dense(1),
    ]
    model = vg.Sequential(layers, input_shape=(None, 3), seed=0)
    model.compile(vg.losses.Huber(0.5), vg.RMSProp(0.002), clip_norm=1.0)
    return model


def cut():
    model = vg.Sequential(
        [vg.RNN(4, "relu", return_sequences=True), vg.Dense(2, "sigmoid")],
        input_shape=(6, 3),
        seed=0,
    )
    model.compile("binary_crossentropy", vg.Adam(vg.schedules.Linear(0.1, steps=9)), tbptt=2)
    return model


def images():
    layers = [
        vg.Conv2d(4, 3, "relu", padding="same"),
        vg.MaxPool(2),
        vg.Conv2d(4, (3, 1), stride=(1, 2)),
        vg.Flatten(),
        vg.Dense(2, "sigmoid"),
    ]
    model = vg.Sequential(layers, input_shape=(1, 8, 8), seed=0)
    model.compile("mse", "adam", reduction="batchmean")
    return model


def blocks():
    """Linear layers beside activated ones, whose starts go by the same name and are not the same."""
    he = {"weight_initializer": "he_normal"}
    inner = vg.Residual(
        [vg.Dense(6, "relu", **he), vg.Dense(6, **he)],
        shortcut=[vg.Dense(6, use_bias=False)],
        activation=vg.leaky_relu(0.123456789),
    )
    layers = [
        vg.Highway(vg.elu(0.7), weight_initializer="he_uniform"),
        vg.Residual(
            [
                vg.Dense(6, vg.leaky_relu(0.123456789), **he),
                inner,
                vg.Parallel(
                    [
                        [vg.Dense(6, "tanh", weight_initializer="critical"), vg.Dense(6, **he)],
                        vg.Dense(6, "relu", **he),
                        vg.Activation("identity"),
                    ]
                ),
                vg.Dense(6, weight_initializer=vg.initializers.get("he_normal", "relu")),
            ],
            gate=0.5,
        ),
        vg.Dense(6, vg.activations.formula("z * sigmoid(2 * z)"), **he),
        vg.Dense(
            6,
            vg.activations.formula("where(z > 40, z, 0)"),  # no start by name has a gain for it
            weight_initializer=vg.initializers.Normal(0, 0.3),
        ),
        vg.Activation(vg.activations.formula("z * sigmoid(b * z)", b=1.5, shared=True)),
        vg.PReLU(initial=0.1),
        vg.AlphaDropout(0.1),
        vg.GaussianNoise(0.3),
        vg.RMSNorm("relu"),
        vg.GroupNorm(2, "relu"),
        vg.LayerNorm(epsilon=1e-3),
        vg.Dense(2, "softmax", weight_initializer=vg.initializers.Orthogonal("tanh")),
    ]
    model = vg.Sequential(layers, input_shape=6, seed=0)
    model.compile(CLASSES, "nadam")
    return model


def words():
    cell = vg.LSTM(
        4,
        unit_forget_bias=False,
        peepholes=True,
        recurrent_initializer=vg.initializers.Identity(0.9),
    )
    layers = [
        vg.Embedding(9, 4, padding_idx=0, weight_initializer=vg.initializers.Uniform(-1, 1)),
        vg.Residual([vg.RNN(4, "relu", return_sequences=True, weight_initializer="he_normal")]),
        vg.Residual(
            [
                vg.Bidirectional(vg.GRU(3, return_sequences=True)),
                vg.Dense(4, weight_initializer="he_normal", name="after"),
            ]
        ),
        cell,
        vg.Dense(2, "softmax", weight_initializer=vg.initializers.Sparse(0.5, std=0.3)),
    ]
    model = vg.Sequential(layers, input_shape=(None,), seed=0)
    model.compile(CLASSES, vg.AdamW(0.01, weight_decay=0.1))
    return model


def walls():
    layers = [
        vg.Parallel(
            [
                [
                    vg.Conv2d(2, 1, "relu", weight_initializer="he_normal"),
                    vg.Conv2d(2, 3, padding=1),
                ],
                vg.Conv2d(2, 1, weight_initializer="kaiming_uniform"),
            ],
            merge="concat",
        ),
        vg.InstanceNorm("relu", scale=True),
        vg.AvgPool((2, 1), stride=2),
        vg.Subsample(4, stride=2),
        vg.Reshape((8, 2)),
        vg.Conv1d(3, 2, "elu", dilation=2, weight_initializer="he_normal"),
        vg.GlobalMaxPool(),
        vg.Dense(1, weight_initializer=vg.initializers.TruncatedNormal(std=0.1)),
    ]
    model = vg.Sequential(layers, input_shape=(1, 8, 8), seed=0)
    model.compile("mae", vg.SGD(vg.schedules.per_epoch(vg.schedules.MultiStep(0.1, [3, 5]))))
    return model


MODELS = {
    "everything": everything,
    "blocks": blocks,
    "words": words,
    "walls": walls,
    "stacked": stacked,
    "cut": cut,
    "images": images,
    "deep": deep,
}


def told(model):
    description = model.session.description()
    return {name: description[name] for name in ("layers", "input_shape", "dtype", "compiled")}


def state_of(model):
    return model.session.values.tobytes(), str(model.session.rng.bit_generator.state), model.step


@pytest.mark.parametrize("name", MODELS)
def test_a_recipe_makes_an_equal_model_from_fresh_draws(name):
    model = MODELS[name]()
    before = state_of(model), told(model)
    recipe = Recipe.of(model)
    made, again = recipe.build(5), recipe.build(5)
    assert told(made) == told(model)
    assert not np.array_equal(made.session.values, model.session.values)
    assert np.array_equal(made.session.values, again.session.values)
    assert (state_of(model), told(model)) == before


@pytest.mark.parametrize("name", MODELS)
def test_a_fresh_start_is_not_taken_for_one_set_by_hand(name):
    assert not Recipe.of(MODELS[name]()).kept


def run(code, **arrays):
    names = {**arrays}
    exec(code, names)
    return names


@pytest.mark.parametrize("name", MODELS)
def test_its_code_makes_the_same_model(name):
    model = MODELS[name]()
    code = Recipe.of(model).code()
    before, _, _ = code.rpartition("model.fit(")
    made = run(before)["model"]
    assert told(made) == told(model)
    fresh = [Recipe.of(each).of_layers(each.layers, fresh=True) for each in (model, made)]
    for seed in range(2):
        mine, theirs = (each.build(seed).state_dict() for each in fresh)
        assert list(mine) == list(theirs)
        for name, value in mine.items():
            np.testing.assert_array_equal(theirs[name], value, err_msg=name)


def test_its_code_trains():
    x, y = blobs()
    recipe = Recipe.of(deep(2), batch_size=10, class_weight={0: 1.0, 2: 3.0})
    made = run(recipe.code(epochs=2), x=x, y=y)["model"]
    assert made.step == 24
    assert "class_weight={0: 1.0, 2: 3.0}" in recipe.code()


def test_a_loss_of_ones_own_is_kept():
    def own(y, h):
        return ((h - y) ** 2).mean(1), 2 * (h - y) / h.shape[1]

    model = vg.Sequential([vg.Dense(2)], input_shape=3, seed=0)
    model.compile(vg.losses.Custom(own), "adam")
    recipe = Recipe.of(model)
    assert recipe.build(0).loss.function is own
    assert "vg.losses.Custom(own), vg.Adam(0.001)" in recipe.code()
    assert "# own: the loss that you gave" in recipe.code().splitlines()


def test_what_the_code_takes_from_elsewhere_is_said():
    def std(shape):
        return np.full(shape, 0.5)

    class Wide(vg.Dense):
        pass

    layers = [
        vg.Dense(
            3, weight_initializer=lambda shape: np.full(shape, 0.25), bias_initializer=np.ones
        ),
        vg.Dense(4, weight_initializer=lambda shape: np.full(shape, 2.0), bias_initializer=std),
        Wide(2),
    ]
    model = vg.Sequential(layers, input_shape=3, seed=0)
    model.compile(vg.losses.Custom(lambda y, h: ((h - y).sum(1), np.ones_like(h))), "adam")
    code = Recipe.of(model).code()
    assert code.splitlines()[1:6] == [
        "from numpy import ones",
        "# your_function: the initializer that you gave",
        "# your_function_2: the initializer that you gave",
        "# std_2: the initializer that you gave",
        "# Wide: the layer that you gave",
    ]
    theirs = {
        "your_function": layers[0].weight_initializer.function,
        "your_function_2": layers[1].weight_initializer.function,
        "std_2": std,
        "Wide": Wide,
        "your_function_3": print,
    }
    before, _, _ = code.rpartition("model.fit(")
    made = run(before, **theirs)["model"]
    for name, value in model.state_dict().items():
        if not name.startswith("dense3"):
            np.testing.assert_array_equal(made.state_dict()[name], value)


def test_parameters_set_by_hand_are_kept_until_training():
    model = deep(2)
    model.layers[0].weight = np.full((5, 4), 0.01)
    model.layers[1].bias = np.full(5, -3.0)
    recipe = Recipe.of(model)
    assert sorted(recipe.kept) == ["dense1.weight", "dense2.bias"]
    made = recipe.build(9)
    assert np.all(made.layers[0].weight == np.float32(0.01))
    assert np.all(made.layers[1].bias == -3)
    assert not np.array_equal(made.layers[1].weight, model.layers[1].weight)
    assert "set the parameters of dense1, dense2" in recipe.code()
    x, y = blobs()
    model.fit(x, y, verbose=0)
    assert not Recipe.of(model).kept


def test_scaled_inputs_are_those_of_sklearn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x = np.random.default_rng(0).normal(3, [1, 20, 300], (50, 3))
    made = ScaleInputs().fitted(x, x, None).apply(x, None, None)[0]
    np.testing.assert_allclose(made, preprocessing.StandardScaler().fit_transform(x))


def test_padding_has_no_part_in_scaling():
    x = np.random.default_rng(0).normal(5, 2, (30, 6, 2))
    lengths = np.arange(30) % 5 + 1
    x[np.arange(6) >= lengths[:, np.newaxis]] = 1e6
    made = ScaleInputs().fitted(x, x, lengths).apply(x, None, lengths)[0]
    valid = made[np.arange(6) < lengths[:, np.newaxis]]
    np.testing.assert_allclose(valid.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(valid.std(axis=0), 1)


def test_channels_of_images_are_scaled_and_constant_features_vanish():
    x = np.random.default_rng(0).uniform(0, 255, (20, 3, 4, 5))
    x[:, 2] = 7
    made = ScaleInputs().fitted(x, x, None).apply(x, None, None)[0]
    np.testing.assert_allclose(made.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(made.std(axis=(0, 2, 3)), [1, 1, 0])


def test_outputs_are_restored_to_the_units_of_the_targets():
    y = np.random.default_rng(0).normal(100, [5, 50], (40, 2))
    recipe = Recipe.of(deep(1)).prepared_by(ScaleTargets(), y, y, None)
    scaled = recipe.prepare(y, y)[1]
    np.testing.assert_allclose(scaled.std(axis=0), 1)
    np.testing.assert_allclose(recipe.restored(scaled), y)


RNG = np.random.default_rng(1)
STEPS = {
    "inputs": (ScaleInputs(), RNG.normal(3, 9, (12, 4)), RNG.normal(size=12), None),
    "images": (ScaleInputs(), RNG.normal(3, 9, (12, 2, 3, 3)), RNG.normal(size=12), None),
    "sequences": (ScaleInputs(), RNG.normal(3, 9, (12, 5, 2)), RNG.normal(size=12), None),
    "padded": (ScaleInputs(), RNG.normal(3, 9, (12, 5, 2)), RNG.normal(size=12), np.arange(12) % 5 + 1),
    "targets": (ScaleTargets(), RNG.normal(size=(12, 4)), RNG.normal(9, 4, (12, 2)), None),
    "column": (ScaleTargets(), RNG.normal(size=(12, 4)), RNG.normal(9, 4, 12), None),
    "labels": (Labels(), RNG.normal(size=(12, 4)), np.arange(12) % 3 - 1, None),
    "class_column": (Labels(), RNG.normal(size=(12, 4)), np.arange(12.0)[:, np.newaxis] % 2, None),
    "lengths": (FindLengths(), np.tri(6)[:, :, np.newaxis] * 2, np.arange(6), None),
    "integers": (FindLengths(), np.tri(6).astype(int), np.arange(6), None),
    "as_sequence": (AsSequence(), RNG.normal(size=(12, 1, 4)), np.arange(12), None),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_lines_do_what_is_done_to_data(name):
    step, x, y, lengths = STEPS[name]
    fitted = step.fitted(x, y, lengths)
    names = run("\n".join(["import numpy as np", *fitted.lines()]), x=x, y=y, lengths=lengths)
    for mine, theirs in zip(
        fitted.apply(x, y, lengths), (names[n] for n in ("x", "y", "lengths")), strict=True
    ):
        np.testing.assert_allclose(*(np.asarray(v, float) for v in (mine, theirs)), rtol=1e-12)


def test_found_lengths_end_behind_the_last_number():
    x = np.zeros((4, 5, 2))
    x[0, :3] = 1
    x[1, 4, 1] = 1
    x[2, 0] = 1
    assert FindLengths().apply(x, None, None)[2].tolist() == [3, 5, 1, 5]


def test_classes_that_it_was_not_made_for_are_refused():
    x, y = blobs()
    recipe = Recipe.of(deep(1)).prepared_by(Labels(), x, 3 * y - 1, None)
    assert recipe.prepare(x[:3], [5, -1, 2])[1].tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match=r"y: expected the classes -1, 2, 5, .* got 0, 8$"):
        recipe.prepare(x[:4], [5, 8, 0, 2])


def test_preparation_is_fitted_anew_to_other_data():
    x, y = blobs()
    recipe = CHANGES["scale_inputs"].edit(Recipe.of(deep(1)), x[:60], y[:60])
    whole = recipe.fitted(x, y)
    assert np.abs(recipe.prepare(x)[0].mean(axis=0)).max() > 1e-3
    np.testing.assert_allclose(whole.prepare(x)[0].mean(axis=0), 0, atol=1e-12)


def test_sequences_keep_their_lengths():
    x, y = sequences()
    recipe = Recipe.of(recurrent())
    prepared = recipe.prepare(x, y, [2] * len(x))
    assert prepared[2].tolist() == [2] * len(x)
    assert recipe.prepare(x)[1] is None
