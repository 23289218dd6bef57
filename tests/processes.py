"""Python in a process of its own, started where the installed package is found and not the source tree."""

import subprocess
import sys
from pathlib import Path

import numpy as np


def run_python(*arguments, through=(), **options):
    """Run the interpreter with ``arguments``, itself an argument of the command ``through``; standard output
    and error are kept as text.
    """
    return subprocess.run(
        [*through, sys.executable, *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def numbers_at(level, script, monkeypatch):
    """What a script prints at a CPU level: the level's name, which is checked, then numbers."""
    monkeypatch.setenv("VGCORE_CPU", level)
    name, *numbers = run_python("-c", script).stdout.split()
    assert name == level
    return np.array(numbers, float)
