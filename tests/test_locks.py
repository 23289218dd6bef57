"""What a fork waits for."""

from __future__ import annotations

import os

import pytest
from processes import run_python

SCRIPT = """
import os, threading, time
from vgcore._locks import multiplying

done = []
begun = threading.Event()

def work():
    with multiplying:
        begun.set()
        time.sleep(0.3)
        done.append(True)

threading.Thread(target=work).start()
begun.wait()
child = os.fork()
if child == 0:
    os._exit(0 if done and multiplying.acquire(timeout=1) else 1)
print(os.waitpid(child, 0)[1], done, multiplying.acquire(timeout=1))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_waits_for_who_multiplies_in_the_background() -> None:
    assert run_python("-c", SCRIPT).stdout == "0 [True] True\n"
