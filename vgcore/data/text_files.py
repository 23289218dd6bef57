"""Text as numbers, one a character, and cut into pairs of input and target for next-character models.

The target of each character is the one that follows it, as in J. L. Elman, "Finding structure in
time", Cognitive Science 14 (1990), and A. Karpathy's char-rnn (2015). What guessing scores is
`chance.text`.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore._validate import array, integer, real
from vgcore._validate import path as _path


class Text(NamedTuple):
    """A text as numbers, and the vocabulary that tells which character each number is.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
        For each character of the text its place in the vocabulary.
    characters : str
        The vocabulary: every character of the text once, in the order of code points.
    """

    codes: NDArray[np.int64]
    characters: str

    def encode(self, string: str) -> NDArray[np.int64]:
        """Turn a string into codes.

        Parameters
        ----------
        string : str
            Characters of the vocabulary.

        Returns
        -------
        ndarray of int64, shape (len(string),)

        Raises
        ------
        TypeError
            If ``string`` is not a str.
        ValueError
            If a character is not in the vocabulary.
        """
        if not isinstance(string, str):
            raise TypeError(f"string: expected a str, got {type(string).__name__}")
        vocabulary, points = _code_points(self.characters), _code_points(string)
        codes = np.searchsorted(vocabulary, points)
        # Past the last character, any other will do: it is not the one that was looked for.
        foreign = np.flatnonzero(vocabulary.take(codes, mode="clip") != points)
        if foreign.size:
            raise ValueError(
                f"string: expected characters of the vocabulary, {self.characters!r}; "
                f"got {string[foreign[0]]!r} at index {foreign[0]}"
            )
        return codes.astype(np.int64, copy=False)

    def decode(self, codes: ArrayLike) -> str:
        """Turn codes back into a string.

        Parameters
        ----------
        codes : array_like of integers, shape (n,)
            Places in the vocabulary.

        Returns
        -------
        str
            n characters.

        Raises
        ------
        TypeError
            If ``codes`` are not integers.
        ValueError
            If ``codes`` is not of one dimension, or a code is not of the vocabulary.
        """
        codes = _integers(codes)
        size = len(self.characters)
        wrong = np.flatnonzero((codes < 0) | (codes >= size))
        if wrong.size:
            raise ValueError(
                f"codes: expected codes from 0 to {size - 1}, "
                f"got {codes[wrong[0]]} at index {wrong[0]}"
            )
        return _string(_code_points(self.characters)[codes])


def text(path: str | os.PathLike[str]) -> Text:
    """Read a text file, character by character.

    Chance: equal odds on all V characters of the vocabulary have a cross-entropy of ln V, which is
    log2 V bits, per character (`chance.text`).

    Parameters
    ----------
    path : str or PathLike
        A file in UTF-8. Nothing in it is changed, line ends neither; a byte order mark at its
        beginning is no part of the text.

    Returns
    -------
    Text
        Its codes, an ndarray of int64, shape (n,), and its vocabulary.

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be read; FileNotFoundError if it is missing.
    ValueError
        If the file is empty or not UTF-8.
    """
    name = _path("path", path)
    with open(name, "rb") as file:
        content = file.read()
    begin = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0
    if not content[begin:]:
        raise ValueError(f"{name}: expected a text, got an empty file")
    try:
        string = content[begin:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: expected a text in UTF-8, "
            f"got byte {error.object[error.start]:#04x} at offset {begin + error.start} ({error.reason})"
        ) from error
    vocabulary, codes = np.unique(_code_points(string), return_inverse=True)
    return Text(codes.astype(np.int64, copy=False), _string(vocabulary))


def split_tail(
    codes: ArrayLike, *, held_out: float = 0.1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Part a text into its beginning, to train on, and its end, to test on.

    Parting the text and not its windows keeps every character that is tested on out of training.

    Parameters
    ----------
    codes : array_like of integers, shape (n,)
        A text.
    held_out : float
        The share of the characters to test on, strictly between 0 and 1: the last
        ``round(held_out * n)``.

    Returns
    -------
    train, test : ndarray of int64, shape (n - k,) and (k,)
        Copies.

    Raises
    ------
    TypeError
        If ``codes`` are not integers or ``held_out`` is not a number.
    ValueError
        If ``codes`` is not of one dimension, ``held_out`` is out of range, or a part would be
        empty.
    """
    codes = _integers(codes)
    held_out = real("held_out", held_out, above=0, below=1)
    n = len(codes)
    n_test = round(held_out * n)
    if not 0 < n_test < n:
        raise ValueError(
            f"held_out: expected a share that leaves characters in both parts; "
            f"got {held_out:g}, which parts {n} into {n - n_test} and {n_test}"
        )
    return codes[:-n_test].copy(), codes[-n_test:].copy()


def windows(
    codes: ArrayLike, length: int, *, step: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut a text into windows, each with the characters that follow its own as targets.

    Parameters
    ----------
    codes : array_like of integers, shape (n,)
        A text.
    length : int
        Characters in a window, 1 or more.
    step : int, optional
        Characters from the beginning of one window to that of the next, 1 or more; left out,
        ``length``, which puts window beside window. What is left at the end of the text and too
        short for a window is not used.

    Returns
    -------
    x : ndarray of int64, shape ((n - 1 - length) // step + 1, length)
        The windows, in the order of the text.
    y : ndarray of int64, of the shape of x
        The targets: ``x`` one character later.

    Raises
    ------
    TypeError
        If ``codes``, ``length`` or ``step`` are not integers.
    ValueError
        If ``codes`` is not of one dimension or is shorter than a window and its last target, or
        ``length`` or ``step`` is less than 1.
    """
    codes = _integers(codes)
    length = integer("length", length, minimum=1)
    step = length if step is None else integer("step", step, minimum=1)
    if len(codes) < length + 1:
        raise ValueError(
            f"codes: expected at least {length + 1}, for a window of {length} and the character "
            f"that follows; got {len(codes)}"
        )
    pairs = np.lib.stride_tricks.sliding_window_view(codes, length + 1)[::step]
    return pairs[:, :-1].copy(), pairs[:, 1:].copy()


def streams(
    codes: ArrayLike, length: int, batch_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut a text into windows ordered so that each minibatch goes on where the last one stopped.

    The text is parted into ``batch_size`` streams, equally long, and these into windows. Row i of a
    minibatch is the next window of stream i, so a state that is kept from one minibatch to the next
    has seen all of its stream. The order must be kept, too: train with this batch size and without
    shuffling.

    Parameters
    ----------
    codes : array_like of integers, shape (n,)
        A text.
    length : int
        Characters in a window, 1 or more.
    batch_size : int
        Windows in a minibatch, which is the number of streams, 1 or more.

    Returns
    -------
    x : ndarray of int64, shape (k * batch_size, length)
        The windows, minibatch by minibatch, with k = (n - 1) // (batch_size * length) windows for
        each stream. What is left at the end of the text is not used.
    y : ndarray of int64, of the shape of x
        The targets: for each character the one that follows it in the text.

    Raises
    ------
    TypeError
        If ``codes``, ``length`` or ``batch_size`` are not integers.
    ValueError
        If ``codes`` is not of one dimension or too short for one minibatch, or ``length`` or
        ``batch_size`` is less than 1.
    """
    codes = _integers(codes)
    length = integer("length", length, minimum=1)
    batch_size = integer("batch_size", batch_size, minimum=1)
    minibatch = batch_size * length
    if len(codes) < minibatch + 1:
        raise ValueError(
            f"codes: expected at least {minibatch + 1}, for {batch_size} windows of {length} and "
            f"the character that follows; got {len(codes)}"
        )
    used = (len(codes) - 1) // minibatch * minibatch

    def in_order(part: NDArray[np.int64]) -> NDArray[np.int64]:
        by_stream = part.reshape(batch_size, -1, length)
        return by_stream.swapaxes(0, 1).copy().reshape(-1, length)

    return in_order(codes[:used]), in_order(codes[1 : used + 1])


def _integers(codes: ArrayLike) -> NDArray[np.int64]:
    """Return ``codes`` as a vector of int64."""
    values = array("codes", codes)
    if not np.issubdtype(values.dtype, np.integer):
        raise TypeError(f"codes: expected integers, got {values.dtype}")
    if values.ndim != 1:
        raise ValueError(f"codes: expected shape (n,), got shape {values.shape}")
    return values.astype(np.int64, copy=False)


# A str may hold half of a surrogate pair, which UTF-32 proper forbids: it is a foreign character
# like any other here.
def _code_points(string: str) -> NDArray[np.uint32]:
    return np.frombuffer(string.encode("utf-32-le", "surrogatepass"), "<u4")


def _string(points: NDArray[np.uint32]) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
