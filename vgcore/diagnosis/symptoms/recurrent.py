"""What only recurrent networks suffer from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.preparation import lengths_of
from vgcore.diagnosis.symptoms.base import Sign, symptom


@symptom(
    "Sequences have one timestep",
    thresholds={"timesteps": 1.5},
    source="with h_0 = 0 the gradient of weight_hh is exactly 0",
    looks="`x.shape`: (n, 1, features); `model.gradients(x, y)` of weight_hh is 0",
    cures=("timesteps",),
    weight=0.7,
    needs=("samples", "network"),
)
def one_step_sequences(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Timesteps of the inputs of recurrent layers; of lengths the longest."""
    if seen.samples is None or seen.network is None or seen.samples.x.ndim not in (2, 3):
        return
    walking = tuple(part.name for part in seen.network.parts if part.recurrent)
    if not walking or not seen.network.model.session.takes_time:
        return
    longest = seen.samples.x.shape[1]
    if seen.samples.lengths is not None:
        longest = int(seen.samples.lengths.max())
    yield Sign(
        Measured("timesteps", longest, at["timesteps"]),
        f"Every sequence is {'one timestep long' if longest else 'empty'}: nothing recurs. The recurrent "
        f"weights of {walking[0]} get exactly no gradient, and what was to be a sequence stands side by "
        "side in one vector.",
        Where(layers=walking, timesteps=(0, 0)),
        certainty="certain",
    )


@symptom(
    "Sequences are padded, and nobody says where they end",
    thresholds={"share": 0.2},
    source="lengths= (packed sequences of PyTorch, masks of Keras)",
    looks="`x[0]`: rows of zeros at the end",
    cures=("lengths",),
    weight=0.6,
    needs=("samples", "network"),
)
def padding_without_lengths(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of the timesteps that are zeros at the end of their sequence, of sequences of different lengths
    that are asked for at their end alone.
    """
    if seen.samples is None or seen.network is None or seen.samples.lengths is not None:
        return
    session = seen.network.model.session
    fixed = any(layer.fixes_time for layer in session.layers)
    if not session.takes_time or session.gives_time or fixed or seen.samples.x.shape[1] < 3:
        return
    padded = padded_timesteps(seen.samples.x)
    share = float(padded.mean()) / seen.samples.x.shape[1] if len(np.unique(padded)) > 1 else 0.0
    yield Sign(
        Measured("share of timesteps that look like padding", share, at["share"], above=True),
        f"{share:.0%} of all timesteps are zeros at the end of their sequence, and no lengths are "
        "given: the state runs on over them, and what was said may be forgotten before the answer.",
        Where(samples=tuple(map(int, np.argsort(-padded)[:5]))),
    )


def padded_timesteps(x: np.ndarray) -> np.ndarray:
    """How many timesteps of each sequence are zeros at its end."""
    says = (x != 0).reshape(len(x), -1).any(axis=1)
    padded: np.ndarray = np.where(says, x.shape[1] - lengths_of(x), x.shape[1])
    return padded


@symptom(
    "What goes in leaves no trace in the state",
    thresholds={"spread": 1e-2},
    source="the state then is the fixed point that biases and recurrent weights lead to",
    looks="`vg.plot.activation(model.internals(x))`: states are the same for all samples",
    cures=("start", "orthogonal", "gru", "lstm", "scale_inputs", "tanh"),
    weight=0.7,
    needs=("inside", "network"),
    usual=0.5,
)
def recurrence_repeats_bias(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """How much the states of a recurrent layer differ from sample to sample, over their size."""
    if seen.inside is None or seen.network is None or len(seen.inside.output) < 4:
        return
    spread: dict[str, float] = {}
    for part in seen.network.parts:
        if not part.recurrent or part.name not in seen.inside:
            continue
        h = seen.inside[part.name].h.astype(float)
        size = np.sqrt(np.nanmean(h**2))
        if np.isfinite(size) and size > 0:
            varies = np.nanmean(np.nanvar(h[:, h.shape[1] // 2 :], axis=0))
            spread[part.name] = float(np.sqrt(varies) / size)
    if not spread:
        return
    name = min(spread, key=lambda each: spread[each])
    yield Sign(
        Measured(f"spread over samples of {name}'s states", spread[name], at["spread"]),
        f"The states of {name} are the same for all samples, within {spread[name]:.1g} of their size: "
        "it repeats what its biases say, whatever goes in.",
        Where(layers=(name,)),
    )


_OPEN, _SHUT = 0.98, 0.05


@symptom(
    "Gates are shut, or stand open",
    thresholds={"share": 0.9},
    source=(
        "Gers, Schmidhuber and Cummins 2000; Jozefowicz et al. 2015 (forget bias 1); the threshold is "
        "ours"
    ),
    looks="`vg.plot.gates(model.internals(x), 'lstm1')`",
    cures=("forget_bias", "start", "scale_inputs", "layernorm"),
    weight=0.6,
    needs=("inside",),
)
def gates_shut(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The largest share of a gate's values below 0.05 or above 0.98: of the input, forget and output
    gates of an LSTM, the reset and update gates of a GRU.
    """
    if seen.inside is None:
        return
    worst = ("", "", "", 0.0)
    for layer in seen.inside.layers:
        gates = seen.inside[layer].gates
        for gate in ("i", "f", "o") if "f" in gates else ("r", "z") if "r" in gates else ():
            values = gates[gate][np.isfinite(gates[gate])]
            for state, share in (
                ("shut", (values < _SHUT).mean()),
                ("open", (values > _OPEN).mean()),
            ):
                if share > worst[3]:
                    worst = layer, gate, state, float(share)
    layer, gate, state, share = worst
    if not layer:
        return
    names = {"i": "input", "f": "forget", "o": "output", "r": "reset", "z": "update"}
    yield Sign(
        Measured(
            f"share of the {names[gate]} gate's values of {layer} that are {state}",
            share,
            at["share"],
            above=True,
        ),
        f"The {names[gate]} gate of {layer} is {state} for {share:.0%} of units and timesteps: it no "
        "longer chooses, and hardly any gradient reaches what moves it.",
        Where(layers=(layer,)),
    )


@symptom(
    "Rows do not go on where the minibatch before has ended",
    thresholds={"leap": 3.0},
    source="stateful layers hand row i of a minibatch to row i of the next",
    looks="`x[i, -1]` beside `x[i + batch, 0]`",
    weight=0.5,
    needs=("samples", "network"),
)
def stateful_shuffled(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Of stateful layers: how far the first timestep of a row is from the last one of its row in the
    minibatch before, over how far timesteps lie apart within a row.
    """
    if seen.samples is None or seen.network is None or not seen.network.model.session.stateful:
        return
    x, rows = seen.samples.x, seen.batch_size or 0
    if x.dtype.kind in "iu" or x.ndim != 3 or not 0 < rows < len(x) or x.shape[1] < 2:
        return
    within = float(np.sqrt(np.mean(np.diff(x, axis=1).astype(float) ** 2)))
    between = float(np.sqrt(np.mean((x[rows:, 0] - x[:-rows, -1]).astype(float) ** 2)))
    if within == 0:
        return
    yield Sign(
        Measured(
            "leap from minibatch to minibatch, over that of a timestep",
            between / within,
            at["leap"],
            above=True,
        ),
        f"Where a row goes on in the next minibatch of {rows} it leaps {between / within:.2g} times "
        "as far as within a row: the states that are carried over are those of another sequence.",
        certainty="possible",
    )
