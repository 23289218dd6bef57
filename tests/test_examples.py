"""The examples run as they are, and print what they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments, code=0):
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
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
