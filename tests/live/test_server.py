"""`vgcore live`'s server answers this machine's own page, and refuses everything else in a line."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browsers import browser
from processes import start_serving

import vgcore as vg
from vgcore.live.packing import unpack
from vgcore.live.server import Server


class Counted:
    """A page's function that knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        return vg.live.lines("Powers", [params["base"] ** n for n in range(5)], range(5))


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def server(counted: Counted) -> Iterator[Server]:
    base = vg.live.Slider("base", 1, 9, 2)
    page = vg.live.Page(counted, [base], title="Powers <of>", plays=True)
    with Server(page, port=0) as running:
        yield running


class Client:
    """A connection to a server, kept alive, that says who it is as the page would."""

    def __init__(self, server: Server) -> None:
        url = urlsplit(server.url)
        assert url.hostname is not None
        self.token = parse_qs(url.query)["token"][0]
        self.connection = HTTPConnection(url.hostname, url.port, timeout=10)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def post(self, params: Any, **headers: str) -> tuple[HTTPResponse, bytes]:
        given = {"X-Vgcore-Token": self.token, **headers}
        return self.ask("POST", "/frame", json.dumps(params).encode(), **given)

    def frame(self, **params: Any) -> Any:
        answer, body = self.post(params)
        assert answer.status == 200
        return unpack(body)


Connect = Callable[[Server], Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, whose connections are closed at the end."""
    with ExitStack() as stack:

        def made(server: Server) -> Client:
            client = Client(server)
            stack.callback(client.connection.close)
            return client

        yield made


@pytest.fixture
def client(server: Server, connect: Connect) -> Client:
    return connect(server)


def values(frame: Any) -> Any:
    return frame["pictures"][0]["lines"][0]["values"]


def test_page_module_and_frames_come_with_the_token(client: Client) -> None:
    query = f"?token={client.token}"
    kinds = {"/": "text/html", "/live.js": "text/javascript"}
    for path, kind in kinds.items():
        answer, body = client.ask("GET", path + query)
        assert answer.status == 200 and answer.headers.get_content_type() == kind
        assert answer.headers["Cache-Control"] == "no-store"
        assert b"http:" not in body.replace(b"http://www.w3.org", b"") and b"https:" not in body
        if path == "/":
            assert b"<title>Powers &lt;of&gt;</title>" in body
            assert b"default-src &#x27;none&#x27;" in body
    np.testing.assert_array_equal(values(client.frame(settings=[{"base": 3}])), [1, 3, 9, 27, 81])
    assert client.frame(page=True)["page"]["title"] == "Powers <of>"


def refused(name: str, status: int, says: str, **request: Any) -> Any:
    return pytest.param(status, says, request, id=name)


@pytest.mark.parametrize(
    ("status", "says", "request_"),
    [
        refused("no token", 403, "token", headers={"X-Vgcore-Token": ""}),
        refused("wrong token", 403, "token", headers={"X-Vgcore-Token": "guess"}),
        refused("token of other letters", 403, "token", headers={"X-Vgcore-Token": "é"}),
        refused(
            "token in the address alone", 403, "token", headers={}, path="/frame?token={token}"
        ),
        refused("foreign origin", 403, "evil", headers={"Origin": "http://evil.example"}),
        refused("opaque origin", 403, "null", headers={"Origin": "null"}),
        refused("other port's origin", 403, ":1'", headers={"Origin": "http://127.0.0.1:1"}),
        refused("foreign host", 403, "evil", headers={"Host": "evil.example"}),
        refused("rebound host", 403, "evil", headers={"Host": "127.0.0.1.evil.example:80"}),
        refused("long body", 413, "65536 bytes, got 65537", body=b" " * 65537),
        refused("much longer body", 413, "at most", body=b" " * 500_000),
        refused("huge body", 413, "at most", body=b"", headers={"Content-Length": "9" * 5000}),
        refused(
            "behind zeros", 413, "at most", body=b"", headers={"Content-Length": f"{0:020}99999"}
        ),
        refused("body without length", 411, "length", headers={"Transfer-Encoding": "chunked"}),
        refused("length that is none", 411, "length", headers={"Content-Length": "-1"}),
        refused("no JSON", 400, "JSON", body=b"{"),
        refused("no text", 400, "JSON", body=b'"\xff"'),
        refused("deep JSON", 400, "JSON", body=b"[" * 60000),
        refused("page without token", 403, "token", method="GET", path="/"),
        refused("module, wrong token", 403, "token", method="GET", path="/live.js?token=x"),
        refused("other path", 404, "no '/etc/passwd'", method="GET", path="/etc/passwd"),
        refused("other path, dots", 404, "here", method="GET", path="/../live.js?token={token}"),
        refused("no path", 404, "here", method="GET", path="//[::"),
        refused("frame by GET", 405, "POST for /frame, got GET", method="GET"),
        refused("page by POST", 405, "GET for /, got POST", path="/?token={token}"),
        refused("preflight", 405, "got OPTIONS", method="OPTIONS"),
        refused("deletion", 405, "got DELETE", method="DELETE"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    client: Client, counted: Counted, status: int, says: str, request_: dict[str, Any]
) -> None:
    headers = {"X-Vgcore-Token": client.token, **request_.get("headers", {})}
    if "headers" in request_ and not request_["headers"]:
        headers = {}
    answer, body = client.ask(
        request_.get("method", "POST"),
        request_.get("path", "/frame").format(token=client.token),
        request_.get("body", b"{}"),
        **headers,
    )
    assert answer.status == status
    assert answer.headers.get_content_type() == "text/plain"
    assert says in body.decode() and body.endswith(b"\n") and len(body) < 200
    assert client.token not in body.decode()
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert counted.calls == 0
    np.testing.assert_array_equal(values(client.frame()), [1, 2, 4, 8, 16])
    assert counted.calls == 1


def test_what_is_wrong_with_params_is_told_in_the_frame(client: Client) -> None:
    assert "expected a dict" in unpack(client.post([1])[1])["error"]["message"]
    error = client.frame(settings=[{"base": 99}])["error"]
    assert error["control"] == "base" and "99" in error["message"]
    assert "pictures" in client.frame()


def test_a_connection_is_kept(client: Client) -> None:
    client.frame()
    held = client.connection.sock
    for base in range(1, 10):
        assert values(client.frame(settings=[{"base": base}]))[1] == base
    answer, _ = client.ask("GET", "/nowhere")
    assert answer.status == 404
    client.frame()
    assert held is not None and client.connection.sock is held


def test_a_page_is_itself_under_the_other_name_too(client: Client) -> None:
    port = client.connection.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST:5000"):
        answer, _ = client.post({}, Host=host, Origin=f"http://{host.lower()}")
        assert answer.status == 200


def test_two_tabs_are_two_sessions(server: Server, connect: Connect) -> None:
    one, other = connect(server), connect(server)
    one.frame(session="one", turn=7)
    assert "superseded" not in other.frame(session="other", turn=1)
    assert one.frame(session="one", turn=6) == {"superseded": True}
    assert "pictures" in other.frame(session="other", turn=1)


def test_a_hundred_requests_at_once_are_all_answered(
    server: Server, connect: Connect, counted: Counted
) -> None:
    found: dict[int, float] = {}

    def work(tab: int) -> None:
        client = connect(server)
        for turn in range(25):
            base = 1 + (tab * 25 + turn) % 9
            frame = client.frame(session=str(tab), turn=turn, settings=[{"base": base}])
            found[tab * 25 + turn] = values(frame)[1] - base

    threads = [threading.Thread(target=work, args=(tab,)) for tab in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == dict.fromkeys(range(100), 0.0)
    assert counted.calls == 100


def test_who_goes_away_in_the_middle_leaves_no_trace(
    connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def frame(params: dict[str, Any]) -> list[Any]:
        begun.set()
        assert go_on.wait(10)
        done.set()
        return [vg.live.lines("Many", np.zeros(10**6), range(10**6))]

    with Server(vg.live.Page(frame), port=0) as server:
        client = connect(server)
        with socket.create_connection((client.connection.host, client.connection.port)) as half:
            half.sendall(b"POST /frame HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        headers = {"X-Vgcore-Token": client.token}
        client.connection.request("POST", "/frame", b"{}", headers)
        assert begun.wait(10)
        held = client.connection.sock
        assert held is not None
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        client.connection.close()
        go_on.set()
        assert done.wait(10)
        assert "pictures" in connect(server).frame()
    assert capfd.readouterr() == ("", "")


def test_a_closed_server_answers_nobody(server: Server, client: Client) -> None:
    client.frame()
    port = client.connection.port
    server.close()
    assert client.connection.sock is not None and client.connection.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    server.wait()


def test_a_port_in_use_is_named(server: Server) -> None:
    port = urlsplit(server.url).port
    page = vg.live.Page(lambda params: [])
    with pytest.raises(OSError, match=f"^port: expected a free port, got {port}, which is in use"):
        Server(page, port=port)
    with pytest.raises(ValueError, match="port"):
        Server(page, port=65536)
    with Server(page) as one, Server(page) as other:  # the usual one, and what is free
        assert one.url != other.url
    with pytest.raises(TypeError, match="live: expected a live page, got"):
        Server(lambda params: b"")  # type: ignore[arg-type]


def test_tokens_are_not_guessed(connect: Connect) -> None:
    page = vg.live.Page(lambda params: [])
    with Server(page, port=0) as one, Server(page, port=0) as other:
        tokens = {connect(each).token for each in (one, other)}
    assert len(tokens) == 2 and min(map(len, tokens)) >= 43


@pytest.mark.skipif(os.name != "posix", reason="a signal stands for Ctrl-C")
def test_ctrl_c_ends_it_in_the_middle_of_a_frame() -> None:
    program = (
        "import vgcore as vg\n"
        "def frame(params):\n"
        "    x, y = vg.data.adding_problem(1000, length=100)\n"
        "    model = vg.Sequential([vg.LSTM(64), vg.Dense(1)], input_shape=(None, 2), seed=0)\n"
        "    model.compile('mse', 'adam')\n"
        "    print('begun', flush=True)\n"
        "    model.fit(x, y, epochs=1000, verbose=0)\n"
        "vg.live.Page(frame).serve(port=0, browser=False)\n"
        "print('after', flush=True)\n"
    )
    run, address = start_serving("-c", program)
    url = urlsplit(address)
    connection = HTTPConnection(url.netloc, timeout=10)
    connection.request("POST", "/frame", b"{}", {"X-Vgcore-Token": url.query[len("token=") :]})
    assert run.stdout.readline() == "begun\n"
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=15)
    connection.close()
    assert (out, err, run.returncode) == ("\nEnded.\nafter\n", "", 0)


def test_a_page_shows_frames_comes_back_and_says_when_nobody_answers(
    server: Server, counted: Counted
) -> None:
    with browser() as chromium:
        tab = chromium.new_page()
        asked: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(server.url)
        tab.get_by_text("Powers").first.wait_for()
        before = counted.calls
        tab.reload()
        tab.get_by_text("Powers").first.wait_for()
        assert counted.calls > before
        assert set(asked) == {urlsplit(server.url).netloc}
        assert said == []
        other = chromium.new_page()
        other.goto(server.url.partition("?")[0])
        assert "expected this server's token" in other.inner_text("body")
        server.close()
        tab.get_by_text("nothing answers any more").first.wait_for()
