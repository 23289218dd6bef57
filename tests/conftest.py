"""Fixtures that several test files share, and how hypothesis searches."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

from vgcore._core import simd

if sys.platform == "emscripten":
    from in_pyodide import pytest_runtest_call  # noqa: F401, which pytest finds here

SHARED = Path(__file__).parents[2] / "shared" / "data"

# The same examples on every machine and in every run, however slow
hypothesis.settings.register_profile("vgcore", derandomize=True, deadline=None)
hypothesis.settings.load_profile("vgcore")


def shared_file(name: str) -> Path:
    """A file kept beside the repository and not in it: without it, a test is skipped, in CI failed."""
    path = SHARED / name
    if not path.is_file():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"{path.name} is absent: it is not in {path.parent}")
    return path


@pytest.fixture(scope="session")
def mnist_directory() -> Path:
    """The folder of MNIST's own files, of which the test set's are there."""
    shared_file("mnist/t10k-images-idx3-ubyte.gz")
    return shared_file("mnist/t10k-labels-idx1-ubyte.gz").parent


@pytest.fixture(scope="session")
def shakespeare() -> Path:
    """Forty thousand lines of Shakespeare, 1,115,394 characters of 65 kinds, all ASCII."""
    return shared_file("tinyshakespeare.txt")


@pytest.fixture
def cache_of():
    """Set the size of the cache that products share; it is restored."""
    before = simd.take_second_level(2**20)
    yield simd.take_second_level
    simd.take_second_level(before)
