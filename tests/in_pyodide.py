"""In Pyodide, tests that themselves ask for what a browser's Python has not are skipped."""

import errno
import os
import traceback
from pathlib import Path

import pytest

import vgcore

ENGINE = str(Path(vgcore.__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        asked_by_vgcore = any(frame.filename.startswith(ENGINE) for frame in frames)
        if _is_missing(error) and not asked_by_vgcore:
            pytest.skip(str(error))
        raise


def _is_missing(error):
    """Threads, processes, what they share; links and pipes."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOTSUP, errno.ENOSYS)
    if isinstance(error, AttributeError):
        return error.obj is os
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error) or "multiprocessing" in str(error)
    return isinstance(error, ImportError)
