"""A server for the page, on this machine only: its headers let the browser compute in threads."""

import sys
import threading
import webbrowser
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from typing_extensions import override

from interpzoo.errors import OutputError
from interpzoo.foreign import complain
from interpzoo.text import explained

HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""What isolates the page from others, which browsers ask for before they share memory between threads."""

_HOST: Final = "127.0.0.1"
_NAMES: Final = {_HOST, "localhost", "::1", None}
"""Names of this machine for a browser on it; ``None``: of a client that gives none. Under another name, a page of
somebody else's could read this one."""
_PATIENCE: Final = 30.0
"""Seconds after which a connection that says nothing is closed."""


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of a folder's files at ``127.0.0.1``; 0: at a free port.

    Raises:
        OutputError: the port is taken.
    """
    try:
        return _Server((_HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise OutputError(f"cannot serve at {_HOST}:{port}: {error.strerror or error}") from None


def address(of: ThreadingHTTPServer) -> str:
    """Where the page is."""
    return f"http://{_HOST}:{of.server_address[1]}/"


def show(of: ThreadingHTTPServer) -> None:
    """Open the page in the user's browser, and serve it until the process is interrupted."""
    # In a thread, as some browsers return only when they have shown the page, or are closed.
    threading.Thread(target=webbrowser.open, args=(address(of),), daemon=True).start()
    with of:
        of.serve_forever()


class _Server(ThreadingHTTPServer):
    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):  # a client that is gone needs no answer
            complain(f"a request failed: {explained(error)}")


class _Handler(SimpleHTTPRequestHandler):
    timeout = _PATIENCE

    @override
    def send_head(self) -> Any:
        try:
            host = urlsplit(f"//{self.headers['Host']}").hostname if "Host" in self.headers else None
        except ValueError:  # not a host
            host = ""
        if host not in _NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, f"The page is at {address(self.server)} only")  # pyright: ignore[reportArgumentType]
            return None
        if not self._is_inside():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_inside(self) -> bool:
        """Whether the path is in the folder itself, and not behind a link that leads out of it."""
        folder = Path(self.directory).resolve()
        asked = Path(self.translate_path(self.path))
        try:
            return all(path.resolve().is_relative_to(folder) for path in (asked, asked / "index.html"))
        except (OSError, ValueError, RuntimeError):  # too long a name, a null character, links in a circle
            return False

    @override
    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    @override
    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
