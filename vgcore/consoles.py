"""Consoles that cannot show every character, have been closed, or stop listening."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_PLAIN = {
    "‖": "||",
    "–": "-",
    "−": "-",
    "→": "->",
    "×": "x",
    "·": "*",
    "±": "+-",
    "∓": "-+",
    "√": "sqrt ",
}
_PLAIN |= {"∂": "d", "∫": "integral ", "∞": "infinity", "’": "'", "…": "...", "≤": "<=", "≥": ">="}
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")


def prepare() -> None:
    """Have standard output and error take every text: what they lack is replaced, what is closed is null."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def spell(text: str, encoding: str) -> str:
    """Write ``text`` with the characters that an encoding has; "?" for what has no other spelling."""

    def one(character: str) -> str:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            plain = _plain(character)
            return plain if plain.isascii() else "?"
        return character

    return "".join(map(one, text))


def _plain(character: str) -> str:
    """Another spelling: a Greek letter's name, what a raised or accented letter is without that."""
    if character in _PLAIN:
        return _PLAIN[character]
    if greek := _GREEK.fullmatch(unicodedata.name(character, "")):
        name = greek[2].replace("LAMDA", "LAMBDA")
        return name.lower() if greek[1] == "SMALL" else name.capitalize()
    apart = unicodedata.normalize("NFKD", character)
    if not apart[0].isalnum():  # a stroke through a sign makes it another, as in ≠
        return "?"
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@contextmanager
def lasting() -> Iterator[None]:
    """Print to standard output, all of it before this ends; exit with 1 where it cannot be written.

    Nothing is said of a reader that has enough, such as ``head``.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail again when Python ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: standard output: {error.strerror}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def failing_readably() -> Iterator[None]:
    """Say in a line what was wrong with what was asked for, and exit with 1."""
    try:
        yield
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error


class Forgiving:
    """A stream that may fail: what cannot be written to it is lost, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send what can be sent."""
        with suppress(OSError, ValueError):
            self._stream.flush()
