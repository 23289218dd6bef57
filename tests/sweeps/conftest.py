"""Two threads, however many CPUs there are."""

import pytest

import vgcore as vg


@pytest.fixture(autouse=True)
def two_threads():
    vg.set_num_threads(2)
