"""MNIST: 28x28 grey images of handwritten digits.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86 (1998).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras
from vgcore._validate import one_of
from vgcore.data import idx

_PREFIXES = {"train": "train", "test": "t10k"}
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}


def mnist(
    directory: str | os.PathLike[str] | None = None, split: str = "test"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read the images and labels of MNIST, or of a data set published in the same files.

    Parameters
    ----------
    directory : str or PathLike, optional
        The folder that holds the IDX files under their usual names, such as
        ``t10k-images-idx3-ubyte`` or ``t10k-images.idx3-ubyte``, with or without ``.gz``. Left out,
        the files are downloaded once, checked against their checksums, and kept in the user's
        cache folder; this needs pooch, which the extra "data" brings.
    split : {"test", "train"}
        The 10,000 images to test on, or the 60,000 to train on.

    Returns
    -------
    x : ndarray of float32, shape (n, 784)
        Grey levels from 0 (paper) to 1 (ink), row by row.
    y : ndarray of int64, shape (n,)
        The digits, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the directory, or one of the two files in it, is missing.
    ValueError
        If ``split`` is neither name, or a file is damaged or holds something else.
    ImportError
        If a download is needed and pooch is not installed.
    ConnectionError
        If no address delivers the files.
    """
    images_path, labels_path = files(directory, split)
    images = idx.read(images_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"{images_path}: expected images, uint8 of shape (n, 28, 28); "
            f"got {images.dtype} of shape {images.shape}"
        )
    labels = idx.read(labels_path)
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_path}: expected labels, uint8 of shape (n,); "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) != len(images):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, one for each image of "
            f"{images_path.name}; got {len(labels)}"
        )
    foreign = np.flatnonzero(labels > 9)
    if foreign.size:
        raise ValueError(
            f"{labels_path}: expected labels from 0 to 9, "
            f"got {labels[foreign[0]]} at index {foreign[0]}"
        )
    x = np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)
    return x, labels.astype(np.int64)


def files(
    directory: str | os.PathLike[str] | None, split: str, argument: str = "directory"
) -> tuple[Path, Path]:
    """The files of a split, images and labels; errors speak of ``directory`` as ``argument``."""
    stems = _stems(split)
    if directory is None:
        images_path, labels_path = (_download(f"{stem}-ubyte.gz") for stem in stems)
    else:
        images_path, labels_path = (_find(directory, stem, argument) for stem in stems)
    return images_path, labels_path


def begun(directory: str | os.PathLike[str], split: str) -> bool:
    """Whether a folder holds any of a split's files."""
    folder = Path(directory)
    return any((folder / name).is_file() for stem in _stems(split) for name in _spellings(stem))


def _stems(split: str) -> tuple[str, str]:
    prefix = _PREFIXES[one_of("split", split, _PREFIXES)]
    return f"{prefix}-images-idx3", f"{prefix}-labels-idx1"


def _spellings(stem: str) -> list[str]:
    stem, _, rank = stem.rpartition("-")
    return [f"{stem}{joint}{rank}-ubyte{end}" for joint in "-." for end in ("", ".gz")]


def _find(directory: str | os.PathLike[str], stem: str, argument: str) -> Path:
    """Return the first of the usual spellings of a file that exists in ``directory``."""
    if not isinstance(directory, (str, os.PathLike)):
        raise TypeError(
            f"{argument}: expected a path (str or PathLike), got {type(directory).__name__}"
        )
    folder, names = Path(directory), _spellings(stem)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    lack = "none of these files in it" if folder.is_dir() else "no such directory"
    raise FileNotFoundError(
        f"{argument}: expected a folder that holds one of {', '.join(names)}; got {folder}: {lack}"
    )


def _download(name: str) -> Path:
    """Return the path of a file of MNIST in the user's cache, fetching it if it is not there."""
    at_hand = "; for files already at hand, pass their folder: directory= here, --data of commands"
    with _extras.needing("pooch", "downloading MNIST needs", "data", at_hand):
        import pooch

    failures: list[tuple[str, Exception]] = []
    for mirror in _MIRRORS:
        url = mirror + name
        try:
            return Path(
                pooch.retrieve(
                    url, known_hash=_CHECKSUMS[name], fname=name, path=pooch.os_cache("vgcore")
                )
            )
        except PermissionError:  # the cache folder's fault: another mirror would not help
            raise
        except (OSError, ValueError) as error:  # no connection, a refusal, or a wrong checksum
            failures.append((url, error))
    tried = "\n".join(f"  {url}: {error}" for url, error in failures)
    raise ConnectionError(
        f"could not download {name} of MNIST; tried\n{tried}\n"
        "For files already at hand, pass their folder: directory= here, --data of commands"
    ) from failures[-1][1]
