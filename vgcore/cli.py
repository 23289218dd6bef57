"""The program `vgcore`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; where its libraries are missing, say how to get them."""
    try:
        from vgcore.commands import app
    except ImportError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(
            f'error: the command line needs {error.name}: pip install "vgcore[demo]"',
            file=sys.stderr,
        )
        sys.exit(1)
    app(prog_name="vgcore")
