"""Data sets as arrays, and the two steps between a data set and a model."""

from vgcore.data.mnist_files import mnist
from vgcore.data.prepare import one_hot, train_test_split
from vgcore.data.sklearn_digits import digits

__all__ = ["digits", "mnist", "one_hot", "train_test_split"]
