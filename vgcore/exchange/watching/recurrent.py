"""nn.RNN, nn.LSTM and nn.GRU from inside: the cells are run again, timestep by timestep.

PyTorch's own kernels hand out the states, and the gradient that comes in; what the gradient is at each
timestep and gate is had by another pass over the same inputs, weights and incoming gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vgcore.exchange.watching import measures
from vgcore.exchange.watching.activations import Seen, from_slopes

Tensor = Any
Gate = tuple[
    Tensor, Callable[[Tensor], Tensor], float
]  # what it is of, slope by value, the steepest


@dataclass
class Walked:
    """One walk: norms at each of T timesteps, of each of G gates where there is a second axis.

    Attributes
    ----------
    total, direct, gates, flat : Tensor
        (T,), (T,), (T, G), (T, G); ``flat`` counts slopes.
    cell : Tensor or None
    rows : list of int
        Samples that reach each timestep.
    units : int
        Of each gate.
    deltas : Tensor
        dL/dz of all gates, timesteps and samples.
    seen : Seen
        Of all hidden states.
    """

    total: Tensor
    direct: Tensor
    gates: Tensor
    flat: Tensor
    cell: Tensor | None
    rows: list[int]
    units: int
    deltas: Tensor
    seen: Seen


@dataclass(eq=False)
class Pass:
    """One call of a recurrent module: what went in, and what came out."""

    module: Any
    inputs: list[Tensor]  # (samples that reach it, features) of each timestep
    states: tuple[Tensor, ...]  # (walks, samples, units)
    order: Tensor | None  # of samples among the inputs
    packed: bool
    generator: Tensor | None  # the state from which dropout between layers was drawn
    output: Tensor = None

    def ends(self, output: Any) -> Iterator[tuple[str, Tensor]]:
        """What the module has put out: "output", and "h" and "c", by name."""
        sequence, states = output
        sequence = sequence.data if self.packed else sequence
        self.output = sequence.detach()
        yield "output", sequence
        yield from zip("hc", states if isinstance(states, tuple) else (states,), strict=False)

    def by_time(self, output: Tensor) -> list[Tensor]:
        """Outputs, or their gradient, as the inputs are laid out."""
        if self.packed:
            return list(output.split([len(each) for each in self.inputs]))
        return list(_by_time(self.module, output))


def drops(module: Any) -> bool:
    """Whether a module drops outputs between its layers."""
    return bool(module.training and module.dropout and module.num_layers > 1)


def begun(
    module: Any, arguments: tuple[Any, ...], options: dict[str, Any], generator: Tensor | None
) -> Pass:
    """The pass that a module has just made from its arguments."""
    given = list(arguments) + [options[name] for name in ("input", "hx") if name in options]
    sequence, states = given[0], given[1] if len(given) > 1 else None
    order = None
    packed = isinstance(sequence, nn.utils.rnn.PackedSequence)
    if packed:
        inputs = list(sequence.data.detach().split(sequence.batch_sizes.tolist()))
        order = sequence.sorted_indices
    else:
        inputs = list(_by_time(module, sequence.detach()))
    walks = module.num_layers * (2 if module.bidirectional else 1)
    if states is None:
        units = [module.proj_size or module.hidden_size, module.hidden_size]
        begin = [inputs[0].new_zeros(walks, len(inputs[0]), size) for size in units]
    else:
        both = states if isinstance(states, tuple) else (states,)
        begin = [_batched(state.detach(), order) for state in both]
    return Pass(module, inputs, tuple(begin), order, packed, generator)


def _by_time(module: Any, sequence: Tensor) -> Tensor:
    """Time first, then samples, even if there is but one."""
    if sequence.ndim == 2:
        return sequence.unsqueeze(1)
    return sequence.transpose(0, 1) if module.batch_first else sequence


def _batched(states: Tensor, order: Tensor | None) -> Tensor:
    states = states.unsqueeze(1) if states.ndim == 2 else states
    return states if order is None else states.index_select(1, order)


class _Walk:
    """One direction of one layer: its nodes in the graph of the second pass."""

    def __init__(self, module: Any, number: int, suffix: str, dtype: Any) -> None:
        self.module, self.reverse = module, bool(suffix)
        self._parameters = {
            name: getattr(module, f"{name}_l{number}{suffix}").detach().to(dtype).requires_grad_()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
            if hasattr(module, f"{name}_l{number}{suffix}")
        }
        self.hidden: list[Tensor] = []
        self.direct: list[Tensor] = []
        self.cells: list[Tensor] = []
        self.z: list[list[Tensor]] = []
        self.gates: list[list[Gate]] = []

    def run(self, inputs: list[Tensor], h: Tensor, c: Tensor) -> None:
        """Go through time; lists are in time's order."""
        above = h
        for x in reversed(inputs) if self.reverse else inputs:
            n = len(x)
            new, cell, z, gates = self._cell(x, h[:n], c[:n])
            up = new.view_as(new)  # a node of its own: what comes from above comes through it
            for nodes, node in zip(
                (self.hidden, self.direct, self.z, self.gates), (new, up, z, gates), strict=True
            ):
                nodes.append(node)
            h, above = torch.cat([new, h[n:]]), torch.cat([up, above[n:]])
            if cell is not None:
                self.cells.append(cell)
                c = torch.cat([cell, c[n:]])
        self.last, self.last_cell = above, c
        if self.reverse:
            for nodes in (self.hidden, self.direct, self.cells, self.z, self.gates):
                nodes.reverse()

    def _cell(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Any, ...]:
        """One timestep: the new states, pre-activations, and gates with their slopes."""
        p = self._parameters
        into = nn.functional.linear(x, p["weight_ih"], p.get("bias_ih"))
        back = nn.functional.linear(h, p["weight_hh"], p.get("bias_hh"))
        if isinstance(self.module, nn.GRU):
            of_rz = 2 * self.module.hidden_size
            z = into[:, :of_rz] + back[:, :of_rz]
            r, u = torch.sigmoid(z).chunk(2, dim=1)
            z_n = into[:, of_rz:] + r * back[:, of_rz:]
            n = torch.tanh(z_n)
            return (1 - u) * n + u * h, None, [z, z_n], [_sigmoid(r), _sigmoid(u), _tanh(n)]
        z = into + back
        if isinstance(self.module, nn.RNN):
            relu = self.module.nonlinearity == "relu"
            new = torch.relu(z) if relu else torch.tanh(z)
            return new, None, [z], [_relu(new) if relu else _tanh(new)]
        i, f, g, o = z.chunk(4, dim=1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * c + i * g
        new = o * torch.tanh(c)
        if "weight_hr" in p:
            new = nn.functional.linear(new, p["weight_hr"])
        return new, c, [z], [_sigmoid(i), _sigmoid(f), _tanh(g), _sigmoid(o)]

    def nodes(self) -> list[Tensor]:
        """All that gradients are asked of."""
        return [*self.hidden, *self.direct, *self.cells, *(z for each in self.z for z in each)]

    def walked(self, gradients: list[Tensor]) -> Walked:
        """What the gradients of `nodes` tell."""
        times, parts = len(self.hidden), len(self.z[0])
        total, direct = gradients[:times], gradients[times : 2 * times]
        cells = gradients[2 * times : 2 * times + len(self.cells)]
        flat_z = gradients[2 * times + len(self.cells) :]
        count = len(self.gates[0])
        by_gate = [
            torch.cat(flat_z[t * parts : (t + 1) * parts], dim=1).chunk(count, dim=1)
            for t in range(times)
        ]
        slopes = [[slope(value.detach()) for value, slope, _ in gates] for gates in self.gates]
        steepest = [each[2] for each in self.gates[0]]
        seen = [
            [from_slopes(s, s, top, -1) for s, top in zip(some, steepest, strict=True)]
            for some in slopes
        ]
        flat = torch.stack([torch.stack([gate.flat for gate in some]) for some in seen])
        alive = torch.stack([gate.alive for some in seen for gate in some]).any(dim=0)
        hidden = torch.cat([each.detach() for each in self.hidden])
        share = flat.sum() / (count * len(hidden) * len(alive))
        return Walked(
            total=_norms(total),
            direct=_norms(direct),
            gates=torch.stack([torch.stack([measures.norm(g) for g in each]) for each in by_gate]),
            flat=flat,
            cell=_norms(cells) if cells else None,
            rows=[len(each) for each in self.hidden],
            units=len(alive),
            deltas=torch.cat([each.reshape(-1) for each in flat_z]),
            seen=Seen(hidden, share * hidden.numel(), alive),
        )


def _norms(gradients: list[Tensor]) -> Tensor:
    return torch.stack([measures.norm(each) for each in gradients])


def _sigmoid(value: Tensor) -> Gate:
    return value, lambda h: h * (1 - h), 0.25


def _tanh(value: Tensor) -> Gate:
    return value, lambda h: 1 - h * h, 1.0


def _relu(value: Tensor) -> Gate:
    return value, lambda h: (h > 0).to(h.dtype) + 0 * h, 1.0


def rerun(made: Pass, arrived: Mapping[str, Tensor]) -> list[Walked] | None:
    """The walks of a pass, in the order of the record's columns; None where dropout cannot be repeated.

    Gradients have ``arrived`` at the `ends` of the pass, by name.
    """
    module = made.module
    if (
        drops(module) and made.output.device.type != "cpu"
    ):  # whose generators are elsewhere, and go on
        return None
    dtype = torch.promote_types(made.inputs[0].dtype, torch.float32)
    dtype = torch.promote_types(dtype, module.weight_ih_l0.dtype)
    with measures.second_pass(), torch.random.fork_rng(devices=[]):
        if made.generator is not None:
            torch.set_rng_state(made.generator)
        walks, sequence = _walked(made, dtype)
        if drops(module) and not _alike(sequence, made.by_time(made.output)):
            return None
        outputs = list(_with_gradients(made, arrived, walks, sequence))
        nodes = [walk.nodes() for walk in walks]
        wanted = [node for some in nodes for node in some]
        found = torch.autograd.grad(
            [output for output, _ in outputs],
            wanted,
            [gradient.to(output.dtype) for output, gradient in outputs],
            allow_unused=True,
        )
    gradients = iter(
        torch.zeros_like(node) if gradient is None else gradient
        for node, gradient in zip(wanted, found, strict=True)
    )
    return [
        walk.walked([next(gradients) for _ in some])
        for walk, some in zip(walks, nodes, strict=True)
    ]


def _walked(made: Pass, dtype: Any) -> tuple[list[_Walk], list[Tensor]]:
    """All walks, gone again, and the outputs at each timestep."""
    module, walks = made.module, list[_Walk]()
    sequence = [each.to(dtype) for each in made.inputs]
    states = [state.to(dtype) for state in made.states]
    for number in range(module.num_layers):
        if number and drops(module):
            rows = [len(each) for each in sequence]
            kept = nn.functional.dropout(torch.cat(sequence), module.dropout)
            sequence = list(kept.split(rows))
        first = len(walks)
        for suffix in ("", "_reverse") if module.bidirectional else ("",):
            walk = _Walk(module, number, suffix, dtype)
            walk.run(sequence, states[0][len(walks)], states[-1][len(walks)])
            walks.append(walk)
        both = zip(*(walk.direct for walk in walks[first:]), strict=True)
        sequence = [torch.cat(each, dim=1) for each in both]
    return walks, sequence


def _alike(sequence: list[Tensor], outputs: list[Tensor]) -> bool:
    """Whether a second pass has come to the same outputs, but for rounding."""
    again, first = torch.cat(sequence), torch.cat(list(outputs))
    return bool(torch.allclose(again, first.to(again.dtype), rtol=1e-2, atol=1e-3))


def _with_gradients(
    made: Pass, arrived: Mapping[str, Tensor], walks: list[_Walk], sequence: list[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """What came out, with the gradient that came to it."""
    if "output" in arrived:
        yield from zip(sequence, made.by_time(arrived["output"]), strict=True)
    for name, ends in (("h", [w.last for w in walks]), ("c", [w.last_cell for w in walks])):
        if name in arrived:
            yield torch.stack(ends), _batched(arrived[name], made.order)
