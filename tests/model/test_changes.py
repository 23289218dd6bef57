"""What a model was made of is read-only; what may change changes truly, and is saved."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import vgcore as vg
from vgcore import layers, schedules
from vgcore.layers.base import View

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 6, 4)), RNG.normal(size=(24, 3))
LABELS = np.arange(24) % 3

ALONE = {
    "dense": lambda: vg.Dense(3, "tanh"),
    "embedding": lambda: vg.Embedding(7, 3),
    "rnn": lambda: vg.RNN(3),
    "lstm": lambda: vg.LSTM(3, peepholes=True, initial_state="learned"),
    "gru": lambda: vg.GRU(3),
    "stack": lambda: vg.LSTM(3, num_layers=2, dropout=0.1),
    "bidirectional": lambda: vg.Bidirectional(vg.LSTM(3)),
    "stack both ways": lambda: vg.Bidirectional(vg.RNN(3, num_layers=2)),
    "parallel": lambda: vg.Parallel([vg.Dense(3), [vg.Dense(4), vg.Dense(3)]]),
    "residual": lambda: vg.Residual([vg.Dense(3)], shortcut=[vg.Dense(3)], gate=0.5),
    "highway": lambda: vg.Highway(),
    "conv2d": lambda: vg.Conv2d(3, 2),
    "conv1d": lambda: vg.Conv1d(3, 2),
    "maxpool": lambda: vg.MaxPool(2),
    "avgpool": lambda: vg.AvgPool(2),
    "globalavgpool": lambda: vg.GlobalAvgPool(),
    "globalmaxpool": lambda: vg.GlobalMaxPool(),
    "subsample": lambda: vg.Subsample(4, 2),
    "flatten": lambda: vg.Flatten(),
    "reshape": lambda: vg.Reshape((2, 3)),
    "batchnorm": lambda: vg.BatchNorm(),
    "layernorm": lambda: vg.LayerNorm(),
    "rmsnorm": lambda: vg.RMSNorm(),
    "groupnorm": lambda: vg.GroupNorm(2),
    "instancenorm": lambda: vg.InstanceNorm(),
    "alphadropout": lambda: vg.AlphaDropout(0.3),
    "gaussiannoise": lambda: vg.GaussianNoise(0.3),
    "dropout": lambda: vg.Dropout(0.3),
    "prelu": lambda: vg.PReLU(),
    "activation": lambda: vg.Activation("relu"),
}
FREE = {"name", "rate", "stddev", "recurrent_dropout", "dropout"}


def with_parts(layer):
    found = [layer]
    for member in layer.members():
        found += with_parts(member)
    return found


def is_free(layer, name):
    return name in FREE or isinstance(getattr(type(layer), name, None), View)


def attributes(layer):
    """Everything public that is no verb, and nothing a user made up is."""
    names = {name for name in dir(layer) if not name.startswith("_")} | {"made_up", "_owner"}
    return sorted(
        name
        for name in names
        if name in vars(layer)
        or isinstance(getattr(type(layer), name, None), property)
        or not callable(getattr(layer, name, None))
    )


def models():
    """Networks of every layer that there is."""
    sequences = [
        vg.Embedding(7, 4),
        vg.Bidirectional(vg.LSTM(2, return_sequences=True)),
        vg.Residual([vg.RNN(4, return_sequences=True), vg.Highway(), vg.Dropout(0.1)]),
        vg.GRU(3),
        vg.PReLU(),
        vg.Dense(3),
    ]
    images = [
        vg.Reshape((4, 3, 2)),
        vg.Conv2d(4, 2, padding=1),
        vg.BatchNorm("relu"),
        vg.MaxPool(2),
        vg.Residual([vg.Conv2d(4, 3, padding=1), vg.LayerNorm()], shortcut=[vg.Subsample(4)]),
        vg.AvgPool(1),
        vg.GlobalAvgPool(),
        vg.RMSNorm(),
        vg.Activation("tanh"),
        vg.Dense(3),
    ]
    branches = vg.Parallel([vg.Conv1d(3, 1), [vg.Dense(2), vg.Dense(3)]])
    steps = [vg.Conv1d(3, 2), branches, vg.Flatten(), vg.Dense(3)]
    places = [
        vg.GaussianNoise(0.1),
        vg.GroupNorm(2),
        vg.AlphaDropout(0.1),
        vg.InstanceNorm(),
        vg.GlobalMaxPool(),
        vg.Dense(3),
    ]
    return [
        vg.Sequential(sequences, input_shape=(None,), seed=0),
        vg.Sequential(images, input_shape=24, seed=0),
        vg.Sequential(steps, input_shape=(5, 2), seed=0),
        vg.Sequential(places, input_shape=(5, 2), seed=0),
    ]


def test_every_layer_is_tried():
    tried = {type(make()) for make in ALONE.values()}
    assert tried == {getattr(layers, name) for name in layers.__all__} - {layers.Layer}
    assert tried == {type(p) for m in models() for layer in m.layers for p in with_parts(layer)}


def assert_read_only(layer):
    before = dict(vars(layer))
    for name in attributes(layer):
        if is_free(layer, name):
            continue
        with pytest.raises(AttributeError, match=rf"{name}: .*make a new {type(layer).__name__}"):
            setattr(layer, name, 1)
    for name in [*before, "made_up"]:
        with pytest.raises(AttributeError, match=f"{name}: nothing may be deleted"):
            delattr(layer, name)
    assert vars(layer) == before


@pytest.mark.parametrize("kind", ALONE)
def test_a_layer_is_read_only_before_it_joins_a_model(kind):
    for layer in with_parts(ALONE[kind]()):
        assert_read_only(layer)


@pytest.mark.parametrize("number", range(3))
def test_a_layer_of_a_model_is_read_only(number):
    model = models()[number]
    for layer in (part for top in model.layers for part in with_parts(top)):
        assert_read_only(layer)
        with pytest.raises(TypeError):
            layer.views["weight"] = np.zeros(3)
        with pytest.raises(AttributeError):
            layer.views.clear()


def test_the_message_names_the_layer():
    model = vg.Sequential([vg.Dense(5), vg.Dense(3)], input_shape=4)
    with pytest.raises(
        AttributeError, match=r"dense1\.units: only name, weight, bias may be assigned"
    ):
        model.layers[0].units = 5000


@pytest.mark.parametrize("name", ["layers", "input_shape", "dtype", "layout", "step", "session"])
def test_a_model_is_read_only(name):
    model = vg.Sequential([vg.Dense(3)], input_shape=4)
    with pytest.raises(AttributeError, match=rf"{name}: .*read-only; make a new"):
        setattr(model, name, 1)


def test_containers_of_a_model_are_read_only():
    model = models()[0]
    block = model.layers[2]
    for container in (model.layers, block.layers, block.shortcut, model.layout.names):
        assert isinstance(container, tuple)
    for name, value in vars(model.layout).items():
        if not name.startswith("_"):
            assert not isinstance(value, list | dict | set), name
        with pytest.raises(AttributeError, match=f"{name}: "):
            setattr(model.layout, name, value)
    assert all(isinstance(each, tuple) for each in model.layout.offsets)


def test_lists_that_the_user_gave_are_the_users_own():
    inner, milestones, names = [vg.Dense(4)], [3, 7], ["dense1"]
    factors, top = {"dense1": 0.5}, None
    block = vg.Residual(inner)
    top = [vg.Dense(4), block]
    model = vg.Sequential(top, input_shape=4, seed=0)
    amplify = [vg.Amplification(names, 2.0)]
    rate = schedules.MultiStep(0.1, milestones)
    model.compile(
        "mse", vg.SGD(rate), amplify=amplify, learning_rates=factors, frozen=frozen(names)
    )
    before = model.session.description()
    for given in (inner, top, amplify):
        given.clear()
    milestones[:] = [1]
    names[:] = ["nobody"]
    factors["dense1"] = 9.0
    assert model.session.description() == before


def frozen(names):
    return [f"residual1.{name}" for name in names]


@pytest.mark.parametrize(
    "thing",
    [
        vg.Adam(),
        vg.schedules.Cosine(0.1, 5),
        vg.GradientNoise(),
        vg.Amplification(["a"], 2.0, range(3)),
        vg.leaky_relu(),
        vg.initializers.Normal(),
    ],
)
def test_what_models_share_is_read_only(thing):
    for name in [*vars(thing), "made_up"]:
        if name != "learning_rate":
            with pytest.raises(AttributeError, match=name):
                setattr(thing, name, 0.5)
        with pytest.raises(AttributeError, match=name):
            delattr(thing, name)


def test_an_optimizer_takes_no_rate_by_another_name():
    optimizer = vg.SGD(0.1)
    with pytest.raises(AttributeError, match="lr: only learning_rate may be assigned"):
        optimizer.lr = 0.5


# ---- dropout rates


def network(rate, recurrent=0.0):
    return vg.Sequential(
        [
            vg.Bidirectional(vg.LSTM(5, recurrent_dropout=recurrent, return_sequences=True)),
            vg.Residual([vg.Dropout(rate, across_time=True), vg.Dense(10, "tanh")]),
            vg.RNN(4, recurrent_dropout=recurrent),
            vg.Dropout(rate),
            vg.Dense(3),
        ],
        input_shape=(None, 4),
        seed=1,
    )


def set_rates(model, rate, recurrent):
    model.layers[0].forward_layer.recurrent_dropout = recurrent
    model.layers[1].layers[0].rate = rate
    model.layers[2].recurrent_dropout = recurrent
    model.layers[3].rate = rate


def train(model, **options):
    model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, **options)
    return {k: v.tobytes() for k, v in model.state_dict().items()}


def test_a_rate_that_changes_is_the_one_trained_with():
    changed, made = network(0.1), network(0.6, 0.4)
    for model in (changed, made):
        model.compile("mse", vg.Adam())
    changed.gradients(X, Y)  # so that there is a plan
    set_rates(changed, 0.6, 0.4)
    assert changed.layers[0].backward_layer.recurrent_dropout == 0.4
    assert train(changed) == train(made)


@pytest.mark.parametrize("copied", [lambda m: m, copy.deepcopy, "saved"])
def test_a_rate_that_changes_between_fits_goes_on_from_the_step(copied, tmp_path):
    """Two fits of which the second has other rates: as a model that is made so and gets the first's state."""
    one = network(0.1)
    one.compile("mse", vg.Adam())
    train(one)
    steps = one.step
    set_rates(one, 0.6, 0.4)
    assert one.step == steps
    if copied == "saved":
        one.save(tmp_path / "model")
        other = vg.load(tmp_path / "model")
    else:
        other = copied(one)
    assert [other.layers[1].layers[0].rate, other.layers[2].recurrent_dropout] == [0.6, 0.4]
    two = network(0.6, 0.4)
    two.compile("mse", vg.Adam())
    two.session.seed = one.session.seed
    for vector, source in zip(
        two.session.vectors().values(), one.session.vectors().values(), strict=True
    ):
        vector[...] = source
    two.session.step = steps
    assert train(other) == train(two)


def test_a_rate_may_change_inside_a_callback():
    model = network(0.1)
    model.compile("mse", vg.Adam())
    flow = vg.GradientFlow()
    rates = []

    def callback(progress):
        model.layers[3].rate = 0.9 if progress.epoch else 0.0
        rates.append(model.layers[3].rate)

    train(model, callbacks=[vg.callbacks.OnProgress(callback)], track=flow)
    assert rates[-1] == 0.9
    assert len(flow) == model.step == 6


@pytest.mark.parametrize(
    ("value", "error"),
    [(1, ValueError), (-0.1, ValueError), (float("nan"), ValueError), ("x", TypeError)],
)
@pytest.mark.parametrize(
    ("place", "name"), [(3, "rate"), (2, "recurrent_dropout"), (0, "recurrent_dropout")]
)
def test_a_bad_rate_changes_nothing(place, name, value, error):
    model = network(0.1)
    layer = model.layers[place]
    layer = layer.forward_layer if place == 0 else layer
    before = model.session.description()
    with pytest.raises(error, match=f"^{name}: "):
        setattr(layer, name, value)
    assert model.session.description() == before


# ---- names


def named():
    model = network(0.1)
    model.compile(
        "mse",
        vg.Adam(),
        frozen=["residual1.dense1"],
        learning_rates={"residual1": 0.5, "rnn1": 2.0},
        amplify=[vg.Amplification(["bidirectional1", "residual1.dense1"], 3.0)],
    )
    return model


def rename(model):
    model.layers[0].name = "both"
    model.layers[1].name = "block"
    model.layers[1].layers[1].name = "inner"
    model.layers[2].name = "walk"


def test_a_new_name_is_seen_everywhere_and_saved(tmp_path):
    model, plain = named(), named()
    train(model)
    rename(model)
    train(plain)
    assert {"both.weight_ih", "block.inner.weight", "walk.weight_hh"} <= set(model.state_dict())
    assert [row[0] for row in model.summary().layers][:3] == ["both", "block", "walk"]
    columns = ["both.forward", "both.backward", "block.dropout1", "block.inner", "block", "walk"]
    assert [*model.layout.columns][:6] == columns
    assert model.layout.names == tuple(model.state_dict())
    assert model.gradient_flow(X, Y).layers[:6] == columns
    config = model.session.compiled.config()
    assert config["frozen"] == ("block.inner",)
    assert config["learning_rates"] == {"block": 0.5, "walk": 2.0}
    assert config["amplify"][0]["layers"] == ("both", "block.inner")
    assert model.layers[1].views["inner.weight"].base is not None
    assert model.layers[0].backward_layer.name == "both"
    model.save(tmp_path / "model")
    again = vg.load(tmp_path / "model")
    assert again.state_dict().keys() == model.state_dict().keys()
    results = [list(train(each).values()) for each in (model, plain, again)]
    assert results[0] == results[1] == results[2]


def test_a_new_name_is_of_the_same_parameters():
    model = named()
    view = model.layers[2].weight_ih
    rename(model)
    model.layers[2].weight_ih = np.ones(view.shape)
    assert (view == 1).all()
    model.load_state_dict(model.state_dict())


def test_the_amplification_that_was_given_keeps_its_names():
    model = vg.Sequential([vg.Dense(3)], input_shape=4)
    given = vg.Amplification(["dense1"], 2.0)
    model.compile(amplify=given)
    model.layers[0].name = "new"
    assert given.layers == ("dense1",)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("rnn1", ValueError, "name: expected one that no other"),
        ("a.b", ValueError, r"name: .*without '\.'"),
        ("", ValueError, "name: expected a non-empty"),
        (None, TypeError, "name: expected a str, got None"),
        (3, TypeError, "name: expected a str, got 3"),
    ],
)
def test_a_bad_name_changes_nothing(name, error, message):
    model = named()
    before = model.session.description()
    with pytest.raises(error, match=message):
        model.layers[1].name = name
    inner = model.layers[1].layers[0]
    if name != "rnn1":
        with pytest.raises(error, match=message):
            inner.name = name
    with pytest.raises(ValueError, match="name: "):
        inner.name = "dense1"
    with pytest.raises(AttributeError, match="name: both directions go by that of bidirectional1"):
        model.layers[0].forward_layer.name = "left"
    assert model.session.description() == before


def test_a_name_is_checked_before_a_model_too():
    layer = vg.Dense(3)
    with pytest.raises(ValueError, match="name: "):
        layer.name = "a.b"
    layer.name = "first"
    layer.name = None
    vg.Sequential([layer], input_shape=2)
    assert layer.name == "dense1"


def test_a_flow_of_old_names_is_refused_by_name():
    model = named()
    flow = vg.GradientFlow()
    train(model, track=flow)
    rename(model)
    steps = model.step
    with pytest.raises(ValueError, match=r"track: .*block\.inner.*residual1\.dense1"):
        train(model, track=flow)
    assert model.step == steps
    fresh = vg.GradientFlow()
    train(model, track=fresh)
    assert len(flow) == len(fresh) == 6


def test_a_name_that_changes_while_fit_tracks_ends_it_with_the_record_whole():
    model, flow = named(), vg.GradientFlow()

    def callback(progress):
        if progress.epoch == 1:
            model.layers[2].name = "walk"

    with pytest.raises(RuntimeError, match="renamed"):
        train(model, track=flow, callbacks=[vg.callbacks.OnProgress(callback)])
    assert len(flow) == model.step == 3
    assert flow.time["rnn1"].shape == (3, 6)
    train(
        model,
        callbacks=[
            vg.callbacks.OnProgress(
                lambda progress: setattr(model.layers[2], "name", f"w{progress.step}")
            )
        ],
    )


# ---- copies of layers


def unpickled(layer):
    return pickle.loads(pickle.dumps(layer))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, unpickled])
@pytest.mark.parametrize("kind", ALONE)
def test_a_copy_of_a_layer_belongs_to_nobody(kind, copied):
    layer = ALONE[kind]()
    other = copied(layer)
    assert other.config() == layer.config()
    assert not {id(part) for part in with_parts(other)} & {id(part) for part in with_parts(layer)}
    assert_read_only(other)
    for member in other.members():
        with pytest.raises(ValueError, match="already belongs to a block"):
            vg.Residual([member])


def test_a_copy_of_a_models_layer_may_join_another():
    model = vg.Sequential([vg.Residual([vg.Dense(3)])], input_shape=3, seed=0)
    block = copy.copy(model.layers[0])
    assert block.layers[0].views == {}
    other = vg.Sequential([block], input_shape=3, seed=1)
    block.layers[0].name = "mine"
    assert next(iter(model.state_dict())) == "residual1.dense1.weight"
    assert next(iter(other.state_dict())) == "residual1.mine.weight"


def test_a_layer_without_parameters_is_in_one_model_only():
    layer = vg.Dropout(0.5)
    model = vg.Sequential([vg.Dense(3), layer], input_shape=3)
    with pytest.raises(ValueError, match="layers: dropout1 already belongs to a model"):
        vg.Sequential([layer, vg.Dense(3)], input_shape=3)
    assert model.layers[1].name == "dropout1"


def test_a_user_may_note_something_on_a_model():
    model = vg.Sequential([vg.Dense(3)], input_shape=4)
    model.note = 1
    model.note = 2
    assert model.note == 2


def test_the_shape_of_a_view_is_its_users():
    model = vg.Sequential([vg.Dense(3)], input_shape=4, dtype="float64", seed=0)
    for view in (model.layers[0].weight, model.layers[0].views["weight"]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            view.T.shape = (12,)
            view.strides = view.strides[::-1]
    model.layers[0].weight = np.arange(12.0).reshape(3, 4)
    state = model.state_dict()["dense1.weight"]
    np.testing.assert_array_equal(state, np.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("name", ["a\0", "é\ud800", "x" * 70_000, "two\nlines", ""])
def test_names_that_files_cannot_hold_are_refused(name):
    with pytest.raises(ValueError, match="name: expected a non-empty str"):
        vg.Dense(3, name=name)
    model = vg.Sequential([vg.Dense(3)], input_shape=2)
    with pytest.raises(ValueError, match="name: expected a non-empty str"):
        model.layers[0].name = name
    assert model.layers[0].name == "dense1"
