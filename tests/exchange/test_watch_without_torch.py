"""Where PyTorch is not installed, watching says so; nothing else of the room needs it."""

from processes import run_python


def test_what_is_missing_is_said():
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import vgcore as vg\n"
        "try:\n    vg.exchange.watch(None)\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert run_python("-c", script).stdout.startswith("watch needs torch")


def test_importing_the_room_imports_no_pytorch():
    script = (
        "import sys, vgcore.exchange; print('torch' in sys.modules, 'lightning' in sys.modules)"
    )
    assert run_python("-c", script).stdout.split() == ["False", "False"]
