"""Words of other libraries are answered; each answer exists, and each word meets its answer."""

import copy
import inspect
import pickle
import re
from typing import get_origin

import numpy as np
import pytest

import vgcore as vg
from vgcore import foreign, initializers, layers, optimizers, schedules

RIGHT = {
    "layers": [vg.Dense(3)],
    "layer": vg.RNN(2),
    "schedule": schedules.Constant(0.1),
    "shape": (2, 2),
    "activation": "tanh",
    "milestones": [3],
    "input_shape": 3,
}


def model():
    made = vg.Sequential([vg.Dense(3, "softmax")], input_shape=4, seed=0)
    made.compile("sparse_categorical_crossentropy")
    return made


def classes(room, base):
    kinds = (getattr(room, name) for name in room.__all__)
    kinds = (k for k in kinds if inspect.isclass(k) and get_origin(k) is None)  # Python 3.10
    return [k for k in kinds if issubclass(k, base) and k is not base]


VERBS = ("compile", "fit", "predict", "evaluate", "gradients", "summary")
ANSWERING = {
    kind.__name__: kind
    for kind in (
        *classes(layers, layers.Layer),
        *classes(optimizers, optimizers.Optimizer),
        *classes(schedules, schedules.Schedule),
        *classes(initializers, initializers.Initializer),
        vg.Amplification,
        vg.GradientNoise,
        vg.Sequential,
    )
} | {verb: getattr(model(), verb) for verb in VERBS}
ANSWERING |= {"load": vg.load, "fit_many": vg.fit_many, "sweep": vg.sweep}
PUBLIC = [
    *ANSWERING.values(),
    vg.Sequential.train_on_batch,
    vg.data.train_test_split,
    vg.layers.recurrent.Recurrent.__init__,
]
PARAMETERS = {name for each in PUBLIC for name in inspect.signature(each).parameters}


def resolves(answer):
    for dotted in re.findall(r"vg((?:\.\w+)+)", answer):
        found = vg
        for name in dotted.strip(".").split("."):
            found = getattr(found, name)
    named = set(re.findall(r"(\w+)=", answer)) - {"layer"}
    assert named <= PARAMETERS, named - PARAMETERS


# ---- answers exist


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        *foreign.ATTRIBUTES.items(),
        *foreign.KEYWORDS.items(),
        *(each for table in foreign.MEMBERS.values() for each in table.items()),
        *(each for table in foreign.NAMES.values() for each in table.items()),
    ],
)
def test_answers_exist(word, answer):
    resolves(answer)


KINDS = {
    "loss": lambda name: network().compile(name),
    "metrics": lambda name: (
        classifier().compile("categorical_crossentropy", metrics=[name])
        if name != "r2"
        else network().compile(metrics=[name])
    ),
    "optimizer": optimizers.get,
    "activation": vg.activations.get,
    "initializer": initializers.get,
}


def classifier():
    return vg.Sequential([vg.Dense(7, "softmax")], input_shape=4)


def network():
    return vg.Sequential([vg.Dense(3)], input_shape=4)


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind in foreign.NAMES for word in foreign.NAMES[kind]]
)
def test_names_that_are_answered_are_names(kind, word):
    known = re.findall(r"'(\w+)'", foreign.NAMES[kind][word])
    for name in known:
        KINDS[kind](name)
    assert known or "vg." in foreign.NAMES[kind][word]
    spelt = {"loss": f"{word}_Loss", "optimizer": word.upper(), "activation": word}.get(kind, word)
    with pytest.raises(ValueError, match=f"{kind}: expected one of .*; got .*") as caught:
        KINDS[kind](spelt)
    assert str(caught.value).endswith(foreign.NAMES[kind][word])


# ---- words meet them


@pytest.mark.parametrize("word", foreign.ATTRIBUTES)
def test_attributes(word):
    answer = foreign.ATTRIBUTES[word]
    for room in (
        vg,
        layers,
        optimizers,
        schedules,
        initializers,
        vg.losses,
        vg.activations,
        vg.data,
    ):
        spelt = word.upper()
        with pytest.raises(AttributeError) as caught:
            getattr(room, spelt)
        said = (
            f"; vgcore calls it {answer}" if answer.startswith("vg.") and " " not in answer else ""
        )
        assert str(caught.value) == (
            f"module {room.__name__!r} has no attribute {spelt!r}{said or f'; {answer}'}"
        )


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (lambda: vg.Linear, "vg.Dense"),
        (lambda: vg.Conv2D, "vg.Conv2d"),
        (lambda: vg.BatchNorm1d, "vg.BatchNorm"),
        (lambda: vg.BatchNormalization, "vg.BatchNorm"),
        (lambda: vg.MaxPool2d, "vg.MaxPool"),
        (lambda: vg.nn.Linear, "vg.Dense"),
        (lambda: vg.optim.Adam, "vg.optimizers"),
        (lambda: vg.optimizers.RMSprop, "vg.RMSProp"),
        (lambda: vg.layers.TimeDistributed, "every timestep"),
        (lambda: vg.schedules.CosineAnnealingLR, "vg.schedules.Cosine"),
        (lambda: vg.initializers.GlorotUniform, "'glorot_uniform'"),
        (lambda: vg.losses.BCEWithLogitsLoss, "vg.Sequential.compile"),
        (lambda: vg.activations.relu, "vg.Activation('relu')"),
        (lambda: vg.load_model, "vg.load"),
    ],
)
def test_attributes_as_they_are_spelt(read, answer):
    with pytest.raises(AttributeError, match=re.escape(answer)):
        read()


def test_imports_are_answered():
    with pytest.raises(ImportError, match=r"cannot import name 'Linear' from 'vgcore'; .*vg.Dense"):
        from vgcore import Linear  # noqa: F401
    with pytest.raises(ImportError, match=r"from 'vgcore.layers'; .*vg.MaxPool"):
        from vgcore.layers import MaxPool2d  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'Desne'"):
        from vgcore import Desne  # noqa: F401
    from vgcore import commands  # a room that nothing has opened before

    assert inspect.ismodule(commands)


def needed(callee):
    return {
        name: RIGHT.get(name, 3)
        for name, each in inspect.signature(callee).parameters.items()
        if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    }


def takers(word, answer):
    """What a keyword may be given to in vain, where it is answered."""
    callee, _, plain = word.rpartition(".")
    if callee:
        return [(ANSWERING[callee], plain)]
    names = {name: inspect.signature(each).parameters for name, each in ANSWERING.items()}
    recurrent = inspect.signature(layers.recurrent.Recurrent.__init__).parameters
    for name in ("RNN", "LSTM", "GRU"):
        names[name] = {**names[name], **recurrent}
    return [
        (ANSWERING[name], word)
        for name, parameters in names.items()
        if word not in parameters
        and f"{name}.{word}" not in foreign.KEYWORDS
        and (not answer.isidentifier() or answer in parameters)
    ]


@pytest.mark.parametrize("word", foreign.KEYWORDS)
def test_keywords(word):
    answer = foreign.KEYWORDS[word]
    given = takers(word, answer)
    assert given
    for callee, plain in given:
        with pytest.raises(TypeError) as caught:
            callee(**needed(callee), **{plain: 1})
        assert plain in str(caught.value)
        assert str(caught.value).endswith(answer)


@pytest.mark.parametrize("callee", ANSWERING, ids=str)
def test_keywords_of_nobody_are_refused_as_ever(callee):
    with pytest.raises(TypeError, match="qqq") as caught:
        ANSWERING[callee](**needed(ANSWERING[callee]), qqq=1)
    assert "vgcore calls" not in str(caught.value)


def objects(kind):
    if kind == "Sequential":
        return [model()]
    if kind == "Optimizer":
        return [vg.Adam(), vg.SGD()]
    made = [vg.Dense(3), vg.LSTM(2), vg.Conv1d(2, 1), vg.BatchNorm(), vg.Dropout(0.1)]
    return [*made, *vg.Sequential([vg.LSTM(3), vg.BatchNorm()], input_shape=(4, 2)).layers]


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind in foreign.MEMBERS for word in foreign.MEMBERS[kind]]
)
def test_members(kind, word):
    answer = foreign.MEMBERS[kind][word]
    having = [
        each
        for each in objects(kind)
        if not answer.isidentifier() or answer in {*dir(type(each)), *vars(each)}
    ]
    assert having
    for each in having:
        with pytest.raises(AttributeError) as caught:
            getattr(each, word)
        assert f"object has no attribute {word!r}; " in str(caught.value)
        assert str(caught.value).endswith(answer)
        with pytest.raises(AttributeError) as caught:
            setattr(each, word, 1)
        assert str(caught.value).endswith(answer)


def test_layers_one_by_one():
    """PyTorch's Sequential takes them as arguments."""
    with pytest.raises(
        TypeError, match=r"takes 2 positional arguments .*; layers are a list, as in"
    ):
        vg.Sequential(vg.Dense(3), vg.Dense(2), input_shape=4)
    with pytest.raises(TypeError, match="layers: expected a sequence of layers, got Dense"):
        vg.Sequential(vg.Dense(3), input_shape=4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: vg.Dense(784, 10),
        lambda: vg.Conv2d(1, 32, 3),
        lambda: vg.LSTM(10, 20),
        lambda: vg.BatchNorm(64),
    ],
)
def test_numbers_of_inputs(make):
    """PyTorch's layers take them; here that place is the activation's."""
    resolves(foreign.INPUTS.replace("(inputs, units)", ""))
    with pytest.raises(
        TypeError, match=r"activation: expected a name .* got int; layers find out how"
    ):
        make()


def test_objects_in_the_place_of_names():
    class CrossEntropyLoss:
        """As PyTorch's."""

    for given in (CrossEntropyLoss(), CrossEntropyLoss):
        with pytest.raises(
            TypeError, match=r"loss: expected a name \(str\), got .*calls it 'sparse_"
        ):
            network().compile(given)
    with pytest.raises(TypeError, match=r"loss: expected a name \(str\), got int$"):
        network().compile(3)


# ---- slips of the keyboard


@pytest.mark.parametrize(
    ("slip", "near"),
    [
        (lambda: vg.Desne, "'Dense'"),
        (lambda: vg.optimizers.Adm, "'Adam'"),
        (lambda: vg.Dense(3, activaton="relu"), "'activation'"),
        (lambda: vg.LSTM(3, return_sequence=True), "'return_sequences'"),
        (lambda: vg.SGD(learning_rat=1), "'learning_rate'"),
        (lambda: model().fit(1, 2, epoch=3), "'epochs'"),
        (lambda: model().predct, "'predict'"),
        (lambda: vg.Dense(3).activaton, "'activation'"),
        (lambda: vg.SGD().learning_rte, "'learning_rate'"),
    ],
)
def test_near_words(slip, near):
    with pytest.raises((AttributeError, TypeError), match=rf"; did you mean .*{near}.*\?"):
        slip()


# ---- and nothing else changes


def test_errors_of_ones_own_arguments_are_as_they_were():
    with pytest.raises(TypeError, match="units: expected an integer"):
        vg.Dense("three")
    with pytest.raises(TypeError, match="epochs: expected an integer"):
        model().fit(np.ones((4, 4)), np.zeros(4, int), epochs="3")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'units'"):
        vg.Dense()
    with pytest.raises(AttributeError, match="no weight yet or at all"):
        vg.Dense(3).weight  # noqa: B018
    with pytest.raises(AttributeError, match="'Dense' object has no attribute '_hidden'"):
        vg.Dense(3)._hidden  # noqa: B018
    assert getattr(vg.Dense(3), "kernel", None) is None
    assert not hasattr(vg, "Linear")
    assert not hasattr(model(), "train")


def test_signatures_are_seen():
    assert list(inspect.signature(vg.Sequential.fit).parameters)[:3] == ["self", "x", "y"]
    assert "layers" in inspect.signature(vg.Sequential).parameters
    assert list(inspect.signature(vg.load).parameters) == ["path"]
    assert vg.Sequential.fit.__doc__.startswith("Train for ``epochs`` passes")
    assert "train_on_batch" in vars(vg.Sequential)
    assert not hasattr(vg.Sequential.train_on_batch, "__wrapped__")  # it is called once a step


def test_copies_and_pickles_ask_for_nothing_in_vain():
    for each in (model(), vg.Dense(3), vg.SGD(schedules.Step(1, 2)), vg.LSTM(2)):
        for made in (copy.copy(each), copy.deepcopy(each), pickle.loads(pickle.dumps(each))):
            assert type(made) is type(each)


def test_attributes_of_ones_own_class_may_be_assigned():
    class Own(vg.Sequential):
        pass

    made = Own([vg.Dense(3)], input_shape=4)
    made.comment = "mine"
    assert made.comment == "mine"
    with pytest.raises(
        AttributeError, match="trainable: a Own has no such attribute; it is frozen="
    ):
        made.trainable = False
