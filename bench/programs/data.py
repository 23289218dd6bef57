"""Data of the programs: small, drawn anew for each seed, with something to learn in them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from programs.program import Data, Kind, Scaling, split
from vgcore.data import mnist

Array = NDArray[Any]
Rng = np.random.Generator

MNIST = "VGCORE_MNIST"
"""The variable of the environment that names the folder of MNIST's test files."""


def _shuffled(rng: Rng, x: Array, y: Array, kind: Kind = "classes") -> Data:
    """Rows in a new order, of which the last share is held out."""
    order = rng.permutation(len(x))
    return split(x[order], y[order], kind)


def circles(rng: Rng) -> Data:
    """Two noisy circles: 700 points to train with, and 1400 that are held out."""
    x, y = datasets.make_circles(2100, noise=0.1, random_state=1)
    return _many_held_out(rng, x, y)


def blobs(rng: Rng) -> Data:
    """Three Gaussian blobs of standard deviation 2, as many points."""
    x, y = datasets.make_blobs(2100, centers=3, cluster_std=2, random_state=2)
    return _many_held_out(rng, x, y)


def _many_held_out(rng: Rng, x: Array, y: Array) -> Data:
    order = rng.permutation(len(x))
    return split(x[order], y[order], share=2 / 3)


@cache
def _mnist() -> tuple[Array, Array]:
    folder = os.environ.get(MNIST)
    if folder is None:
        raise FileNotFoundError(
            f"{MNIST}: expected the folder of t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, got nothing"
        )
    return mnist(folder)


def has_mnist() -> bool:
    """Whether MNIST is at hand."""
    return MNIST in os.environ


def mnist_rows(rng: Rng, rows: int = 2000, *, images: bool = False, grey: float = 1) -> Data:
    """Some rows of MNIST's test set, (784,) or as images (1, 28, 28), from 0 to ``grey``."""
    x, y = _mnist()
    chosen = rng.permutation(len(x))[:rows]
    x = x[chosen] * np.float32(grey)
    return split(x.reshape(-1, 1, 28, 28) if images else x, y[chosen])


def textures(
    rng: Rng, rows: int = 1500, *, size: int = 16, classes: int = 10, grey: float = 1
) -> Data:
    """Colour images (3, size, size): stripes of a direction, width and colour of each class, in noise.

    They stand in for CIFAR-10 and for photographs.
    """
    style = np.random.default_rng(0)
    angle = np.pi * np.arange(classes) / classes
    width = style.uniform(0.6, 1.4, classes)
    colour = style.uniform(0.2, 1, (classes, 3))
    y = rng.integers(classes, size=rows)
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    turned = rng.normal(angle[y], 0.1)[:, None, None]
    wave = np.sin(
        width[y][:, None, None] * (np.cos(turned) * across + np.sin(turned) * down)
        + rng.uniform(0, 2 * np.pi, rows)[:, None, None]
    )
    x = 0.5 + 0.3 * colour[y][:, :, None, None] * wave[:, None]
    x = np.clip(x + rng.normal(0, 0.15, x.shape), 0, 1) * grey
    return split(x.astype(np.float32), y)


def classes(rng: Rng, rows: int, features: int, number: int, apart: float = 1.0) -> Data:
    """`sklearn.datasets.make_classification`, with as many informative features as the classes need."""
    informative = min(features, max(2, int(np.ceil(np.log2(2 * number))) + 1))
    x, y = datasets.make_classification(
        rows,
        features,
        n_informative=informative,
        n_redundant=min(2, features - informative),
        n_classes=number,
        class_sep=apart,
        random_state=0,
    )
    return _shuffled(rng, x, y)


def clusters(rng: Rng, rows: int, features: int, number: int, spread: float = 1.0) -> Data:
    """A Gaussian cluster for each of many classes, around centres drawn from N(0, 1)."""
    centres = rng.standard_normal((number, features))
    y = rng.integers(number, size=rows)
    return split(centres[y] + spread * rng.standard_normal((rows, features)), y)


def regression(rng: Rng, rows: int, features: int, targets: int = 1, informative: int = 10) -> Data:
    """`sklearn.datasets.make_regression`; targets are of the order of 100."""
    x, y = datasets.make_regression(
        rows,
        features,
        n_informative=min(informative, features),
        n_targets=targets,
        noise=1.0,
        random_state=0,
    )
    return _shuffled(rng, x, y.reshape(rows, targets), "numbers")


def handwritten(rng: Rng) -> Data:
    """scikit-learn's digits (64,), from 0 to 1."""
    x, y = datasets.load_digits(return_X_y=True)
    return _shuffled(rng, (x / 16).astype(np.float32), y)


def within_1(values: Array) -> Scaling:
    """Least -1 and greatest 1 of each feature."""
    low, high = values.min(axis=0), values.max(axis=0)
    return Scaling((low + high) / 2, (high - low) / 2)


def known(rng: Rng, name: str) -> Data:
    """A table of scikit-learn's: "iris", "breast_cancer"."""
    return _shuffled(rng, *getattr(datasets, f"load_{name}")(return_X_y=True))


def census(rng: Rng) -> Data:
    """14 features in units of their own, up to 1e5, some of them mostly 0, and an income."""
    rows = 4000
    latent = rng.standard_normal((rows, 14))
    x = np.rint(latent * 3 + 8)
    x[:, 0] = np.rint(latent[:, 0] * 13 + 38)
    x[:, 2] = np.exp(latent[:, 2] * 0.6) * 1.8e5
    x[:, 10] = np.where(latent[:, 10] > 1.2, np.exp(latent[:, 10]) * 3e3, 0)
    x[:, 11] = np.where(latent[:, 11] > 1.6, 1900 + 200 * latent[:, 11], 0)
    x[:, 12] = np.rint(latent[:, 12] * 12 + 40)
    weights = np.random.default_rng(0).uniform(-1, 1, 14)
    weights[[2, 10]] = 0, 1.5
    signal = latent @ weights + latent[:, 0] * latent[:, 12]
    return split(x, (signal + 0.5 * rng.standard_normal(rows) > 0.8).astype(int))


def passengers(rng: Rng) -> Data:
    """11 features of which fares and numbers are as large as 500, and who survives."""
    rows = 600
    latent = rng.standard_normal((rows, 11))
    size = np.array([1, 1, 14, 1, 1, 50, 250, 1, 1, 100, 1])
    x = np.rint((latent + 2) * size)
    weights = np.array([1, -2, -0.7, 0.4, 0.3, 0.8, 0.2, 1, -1, 0.3, 0.5])
    return split(x, (latent @ weights + 0.3 * rng.standard_normal(rows) > 0).astype(int))


def faces(rng: Rng, size: int = 24) -> Data:
    """Images from 0 to 1, flat, of a face that is moved, and where its 15 points are, from -1 to 1."""
    rows = 600
    middle = np.random.default_rng(0).uniform(0.25, 0.75, (15, 2)) * size
    moved = rng.normal(0, size / 16, (rows, 1, 2)) + rng.normal(0, size / 60, (rows, 15, 2))
    points = middle + moved
    grid = np.arange(size)
    width = 2 * (size / 10) ** 2
    across = np.exp(-((grid - points[..., :1]) ** 2) / width)
    down = np.exp(-((grid - points[..., 1:]) ** 2) / width)
    images = np.einsum("npx,npy->nyx", across, down).reshape(rows, -1)
    x = images / images.max() + 0.02 * rng.standard_normal(images.shape)
    return split(x, (points.reshape(rows, 30) - size / 2) / (size / 2), "numbers")


def houses(rng: Rng) -> Data:
    """8 standardised features, and a price of the order of a million."""
    x = rng.standard_normal((1000, 8))
    value = np.tanh(x[:, 0] + 0.5 * x[:, 1]) + 0.5 * x[:, 2] * x[:, 3] + 0.4 * x[:, 4]
    return split(x, 1e6 + 5e5 * value[:, np.newaxis], "numbers")


def life(rng: Rng, size: int = 8) -> Data:
    """Boards of Conway's Game of Life (1, size, size), and the next generation."""
    now = (rng.random((800, 1, size, size)) < 0.4).astype(np.float32)
    padded = np.pad(now, ((0, 0), (0, 0), (1, 1), (1, 1)))
    around = sum(padded[:, :, i : i + size, j : j + size] for i in range(3) for j in range(3)) - now
    following = (around == 3) | ((around == 2) & (now > 0))
    return split(now, following.astype(np.float32), "labels")
