"""A server for the page, on this machine only: its headers let the browser compute in threads."""

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from interpzoo.errors import OutputError

HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""What isolates the page from others, which browsers ask for before they share memory between threads."""

_HOST: Final = "127.0.0.1"


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of a folder's files at ``127.0.0.1``; 0: at a free port.

    Raises:
        OutputError: the port is taken.
    """
    try:
        return ThreadingHTTPServer((_HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise OutputError(f"cannot serve at {_HOST}:{port}: {error.strerror or error}") from None


def address(of: ThreadingHTTPServer) -> str:
    """Where the page is."""
    return f"http://{_HOST}:{of.server_address[1]}/"


def show(of: ThreadingHTTPServer) -> None:
    """Open the page in the user's browser, and serve it until the process is interrupted."""
    webbrowser.open(address(of))
    with of:
        of.serve_forever()


class _Handler(SimpleHTTPRequestHandler):
    @override
    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
