"""A NumPy twin of dense networks in float64: forward, losses, backward, clipping, optimizers.

It is written to be read, shares no code with the engine, and is what the tests take for right.
Rows are samples: x (n, in), z and h and delta (n, units), weight (units, in).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

import vgcore as vg

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848

normal_cdf = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), otypes=[float])


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def elu(z, a):
    return np.where(z < 0, a * np.expm1(np.minimum(z, 0)), z)


def elu_slope(z, a):
    return np.where(z > 0, 1, a * np.exp(np.minimum(z, 0)))


def gelu_slope(z, _):
    return normal_cdf(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def mish_slope(z, _):
    gate = np.tanh(softplus(z))
    return gate + z * (1 - gate**2) * sigmoid(z)


def gelu_gate(z):
    """A sigmoid, and its slope; where it is 0 or 1 the slope is 0."""
    near = np.clip(z, -30, 30)
    s = sigmoid(2 * math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))
    return s, s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * near**2)


def sum_of_gate(gate, slope, z):
    return gate + z * slope


# f(z) and f'(z), given the parameter alpha; softmax's is the slope of a unit for itself
ACTIVATIONS = {
    "identity": (lambda z, _: z, lambda z, _: np.ones_like(z)),
    "sigmoid": (lambda z, _: sigmoid(z), lambda z, _: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (lambda z, _: np.tanh(z), lambda z, _: 1 - np.tanh(z) ** 2),
    "relu": (lambda z, _: np.maximum(z, 0), lambda z, _: 1.0 * (z > 0)),
    "leaky_relu": (lambda z, a: np.where(z < 0, a * z, z), lambda z, a: np.where(z > 0, 1, a)),
    "elu": (elu, elu_slope),
    "selu": (
        lambda z, _: SELU_SCALE * elu(z, SELU_ALPHA),
        lambda z, _: SELU_SCALE * elu_slope(z, SELU_ALPHA),
    ),
    "gelu": (lambda z, _: z * normal_cdf(z), gelu_slope),
    "silu": (
        lambda z, _: z * sigmoid(z),
        lambda z, _: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    ),
    "softplus": (lambda z, _: softplus(z), lambda z, _: sigmoid(z)),
    "softsign": (lambda z, _: z / (1 + np.abs(z)), lambda z, _: 1 / (1 + np.abs(z)) ** 2),
    "hard_sigmoid": (
        lambda z, a: np.clip((z + 0.5 / a) * a, 0, 1),
        lambda z, a: np.where(np.abs(z) < 0.5 / a, a, 0),
    ),
    "mish": (lambda z, _: z * np.tanh(softplus(z)), mish_slope),
    "hard_swish": (
        lambda z, _: z * (np.clip(z + 3, 0, 6) / 6),
        lambda z, _: np.where(np.abs(z) < 3, z / 3 + 0.5, z > 0),
    ),
    "gelu_tanh": (lambda z, _: z * gelu_gate(z)[0], lambda z, _: sum_of_gate(*gelu_gate(z), z)),
    "relu6": (lambda z, _: np.clip(z, 0, 6), lambda z, _: 1.0 * ((z > 0) & (z < 6))),
    "celu": (lambda z, a: elu(z / a, 1) * a, lambda z, a: elu_slope(z / a, 1)),
    "snake": (lambda z, a: z + np.sin(a * z) ** 2 / a, lambda z, a: 1 + np.sin(2 * a * z)),
    "softmax": (lambda z, _: softmax(z), lambda z, _: softmax(z) * (1 - softmax(z))),
    "softmin": (lambda z, _: softmax(-z), lambda z, _: softmax(-z) * (softmax(-z) - 1)),
}

NAMES = [name for name in vg.activations.names() if vg.activations.get(name).name == name]
UNITWISE = [name for name in NAMES if vg.activations.get(name).unitwise]
REDUCTIONS = ["mean", "batchmean"]
DTYPES = ["float32", "float64"]
LOSSES = [
    *itertools.product(["binary_crossentropy"], ["sigmoid", "hard_sigmoid", "softmax", "identity"]),
    *itertools.product(
        ["categorical_crossentropy", "sparse_categorical_crossentropy"], ["softmax", "identity"]
    ),
    *itertools.product(["mse"], NAMES),
]  # all that a loss and the activation of the output layer can be


@dataclass
class Pass:
    """What one forward and backward pass saw, layer by layer, and what an update did."""

    loss: float
    outputs: list
    slopes: list  # of each unit for itself
    deltas: list  # dL/dz
    gradients: dict
    treated: dict | None = None  # gradients, as the optimizer got them
    updates: dict | None = None  # of each parameter, new minus old


class Twin:
    """Computes what `model` should, from its present parameters on."""

    def __init__(self, model, *, clip_norm=None, clip_value=None):
        self.dtype = model.dtype
        self.layers = [(layer.name, layer.activation) for layer in model.layers]
        self.parameters = {name: v.astype(float) for name, v in model.state_dict().items()}
        self.loss, self.reduction = model.loss.name, model.loss.reduction
        self.optimizer = model.optimizer
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.state = {
            name: [np.full_like(v, start) for start in self.optimizer.states.values()]
            for name, v in self.parameters.items()
        }
        self.time = 0

    def forward(self, x):
        """Pre-activations and outputs of every layer; the latter begin with x, as rounded."""
        zs, hs = [], [np.asarray(x).astype(self.dtype).astype(float)]
        for name, activation in self.layers:
            z = hs[-1] @ self.parameters[f"{name}.weight"].T
            z = z + self.parameters.get(f"{name}.bias", 0)
            zs.append(z)
            hs.append(ACTIVATIONS[activation.name][0](z, activation.alpha))
        return zs, hs

    def predict(self, x):
        return self.forward(x)[1][-1]

    def loss_and_delta(self, z, h, y):
        """The loss, and dL/dz of the output layer."""
        activation = self.layers[-1][1]
        y = np.asarray(y)
        if self.loss.startswith("sparse"):
            y = np.eye(z.shape[1])[y]
        else:
            y = y.reshape(z.shape).astype(self.dtype).astype(float)
        mean_over_outputs = self.reduction == "mean"
        if self.loss == "mse":
            elements, delta = (h - y) ** 2, through(activation, z, h, 2 * (h - y))
        elif self.loss == "binary_crossentropy" and activation.name in ("sigmoid", "identity"):
            elements, delta = softplus(z) - z * y, sigmoid(z) - y
        elif self.loss == "binary_crossentropy":
            with np.errstate(divide="ignore"):  # logarithms are cut, as torch.nn.BCELoss does
                log, log1m = np.maximum(np.log(h), -100), np.maximum(np.log1p(-h), -100)
            elements = -y * log - (1 - y) * log1m
            delta = through(activation, z, h, (h - y) / np.maximum(h * (1 - h), 1e-12))
        else:
            mean_over_outputs = False
            top = z.max(axis=1, keepdims=True)
            log_softmax = z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True))
            elements = -y * log_softmax
            delta = np.exp(log_softmax) * y.sum(axis=1, keepdims=True) - y
        scale = 1 / (z.size if mean_over_outputs else len(z))
        return scale * elements.sum(), scale * delta

    def run(self, x, y):
        """One pass; nothing is updated."""
        zs, hs = self.forward(x)
        loss, delta = self.loss_and_delta(zs[-1], hs[-1], y)
        deltas, gradients = [delta], {}
        for i in reversed(range(len(self.layers))):
            name, _ = self.layers[i]
            gradients[f"{name}.weight"] = deltas[0].T @ hs[i]
            if f"{name}.bias" in self.parameters:
                gradients[f"{name}.bias"] = deltas[0].sum(axis=0)
            if i > 0:
                dh = deltas[0] @ self.parameters[f"{name}.weight"]
                deltas.insert(0, through(self.layers[i - 1][1], zs[i - 1], hs[i], dh))
        slopes = [
            ACTIVATIONS[activation.name][1](z, activation.alpha)
            for z, (_, activation) in zip(zs, self.layers, strict=True)
        ]
        return Pass(float(loss), hs[1:], slopes, deltas, gradients)

    def step(self, x, y):
        """One pass and the optimizer's step."""
        done = self.run(x, y)
        gradients = done.treated = self.clipped(done.gradients)
        self.time += 1
        rule = RULES[type(self.optimizer)]
        done.updates = {
            name: rule(self.optimizer, value, gradients[name], self.time, *self.state[name])
            for name, value in self.parameters.items()
        }
        for name, value in self.parameters.items():
            self.parameters[name] = value + done.updates[name]
        return done

    def clipped(self, gradients):
        scale, limit = 1, np.inf
        if self.clip_norm is not None:
            norm = math.sqrt(sum((g**2).sum() for g in gradients.values()))
            scale = min(1, self.clip_norm / (norm + 1e-6))
        if self.clip_value is not None:
            limit = self.clip_value
        return {name: np.clip(g * scale, -limit, limit) for name, g in gradients.items()}


def through(activation, z, h, dh):
    """dL/dz from dL/dh."""
    if not activation.unitwise:
        sign = 1 if activation.name == "softmax" else -1
        return sign * h * (dh - (dh * h).sum(axis=1, keepdims=True))
    return dh * ACTIVATIONS[activation.name][1](z, activation.alpha)


def average(kept, x, beta):
    kept[...] = beta * kept + (1 - beta) * x
    return kept


def sgd(o, w, g, time, v=0):
    g = g + o.weight_decay * w
    if not o.momentum:
        return -o.learning_rate * g
    v[...] = o.momentum * v + g
    return -o.learning_rate * (g + o.momentum * v if o.nesterov else v)


def adagrad(o, w, g, time, s):
    g = g + o.weight_decay * w
    s += g**2
    return -o.learning_rate / (1 + (time - 1) * o.lr_decay) * g / (np.sqrt(s) + o.epsilon)


def adadelta(o, w, g, time, v, a):
    g = g + o.weight_decay * w
    average(v, g**2, o.rho)
    delta = np.sqrt(a + o.epsilon) / np.sqrt(v + o.epsilon) * g
    average(a, delta**2, o.rho)
    return -o.learning_rate * delta


def rmsprop(o, w, g, time, v, *others):
    others = list(others)
    g = g + o.weight_decay * w
    square = average(v, g**2, o.alpha)
    if o.centered:
        square = square - average(others.pop(0), g, o.alpha) ** 2
    step = g / (np.sqrt(square) + o.epsilon)
    if o.momentum:
        (velocity,) = others
        velocity[...] = step = o.momentum * velocity + step
    return -o.learning_rate * step


def adam(o, w, g, time, m, v):
    g = g + o.weight_decay * w
    average(m, g, o.beta1)
    average(v, g**2, o.beta2)
    m_hat, v_hat = m / (1 - o.beta1**time), v / (1 - o.beta2**time)
    return -o.learning_rate * m_hat / (np.sqrt(v_hat) + o.epsilon)


def adamw(o, w, g, time, m, v):
    return adam(o, 0, g, time, m, v) - o.learning_rate * o.weight_decay * w


def nadam(o, w, g, time, m, v):
    g = g + o.weight_decay * w
    average(m, g, o.beta1)
    v_hat = average(v, g**2, o.beta2) / (1 - o.beta2**time)
    mu = o.beta1 * (1 - 0.5 * 0.96 ** (np.arange(1, time + 2) * o.momentum_decay))
    mixed = (1 - mu[-2]) * g / (1 - mu[:-1].prod()) + mu[-1] * m / (1 - mu.prod())
    return -o.learning_rate * mixed / (np.sqrt(v_hat) + o.epsilon)


def lion(o, w, g, time, m):
    sign = np.sign(o.beta1 * m + (1 - o.beta1) * g)
    average(m, g, o.beta2)
    return -o.learning_rate * (sign + o.weight_decay * w)


RULES = {
    vg.SGD: sgd,
    vg.Momentum: sgd,
    vg.Nesterov: sgd,
    vg.AdaGrad: adagrad,
    vg.AdaDelta: adadelta,
    vg.RMSProp: rmsprop,
    vg.Adam: adam,
    vg.AdamW: adamw,
    vg.NAdam: nadam,
    vg.Lion: lion,
}
OPTIMIZERS = {
    "sgd": vg.SGD(0.3),
    "sgd with decay": vg.SGD(0.3, weight_decay=0.1),
    "momentum": vg.Momentum(0.2),
    "nesterov": vg.Nesterov(0.2, momentum=0.8),
    "nesterov with decay": vg.Nesterov(0.2, weight_decay=0.1),
    "adagrad": vg.AdaGrad(0.02, initial_accumulator_value=0.1),
    "adagrad with decay": vg.AdaGrad(0.02, lr_decay=0.1, epsilon=1e-6, weight_decay=0.1),
    "adadelta": vg.AdaDelta(0.5),
    "adadelta with decay": vg.AdaDelta(rho=0.8, epsilon=1e-4, weight_decay=0.1),
    "rmsprop": vg.RMSProp(
        0.002
    ),  # a rate of 0.01 magnifies the rounding of small gradients twentyfold
    "rmsprop, centered": vg.RMSProp(alpha=0.9, epsilon=1e-6, centered=True),
    "rmsprop with momentum and decay": vg.RMSProp(0.005, momentum=0.8, weight_decay=0.1),
    "rmsprop with all": vg.RMSProp(
        0.005, alpha=0.9, epsilon=1e-6, momentum=0.8, centered=True, weight_decay=0.1
    ),
    "adam": vg.Adam(0.02),
    "adam with decay": vg.Adam(0.02, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.1),
    "adamw": vg.AdamW(0.02),
    "adamw with decay": vg.AdamW(0.02, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.3),
    "nadam": vg.NAdam(0.02),
    "nadam with decay": vg.NAdam(0.02, 0.8, 0.95, 1e-6, weight_decay=0.1, momentum_decay=0.1),
    "lion": vg.Lion(0.002),
    "lion with decay": vg.Lion(0.002, beta1=0.8, beta2=0.95, weight_decay=0.3),
}
CLIPPINGS = [{}, {"clip_norm": 0.05}, {"clip_norm": 1e6}, {"clip_value": 0.004}]


def network(
    widths, activations, loss="mse", optimizer="sgd", *, dtype="float64", seed=0, **options
):
    """A compiled model, biases away from 0; widths begins with the inputs'."""
    layers = [
        vg.Dense(units, activation, bias_initializer=vg.initializers.Uniform(-1, 1))
        for units, activation in zip(widths[1:], activations, strict=True)
    ]
    model = vg.Sequential(layers, input_shape=widths[0], dtype=dtype, seed=seed)
    model.compile(loss, optimizer, **options)
    return model


def samples(model, n, seed=0):
    """Random x and y such as `model` takes, n of them; mild, so that rounding is not magnified."""
    rng = np.random.default_rng([seed, n])
    units, name = model.layers[-1].units, model.loss.name
    x = rng.uniform(-0.5, 0.5, (n, *model.input_shape))
    if name.startswith("sparse"):
        return x, rng.integers(0, units, n)
    return x, rng.uniform(4, 5, (n, units)) if name == "mse" else rng.random((n, units))


def assert_close(got, expected, tolerance):
    """Each array of a dict within `tolerance`, relative to the largest element expected in it.

    Less than the smallest normal number may be 0.
    """
    assert list(got) == list(expected)
    for name, array in got.items():
        assert array.shape == expected[name].shape, name
        error = np.abs(array - expected[name]).max()
        tiny = np.finfo(array.dtype).tiny
        assert error <= tolerance * np.abs(expected[name]).max() + tiny, name


def assert_same_bits(one, other):
    """Two dicts of arrays, equal to the last bit."""
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert array.tobytes() == other[name].tobytes(), name
