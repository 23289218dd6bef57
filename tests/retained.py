"""A model's layers again in PyTorch, in float64, with every tensor that its internals show retained."""

import numpy as np
import pytest
from unrolled import ACTIVATIONS, step_of

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional


def double(array):
    return torch.tensor(np.asarray(array, np.float64))


def activated(activation, z):
    if activation is None or activation.name == "identity":
        return z * 1
    if activation.name == "softmax":
        return torch.softmax(z, dim=-1)
    return ACTIVATIONS[activation.name][0](z)


class Retained:
    """A forward pass; ``seen[layer][what]`` are its tensors, whose gradients backward fills.

    ``valid`` (n, time): which timesteps there are, for recurrent layers.
    """

    def __init__(self, model, x, valid=None):
        self.seen, self.valid = {}, valid
        if not np.issubdtype(np.asarray(x).dtype, np.integer):
            x = double(x).requires_grad_()
        self.x = x
        self.output = self.stack(model.layers, x, "")

    def keep(self, name, **tensors):
        for tensor in tensors.values():
            tensor.retain_grad()
        self.seen.setdefault(name, {}).update(tensors)

    def stack(self, layers, x, prefix):
        for layer in layers:
            name = prefix + layer.name
            inner = getattr(layer, "layers", ())
            if isinstance(layer, vg.Residual | vg.Parallel):
                x = getattr(self, type(layer).__name__.lower())(layer, x, name)
            elif inner:
                x = self.stack(inner, x, f"{name}.")
            elif layer.walks():
                x = self.recurrent(layer, x, name)
            else:
                x = getattr(self, type(layer).__name__.lower())(layer, x, name)
        return x

    def out(self, name, layer, z):
        """z, and the activation of it."""
        h = activated(getattr(layer, "activation", None), z)
        self.keep(name, z=z, h=h)
        return h

    def moved(self, name, h):
        """What has no pre-activation."""
        self.keep(name, h=h)
        return h

    def p(self, layer):
        return {name: double(view) for name, view in layer.views.items()}

    def dense(self, layer, x, name):
        p = self.p(layer)
        return self.out(name, layer, x @ p["weight"].T + p["bias"])

    def conv2d(self, layer, x, name):
        p = self.p(layer)
        return self.out(
            name, layer, nn.conv2d(x, p["weight"], p["bias"], layer.stride, layer.padding)
        )

    def conv1d(self, layer, x, name):
        p = self.p(layer)
        z = nn.conv1d(x.mT, p["weight"], p["bias"], layer.stride, layer.padding).mT * 1
        return self.out(name, layer, z)

    def embedding(self, layer, x, name):
        weight = self.p(layer)["weight"].requires_grad_()
        return self.moved(name, weight[torch.tensor(x)])

    def activation(self, layer, x, name):
        return self.out(name, layer, x * 1)

    def prelu(self, layer, x, name):
        slope = self.p(layer)["weight"]
        z = x * 1
        h = torch.where(z > 0, z, slope * z)
        self.keep(name, z=z, h=h)
        return h

    def highway(self, layer, x, name):
        p = self.p(layer)
        body, skip = x * 1, x * 1
        z = torch.cat(
            [body @ p["weight"].T + p["bias"], body @ p["weight_gate"].T + p["bias_gate"]], dim=-1
        )
        self.keep(name, z=z)
        g, t = z.chunk(2, dim=-1)
        g, t = activated(layer.activation, g), activated(layer.gate_activation, t)
        h = t * g + (1 - t) * skip
        self.keep(name, body=body, skip=skip, h=h, gate_g=g, gate_t=t)
        return h

    def batchnorm(self, layer, x, name):
        over = [axis for axis in range(x.ndim) if axis != (1 if x.ndim == 4 else x.ndim - 1)]
        return self.normalised(layer, x, name, over)

    def layernorm(self, layer, x, name):
        return self.normalised(layer, x, name, [1] if x.ndim == 4 else [-1])

    def instancenorm(self, layer, x, name):
        return self.normalised(layer, x, name, [2, 3] if x.ndim == 4 else [1])

    def rmsnorm(self, layer, x, name):
        return self.normalised(layer, x, name, [1] if x.ndim == 4 else [-1], centred=False)

    def groupnorm(self, layer, x, name):
        grouped = x.reshape(len(x), layer.groups, -1)
        mean, var = grouped.mean(-1, keepdim=True), grouped.var(-1, unbiased=False, keepdim=True)
        v = ((grouped - mean) / torch.sqrt(var + layer.epsilon)).reshape(x.shape)
        return self.out(name, layer, self.scaled(layer, v))

    def normalised(self, layer, x, name, over, centred=True):
        mean = x.mean(over, keepdim=True) if centred else 0
        square = ((x - mean) ** 2).mean(over, keepdim=True)
        epsilon = torch.finfo(x.dtype).eps if layer.epsilon is None else layer.epsilon
        return self.out(name, layer, self.scaled(layer, (x - mean) / torch.sqrt(square + epsilon)))

    def scaled(self, layer, v):
        p, shape = self.p(layer), (-1, 1, 1) if v.ndim == 4 else (-1,)
        weight = p["weight"].reshape(shape) if "weight" in p else 1
        bias = p["bias"].reshape(shape) if "bias" in p else 0
        return v * weight + bias

    def maxpool(self, layer, x, name):
        return self.moved(name, nn.max_pool2d(x, layer.pool_size, layer.stride))

    def avgpool(self, layer, x, name):
        return self.moved(name, nn.avg_pool2d(x, layer.pool_size, layer.stride))

    def globalavgpool(self, layer, x, name):
        return self.moved(name, x.mean((2, 3) if x.ndim == 4 else 1))

    def globalmaxpool(self, layer, x, name):
        return self.moved(name, x.amax((2, 3) if x.ndim == 4 else 1))

    def subsample(self, layer, x, name):
        *_, height, width = layer.output_shape(tuple(x.shape[1:]))
        h = x[:, :, :: layer.stride[0], :: layer.stride[1]][:, :, :height, :width]
        return self.moved(name, nn.pad(h, (0, 0, 0, 0, 0, layer.filters - x.shape[1])))

    def flatten(self, layer, x, name):
        return self.moved(name, x.reshape(len(x), -1))

    def reshape(self, layer, x, name):
        return self.moved(name, x.reshape(len(x), *layer.output_shape(tuple(x.shape[1:]))))

    def residual(self, layer, x, name):
        body, skip = x * 1, x * 1
        self.keep(name, body=body, skip=skip)
        around = self.stack(layer.shortcut, skip, f"{name}.")
        gate = self.p(layer)["gate"] if layer.gate_start is not None else 1
        return self.out(name, layer, around + gate * self.stack(layer.layers, body, f"{name}."))

    def parallel(self, layer, x, name):
        given = [self.stack(stack, x, f"{name}.") for stack in layer.stacks]
        if layer.merge == "sum":
            return self.out(name, layer, sum(given))
        return self.moved(name, torch.cat(given, dim=1 if x.ndim == 4 else -1))

    def recurrent(self, layer, x, name):
        if not isinstance(layer, vg.Bidirectional):
            return self.walk(layer, x, name)
        sides = (layer.forward_layer, ".forward"), (layer.backward_layer, ".backward")
        return torch.cat([self.walk(side, x, name + suffix) for side, suffix in sides], dim=-1)

    def walk(self, layer, x, name):
        p, (batch, times) = self.p(layer), x.shape[:2]
        state = [
            p.get(f"initial_{s}", torch.zeros(layer.units, dtype=float)).expand(batch, -1)
            for s in layer.states
        ]
        valid = torch.ones(batch, times, dtype=bool) if self.valid is None else self.valid
        steps = [None] * times
        for t in reversed(range(times)) if layer.go_backwards else range(times):
            new, gates = step_of(layer, x[:, t], state, p)
            for each in (*new, *(z for z, _ in gates)):
                each.requires_grad_() if not each.requires_grad else None
                each.retain_grad()
            steps[t] = new, gates
            state = [torch.where(valid[:, t, None], a, b) for a, b in zip(new, state, strict=True)]
        direct = torch.stack([new[0] for new, _ in steps], dim=1)
        self.keep(name, direct=direct)
        self.seen[name]["steps"] = steps
        if layer.return_sequences:
            return direct * 1
        ends = torch.zeros(batch, dtype=int) if layer.go_backwards else valid.sum(dim=1) - 1
        return direct[torch.arange(batch), ends]

    def arrays(self, name):
        """What `Inside` should hold of a layer, by name; gates as "gates.f" and "dgates.f"."""
        seen = self.seen[name]
        if "steps" in seen:
            return self.of_walk(seen)
        found = {what: seen[what].detach().numpy() for what in ("h", "z") if what in seen}
        found["delta"] = grad(seen.get("z", seen["h"]))
        found["dh"] = grad(seen["h"])
        for what in ("skip", "body"):
            if what in seen:
                found[what] = grad(seen[what])
        for gate in "gt":
            if f"gate_{gate}" in seen:
                found[f"gates.{gate}"] = seen[f"gate_{gate}"].detach().numpy()
                found[f"dgates.{gate}"] = np.split(found["delta"], 2, axis=-1)["gt".index(gate)]
        return found

    def of_walk(self, seen):
        steps = seen["steps"]

        def over_time(tensor_of, gradient=False):
            each = [tensor_of(step) for step in steps]
            return np.stack([grad(t) if gradient else t.detach().numpy() for t in each], axis=1)

        found = {"dh_direct": grad(seen["direct"])}
        for place, name in enumerate("hc"[: len(steps[0][0])]):
            found[name] = over_time(lambda step, i=place: step[0][i])
            found[f"d{name}"] = over_time(lambda step, i=place: step[0][i], gradient=True)
        for place, gate in enumerate(self.gates_of(steps)):
            found[f"gates.{gate}"] = over_time(
                lambda step, i=place: activated(step[1][i][1], step[1][i][0])
            )
            found[f"dgates.{gate}"] = over_time(lambda step, i=place: step[1][i][0], gradient=True)
        found["z"] = over_time(lambda step: torch.cat([z for z, _ in step[1]], dim=-1))
        found["delta"] = np.concatenate(
            [found[f"dgates.{gate}"] for gate in self.gates_of(steps)], axis=-1
        )
        return found

    def gates_of(self, steps):
        return {1: "z", 3: "rzn", 4: "ifgo"}[len(steps[0][1])]


def grad(tensor):
    """Of a tensor; 0 where nothing depends on it."""
    return np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
