"""Cures of what a record shows, as settings of the playground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vgcore.diagnosis import Diagnosis
from vgcore.diagnosis.changes import CHANGES
from vgcore.diagnosis.finding import Finding
from vgcore.diagnosis.symptoms import SYMPTOMS
from vgcore.live import networks
from vgcore.live.controls import Slider
from vgcore.live.course import Course
from vgcore.live.tasks import Values

Settings = dict[str, Any]

_SLIDERS = {each.name: each for each in networks.CONTROLS if isinstance(each, Slider)}
_STARTS = {
    "relu": "he_normal",
    "leaky_relu": "he_normal",
    "elu": "he_normal",
    "selu": "lecun_normal",
}
_START_OF_OTHERS = "xavier_normal"
_FACTOR = 10.0
_LEARNED = 0.1  # of the first loss
_IN_SPITE = "It has learned all the same. "


def _activation(name: str) -> Callable[[Values], Settings]:
    def change(values: Values) -> Settings:
        return {"activation": name, "start": _STARTS.get(name, _START_OF_OTHERS)}

    return change


def _fixed(**settings: Any) -> Callable[[Values], Settings]:
    return lambda values: settings


def _scaled(name: str, factor: float) -> Callable[[Values], Settings]:
    def change(values: Values) -> Settings:
        slider = _SLIDERS[name]
        value = min(max(values[name] * factor, slider.low), slider.high)
        return {name: round(value) if slider.integer else value}

    return change


def _open(values: Values) -> Settings:
    """Forget gates that start open, or more so than they do."""
    return {"forget_bias": max(1.0, min(values["forget_bias"] + 2, _SLIDERS["forget_bias"].high))}


def _start(values: Values) -> Settings:
    return {"start": _STARTS.get(values["activation"], _START_OF_OTHERS), "sigma_b": 0.0}


def _adam(values: Values) -> Settings:
    return {"optimizer": "Adam", "rate": 0.001}


SETTINGS: Mapping[str, Callable[[Values], Settings]] = {
    **{name: _activation(name) for name in ("relu", "leaky_relu", "elu", "selu", "tanh")},
    "start": _start,
    "batchnorm": _fixed(norm="BatchNorm"),
    "layernorm": _fixed(norm="LayerNorm"),
    "skip": _fixed(skips=True),
    "lstm": _fixed(cell="LSTM"),
    "gru": _fixed(cell="GRU"),
    "orthogonal": _fixed(start="orthogonal"),
    "forget_bias": _open,
    "adam": _adam,
    "momentum": _fixed(optimizer="Momentum"),
    "faster": _scaled("rate", _FACTOR),
    "slower": _scaled("rate", 1 / _FACTOR),
    "clip": _fixed(clipped=True, clip=1.0),
    "larger_batch": _scaled("batch", 4),
    "smaller_batch": _scaled("batch", 1 / 4),
    "wider": _scaled("width", 2),
    "shallower": _scaled("depth", 1 / 2),
}
"""By the key of a change in `vgcore.diagnosis.changes.CHANGES`: what it is of controls."""


def judged(course: Course) -> dict[str, Any]:
    """What `told` says of a course by now."""
    record = course.record()
    learned = bool(record.loss[-1] < _LEARNED * record.loss[0])
    return told(record.diagnose(), course.values, learned=learned)


def told(
    diagnosis: Diagnosis, values: Values, *, learned: bool = False, most: int = 3
) -> dict[str, Any]:
    """A diagnosis in a line, and changes of settings that may cure what it has found.

    Parameters
    ----------
    diagnosis : Diagnosis
    values : dict
        Of the network's controls.
    learned : bool
        Whether the network has learned most of what there is, whatever is found.
    most : int
        Of cures.

    Returns
    -------
    dict
        "text"; "ill", whether it is a symptom of an illness, and not only worth knowing; "cures": a name and
        settings each.
    """
    for finding in sorted(
        diagnosis.findings, key=lambda each: (not each.ill, not _is_symptom(each))
    ):
        made = (
            (CHANGES[key].name, _change(key, values)) for key in SYMPTOMS[finding.symptom].cures
        )
        cures = [{"name": name, "settings": change} for name, change in made if change][:most]
        symptom = _is_symptom(finding)
        if symptom or cures:  # else there is nothing to change: the page trains on by itself
            ill = symptom and not learned
            known = "" if ill else _IN_SPITE if symptom else "No illness, but worth knowing: "
            return {
                "text": f"{known}{finding.title}. {finding.sentence}",
                "ill": ill,
                "cures": cures,
            }
    return {"text": "No symptom of an illness in what is recorded.", "ill": False, "cures": []}


def _is_symptom(finding: Finding) -> bool:
    """Whether it is one of an illness, be the network ill or, so far, learning all the same."""
    return SYMPTOMS[finding.symptom].ill


def _change(key: str, values: Values) -> Settings:
    """What a change makes other of the settings; nothing, if the page has no control of it that is shown."""
    make = SETTINGS.get(key)
    if make is None:
        return {}
    shown = {each.name for each in networks.CONTROLS if each.is_shown(values)}
    made = {name: value for name, value in make(values).items() if values[name] != value}
    return made if made and made.keys() <= shown | {"start", "sigma_b", "clip"} else {}
