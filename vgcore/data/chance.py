"""What guessing scores on each sequence task: the loss that a model must beat to show it has learned.

Each function bears the name of the task it is about and takes what the score depends on. Losses are
means over samples and steps; cross-entropies are in nats (divide by ln 2 for bits).
"""

from __future__ import annotations

import math

from vgcore._validate import integer, one_of

_CLASSES = {"6a": 4, "6b": 8}


def adding_problem() -> float:
    """Return 1/6, the mean squared error of always answering 1.

    The target is the sum of two independent numbers, each uniform on [0, 1): 1 is its mean and
    2/12 its variance, so no other constant does better.
    """
    return 1 / 6


def temporal_order(variant: str = "6a") -> float:
    """Return the cross-entropy of equal odds on all classes: ln 4 for experiment 6a, ln 8 for 6b.

    Parameters
    ----------
    variant : {"6a", "6b"}
        The experiment.

    Raises
    ------
    ValueError
        If ``variant`` is neither.
    """
    return math.log(_CLASSES[one_of("variant", variant, _CLASSES)])


def copy_memory(delay: int) -> float:
    """Return 10 ln 8 / (delay + 20), the mean cross-entropy of the best answer without memory.

    That is (Arjovsky, Shah, Bengio 2016) the blank for certain up to the delimiter, which is always
    right, then equal odds on the eight data symbols for ten steps.

    Parameters
    ----------
    delay : int
        The task's delay, 1 or more.

    Raises
    ------
    ValueError
        If ``delay`` is less than 1.
    """
    return 10 * math.log(8) / (integer("delay", delay, minimum=1) + 20)


def parity() -> float:
    """Return ln 2, the cross-entropy of equal odds on odd and even: no part of the bits tells more."""
    return math.log(2)


def sequential_mnist() -> float:
    """Return ln 10, the cross-entropy of equal odds on the ten digits, in any order of the pixels.

    The digits are not quite equally frequent: knowing their frequencies, and nothing else, gains
    less than 0.002.
    """
    return math.log(10)


def text(characters: int) -> float:
    """Return ln V, the cross-entropy per character of equal odds on V characters: log2 V bits.

    Parameters
    ----------
    characters : int
        V, the size of the vocabulary, 1 or more.

    Raises
    ------
    ValueError
        If ``characters`` is less than 1.
    """
    return math.log(integer("characters", characters, minimum=1))
