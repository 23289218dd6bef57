"""The examples run as they are, and print what they promise."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vgcore as vg

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments, code=0, **options):
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_explained(path):
    lines = path.read_text().splitlines()
    assert len(lines) < 25 and lines[0].startswith('"""')


def test_keras_like():
    accuracy, top = numbers(run("keras_like.py"))
    assert accuracy > 0.95 and top > 0.99


def test_padded_sequences():
    text = run("padded_sequences.py")
    assert text.count("epoch ") == 30
    assert numbers(text)[-2] > 0.9


def test_own_activation():
    *_, small, at, large = run("own_activation.py").splitlines()
    for line in (small, at, large):
        measured, theory = numbers(line)[-2:]
        assert measured == pytest.approx(theory, rel=0.05)
    assert numbers(small)[-1] < 0.9 and numbers(large)[-1] > 1.1
    assert numbers(at)[-1] == pytest.approx(1, abs=1e-3)


def test_transfer():
    text = run("transfer.py")
    assert "high.weight high.bias" in text
    assert min(numbers(text)) > 0.9


def test_resume(tmp_path):
    whole = run("resume.py", str(tmp_path / "whole.npz"))
    for _ in range(2):
        run("resume.py", str(tmp_path / "killed.npz"), "--die", code=9)
    assert run("resume.py", str(tmp_path / "killed.npz")).split("loss")[1] == whole.split("loss")[1]


def children(pid):
    """Processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def accuracies(folder):
    """By configuration, as far as a sweep has come; none before its store is whole."""
    try:
        table = vg.sweeps.load(folder / "depth_scale.sqlite")
    except (OSError, ValueError):
        return {}
    return {tuple(row.config.values()): row.result["accuracy"] for row in table}


def test_sweep_depth_scale_goes_on_after_a_kill(tmp_path):
    """Killed in the middle it leaves no process behind, and goes on to the table of a run in one go."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    command = [sys.executable, str(EXAMPLES / "sweep_depth_scale.py"), "3"]
    options = {"cwd": tmp_path / "killed", "env": {**os.environ, "MPLBACKEND": "Agg"}}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as process:
        while len(accuracies(options["cwd"])) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        workers = children(process.pid)
        process.send_signal(signal.SIGKILL)
    assert workers
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    early = accuracies(options["cwd"])
    assert 2 <= len(early) < 9
    assert run("sweep_depth_scale.py", "3", **options) == f"resumed: {len(early)} of 9 done\n"
    options["cwd"] = tmp_path / "whole"
    assert run("sweep_depth_scale.py", "3", **options) == ""
    assert accuracies(tmp_path / "killed") == accuracies(tmp_path / "whole")
    assert early.items() <= accuracies(tmp_path / "whole").items()
    assert (tmp_path / "whole" / "depth_scale.png").stat().st_size > 5000
