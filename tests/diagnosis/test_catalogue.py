"""Changes: what each makes of a network, where it does not apply, and that nothing else is touched."""

import numpy as np
import pytest
from recipes import CLASSES, blobs, deep, recurrent, sequences

import vgcore as vg
from vgcore.diagnosis.changes import CHANGES, Given, clash, combined, ordered
from vgcore.diagnosis.changes.training import optimizer_of, scaled
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.suggestion import suggestions

RNG = np.random.default_rng(0)
TWO_LABELS = np.c_[np.arange(40) % 2, np.arange(40) % 3 > 0] * 1.0
POINTS = blobs()
SEQUENCES = sequences()
IMAGES = RNG.uniform(0, 255, (30, 1, 6, 6)), np.arange(30) % 2
NUMBERS = RNG.normal(size=(50, 4)), RNG.normal(40, 9, (50, 2))


def made(layers, shape, loss=CLASSES, optimizer="adam", **options):
    model = vg.Sequential(layers, input_shape=shape, seed=0)
    model.compile(loss, optimizer, **options)
    return Recipe.of(model, batch_size=16)


def edited(key, recipe, data=POINTS):
    return CHANGES[key].edit(recipe, *data)


def layers_of(recipe):
    return [repr(layer) for layer in recipe.layers]


def reprs(*layers):
    return [repr(layer) for layer in layers]


def blocks():
    return made(
        [
            vg.Dense(6, "sigmoid"),
            vg.Residual([vg.Dense(6, "sigmoid"), vg.Dense(6)], activation="sigmoid"),
            vg.Parallel(
                [vg.Dense(3, "sigmoid"), [vg.Dense(4), vg.Activation("sigmoid")]], merge="concat"
            ),
            vg.Dropout(0.4),
            vg.Dense(3, "softmax"),
        ],
        4,
        optimizer=vg.SGD(0.1, weight_decay=0.1),
    )


def convolutions():
    return made(
        [
            vg.Conv2d(3, 3, "sigmoid", padding="same"),
            vg.Conv2d(3, 3, "sigmoid", padding="same"),
            vg.Conv2d(3, 3, padding="same"),
            vg.BatchNorm("sigmoid"),
            vg.Flatten(),
            vg.Dense(2, "softmax"),
        ],
        (1, 6, 6),
        optimizer=vg.SGD(vg.schedules.Cosine(0.1, steps=30)),
    )


def stacks():
    layers = [
        vg.Bidirectional(vg.RNN(3, num_layers=2, dropout=0.2, return_sequences=True)),
        vg.GRU(6, return_sequences=True),
        vg.LSTM(6, unit_forget_bias=False, recurrent_initializer="xavier_normal", stateful=True),
        vg.Dense(2, "softmax"),
    ]
    return made(layers, (None, 3))


NETWORKS = {
    "deep": (lambda: Recipe.of(deep()), POINTS),
    "blocks": (blocks, POINTS),
    "convolutions": (convolutions, IMAGES),
    "stacks": (stacks, SEQUENCES),
    "numbers": (lambda: made([vg.Dense(3, "tanh"), vg.Dense(2, "relu")], 4, "mse"), NUMBERS),
}


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_change_makes_a_network_that_trains_and_leaves_the_recipe(network, key):
    make, data = NETWORKS[network]
    recipe = make()
    before = recipe.code(), layers_of(recipe)
    changed = edited(key, recipe, data)
    assert (recipe.code(), layers_of(recipe)) == before
    if changed is None:
        return
    assert changed.code() != before[0]
    assert all(layer.owned is None for layer in changed.layers)
    model = changed.build(1)
    x, y, lengths = changed.prepare(*data)
    batch = min(changed.fitting["batch_size"], len(x) // 2)
    options = {
        "shuffle": not model.session.stateful,
        "class_weight": changed.fitting.get("class_weight"),
    }
    model.fit(x, y, lengths=lengths, batch_size=batch, drop_last=True, verbose=0, **options)
    assert np.isfinite(model.session.values).all()


ONCE = [key for key in CHANGES if key not in (
    "faster", "slower", "range_test", "larger_batch", "smaller_batch", "less_dropout", "timesteps",
)]  # fmt: skip


@pytest.mark.parametrize("key", ONCE)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_change_that_was_made_changes_nothing_again(network, key):
    make, data = NETWORKS[network]
    changed = edited(key, make(), data)
    if changed is not None:
        assert edited(key, changed, data) is None


@pytest.mark.parametrize(
    ("key", "activation", "start"),
    [
        ("relu", "relu", "he_normal"),
        ("leaky_relu", "leaky_relu", "he_normal"),
        ("elu", "elu", "he_normal"),
        ("selu", "selu", "lecun_normal"),
        ("tanh", "tanh", "xavier_uniform"),
    ],
)
def test_activations_of_hidden_layers(key, activation, start):
    hidden = [vg.Dense(5, activation, weight_initializer=start) for _ in range(3)]
    changed = edited(key, Recipe.of(deep(3)))
    assert layers_of(changed) == reprs(*hidden, vg.Dense(3, "softmax"))


def test_activations_in_blocks_and_behind_norms():
    changed = edited("relu", blocks())
    he = {"weight_initializer": "he_normal"}
    behind = vg.initializers.get("he_normal", "relu")
    assert layers_of(changed) == reprs(
        vg.Dense(6, "relu", **he),
        vg.Residual(
            [vg.Dense(6, "relu", **he), vg.Dense(6, weight_initializer=behind)], activation="relu"
        ),
        vg.Parallel(
            [
                vg.Dense(3, "relu", **he),
                [vg.Dense(4, weight_initializer=behind), vg.Activation("relu")],
            ],
            merge="concat",
        ),
        vg.Dropout(0.4),
        vg.Dense(3, "softmax"),
    )
    convolved = edited("relu", convolutions(), IMAGES)
    assert [getattr(layer, "activation", None) and layer.activation.name for layer in convolved.layers] == [
        "relu", "relu", "identity", "relu", None, "softmax",
    ]  # fmt: skip


def test_layers_without_activations_get_some():
    linear = made([vg.Dense(5), vg.Dropout(0.1), vg.Dense(5), vg.Dense(3, "softmax")], 4)
    changed = edited("tanh", linear)
    assert [layer.activation.name for layer in changed.layers if hasattr(layer, "activation")] == [
        "tanh", "tanh", "softmax",
    ]  # fmt: skip


def test_norms_stand_between_layers_and_activations():
    changed = edited("batchnorm", Recipe.of(deep(2)))
    pair = [vg.Dense(5), vg.BatchNorm("sigmoid")]
    assert layers_of(changed) == reprs(*pair, *pair, vg.Dense(3, "softmax"))
    recurrences = edited("layernorm", stacks(), SEQUENCES)
    assert [type(layer).__name__ for layer in recurrences.layers] == [
        "Bidirectional", "GRU", "LayerNorm", "LSTM", "LayerNorm", "Dense",
    ]  # fmt: skip


def test_skips_go_around_layers_of_one_shape():
    pair = vg.Residual([vg.Dense(5, "sigmoid"), vg.Dense(5, "sigmoid")], gate=0.0)
    changed = edited("skip", Recipe.of(deep(6)))
    one = vg.Dense(5, "sigmoid")
    assert layers_of(changed) == reprs(one, pair, pair, one, vg.Dense(3, "softmax"))
    narrow = made([vg.Dense(7, "relu"), vg.Dense(6, "relu"), vg.Dense(3, "softmax")], 4)
    assert edited("skip", narrow) is None


def test_cells_keep_their_options():
    recipe = made(
        [
            vg.Bidirectional(vg.RNN(3, "relu", num_layers=2, dropout=0.2, return_sequences=True)),
            vg.RNN(4, initial_state="learned", recurrent_dropout=0.1, use_bias=False, name="mine"),
            vg.Dense(2, "softmax"),
        ],
        (None, 3),
    )
    assert layers_of(edited("gru", recipe, SEQUENCES)) == reprs(
        vg.Bidirectional(vg.GRU(3, num_layers=2, dropout=0.2, return_sequences=True)),
        vg.GRU(4, initial_state="learned", recurrent_dropout=0.1, use_bias=False, name="mine"),
        vg.Dense(2, "softmax"),
    )


def test_a_stack_becomes_one_layer_and_many_dense_ones_two():
    assert layers_of(edited("shallower", Recipe.of(deep(9)))) == layers_of(Recipe.of(deep(2)))
    one = edited(
        "shallower",
        made([vg.LSTM(4, num_layers=3, dropout=0.5), vg.Dense(2, "softmax")], (None, 3)),
    )
    assert layers_of(one) == reprs(vg.LSTM(4), vg.Dense(2, "softmax"))


def test_what_is_named_elsewhere_keeps_its_name():
    model = deep(4)
    model.compile(CLASSES, "sgd", frozen=["dense3"], learning_rates={"dense2": 0.1})
    recipe = Recipe.of(model)
    assert edited("shallower", recipe) is None
    normed = edited("batchnorm", recipe).build(0)
    assert normed.session.chosen.treatment.frozen == ("dense3",)
    assert [layer.name for layer in normed.layers][::2] == [
        "dense1",
        "dense2",
        "dense3",
        "dense4",
        "dense5",
    ]


SCHEDULES = [
    0.03,
    vg.schedules.Constant(0.1),
    vg.schedules.Step(0.1, 5),
    vg.schedules.MultiStep(0.1, (3, 9)),
    vg.schedules.Exponential(0.1, 0.9),
    vg.schedules.Linear(0.1, 20, end_rate=0.01),
    vg.schedules.Polynomial(0.1, 20, min_rate=0.02),
    vg.schedules.InverseTime(0.1, 0.3),
    vg.schedules.Cosine(0.1, steps=20, min_rate=0.03),
    vg.schedules.OneCycle(0.1, steps=20),
    vg.schedules.Warmup(vg.schedules.Cosine(0.1, steps=20), steps=4),
    vg.schedules.per_epoch(vg.schedules.Step(0.1, 5)),
    vg.schedules.ReduceOnPlateau(0.1, min_rate=0.01),
]


@pytest.mark.parametrize("rate", SCHEDULES, ids=lambda rate: type(rate).__name__)
def test_rates_of_schedules_are_scaled_at_every_step(rate):
    def rates(given):
        if isinstance(given, float):
            return np.array([given])
        return given.given(given.start()).rates(np.arange(40))

    np.testing.assert_allclose(rates(scaled(rate, 10)), 10 * rates(rate), rtol=1e-5)
    optimizer = vg.SGD(rate, momentum=0.5)
    slower = edited("slower", made([vg.Dense(3, "softmax")], 4, optimizer=optimizer))
    assert optimizer_of(slower).momentum == 0.5
    np.testing.assert_allclose(
        rates(optimizer_of(slower).learning_rate), rates(rate) / 10, rtol=1e-5
    )


def test_a_range_test_stays_below_the_edge_of_stability():
    """Of least squares gradient descent is stable below 2 over the largest eigenvalue of the Hessian."""
    x = RNG.normal(size=(200, 5)) * [1, 2, 3, 4, 5]
    y = x @ RNG.normal(size=(5, 1))
    edge = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    recipe = Recipe.of(
        made([vg.Dense(1, use_bias=False)], 5, "mse", vg.SGD(100.0)).build(0), batch_size=200
    )
    found = optimizer_of(edited("range_test", recipe, (x, y))).learning_rate
    assert edge / 100 < found < edge


def test_optimizers():
    sgd = made([vg.Dense(3, "softmax")], 4, optimizer=vg.SGD(0.1, weight_decay=0.01))
    assert optimizer_of(edited("adam", sgd)) == vg.Adam(weight_decay=0.01)
    assert optimizer_of(edited("momentum", sgd)) == vg.SGD(0.1, momentum=0.9, weight_decay=0.01)
    assert optimizer_of(edited("no_decay", sgd)) == vg.SGD(0.1)
    odd = made([vg.Dense(3, "softmax")], 4, optimizer=vg.Adam(0.05, epsilon=1e-16))
    assert optimizer_of(edited("adam", odd)) == vg.Adam(0.05)
    assert edited("momentum", odd) is None
    cut = made([vg.Dense(3, "softmax")], 4, clip_value=3.0)
    assert {k: v for k, v in edited("clip", cut).compiling.items() if "clip" in k} == {
        "clip_norm": 1.0
    }
    assert edited("clip", made([vg.Dense(3, "softmax")], 4, clip_norm=0.5)) is None


def test_minibatches():
    recipe = Recipe.of(deep(1), batch_size=32)
    assert edited("larger_batch", recipe).fitting["batch_size"] == 120
    assert edited("smaller_batch", recipe).fitting["batch_size"] == 8
    assert edited("larger_batch", Recipe.of(deep(1), batch_size=200)) is None
    assert edited("smaller_batch", Recipe.of(deep(1), batch_size=1)) is None


WANTED = {
    "labels": (np.arange(40) % 3, 3, "softmax", CLASSES),
    "one_hot": (np.eye(3)[np.arange(40) % 3], 3, "softmax", "categorical_crossentropy"),
    "binary": (np.arange(40.0) % 2, 1, "sigmoid", "binary_crossentropy"),
    "signs": (np.arange(40.0) % 2 * 2 - 1, 1, "sigmoid", "binary_crossentropy"),
    "multilabel": (TWO_LABELS, 2, "sigmoid", "multilabel_crossentropy"),
    "class_column": (np.arange(40.0)[:, np.newaxis] % 4 + 1, 4, "softmax", CLASSES),
    "numbers": (RNG.normal(size=(40, 2)), 2, "identity", "mse"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WANTED)
def test_loss_and_output_are_those_that_targets_ask_for(kind):
    y, units, activation, loss = WANTED[kind]
    x = RNG.normal(size=(40, 4))
    columns = y[:1].size
    output, first = {
        "labels": (vg.Dense(5, "softmax"), CLASSES),
        "numbers": (vg.Dense(2, "softmax"), "mae"),
    }.get(kind, (vg.Dense(columns, "tanh"), "mse"))
    recipe = made([vg.Dense(6, "relu"), output], 4, first)
    changed = edited("loss", recipe, (x, y))
    assert changed.compiling["loss"] == loss
    assert (changed.layers[-1].units, changed.layers[-1].activation.name) == (units, activation)
    model = changed.build(0)
    model.fit(*changed.prepare(x, y)[:2], verbose=0)
    kept = edited("output", recipe, (x, y))
    if kind == "class_column":
        assert kept is None
    else:
        assert kept.compiling["loss"] == first
        assert (kept.layers[-1].units, kept.layers[-1].activation.name) == (units, activation)


def test_an_output_of_a_walk_gets_a_dense_layer():
    x, y = SEQUENCES
    one_hot = np.eye(2)[y]
    recipe = made([vg.LSTM(2)], (None, 3), "mse")
    changed = edited("loss", recipe, (x, one_hot))
    assert layers_of(changed) == reprs(vg.LSTM(2), vg.Dense(2, "softmax"))
    split = made([vg.Dense(4, "relu"), vg.Dense(2), vg.Activation("tanh")], 4, "mse")
    changed = edited("output", split, (POINTS[0], np.eye(2)[np.arange(120) % 2]))
    assert layers_of(changed) == reprs(vg.Dense(4, "relu"), vg.Dense(2, "softmax"))


def test_labels_are_counted_from_0():
    x, y = POINTS
    recipe = made([vg.Dense(9, "softmax")], 4)
    changed = edited("labels", recipe, (x, y * 2 + 1))
    assert changed.layers[-1].units == 3
    assert np.array_equal(changed.prepare(x, y * 2 + 1)[1], y)
    assert edited("labels", recipe, POINTS) is None


def test_scaling_applies_where_data_are_out_of_scale():
    x, y = POINTS
    recipe = Recipe.of(deep(1))
    near = (x - x.mean(axis=0)) / x.std(axis=0)
    assert edited("scale_inputs", recipe, (near, y)) is None
    assert edited("scale_inputs", recipe, (near * 50, y)) is not None
    assert edited("scale_inputs", recipe, (near + 3, y)) is not None
    words = made([vg.Embedding(9, 2), vg.LSTM(3), vg.Dense(3, "softmax")], (None,))
    assert edited("scale_inputs", words, (np.arange(40).reshape(20, 2) % 9, y[:20])) is None
    numbers = made([vg.Dense(2)], 4, "mse")
    assert edited("scale_targets", numbers, NUMBERS) is not None
    assert edited("scale_targets", numbers, (NUMBERS[0], RNG.normal(size=(50, 2)))) is None
    assert edited("scale_targets", recipe, POINTS) is None
    assert edited("scale_targets", made([vg.Dense(2, "softplus")], 4, "poisson"), NUMBERS) is None


def test_lengths_and_timesteps():
    x, y = SEQUENCES
    padded = x.copy()
    padded[::2, 3:] = 0
    recipe = Recipe.of(recurrent())
    assert edited("lengths", recipe, (x, y)) is None
    assert edited("lengths", recipe, (padded, y, np.full(40, 6))) is None
    found = edited("lengths", recipe, (padded, y)).prepare(padded)[2]
    assert found.tolist() == [3, 6] * 20
    one = x.reshape(40, 1, -1)
    flat = made([vg.LSTM(3), vg.Dense(2, "softmax")], (1, 18))
    changed = edited("timesteps", flat, (one, y))
    assert changed.input_shape == (18, 1)
    assert changed.prepare(one)[0].shape == (40, 18, 1)
    assert edited("timesteps", recipe, (x, y)) is None


def test_classes_are_weighed_where_they_are_unbalanced():
    x, y = POINTS
    recipe = Recipe.of(deep(1))
    assert edited("balance", recipe, POINTS) is None
    assert (
        edited("balance", recipe, (x, (y * (np.arange(120) < 30)))).fitting["class_weight"]
        == "balanced"
    )
    assert edited("balance", made([vg.Dense(2)], 4, "mse"), NUMBERS) is None


def test_a_new_start_leaves_nothing_that_was_set_by_hand():
    model = deep(2)
    model.layers[0].weight = np.full((5, 4), 0.01)
    recipe = Recipe.of(model)
    for key in ("relu", "start"):
        assert not edited(key, recipe).kept
    assert edited("faster", recipe).kept


def test_changes_are_made_together():
    recipe = Recipe.of(deep(2))
    both = combined((CHANGES["relu"], CHANGES["faster"]))
    assert both.name == "relu, He starts + 10 times the learning rate"
    changed = both.edit(recipe, *POINTS)
    assert changed.layers[0].activation.name == "relu"
    assert optimizer_of(changed).learning_rate == 1.0
    assert combined((CHANGES["lstm"], CHANGES["relu"])).edit(recipe, *POINTS) is None
    assert ordered(("faster", "relu", "scale_inputs", "adam")) == (
        "scale_inputs",
        "relu",
        "adam",
        "faster",
    )
    assert clash(("relu", "tanh"))
    assert not clash(("relu", "adam"))


def test_suggestions_need_no_trial():
    model = deep(2)
    x, y = POINTS
    found = suggestions(Recipe.of(model), ["lstm", "relu", "batchnorm", "relu"], Given(x, y))
    assert [each.name for each in found] == ["relu, He starts", "batch norm"]
    cured = found[0].apply()
    assert [layer.activation.name for layer in cured.layers] == ["relu", "relu", "softmax"]
    assert cured.step == 0
    assert 'vg.Dense(5, activation="relu", weight_initializer="he_normal")' in found[0].code()
    assert found[0].prepare(x, y)[0] is x
    assert found[0].to_dict()["key"] == "relu"
    other = found[0].apply(deep(4, units=3))
    assert [layer.units for layer in other.layers] == [3, 3, 3, 3, 3]
    with pytest.raises(ValueError, match="model: expected one that"):
        found[0].apply(cured)
