"""The program `vgcore`."""

from __future__ import annotations

import sys

from vgcore import _extras, consoles


def main() -> None:
    """Run the command line; where its libraries are missing, say how to get them."""
    consoles.prepare()
    try:
        from vgcore.commands import app
    except ImportError as error:
        if error.name not in ("typer", "rich"):
            raise
        about = _extras.missing(error.name, "cli", "the command line needs")
        print(f"error: {about}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)  # as typer ends, once it is there
    app(prog_name="vgcore")
