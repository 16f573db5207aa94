"""A `Request` from a socket and its `Answer` back, with what goes wrong in between."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable, MutableSequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

from .faults import Faults
from .protocol import Answer, Request

_PIECE = 64 * 1024
_TRICKLE_PIECES = 20


class Server(ThreadingHTTPServer):
    """Answers by `respond`, strikes with `faults` and notes every request in `log`, in the order of arrival."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(
        self, port: int, respond: Callable[[Request], Answer], faults: Faults, log: MutableSequence[Request]
    ) -> None:
        self.respond = respond
        self.faults = faults
        self.log = log
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def start(self) -> None:
        # Polled often, since `stop` waits for the next poll.
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on and break those that are open."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # closed in the meantime
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away is not an error.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection: requests, one after the other, until either side closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        self.server.log.append(request)
        length = int(headers.get("content-length", 0))
        fault = self.server.faults.take(request, spoils_answer=False)
        if fault and fault.transfer == "reset":
            self.rfile.read(length // 2)
            self._reset()
        request.body = self.rfile.read(length)
        if fault and fault.anonymous:
            request.headers = {name: value for name, value in headers.items() if name != "authorization"}
        self._send(request, (fault and fault.answer()) or self.server.respond(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (names that the base class asks for)

    def _send(self, request: Request, answer: Answer) -> None:
        """Send the answer, noting each step before it can be seen: a client never knows more than the log."""
        request.status, request.length = answer.status, len(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.body:
            self._send_body(request, answer)

    def _send_body(self, request: Request, answer: Answer) -> None:
        fault = self.server.faults.take(request, spoils_answer=True) if answer.status in (200, 206) else None
        kind, body, piece, pause = fault and fault.transfer, answer.body, _PIECE, 0.0
        if kind in ("reset", "truncate"):
            body = body[: len(body) // 2]
        elif kind == "corrupt":
            body = body[:-1] + bytes([body[-1] ^ 1])
        elif fault and kind == "trickle":
            piece, pause = -(-len(body) // _TRICKLE_PIECES), fault.seconds / _TRICKLE_PIECES
        for start in range(0, len(body), piece):
            if self.server.stopping.wait(pause):
                break
            request.sent += len(body[start : start + piece])
            self.wfile.write(body[start : start + piece])
        if kind == "reset":
            self._reset()
        elif request.sent < request.length:
            self.close_connection = True

    def _reset(self) -> NoReturn:
        """Break the connection so that the client sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The socket closes only when nothing reads or writes it any more; left to the server, it would first be shut
        # down in order.
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        raise ConnectionResetError("by a fault that was asked for")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the Hub keeps a log of its own."""
