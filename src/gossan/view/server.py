"""The server of ``gossan view``: this machine alone, behind a token that nobody can guess.

A request names a layer by a key of the table that was made at the start, and a file of the page by its name
in another; no part of it ever becomes a path. What is wrong with a request is not said: the answer is 404.
"""

import hmac
import json
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from gossan.errors import GossanError, UsageError
from gossan.view.page import POLICY, Shown, page_files, read_shown

__all__ = ["ViewServer"]

_HOST = "127.0.0.1"
#: Tiles, and colours of layers, that are made at once: what the others ask for waits, and memory is bounded.
_AT_ONCE = 2
#: Seconds after which a silent connection is closed.
_PATIENCE = 60
_PATH = re.compile(r"/([A-Za-z0-9_-]{1,128})/([A-Za-z0-9_./-]{0,128})")
_TILE = re.compile(r"tiles/([a-z0-9_-]+)/(\d{1,2})/(\d{1,8})/(\d{1,8})\.png")
_LAYER = re.compile(r"layers/([a-z0-9_-]+)\.json")
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Who keeps an answer: of a page nobody, of a tile the browser; its address dies with the server.
_NO_STORE, _PRIVATE = "no-store", "private, max-age=3600"

#: Status, type, how long it may be kept, content.
_Answer = tuple[int, str, str, bytes]
_GONE: _Answer = (404, "text/plain; charset=utf-8", _NO_STORE, b"not found\n")
_UNREAD: _Answer = (500, "text/plain; charset=utf-8", _NO_STORE, b"the layer cannot be read\n")


class ViewServer:
    """Serves the maps of one run on the loopback interface; use it in a ``with`` block.

    Parameters
    ----------
    path
        Folder of a finished run, or a map of ``gossan predict``.
    port
        0 to 65535; 0 takes a free one.
    tell
        Is given one line where a layer cannot be read; without it only the browser is told.

    Attributes
    ----------
    address
        ``http://127.0.0.1:PORT/TOKEN/``; nothing else is answered. It can be opened before `serve` is called.

    Raises
    ------
    MissingFileError
        The run is not there or not finished.
    DataError
        A file of it cannot be read.
    UsageError
        The port cannot be had.
    """

    def __init__(self, path: str | Path, *, port: int = 0, tell: Callable[[str], None] | None = None) -> None:
        shown = read_shown(Path(path))
        self._scratch = TemporaryDirectory(prefix="gossan-view-", ignore_cleanup_errors=True)
        self._token = secrets.token_urlsafe(32)
        try:
            self._server = _Server((_HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            self._scratch.cleanup()
            why = getattr(error, "strerror", None) or error
            raise UsageError(
                f"--port {port} cannot be had ({why}); a port from 1024 to 65535 that no program uses is "
                "allowed: give another, or none, which takes a free one"
            ) from error
        self._server.site = _Site(shown, self._token, Path(self._scratch.name), tell or (lambda line: None))
        self.port = int(self._server.server_address[1])
        self.address = f"http://{_HOST}:{self.port}/{self._token}/"

    def __enter__(self) -> "ViewServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()
        self._scratch.cleanup()

    def serve(self) -> None:
        """Answer requests until interrupted or, from another thread, `stop` is called."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End `serve`."""
        self._server.shutdown()


class _Site:
    """What there is to answer with."""

    def __init__(self, shown: Shown, token: str, scratch: Path, tell: Callable[[str], None]) -> None:
        self._shown, self._token, self._scratch = shown, token.encode(), scratch
        self._files, self.tell = page_files(shown), tell
        self._turn = threading.BoundedSemaphore(_AT_ONCE)

    def find(self, path: str) -> _Answer:
        """Answer a request for a path that still has its token."""
        match = _PATH.fullmatch(path)
        given = match[1] if match else ""
        if not hmac.compare_digest(given.encode(), self._token) or not match:
            return _GONE
        name = match[2]
        if name in self._files:
            kind, content = self._files[name]
            return 200, kind, _NO_STORE, content
        if tile := _TILE.fullmatch(name):
            return self._tile(tile[1], *(int(number) for number in tile.groups()[1:]))
        if layer := _LAYER.fullmatch(name):
            return self._told(layer[1])
        return _GONE

    def _told(self, key: str) -> _Answer:
        layer = self._shown.layers.get(key)
        if layer is None:
            return _GONE
        with self._turn:
            told = json.dumps(layer.look().told(), ensure_ascii=False, allow_nan=False)
        return 200, "application/json", _NO_STORE, told.encode()

    def _tile(self, key: str, zoom: int, x: int, y: int) -> _Answer:
        layer = self._shown.layers.get(key)
        if layer is None or zoom > self._shown.deepest or max(x, y) >= 2**zoom:
            return _GONE
        with self._turn:
            tile = layer.tile(self._scratch, zoom, x, y)
        return 200, "image/png", _PRIVATE, _clear() if tile is None else tile


def _clear() -> bytes:
    """Return a tile on which there is nothing."""
    import numpy as np

    from gossan.report.screen import palette_png

    return palette_png(np.zeros((256, 256), dtype=np.uint8), [])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # Ctrl-C does not wait for a browser that keeps its connection
    site: _Site

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in a line what nobody foresaw, and nothing of a browser that went away."""
        error = sys.exception()
        if not isinstance(error, OSError):
            said = f"error: {type(error).__name__}: {' '.join(str(error).split())}"
            self.site.tell(f"{said}; this is a fault of gossan: report it")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer with the content."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer without the content."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        site, port = self.server.site, self.server.server_address[1]
        # a page of another site whose name leads here is of no concern to us
        known = {f"{name}:{port}" for name in (_HOST, "localhost")}
        asked = self.headers.get_all("Host") or []
        found = _UNREAD
        try:
            found = site.find(self.path) if len(asked) == 1 and asked[0].lower() in known else _GONE
        except (GossanError, OSError) as error:
            site.tell(f"error: {' '.join(str(error).split())}")
        finally:  # also where nobody foresaw what happened: the page says so only if it is answered
            self._send(found, body=body)

    def _send(self, answer: _Answer, *, body: bool = True, more: Mapping[str, str] | None = None) -> None:
        status, kind, kept, content = answer
        self.send_response(status)
        head = {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": kept}
        for name, value in {**head, **_HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no GET or HEAD, or no request at all, and close: what else was sent is not read."""
        self.close_connection = True
        refused = (code, "text/plain; charset=utf-8", _NO_STORE, b"refused\n")
        self._send(refused, body=self.command != "HEAD", more={"Connection": "close"})

    def version_string(self) -> str:
        """Name the program, and no versions of anything."""
        return "gossan"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the terminal shows the address and what goes wrong."""
