"""Fixtures that several test files share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_directory() -> Path:
    """The folder of MNIST's own files, kept beside the repository and not in it."""
    directory = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        if not (directory / name).is_file():
            pytest.skip(f"the MNIST test set is absent: {name} is not in {directory}")
    return directory
