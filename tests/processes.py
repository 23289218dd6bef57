"""Python in a process of its own, started where the installed package is found and not the source tree."""

import signal
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


def start_serving(*arguments, **options):
    """Start the interpreter with what serves a live page, to be ended by Ctrl-C: the process, and the page's
    address.
    """
    run = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )
    address = run.stdout.readline().removeprefix("Live page: ").strip()
    assert run.stdout.readline() == "Ctrl-C ends it.\n"
    return run, address


def numbers_at(level, script, monkeypatch):
    """What a script prints at a CPU level: the level's name, which is checked, then numbers."""
    monkeypatch.setenv("VGCORE_CPU", level)
    name, *numbers = run_python("-c", script).stdout.split()
    assert name == level
    return np.array(numbers, float)
