"""Python in a process of its own, started where the installed package is found and not the source tree."""

import subprocess
import sys
from pathlib import Path


def run_python(*arguments, **options):
    """Run the interpreter with ``arguments``; standard output and error are kept as text."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
