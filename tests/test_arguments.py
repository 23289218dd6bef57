"""Every argument of everything public, given what it cannot be: the message names it.

What is legal of it is listed; all else must raise TypeError or ValueError, or for sizes MemoryError.
"""

import inspect
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import get_origin

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import vgcore as vg
from vgcore import (
    activations,
    callbacks,
    data,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    plot,
    schedules,
)
from vgcore.layers.recurrent import Recurrent

matplotlib.use("Agg")


class Anything:
    def __init__(self, *arguments):
        """Take whatever a callback or an initializer gets."""


WRONG = {
    "None": None,
    "text": "x",
    "1.5": 1.5,
    "-1": -1,
    "0": 0,
    "True": True,
    "nan": float("nan"),
    "inf": float("inf"),
    "2**70": 2**70,
    "1j": 1j,
    "bytes": b"x",
    "[]": [],
    "()": (),
    "{}": {},
    "object": object(),
    "class": Anything,
    "function": lambda *arguments: None,
    "0-d array": np.array(3),
    "empty array": np.empty(0),
    "masked array": np.ma.array([1.0, 2.0], mask=[0, 1]),
}

# Legal values of an argument wherever there is one of that name ...
NUMBER, NOT_NEGATIVE, POSITIVE, NONE_AT_ALL = "1.5 -1 0 2**70", "1.5 0 2**70", "1.5 2**70", ""
OPTIONAL, SWITCH, EMPTY, SHARE = "None", "True", "[] () empty array", "0"
SEED = "None 0 True 2**70 [] () empty array"  # as NumPy takes it
LEGAL = {
    "across_time": SWITCH,
    "channels_first": SWITCH,
    "activation": OPTIONAL,
    "alone": SWITCH,
    "alpha": POSITIVE,
    "bias_initializer": "function",
    "beta1": SHARE,
    "beta2": SHARE,
    "append": SWITCH,
    "best": "True text",
    "callbacks": f"None {EMPTY}",
    "delta": POSITIVE,
    "min_delta": NOT_NEGATIVE,
    "restore_best": SWITCH,
    "class_weight": "None {}",
    "drop_last": SWITCH,
    "ignore_index": OPTIONAL,
    "initial_epoch": SHARE,
    "label_smoothing": SHARE,
    "metrics": f"None {EMPTY}",
    "sample_weight": OPTIONAL,
    "validation_split": OPTIONAL,
    "verbose": "0 True",
    "watch": SWITCH,
    "cures": SWITCH,
    "history": OPTIONAL,
    "centered": SWITCH,
    "checkpoint": OPTIONAL,
    "classes": OPTIONAL,
    "cooldown": SHARE,
    "count_include_pad": SWITCH,
    "decay": NOT_NEGATIVE,
    "end_rate": NOT_NEGATIVE,
    "power": POSITIVE,
    "directory": "None text",
    "epochs": OPTIONAL,
    "epsilon": POSITIVE,
    "eta": POSITIVE,
    "factor": POSITIVE,
    "final_div_factor": POSITIVE,
    "div_factor": POSITIVE,
    "frozen": EMPTY,
    "amplify": EMPTY,
    "function": "class function",
    "gain": NUMBER,
    "gamma": NOT_NEGATIVE,
    "gate": f"None {NUMBER}",
    "gate_activation": OPTIONAL,
    "gate_bias": NUMBER,
    "go_backwards": SWITCH,
    "initial": NUMBER,
    "initial_accumulator_value": NOT_NEGATIVE,
    "initial_state": OPTIONAL,
    "lags": EMPTY,
    "learning_rate": NOT_NEGATIVE,
    "learning_rates": "None {}",
    "lengths": OPTIONAL,
    "logits": SWITCH,
    "lr_decay": NOT_NEGATIVE,
    "mean": NUMBER,
    "min_rate": SHARE,
    "momentum": SHARE,
    "momentum_decay": NOT_NEGATIVE,
    "name": "None text",
    "nesterov": SWITCH,
    "noise": OPTIONAL,
    "omega": NOT_NEGATIVE,
    "one_hot": SWITCH,
    "padding": SHARE,
    "path": "text bytes",
    "padding_idx": "None -1 0",
    "patience": SHARE,
    "peepholes": SWITCH,
    "period_factor": OPTIONAL,
    "permutation_seed": "None 0",
    "rate": NOT_NEGATIVE,
    "recurrent_activation": OPTIONAL,
    "recurrent_dropout": SHARE,
    "dropout": "0",
    "recurrent_initializer": "function",
    "reset_after": SWITCH,
    "return_sequences": SWITCH,
    "return_state": SWITCH,
    "rho": SHARE,
    "scale": SWITCH,
    "seconds": f"None {POSITIVE}",
    "seed": SEED,
    "shared": SWITCH,
    "shift": SWITCH,
    "shortcut": EMPTY,
    "shuffle": SWITCH,
    "sigma_b": "1.5 0",
    "sigma_w": "1.5 0",
    "sparsity": SHARE,
    "start_factor": SHARE,
    "stateful": SWITCH,
    "strict": SWITCH,
    "std": NOT_NEGATIVE,
    "stddev": NOT_NEGATIVE,
    "step": OPTIONAL,
    "target": POSITIVE,
    "tbptt": OPTIONAL,
    "threshold": SHARE,
    "times": OPTIONAL,
    "transient": "0",
    "tolerance": POSITIVE,
    "track": OPTIONAL,
    "unit_forget_bias": SWITCH,
    "use_bias": SWITCH,
    "validation_data": OPTIONAL,
    "value": NUMBER,
    "weight_decay": NOT_NEGATIVE,
    "weight_initializer": "function",
    "wrt_inputs": SWITCH,
    **{f"clip_{kind}": f"None {POSITIVE}" for kind in ("norm", "value", "layer_norm", "adaptive")},
}
# ... of pictures
OF_PICTURES = {
    **dict.fromkeys(
        ("ax", "figure", "color", "gate", "path", "smooth", "steps", "layers"), OPTIONAL
    ),
    **dict.fromkeys(("band", "layer", "activation"), OPTIONAL),
    "step": "None 0 -1",
    "legend": SWITCH,
    "label": "None text",
    "log": f"None {SWITCH}",
    "fps": "1.5 2**70",
    "theory": "None {}",
    "exponents": EMPTY,
    "name": NONE_AT_ALL,
    "z": f"None 1.5 -1 0 {SWITCH} nan inf {EMPTY} 0-d array",
    **dict.fromkeys(("sigma_w", "sigma_b"), NONE_AT_ALL),
}
SEQUENCE_TASKS = ("adding_problem", "temporal_order", "copy_memory", "parity")
POINTS = ("spirals", "circles", "moons", "xor", "sine")
# ... and where it is another
EXCEPT = {
    ("live.explore", "flow"): OPTIONAL,
    **{
        (f"plot.{name}", argument): legal
        for name in plot.__all__
        for argument, legal in OF_PICTURES.items()
    },
    **{(f"plot.{name}", "step"): OPTIONAL for name in ("gates", "histograms")},
    ("plot.compare", "layer"): SHARE,
    ("plot.branches", "step"): "None -1 0",
    **{(f"plot.{name}", "layer"): "None -1 0" for name in ("distribution", "gates")},
    **{("plot.heatmap", argument): f"None {POSITIVE}" for argument in ("vmin", "vmax")},
    ("plot.histograms", "field"): OPTIONAL,
    ("plot.history", "history"): "{}",
    ("plot.compare", "over"): OPTIONAL,
    **{("report", argument): OPTIONAL for argument in ("model", "diagnosis")},
    ("GradientFlow", "distributions"): f"{SWITCH} {EMPTY}",
    ("GradientFlow", "units"): f"{SWITCH} {EMPTY}",
    ("diagnose", "seconds"): POSITIVE,
    ("gradient_flow", "distributions"): SWITCH,
    ("gradient_flow", "units"): SWITCH,
    ("internals", "y"): OPTIONAL,
    ("internals", "layers"): OPTIONAL,
    ("Activation of a layer", "name"): NONE_AT_ALL,
    ("Activation of a layer", "alpha"): NUMBER,
    ("Amplification", "layers"): EMPTY,
    ("AvgPool", "stride"): OPTIONAL,
    ("AlphaDropout", "rate"): SHARE,
    ("Dropout", "rate"): SHARE,
    ("GradientFlow", "steps"): f"None {EMPTY}",
    ("MaxPool", "stride"): OPTIONAL,
    ("Nesterov", "momentum"): NONE_AT_ALL,
    ("RMSNorm", "epsilon"): f"None {POSITIVE}",
    ("RMSProp", "alpha"): SHARE,
    ("ReduceOnPlateau", "factor"): NONE_AT_ALL,
    ("SGD", "nesterov"): NONE_AT_ALL,
    ("Uniform", "high"): POSITIVE,
    ("Uniform", "low"): "-1 0",
    ("VarianceScaling", "gain"): NOT_NEGATIVE,
    ("gain", "activation"): NONE_AT_ALL,
    ("hard_sigmoid", "slope"): POSITIVE,
    ("initializers.get", "spec"): "function",
    ("activations.get", "spec"): OPTIONAL,
    ("leaky_relu", "alpha"): NOT_NEGATIVE,
    ("lyapunov", "k"): OPTIONAL,
    **{(name, "layer"): OPTIONAL for name in ("input_jacobian", "singular_values")},
    **{(f"data.{name}", "seed"): "0" for name in (*SEQUENCE_TASKS, *POINTS)},
    **{(f"data.{name}", "noise"): NOT_NEGATIVE for name in POINTS},
    ("data.circles", "factor"): SHARE,
    ("data.spirals", "classes"): NONE_AT_ALL,
    ("data.spirals", "turns"): NOT_NEGATIVE,
    ("data.sine", "periods"): POSITIVE,
    **{("data.train_test_split", name): "None 0" for name in ("seed", "random_state")},
    ("data.train_test_split", "test"): OPTIONAL,
    ("data.train_test_split", "test_size"): OPTIONAL,
    ("data.train_test_split", "train_size"): OPTIONAL,
    ("data.train_test_split", "stratify"): OPTIONAL,
    ("EarlyStopping", "monitor"): "text",
    ("data.pad_sequences", "maxlen"): OPTIONAL,
    ("data.pad_sequences", "dtype"): OPTIONAL,
    ("data.pad_sequences", "padding"): NONE_AT_ALL,
    ("compile", "decay"): NONE_AT_ALL,
    ("compile", "metrics"): EMPTY,
    ("fit", "drop_last"): NONE_AT_ALL,  # there are fewer samples than a minibatch has
    ("PerEpoch", "steps"): OPTIONAL,
    ("per_epoch", "steps"): OPTIONAL,
    ("fit", "epochs"): NONE_AT_ALL,
    ("fit_many", "drop_last"): NONE_AT_ALL,
    ("fit_many", "epochs"): NONE_AT_ALL,
    ("plot.heatmap", "x"): OPTIONAL,
    ("plot.heatmap", "y"): OPTIONAL,
    ("plot.heatmap", "value"): OPTIONAL,
    ("plot.heatmap", "log"): NONE_AT_ALL,
    ("sweep", "store"): "text bytes",
    ("sweep", "executor"): "None",
    ("sweep", "repeats"): NONE_AT_ALL,
    ("sweep", "retries"): "0",
    ("sweep", "data"): " ".join(WRONG),
    ("sweep", "where"): "None class",
    ("phase_diagram", "sigma_w"): NONE_AT_ALL,
    ("phase_diagram", "sigma_b"): NONE_AT_ALL,
    ("correlation_map", "c"): "-1 0 [] () empty array",
    ("resnet", "classes"): NONE_AT_ALL,
    ("plain", "classes"): NONE_AT_ALL,
    ("RNN", "initial_state"): NONE_AT_ALL,
    ("LSTM", "initial_state"): NONE_AT_ALL,
    ("GRU", "initial_state"): NONE_AT_ALL,
}
# What a message calls an argument that names what another function was given
CALLED = {
    "initializers.get": {"spec": "initializer"},
    "activations.get": {"spec": "activation"},
    "metrics.get": {"spec": "metrics"},
}
# Arguments that are no user's: what to call another in messages
INTERNAL = {
    ("initializers.get", "argument"),
    ("activations.get", "argument"),
    ("activations.get", "learned"),
    ("sweep", "train"),  # what a function returns is a failure of its own, as a warning says
}

RNG = np.random.default_rng(0)
X, Y, SEQUENCES = RNG.normal(size=(8, 4)), np.arange(8) % 3, RNG.normal(size=(8, 5, 4))


def dense():
    model = vg.Sequential([vg.Dense(3, "softmax")], input_shape=4, seed=0)
    model.compile("sparse_categorical_crossentropy")
    return model


def recurrent():
    layer = vg.RNN(5)
    model = vg.Sequential([layer, vg.Dense(3, "softmax")], input_shape=(None, 4), seed=0)
    model.compile("sparse_categorical_crossentropy")
    return model


def blocks():
    return vg.Sequential([vg.Residual([vg.Dense(4)])], input_shape=4)


def tracked():
    flow = vg.GradientFlow()
    recurrent().fit(SEQUENCES, Y, track=flow)
    return flow


def of_nothing(config, seed, data=None):
    return {"number": 1}


def stored():
    """A store, and an executor that starts no process."""
    return {"store": lambda: "sweep.sqlite", "executor": lambda: ThreadPoolExecutor(1)}


class Call:
    """Something to call: its name, its signature, and arguments that are right, made anew each time."""

    def __init__(self, name, function, signature=None, /, **right):
        self.name, self.function, self.right = name, function, right
        self.parameters = [
            p.name
            for p in (signature or inspect.signature(function)).parameters.values()
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name != "self"
        ]

    def __call__(self, argument, value):
        made = {name: right() for name, right in self.right.items() if name != argument}
        return self.function(**made, **{argument: value})


def verb(model, name, **right):
    return Call(
        name,
        lambda **arguments: getattr(model(), name)(**arguments),
        inspect.signature(getattr(vg.Sequential, name)),
        **right,
    )


def is_class(value):
    """Whether it is a class; Python 3.10 takes a ``list[int]`` for one, too."""
    return inspect.isclass(value) and get_origin(value) is None


def classes(room, base):
    kinds = (getattr(room, name) for name in room.__all__)
    return [k for k in kinds if is_class(k) and issubclass(k, base) and k is not base]


RIGHT = {
    "units": lambda: 3,
    "num_embeddings": lambda: 5,
    "embedding_dim": lambda: 3,
    "filters": lambda: 4,
    "kernel_size": lambda: 2,
    "pool_size": lambda: 2,
    "shape": lambda: (2, 2),
    "activation": lambda: "tanh",
    "layer": lambda: vg.RNN(3),
    "layers": lambda: [vg.Dense(4)],
    "branches": lambda: [vg.Dense(4), vg.Dense(4)],
    "rate": lambda: 0.1,
    "stddev": lambda: 0.1,
    "groups": lambda: 2,
    "steps": lambda: 5,
    "period": lambda: 3,
    "milestones": lambda: [3],
    "factor": lambda: 0.5,
    "decay": lambda: 0.1,
    "schedule": lambda: schedules.Constant(0.1),
    "function": lambda: np.zeros,
}


def picture(name, **right):
    """A function of vgcore.plot, whose figures are closed."""

    def draw(**arguments):
        try:
            made = getattr(plot, name)(**arguments)
            if name == "animate":
                made._draw_was_started = True  # or matplotlib warns that nobody looked
        finally:
            pyplot.close("all")

    return Call(f"plot.{name}", draw, inspect.signature(getattr(plot, name)), **right)


def seen():
    model = recurrent()
    return model.internals(SEQUENCES, Y)


def spread():
    flow = vg.GradientFlow(distributions=True)
    recurrent().fit(SEQUENCES, Y, track=flow)
    return flow


def blocks_tracked():
    model = vg.Sequential([vg.Residual([vg.Dense(4)]), vg.Dense(3, "softmax")], input_shape=4)
    model.compile("sparse_categorical_crossentropy")
    return model.gradient_flow(X, Y)


def constructor(kind):
    needed = [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    call = Call(kind.__name__, kind, **{name: RIGHT[name] for name in needed})
    if issubclass(kind, Recurrent):
        shared = inspect.signature(Recurrent.__init__).parameters.values()
        call.parameters += [p.name for p in shared if p.kind is p.KEYWORD_ONLY]
    return call


def xs():
    return {"x": lambda: X, "y": lambda: Y}


def of_sequences():
    return {"x": lambda: SEQUENCES, "y": lambda: Y}


NETWORK = {
    "activation": lambda: "tanh",
    "sigma_w": lambda: 1.0,
    "sigma_b": lambda: 0.1,
}
CODES = {"codes": lambda: np.arange(30)}
VERBS = ("fit", "train_on_batch", "gradients", "gradient_flow", "evaluate")
CALLS = [
    *map(constructor, classes(layers, layers.Layer)),
    *map(constructor, classes(optimizers, optimizers.Optimizer)),
    *map(constructor, classes(schedules, schedules.Schedule)),
    Call("per_epoch", schedules.per_epoch, schedule=lambda: schedules.Constant(0.1)),
    *map(constructor, classes(initializers, initializers.Initializer)),
    Call(
        "initializer()",
        lambda shape, rng, dtype: initializers.Zeros()(shape, rng, dtype),
        shape=lambda: (2,),
        rng=lambda: RNG,
        dtype=lambda: "float32",
    ),
    Call("gain", initializers.gain, activation=lambda: "tanh"),
    Call("initializers.get", initializers.get, spec=lambda: "he_normal"),
    Call("lsuv", initializers.lsuv, model=dense, x=lambda: X),
    Call("fixup", initializers.fixup, model=blocks),
    Call("activations.get", activations.get, spec=lambda: "tanh"),
    Call("Activation of a layer", activations.Activation, name=lambda: "tanh"),
    Call("leaky_relu", vg.leaky_relu),
    Call("elu", vg.elu),
    Call("celu", activations.celu),
    Call("snake", activations.snake),
    Call("hard_sigmoid", activations.hard_sigmoid),
    Call("gelu", activations.gelu),
    Call("formula", activations.formula, text=lambda: "z * sigmoid(z)"),
    Call("Amplification", vg.Amplification, layers=lambda: ["a"], factor=lambda: 2.0),
    Call("GradientNoise", vg.GradientNoise),
    Call("GradientFlow", vg.GradientFlow),
    Call("concat", vg.concat, flows=lambda: [vg.GradientFlow()]),
    Call("Huber", losses.Huber),
    Call("Custom", losses.Custom, function=lambda: lambda y, h: (y, h)),
    Call("TopK", metrics.TopK),
    Call("metrics.get", metrics.get, spec=lambda: "mae"),
    Call("EarlyStopping", callbacks.EarlyStopping),
    Call("OnProgress", callbacks.OnProgress, function=lambda: print),
    Call(
        "Checkpoint",
        lambda **given: callbacks.Checkpoint(**given),
        inspect.signature(callbacks.Checkpoint),
        path=lambda: "model.npz",
    ),
    Call("CSVLogger", callbacks.CSVLogger, path=lambda: "log.csv"),
    Call(
        "time_rate",
        lambda **given: tracked().time_rate(**given),
        inspect.signature(vg.GradientFlow.time_rate),
        layer=lambda: "rnn1",
    ),
    Call("Sequential", vg.Sequential, layers=lambda: [vg.Dense(3)], input_shape=lambda: 4),
    *(verb(dense, name, **xs()) for name in VERBS),
    *(verb(recurrent, name, **of_sequences()) for name in VERBS),
    Call("fit_many", vg.fit_many, models=lambda: [dense(), dense()], **xs()),
    verb(dense, "diagnose", x=lambda: X, y=lambda: Y, cures=lambda: False),
    verb(dense, "predict", x=lambda: X),
    verb(recurrent, "predict", x=lambda: SEQUENCES),
    verb(dense, "internals", x=lambda: X, y=lambda: Y),
    verb(recurrent, "internals", x=lambda: SEQUENCES),
    verb(dense, "compile"),
    verb(recurrent, "compile"),
    verb(dense, "summary"),
    verb(recurrent, "summary"),
    verb(dense, "load_state_dict", state=lambda: dense().state_dict()),
    verb(recurrent, "state_jacobian", x=lambda: SEQUENCES, layer=lambda: "rnn1", lags=lambda: [1]),
    Call(
        "lyapunov",
        vg.theory.lyapunov,
        model=recurrent,
        x=lambda: SEQUENCES,
        layer=lambda: "rnn1",
    ),
    *(
        Call(name, getattr(vg.theory, name), model=dense, x=lambda: X)
        for name in ("input_jacobian", "singular_values")
    ),
    Call("critical", vg.critical, activation=lambda: "tanh"),
    *(
        Call(name, getattr(vg.meanfield, name), **NETWORK)
        for name in ("length_map", "chi", "depth_scale", "correlation")
    ),
    Call(
        "phase_diagram",
        vg.meanfield.phase_diagram,
        activation=lambda: "tanh",
        sigma_w=lambda: [1.0],
        sigma_b=lambda: [0.0],
    ),
    Call("correlation_map", vg.meanfield.correlation_map, **NETWORK, c=lambda: 0.5),
    Call("predict of theory", vg.theory.predict, model=dense, x=lambda: X),
    Call("of", lambda field: vg.theory.predict(dense(), X).of(field), field=lambda: "delta"),
    Call("resnet", vg.zoo.resnet, depth=lambda: 8, input_shape=lambda: (3, 8, 8), width=lambda: 2),
    Call("plain", vg.zoo.plain, depth=lambda: 8, input_shape=lambda: (3, 8, 8), width=lambda: 2),
    Call("data.adding_problem", data.adding_problem, n=lambda: 3, length=lambda: 9),
    Call("data.temporal_order", data.temporal_order, n=lambda: 3, length=lambda: 9),
    Call("data.copy_memory", data.copy_memory, n=lambda: 3, delay=lambda: 4),
    Call("data.parity", data.parity, n=lambda: 3, length=lambda: 9),
    *(Call(f"data.{name}", getattr(data, name), n=lambda: 9) for name in POINTS),
    Call("data.train_test_split", data.train_test_split, **xs()),
    Call("data.one_hot", data.one_hot, y=lambda: Y),
    Call("data.pad_sequences", data.pad_sequences, sequences=lambda: [[0.5], [1.5, 2.5]]),
    Call("data.text", data.text, path=lambda: "nowhere"),
    Call("data.mnist", data.mnist, directory=lambda: "nowhere"),
    Call("data.sequential_mnist", data.sequential_mnist, directory=lambda: "nowhere"),
    Call("data.split_tail", data.split_tail, **CODES),
    Call("data.windows", data.windows, **CODES, length=lambda: 3),
    Call("data.streams", data.streams, **CODES, length=lambda: 3, batch_size=lambda: 2),
    Call("chance.temporal_order", data.chance.temporal_order),
    Call("chance.copy_memory", data.chance.copy_memory, delay=lambda: 3),
    Call("chance.text", data.chance.text, characters=lambda: 3),
    Call("encode", data.Text(np.arange(2), "ab").encode, string=lambda: "a"),
    Call("decode", data.Text(np.arange(2), "ab").decode, codes=lambda: [0]),
    verb(dense, "save", path=lambda: "nowhere"),
    Call("load", vg.load, path=lambda: "nowhere"),
    Call("GradientFlow.load", vg.GradientFlow.load, path=lambda: "nowhere"),
    Call("GradientFlow.save", lambda path: tracked().save(path), path=lambda: "nowhere"),
    Call("GradientFlow.to_csv", lambda path: tracked().to_csv(path), path=lambda: "nowhere"),
    Call("exchange.from_keras", lambda model: vg.exchange.from_keras(model), model=dense),
    Call("exchange.to_keras", lambda model: vg.exchange.to_keras(model), model=dense),
    Call("exchange.to_onnx", vg.exchange.to_onnx, model=dense, path=lambda: "nowhere"),
    Call("exchange.from_onnx", lambda path: vg.exchange.from_onnx(path), path=lambda: "nowhere"),
    picture("activation", activation=lambda: "tanh"),
    picture("animate", flow=tracked),
    picture("branches", source=blocks_tracked),
    picture("compare", flows=lambda: {"a": tracked()}),
    picture("dashboard", flow=tracked),
    picture("distribution", flow=spread),
    picture("flow", flow=tracked),
    picture("gates", source=seen),
    picture("heatmap", source=tracked),
    picture("histograms", source=seen),
    picture("history", history=lambda: dense().fit(X, Y)),
    picture("live", flow=tracked),
    picture("lyapunov", exponents=lambda: [0.0, -1.0]),
    picture("over_training", flow=tracked),
    picture("phase_diagram", activation=lambda: "tanh"),
    picture("saturation", flow=tracked),
    picture("singular_values", source=dense),
    picture("time", flow=tracked),
    Call("live.explore", vg.live.explore, model=dense, x=lambda: X, y=lambda: Y),
    Call("sweep", vg.sweep, train=lambda: of_nothing, grid=lambda: {"a": [1]}, **stored()),
    Call("report", vg.report, path=lambda: "run.html", flow=tracked),
    Call("set_num_threads", vg.set_num_threads, n=lambda: 1),
]
CASES = [
    (call, argument)
    for call in CALLS
    for argument in call.parameters
    if (call.name, argument) not in INTERNAL
]


def legal_values(call, argument):
    given = EXCEPT.get((call.name, argument), LEGAL.get(argument, NONE_AT_ALL))
    return {value for value in WRONG if f" {value} " in f" {given} "}


@pytest.fixture(autouse=True)
def as_many_threads_as_before():
    threads = vg.get_num_threads()
    yield
    vg.set_num_threads(threads)


@pytest.mark.parametrize(
    ("call", "argument"), CASES, ids=[f"{call.name}-{argument}" for call, argument in CASES]
)
def test_an_argument_that_cannot_be_is_named(call, argument, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data.mnist_files, "_download", no_file)
    legal, named = legal_values(call, argument), CALLED.get(call.name, {}).get(argument, argument)
    for kind, value in WRONG.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                call(argument, value)
        except FileNotFoundError:
            assert kind in legal, f"{kind} was taken for a path"
        except (TypeError, ValueError, MemoryError, KeyError) as error:
            assert kind not in legal, f"{kind}: {error}"
            assert named in str(error), f"{kind}: {error}"
            assert "expected" in str(error) or named == "initial_state", f"{kind}: {error}"
        else:
            assert kind in legal, f"{kind} was taken"


def no_file(name):
    raise FileNotFoundError(name)


def test_everything_public_is_tried():
    tried = {call.name.rpartition(".")[2] for call in CALLS}
    rooms = (vg, layers, initializers, schedules, optimizers, data, losses, metrics, callbacks)
    rooms += (vg.theory, plot)
    public = {
        name
        for room in rooms
        for name in room.__all__
        if callable(getattr(room, name)) and not inspect.ismodule(getattr(room, name))
    }
    bases = {"Layer", "Initializer", "Schedule", "Optimizer", "Metric", "Callback"}
    figures = {"blank", "panels", "check_path"}  # for those who write programs that draw
    results = {
        "Draw",
        "Prediction",
        "Scaled",
        "Plateau",
        "Epochs",
        "Course",
        "Text",
        "Loss",
        "Lyapunov",
        "Pairs",
        "SentencePairs",
    }  # what functions give
    nothing_to_give = {"get_num_threads", "digits", "names"}
    nothing_to_give |= {"Accuracy", "MeanAbsoluteError", "R2", "ConfusionMatrix"}
    files = {"from_config", "sentence_pairs"}  # that tests of files try, with what is in them
    assert public - tried == bases | results | nothing_to_give | files | figures
    verbs = {name for name in vars(vg.Sequential) if not name.startswith("_")}
    verbs = {name for name in verbs if inspect.isfunction(getattr(vg.Sequential, name))}
    assert verbs - tried == {"reset_states", "state_dict"}
