"""A live page beside Python: the standard library's server, which answers this machine's browser alone.

Each address holds a random token, without which nothing is answered. Other names for this machine (DNS
rebinding) and pages from elsewhere are refused.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import socketserver
import sys
import threading
import time
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from vgcore import _validate
from vgcore.live import front
from vgcore.live.page import Live

PORT = 8765  # where none is asked for and it is free: links to a page go on working
TOKEN_HEADER = "X-Vgcore-Token"
_HOSTS = ("127.0.0.1", "localhost")
_LONGEST_BODY = 64 * 1024
_MOST_READ = 2**20
_METHODS = {"/": "GET", "/live.js": "GET", "/frame": "POST"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LAST_FRAMES = 1.0  # seconds that frames under way have when a server is closed


class Server:
    """Serves a live page on 127.0.0.1 until it is closed; a context manager.

    Parameters
    ----------
    live : Live
        The page: a `vgcore.live.Page`, for instance.
    port : int, optional
        0 picks one that is free; left out, 8765 if that is free.

    Attributes
    ----------
    url : str
        Address of the page, with its token.

    Raises
    ------
    OSError
        If the port is in use, or not allowed.
    TypeError, ValueError
        If an argument is of another kind.
    """

    def __init__(self, live: Live, *, port: int | None = None) -> None:
        if not isinstance(live, Live):
            raise TypeError(f"live: expected a live page, got {_validate.kind(live)}")
        self._http = _bound(port)
        self._http.live = live
        self.url = f"http://127.0.0.1:{self._http.server_port}/?token={self._http.token}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="vgcore live", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Server:
        """Return the server."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the server."""
        self.close()

    def wait(self) -> None:
        """Return once the server is closed."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # one without an end would not let Ctrl-C through on Windows

    def close(self) -> None:
        """End all connections; a frame that is being made may be finished."""
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()


def serve(live: Live, *, port: int | None = None, browser: bool = True) -> None:
    """Serve a live page until Ctrl-C: see `Server`; ``browser``: whether to open it in one."""
    _validate.boolean("browser", browser)
    with Server(live, port=port) as server:
        try:
            print(f"Live page: {server.url}", "Ctrl-C ends it.", sep="\n", flush=True)
            if browser:
                with contextlib.suppress(webbrowser.Error):
                    webbrowser.open(server.url)
            server.wait()
        except KeyboardInterrupt:
            print("\nEnded.", flush=True)


class _Http(ThreadingHTTPServer):
    live: Live
    allow_reuse_address = os.name == "posix"  # elsewhere two servers would share a port
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; `hang_up` ends it."""
        what = request, client_address
        thread = threading.Thread(target=self.process_request_thread, args=what, daemon=True)
        self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        self._connections.pop(request, None)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections; what is answered on them has a moment."""
        connections = list(self._connections.items())
        for request, _ in connections:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RD)
        end = time.monotonic() + _LAST_FRAMES
        for _, thread in connections:
            thread.join(max(0.0, end - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away in the middle."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _bound(port: int | None) -> _Http:
    if port is None:
        try:
            return _Http(PORT)
        except OSError:
            return _Http(0)
    _validate.integer("port", port, minimum=0, maximum=65535)
    try:
        return _Http(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"expected a free port, got {port}, which is in use; 0 picks one that is free"
        elif isinstance(error, PermissionError):
            problem = f"expected a port that may be used, got {port}; 0 picks one"
        else:
            raise
        raise type(error)(f"port: {problem}") from None


class _RefusedError(Exception):
    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body go out as one
    server_version, sys_version = "vgcore", ""
    error_content_type, error_message_format = "text/plain", "%(message)s\n"

    def do_GET(self) -> None:
        """Answer whatever is asked for."""
        try:
            body = self._body()  # also of what is refused: the next request lies behind it
            path = self._checked()
            kind, content = self._content(path, body)
        except _RefusedError as refused:
            self._answer(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode())
            if self.close_connection:
                self._hear_out()
        else:
            self._answer(HTTPStatus.OK, kind, content)

    do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def _hear_out(self) -> None:
        """Read on for a moment: to who is still sending, a closed connection is an error, no answer."""
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            self.rfile.read(_MOST_READ)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise _RefusedError("expected a body with its length", HTTPStatus.LENGTH_REQUIRED)
        length = length.lstrip("0") or "0"
        if int(length[:20]) > _LONGEST_BODY:
            self.close_connection = True
            message = f"expected at most {_LONGEST_BODY} bytes, got {length:.20}"
            raise _RefusedError(message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.rfile.read(int(length))

    def _checked(self) -> str:
        """The path of what may be answered."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.partition(":")[0].lower() not in _HOSTS:
            message = f"expected {' or '.join(_HOSTS)} as host, got {host!r:.80}"
            raise _RefusedError(message, HTTPStatus.FORBIDDEN)
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            message = f"expected a request of the page itself, got one from {origin!r:.80}"
            raise _RefusedError(message, HTTPStatus.FORBIDDEN)
        path, _, query = self.path.partition("?")
        if path not in _METHODS:
            raise _RefusedError(f"there is no {path!r:.80} here", HTTPStatus.NOT_FOUND)
        if self.command != _METHODS[path]:
            message = f"expected {_METHODS[path]} for {path}, got {self.command}"
            raise _RefusedError(message, HTTPStatus.METHOD_NOT_ALLOWED)
        if self.command == "POST":
            token = self.headers.get(TOKEN_HEADER, "")
        else:
            token = parse_qs(query).get("token", [""])[0]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            message = (
                "expected this server's token: open the address that it has printed. Of a link from before, "
                "what is behind # are the settings: it goes behind the new address."
            )
            raise _RefusedError(message, HTTPStatus.FORBIDDEN)
        return path

    def _content(self, path: str, body: bytes) -> tuple[str, bytes]:
        if path == "/live.js":
            return "text/javascript; charset=utf-8", front.module("post.js").encode()
        if path == "/":
            text = front.html(self.server.live.title, query=f"?token={self.server.token}")
            return "text/html; charset=utf-8", text.encode()
        try:
            params = json.loads(body)
        except (ValueError, RecursionError):
            raise _RefusedError("expected JSON", HTTPStatus.BAD_REQUEST) from None
        return "application/octet-stream", self.server.live.frame(params)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _METHODS[self.path.partition("?")[0]]
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""
