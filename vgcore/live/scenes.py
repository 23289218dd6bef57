"""Ready-made scenes of the playground: settings of one network or two, and a lesson in three sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scene:
    """A lesson.

    Attributes
    ----------
    title : str
    lesson : str
        Three sentences.
    settings : dict
        Of the controls, of network A; the others are as by default.
    other : dict or None
        What is other of network B; None where there is one network alone.
    moves : {"A", "B"}
        Whose controls the lesson has moved: of two networks, those that are seen first.
    """

    title: str
    lesson: str
    settings: dict[str, Any]
    other: dict[str, Any] | None = None
    moves: str = "B"


SCENES = {
    "sigmoid_depth": Scene(
        "Sigmoid depth",
        "A sigmoid's slope is a quarter at most, so the gradient of A's first layer is a product of as many "
        "small factors as there are layers. Move A's depth: with each layer more, the left end of A's line "
        "falls by about the same factor, and the loss stays where guessing is. Network B has ReLUs with He's "
        "start, whose line is nearly level.",
        {"data": "circles", "depth": 10, "activation": "sigmoid", "start": "xavier_normal", "rate": 0.1},
        {"activation": "relu", "start": "he_normal"},
        moves="A",
    ),
    "he_start": Scene(
        "He's start",
        "A ReLU sets half of its inputs to 0, so weights must be drawn √2 times as wide as for tanh to make "
        "up for it. With LeCun's start A's outputs and gradients shrink by √2 with each layer, and 30 "
        "layers learn nothing; B starts as He proposed in 2015. Give A a Gaussian start and move σw: the "
        "slope turns at √2.",
        {"data": "circles", "depth": 30, "width": 100, "activation": "relu", "start": "lecun_normal",
         "rate": 0.005},
        {"start": "he_normal"},
        moves="A",
    ),
    "edge_of_chaos": Scene(
        "Edge of chaos",
        "At its start a wide tanh network shrinks gradients if σw is below 1 and blows them up if it is far "
        "above; near 1, at the edge of chaos, they arrive about as they set out. Move σw over the mark: "
        "theory's dashed line turns over, and the pale one, measured at the start, goes with it. At 0.7 and "
        "at 2.5 these 50 layers learn nothing, from 1 to 1.3 they soon know the digits.",
        {"data": "digits", "depth": 50, "width": 100, "activation": "tanh", "sigma_w": 0.7, "rate": 0.01},
    ),
    "dead_relu": Scene(
        "Dead ReLUs",
        "A ReLU whose input is negative for every sample passes no gradient, so it never learns again: it "
        "is dead. Adam's first steps at this rate throw about a third of A's units beyond return, as the "
        "picture of dead units shows; at 0.2 they kill whole layers, and the rest cannot learn. B is the "
        "same network with leaky ReLUs, which are never quite off.",
        {"data": "moons", "depth": 6, "activation": "relu", "start": "he_normal", "optimizer": "Adam",
         "rate": 0.03},
        {"activation": "leaky_relu"},
        moves="A",
    ),
    "batch_norm": Scene(
        "BatchNorm",
        "Weights of N(0, 1) are far too large: most of A's tanh units are saturated, and the large weights "
        "blow up what little gradient those let through. B normalises each layer's inputs over the "
        "minibatch, which undoes whatever scale the weights have, and none of its units is saturated. Give "
        "B a start of another scale, Gaussian or He's: its first step has the same loss.",
        {"data": "circles", "depth": 10, "activation": "tanh", "start": "normal", "rate": 0.1},
        {"norm": "BatchNorm"},
    ),
    "skips": Scene(
        "Skip connections",
        "In a plain network the gradient has to pass through every layer, and 50 small factors leave "
        "nothing of it. A skip connection adds the identity to each layer, so one of the gradient's ways "
        "back has no factor at all. B is A with skips: its first layer hears of the loss no less than its "
        "last.",
        {"data": "spirals", "depth": 50, "activation": "tanh", "sigma_w": 0.5, "rate": 0.01},
        {"skips": True},
    ),
    "rnn_lstm": Scene(
        "RNN against LSTM",
        "Through time the same matrix is multiplied again and again, so at the start an RNN's gradient fades "
        "with every timestep that it goes back. The LSTM's cell is added to instead of multiplied, and its "
        "forget gate, open at the start, lets the gradient through: B soon knows the order of two symbols "
        "that were seen long ago. Move T: A's line reaches down further, B's end stays where it is.",
        {"data": "temporal_order", "length": 60, "cell": "RNN", "width": 32, "sigma_w": 0.8,
         "optimizer": "Adam", "rate": 0.001},
        {"cell": "LSTM", "forget_bias": 3.0},
    ),
    "clipping": Scene(
        "Clipping's cliff",
        "The loss of an RNN whose weights are a little too large has cliffs, and a single minibatch that "
        "falls on one throws the weights far away. A takes each step as it comes: its loss leaps, and stays "
        "where guessing is; B clips the gradient's norm to 1, and learns. Clipping cures explosions, not "
        "vanishing: what is too small stays so.",
        {"data": "temporal_order", "length": 20, "cell": "RNN", "width": 50, "start": "gaussian",
         "sigma_w": 1.5, "rate": 0.2},
        {"clipped": True, "clip": 1.0},
    ),
    "forget_bias": Scene(
        "Forget bias",
        "With a bias of 0 the forget gate stands half open, so a cell forgets half of what it holds at each "
        "timestep, and the gradient fades on its way back. A bias of 3 opens the gate to 0.95 from the "
        "start. Move B's bias and watch the gradient through time fall or stand.",
        {"data": "adding", "length": 100, "cell": "LSTM", "width": 32, "start": "xavier_normal",
         "forget_bias": 0.0, "optimizer": "Adam", "rate": 0.001},
        {"forget_bias": 3.0},
    ),
}  # fmt: skip
"""By name."""
