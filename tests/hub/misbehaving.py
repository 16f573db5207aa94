"""A Hub that misbehaves: it answers rightly, but for the tricks that a test asks for."""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.hubserver.store import Blob, is_large

COMMIT = "c0ffee" + "0" * 34
LISTING = "listing"
ENDLESS = 32 << 20
"""Bytes after which even an endless answer ends, so that a client without a limit fails its test soon."""

_PIECE = bytes(1 << 18)


class Server(ThreadingHTTPServer):
    """Serves the one repository ``user/repo``; `tricks` replace its answers, by file name or `LISTING`.

    Attributes:
        sent: bytes of the answers, by the same names.
        seen: host, name and token of every request.
        largest: size of the largest file in `cache` while something was sent.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: Mapping[str, bytes], cache: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cache = files, cache
        self.tricks: dict[str, Trick] = {}
        self.sent: Counter[str] = Counter()
        self.seen: list[tuple[str, str, str | None]] = []
        self.largest = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def listing(self) -> dict[str, Any]:
        """What the Hub says of the repository."""
        siblings: list[dict[str, Any]] = []
        for name, content in self.files.items():
            blob = Blob(content, is_large(name, len(content), content[:512]))
            large = {"lfs": {"sha256": blob.sha256, "size": len(content)}} if blob.lfs else {}
            siblings.append({"rfilename": name, "size": len(content), "blobId": blob.oid, **large})
        return {"id": "user/repo", "sha": COMMIT, "siblings": siblings}

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # so that `sent` is close to what arrived
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that goes away is not an error
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request, whose answer ends with the connection."""

    server: Server

    def do_GET(self) -> None:
        self.name = LISTING if self.path.startswith("/api/") else self.path.rpartition("/")[2]
        self.server.seen.append((self.headers["Host"], self.name, self.headers["Authorization"]))
        self.server.tricks.get(self.name, answer())(self)

    def content(self) -> bytes:
        """What belongs here."""
        if self.name == LISTING:
            return json.dumps(self.server.listing()).encode()
        return self.server.files[self.name]

    def send(self, piece: bytes) -> None:
        """Send a piece of the answer and note how far the client has got."""
        self.wfile.write(piece)
        self.server.sent[self.name] += len(piece)
        for path in self.server.cache.rglob("*.incomplete"):
            try:
                self.server.largest = max(self.server.largest, path.stat().st_size)
            except FileNotFoundError:  # it has its name by now
                continue

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


Trick = Callable[[Handler], None]


def answer(
    body: bytes | None = None,
    status: int = 200,
    reason: str = "Said",
    then: Iterable[bytes] = (),
    length: int | None = None,
    **headers: str,
) -> Trick:
    """Answer with `body`, by default what belongs there, and `then` more.

    Args:
        length: the announced length; none by default.
        headers: with underscores in place of hyphens.
    """

    def trick(handler: Handler) -> None:
        head = [f"HTTP/1.1 {status} {reason}", "Connection: close"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head += [] if length is None else [f"Content-Length: {length}"]
        handler.wfile.write("".join(f"{line}\r\n" for line in [*head, ""]).encode("latin-1"))
        for piece in (handler.content() if body is None else body, *then):
            handler.send(piece)

    return trick


def endless(piece: bytes = _PIECE) -> Iterable[bytes]:
    """More than anybody wants."""
    return [piece] * (ENDLESS // len(piece))


def listing(change: Callable[[dict[str, Any]], object]) -> Trick:
    """The listing with a change in place."""

    def trick(handler: Handler) -> None:
        value = handler.server.listing()
        change(value)
        answer(json.dumps(value).encode())(handler)

    return trick
