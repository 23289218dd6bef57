"""``python -m vgcore``."""

from vgcore.cli import main

main()
