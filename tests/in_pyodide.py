"""In Pyodide, tests that themselves ask for what a browser's Python has not are skipped."""

import errno
import os
import traceback
from pathlib import Path

import pytest

import vgcore

HAS = {"numpy", "vgcore"}
VGCORE = str(Path(vgcore.__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in HAS:
            raise
        pytest.skip(str(error))
    except (OSError, AttributeError, RuntimeError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        if any(frame.filename.startswith(VGCORE) for frame in frames) or not _is_missing(error):
            raise
        pytest.skip(str(error))


def _is_missing(error):
    """Threads, processes, what they share; links and pipes."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOTSUP, errno.ENOSYS)
    if isinstance(error, AttributeError):
        return error.obj is os
    return "can't start new thread" in str(error) or "multiprocessing" in str(error)
