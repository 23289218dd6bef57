"""Sentences and their translations as sequences of numbers, for one stack of recurrent layers.

Source and target are one sequence, source words, a separator, target words, as in I. Sutskever, O. Vinyals,
Q. V. Le, "Sequence to sequence learning with neural networks", NIPS 2014, arXiv:1409.3215, where the end of
the source is such a separator. A model reads the sequence from left to right and tells the next word at every
timestep; what counts is what it tells from the separator on, until the end of the target.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore._validate import array, boolean, integer, items, real
from vgcore._validate import path as _path
from vgcore.data.padding import pad_sequences

Words = tuple[str, ...]

PADDING, SEPARATOR, END, UNKNOWN = range(4)
"""Numbers that are no word's: of what stands behind a sequence, between source and target, behind the
target, and for a word that is not in the vocabulary."""

_NAMES = "<pad>", "<sep>", "<end>", "<unk>"
_INSIDE = re.compile(r"(?<=\w)['’-](?=\w)|(?<=\d)[.,](?=\d)")  # what joins the parts of a word
_ZERO_WIDTH_SPACE, _JOINERS = (
    "\u200b",
    "\u200c\u200d",
)  # which parts words, and what is a part of them


class Pairs(NamedTuple):
    """Some pairs, row by row.

    Attributes
    ----------
    x : ndarray of int64, (n, time)
        Source words, `SEPARATOR`, target words, `PADDING`.
    y : ndarray of int64, (n, time)
        At each timestep the one that follows, behind the target's last word `END`; then `PADDING`.
    sample_weight : ndarray of float32, (n, time)
        1 where y is a word of the target or its end, 0 at the source's words and at padding.
    lengths : ndarray of int64, (n,)
        Timesteps in front of the padding.
    sources, targets : tuple of tuples of str
        The words, in reading order, also where x has the source's in reverse.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    sample_weight: NDArray[np.float32]
    lengths: NDArray[np.int64]
    sources: tuple[Words, ...]
    targets: tuple[Words, ...]


@dataclass(frozen=True)
class SentencePairs:
    """Pairs to train on and held out, and the vocabulary that tells which word each number is.

    Attributes
    ----------
    words : tuple of str
        The vocabulary: four names for what is no word, then the words of both languages, the most frequent
        ones first.
    train, held_out : Pairs
        No source of one is in the other.
    reverse : bool
        Whether the source's words stand in reverse.
    """

    words: Words
    train: Pairs
    held_out: Pairs
    reverse: bool

    def encode(self, sources: Iterable[Words], targets: Iterable[Words] | None = None) -> Pairs:
        """Turn words into numbers; those that are not in the vocabulary are `UNKNOWN`.

        Parameters
        ----------
        sources : iterable of sequences of str
            Words of each sentence.
        targets : iterable of sequences of str, optional
            Their translations; without them x ends at the separator, where a model begins to translate.

        Returns
        -------
        Pairs

        Raises
        ------
        ValueError
            If there are not as many targets as sources, or none at all.
        """
        sources = tuple(map(tuple, sources))
        targets = ((),) * len(sources) if targets is None else tuple(map(tuple, targets))
        if not sources or len(targets) != len(sources):
            raise ValueError(
                f"targets: expected one for each source, got {len(targets)} for {len(sources)}"
            )
        return _encoded(self.words, sources, targets, reverse=self.reverse)

    def decode(self, codes: ArrayLike) -> Words:
        """Turn a row of numbers back into words, up to the first `END`.

        Raises
        ------
        TypeError, ValueError
            If ``codes`` are not integers, of one dimension, and of the vocabulary.
        """
        codes = array("codes", codes)
        if codes.dtype.kind not in "iu" or codes.ndim != 1:
            raise TypeError(f"codes: expected a row of integers, got {codes.dtype} {codes.shape}")
        wrong = codes[(codes < 0) | (codes >= len(self.words))]
        if wrong.size:
            raise ValueError(f"codes: expected 0 to {len(self.words) - 1}, got {wrong[0]}")
        ends = np.flatnonzero(codes == END)
        return tuple(self.words[code] for code in codes[: ends[0] if ends.size else None])


def sentence_pairs(
    pairs: str | os.PathLike[str] | Iterable[tuple[str, str]],
    *,
    most: int | None = None,
    longest: int = 10,
    least: int = 1,
    swap: bool = False,
    reverse: bool = False,
    held_out: float = 0.1,
    seed: int = 0,
) -> SentencePairs:
    r"""Read sentences and their translations, one pair a line, as numbers and their vocabulary.

    Words are lower-case; punctuation is words of its own, but for an apostrophe or a hyphen inside a word, a
    point or a comma inside a number. A pair that is there twice counts once.

    Parameters
    ----------
    pairs : str, PathLike, or iterable of pairs of str
        A file in UTF-8 with tabs between its columns, as Tatoeba's sentences are handed out: source, target
        and, maybe, an attribution ("Go.\tVa !\tCC-BY ..."), as on manythings.org/anki; or number, source,
        number, target, as in tatoeba.org's own exports of pairs. Or sentences that are there already.
    most : int, optional
        No more pairs than these, the first of those that are short enough.
    longest : int
        Words that a sentence has at most, in either language; pairs with a longer one are left out.
    least : int
        Times that a word must be in the pairs to train on to be in the vocabulary.
    swap : bool
        Whether to translate from the second language into the first.
    reverse : bool
        Whether a model reads the source's words from the last to the first (Sutskever et al. 2014).
    held_out : float
        The share of the sources to test on, strictly between 0 and 1. All translations of a source are on
        the same side.
    seed : int
        Seeds which they are.

    Returns
    -------
    SentencePairs

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    OSError
        If the file cannot be read; FileNotFoundError if it is missing.
    ValueError
        If an argument is out of range, the file is not UTF-8 or holds no pairs, a line has no two sentences,
        or no pairs are left for one of the two sides.

    Examples
    --------
    >>> pairs = vg.data.sentence_pairs([("Go!", "Va !"), ("I see.", "Je vois.")], held_out=0.5)
    >>> pairs.decode(pairs.train.y[0])
    ('see', '.', '<sep>', 'je', 'vois', '.')
    """
    most = None if most is None else integer("most", most, minimum=2)
    longest = integer("longest", longest, minimum=1)
    least = integer("least", least, minimum=1)
    share = real("held_out", held_out, above=0, below=1)
    seed = integer("seed", seed, minimum=0)
    boolean("swap", swap)
    boolean("reverse", reverse)
    read = _given(pairs) if _are_sentences(pairs) else _lines(_path("pairs", pairs))
    both: dict[tuple[Words, Words], None] = {}
    shortest: int | None = None
    for one, other in read:
        source, target = split(other if swap else one), split(one if swap else other)
        if source and target:
            longer = max(len(source), len(target))
            shortest = min(longer, shortest or longer)
            if longer <= longest:
                both[source, target] = None
        if len(both) == most:
            break
    if shortest is None:
        where = "none" if _are_sentences(pairs) else f"{pairs!s}, which holds no pairs"
        raise ValueError(f"pairs: expected pairs of sentences, got {where}")
    if not both:
        raise ValueError(
            f"longest: expected at least {shortest}, the words of the shortest pair; got {longest}"
        )
    sources = list(dict.fromkeys(source for source, _ in both))
    count = round(share * len(sources))
    if not 0 < count < len(sources):
        raise ValueError(
            f"held_out: expected a share that leaves sources on both sides; got {share:g}, which parts "
            f"{len(sources)} (of up to {longest} words) into {len(sources) - count} and {count}"
        )
    order = np.random.default_rng(seed).permutation(len(sources))
    away = {sources[place] for place in order[:count]}
    train = [pair for pair in both if pair[0] not in away]
    counts = Counter(word for pair in train for sentence in pair for word in sentence)
    words = (*_NAMES, *(word for word, times in counts.most_common() if times >= least))
    parts = (train, [pair for pair in both if pair[0] in away])
    sides = [_encoded(words, *zip(*part, strict=True), reverse=reverse) for part in parts]
    return SentencePairs(words, sides[0], sides[1], reverse)


def _are_sentences(pairs: Any) -> bool:
    return not isinstance(pairs, str | bytes | os.PathLike)


def _given(pairs: Any) -> Iterator[Sequence[str]]:
    """Sentences that are there already."""
    expected = "a path, or pairs of sentences"
    for place, pair in enumerate(items("pairs", pairs, expected)):
        if not isinstance(pair, tuple | list) or [type(each) for each in pair] != [str, str]:
            raise TypeError(f"pairs[{place}]: expected two sentences, got {pair!r}")
        yield pair


def _lines(path: str) -> Iterator[Sequence[str]]:
    """The sentences of a file."""
    with open(path, "rb") as file:
        parts = (part for line in file for part in line.rstrip(b"\r\n").split(b"\r"))
        for number, line in enumerate(parts, 1):
            try:
                columns = line.decode("utf-8-sig" if number == 1 else "utf-8").split("\t")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number}: expected text in UTF-8, got byte "
                    f"{error.object[error.start]:#04x} ({error.reason})"
                ) from error
            if columns == [""]:
                continue
            if len(columns) == 4 and columns[0].isdecimal() and columns[2].isdecimal():
                columns = columns[1::2]
            if len(columns) < 2 or not all(map(_is_written, columns[:2])):
                raise ValueError(
                    f"{path}, line {number}: expected two sentences with a tab between them, got "
                    f"{columns[0][:40]!r} and {len(columns) - 1} more columns"
                )
            yield columns[:2]


def _is_written(sentence: str) -> bool:
    """Whether there is more than spaces, and signs that are not seen."""
    return any(letter.isprintable() and not letter.isspace() for letter in sentence)


def _encoded(
    words: Words, sources: tuple[Words, ...], targets: tuple[Words, ...], *, reverse: bool
) -> Pairs:
    """Words as numbers."""
    number = {word: place for place, word in enumerate(words)}
    rows, following = [], []
    for source, target in zip(sources, targets, strict=True):
        before, after = ([number.get(word, UNKNOWN) for word in each] for each in (source, target))
        rows.append([*(before[::-1] if reverse else before), SEPARATOR, *after])
        following.append([*rows[-1][1:], END])
    x, lengths = pad_sequences(rows, value=PADDING, dtype=np.int64)
    y = pad_sequences(following, value=PADDING, dtype=np.int64).x
    assert lengths is not None
    begin = np.array([[len(source)] for source in sources])
    time = np.arange(x.shape[1])
    counts = (begin <= time) & (time < lengths[:, np.newaxis])
    return Pairs(x, y, counts.astype(np.float32), lengths, sources, targets)


def split(sentence: str) -> Words:
    """A sentence's words in lower case, punctuation apart."""
    if not sentence.isprintable():  # there is what is not seen, such as a soft hyphen
        sentence = "".join(
            letter
            for letter in sentence.replace(_ZERO_WIDTH_SPACE, " ")
            if letter in _JOINERS or unicodedata.category(letter) != "Cf"
        )
    normal = unicodedata.normalize("NFC", sentence).lower()
    inside = {match.start() for match in _INSIDE.finditer(normal)}
    apart = (
        f" {letter} " if place not in inside and unicodedata.category(letter)[0] in "PS" else letter
        for place, letter in enumerate(normal)
    )
    return tuple("".join(apart).split())
