"""Data sets and tasks as arrays, the steps between them and a model, and what guessing scores."""

from typing import TYPE_CHECKING

from vgcore import _answers
from vgcore.data import chance
from vgcore.data.mnist_files import mnist
from vgcore.data.padding import pad_sequences
from vgcore.data.points import circles, moons, sine, spirals, xor
from vgcore.data.prepare import one_hot, train_test_split
from vgcore.data.sentence_pairs import Pairs, SentencePairs, sentence_pairs
from vgcore.data.sequences import (
    adding_problem,
    copy_memory,
    parity,
    sequential_mnist,
    temporal_order,
)
from vgcore.data.text_files import Text, split_tail, streams, text, windows
from vgcore.data.uci_digits import digits

__all__ = [
    "Pairs",
    "SentencePairs",
    "Text",
    "adding_problem",
    "chance",
    "circles",
    "copy_memory",
    "digits",
    "mnist",
    "moons",
    "one_hot",
    "pad_sequences",
    "parity",
    "sentence_pairs",
    "sequential_mnist",
    "sine",
    "spirals",
    "split_tail",
    "streams",
    "temporal_order",
    "text",
    "train_test_split",
    "windows",
    "xor",
]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
