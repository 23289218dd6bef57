"""What a run was made of, and on what machine the page was written."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from vgcore import _validate
from vgcore._core.simd import level
from vgcore._version import __version__
from vgcore.diagnosis.recipe import Recipe
from vgcore.model import Sequential
from vgcore.model.history import in_words
from vgcore.model.threads import get_num_threads


def of_model(model: Sequential) -> dict[str, Any]:
    """Layers, settings, seed, the last training, and the lines that make it again."""
    summary = model.summary()
    compiled = model.session.chosen is not None
    recipe = Recipe.of(model) if compiled else None
    history = model.history
    epochs = [] if history is None else history.epoch
    seconds = [] if history is None else history.history.get("seconds", [])
    settings = {} if recipe is None else {k: _shown(v) for k, v in recipe.compiling.items()}
    return {
        "repr": repr(model),
        "layers": [
            (name, kind, _shape(shape), count) for name, kind, shape, count in summary.layers
        ],
        "parameters": summary.parameters,
        "memory": _validate.size(summary.parameter_bytes),
        "settings": {
            "input shape": _shape(model.input_shape),
            "dtype": str(model.dtype),
            **settings,
            "seed": _seed(model),
            "steps done": f"{model.step:,}" if compiled else "not compiled",
        },
        "training": {}
        if history is None or not epochs
        else {
            "epochs": f"{len(epochs):,}",
            "seconds": f"{sum(seconds):.3g}, {sum(seconds) / len(epochs):.3g} an epoch",
            "last epoch": in_words({name: values[-1] for name, values in history.items()}),
        },
        "code": None if recipe is None else recipe.code(epochs=max(len(epochs), 1)),
    }


def of_machine() -> dict[str, str]:
    """Versions, processor and threads of the process that writes the page."""
    return {
        "vgcore": __version__,
        "NumPy": np.__version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": _processor(),
        "CPU level": level,
        "threads": f"{get_num_threads()} of {os.cpu_count()} CPUs",
    }


def _seed(model: Sequential) -> str:
    """The seed it was made with, where its generator still says so; a file keeps its state alone."""
    sequence = getattr(model.session.rng.bit_generator, "seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    if (
        isinstance(entropy, int)
        and np.random.default_rng(entropy).integers(2**63) == model.session.seed
    ):
        return str(entropy)
    return "not known: the model comes from a file, or its generator from elsewhere"


def _processor() -> str:
    """Its name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _shape(shape: Any) -> str:
    sizes = shape if isinstance(shape, tuple) else (shape,)
    return " × ".join("any" if size is None else f"{size:,}" for size in sizes)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
