"""Write docs/diagnosis.md anew: its list of symptoms is made from the rules themselves.

    python docs/make_diagnosis.py

What stands in front of the list is left as it is.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from vgcore.diagnosis import SYMPTOMS, Symptom
from vgcore.diagnosis.judge import FOLLOWS

PAGE = Path(__file__).with_name("diagnosis.md")
MARK = "<!-- From here on docs/make_diagnosis.py writes. -->\n"
MATTERS = {
    "gradients": "Gradients",
    "units": "Units and samples",
    "starts": "Starts and shapes",
    "rates": "Rates and losses",
    "data": "Data",
    "outputs": "Outputs and losses",
    "recurrent": "Through time",
    "training": "Training",
}
"""Titles of the files of `vgcore.diagnosis.symptoms`."""


def listed() -> str:
    """The list of symptoms."""
    lines = [MARK]
    for file, title in MATTERS.items():
        lines.append(f"\n## {title}\n")
        lines += [_entry(each) for each in SYMPTOMS.values() if _file(each) == file]
    return "".join(lines)


def _file(symptom: Symptom) -> str:
    module = inspect.getmodule(symptom.signs)
    assert module is not None
    return module.__name__.rpartition(".")[2]


def _entry(symptom: Symptom) -> str:
    limits = ", ".join(f"{name} {value:g}" for name, value in symptom.thresholds.items())
    causes = [name for name, followers in FOLLOWS.items() if symptom.name in followers]
    rows = [
        ("measured", " ".join(symptom.rule.split())),
        ("threshold", limits),
        ("source", symptom.source),
        ("looks like", symptom.looks),
        ("may follow from", ", ".join(f"[{name}](#{_anchor(name)})" for name in causes)),
        ("changes that are tried", ", ".join(symptom.cures)),
        ("weighs", _weighs(symptom)),
    ]
    table = "".join(f"| {name} | {text} |\n" for name, text in rows if text)
    head = f'\n### <a id="{_anchor(symptom.name)}"></a>{symptom.title}: `{symptom.name}`\n\n'
    return (
        f"{head}| | |\n|---|---|\n{table}\n"
        f"[What it is, and what cures it]({symptom.read.removeprefix('docs/')})\n"
    )


def _anchor(name: str) -> str:
    return name.replace("_", "-")


def _weighs(symptom: Symptom) -> str:
    if not symptom.ill:
        return "worth knowing, no illness"
    known = "an illness where the network learns less than a plain one; else "
    return {
        "ill": "always an illness",
        "told": f"{known}worth knowing",
        "untold": f"{known}not told",
    }[symptom.where_learning]


def main() -> None:
    """Write the page."""
    front = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(front + listed(), encoding="utf-8")


if __name__ == "__main__":
    main()
