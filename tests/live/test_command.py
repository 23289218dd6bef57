"""`vgcore live` serves the playground until Ctrl-C, or writes it as a site."""

from __future__ import annotations

import os
import signal
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from processes import start_serving
from test_static_site import OWN, files, wheel
from typer.testing import CliRunner, Result

import vgcore as vg
from vgcore.commands import app
from vgcore.live.server import Server

__all__ = ["wheel"]  # a fixture


def vgcore(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["live", *map(str, arguments)])


@pytest.mark.skipif(os.name != "posix", reason="a signal stands for Ctrl-C")
def test_the_playground_is_served_until_ctrl_c(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part\nmv {opened}.part {opened}\n')
    browser.chmod(0o755)
    run, address = start_serving(
        *("-m", "vgcore", "live", "--port", "0"), env={**os.environ, "BROWSER": str(browser)}
    )
    url = urlsplit(address)
    connection = HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"/?{url.query}")
    answer = connection.getresponse()
    assert answer.status == 200 and b"live.js" in answer.read()
    while (
        not opened.exists()
    ):  # the browser has been started: it is told before anything is waited for
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=15)
    connection.close()
    assert (out, err, run.returncode) == ("\nEnded.\n", "", 0)
    assert opened.read_text(encoding="utf-8").strip() == address


def test_a_port_in_use_is_told() -> None:
    with Server(vg.live.playground(), port=0) as server:
        port = urlsplit(server.url).port
        done = vgcore("--port", str(port), "--no-browser")
    assert done.exit_code == 1
    assert f"error: port: expected a free port, got {port}, which is in use" in done.stderr


def test_a_site_is_written(tmp_path: Path, wheel: Path) -> None:
    folder = tmp_path / "site"
    done = vgcore("--export", folder, "--wheel", wheel)
    assert done.exit_code == 0, done.output
    assert f"Site: {folder / 'index.html'}" in done.stdout
    assert files(folder) == OWN
    assert "vg.live.playground('sigmoid_depth')" in (folder / "page.py").read_text(encoding="utf-8")
    refused = vgcore("--export", tmp_path, "--wheel", wheel)
    assert refused.exit_code == 1 and "error: folder: expected an empty one" in refused.stderr


def test_options_of_a_site_need_a_folder(wheel: Path) -> None:
    done = vgcore("--wheel", wheel)
    assert done.exit_code == 1
    assert "error: wheel: expected --export FOLDER beside it" in done.stderr
