"""Answers of the Hub, read within limits of bytes and seconds, through the session of its own client.

The client itself would read an answer to its end, follow any redirect and name files as the server says.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

from huggingface_hub import constants, get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status

from interpzoo.errors import HubError, HubUnreachableError

T = TypeVar("T")

MOST_ERROR_BYTES: Final = 1 << 16
"""How much of the text of an error is read."""
MOST_REDIRECTS: Final = 5

_PIECE: Final = 1 << 16
_REDIRECTS: Final = (301, 302, 303, 307, 308)  # status codes


def within(seconds: float, call: Callable[[], T], what: str) -> T:
    """The result of `call`; raises a `HubUnreachableError` if it takes longer than `seconds`.

    It runs in a thread of its own, which is left to itself then: a server that sends one byte of its headers a second
    cannot be interrupted in another way.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # raised again below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise HubUnreachableError(f"the Hub is too slow: {what} did not arrive in {seconds:.0f} seconds")
    return results[0]


class Receiver:
    """What is received of one file or text, in one attempt or several."""

    def __init__(self, write: Callable[[bytes], object], restart: Callable[[], object], most: int, size: int | None):
        self._write, self._restart, self._most, self._size = write, restart, most, size
        self.done = 0
        self.stopped = False

    def receive(self, url: str, headers: Mapping[str, str]) -> None:
        """Get `url`, from where a former attempt broke off.

        Raises:
            HubError: it is larger than announced, or compressed, or leads somewhere that a token must not go.
            Exception: as the client's session and `hf_raise_for_status`.
        """
        headers = {**headers, "Accept-Encoding": "identity"}
        if self.done:
            headers["Range"] = f"bytes={self.done}-"
        for _ in range(MOST_REDIRECTS + 1):
            timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
            with get_session().stream("GET", url, headers=headers, follow_redirects=False, timeout=timeout) as answer:
                location = answer.headers.get("Location")
                if answer.status_code not in _REDIRECTS or location is None:
                    return self._read(answer)
            url, headers = _redirected(url, location, headers)
        raise HubError(f"the Hub redirects more than {MOST_REDIRECTS} times")

    def _read(self, answer: Any) -> None:
        if not answer.is_success:
            _refuse(answer)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise HubError("the Hub sends a compressed answer, which was not asked for")
        if self.done and not re.match(rf"bytes {self.done}-", answer.headers.get("Content-Range", "")):
            self._restart()
            self.done = 0
        most = self._most if self._size is None else self._size
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and self.done + int(length[:20]) > most:
            raise HubError(f"the Hub sends {length[:20]} bytes, expected at most {most:,}")
        for piece in answer.iter_raw(_PIECE):
            if self.stopped:
                return
            rest = most - self.done
            if len(piece) > rest and self._size is None:
                raise HubError(f"the Hub sends more than {most:,} bytes")
            self._write(piece[:rest])
            self.done += min(len(piece), rest)
            if self.done == self._size:
                return
        if self._size is not None and self.done < self._size:
            raise ConnectionError(f"the answer ended after {self.done:,} of {self._size:,} bytes")


def receive_text(url: str, headers: Mapping[str, str], most: int) -> bytes:
    """The text at `url`, of at most `most` bytes; raises as `Receiver.receive`."""
    content = bytearray()
    Receiver(content.extend, content.clear, most, None).receive(url, headers)
    return bytes(content)


def _redirected(url: str, location: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Where a redirect leads, and the headers for it: the token is for the first host only."""
    new = urljoin(url, location)
    before, after = urlsplit(url), urlsplit(new)
    downgraded = before.scheme == "https" and after.scheme != "https"
    if after.scheme not in ("http", "https") or downgraded or "@" in after.netloc or not after.hostname:
        raise HubError(f"the Hub redirects to {new[:200]!r}: expected a plain address, without a user name")
    same = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    return new, {name: value for name, value in headers.items() if same or name.lower() != "authorization"}


def _refuse(answer: Any) -> NoReturn:
    """Raise the client's error for an answer, without its text if the client cannot read that."""
    text = _start(answer)
    for content in (text, b""):
        try:
            hf_raise_for_status(_copy(answer, content))
        except HfHubHTTPError:
            raise
        except Exception:  # the client expects a certain kind of JSON, and a known character set
            continue
    raise HubError(f"the Hub answers with status {answer.status_code}, expected the content")


def _start(answer: Any) -> bytes:
    """The start of the text of an answer."""
    content = bytearray()
    if answer.headers.get("Content-Encoding", "identity") == "identity":
        end = time.monotonic() + constants.HF_HUB_DOWNLOAD_TIMEOUT
        for piece in answer.iter_raw(_PIECE):
            content += piece
            if len(content) >= MOST_ERROR_BYTES or time.monotonic() > end:
                break
    return bytes(content[:MOST_ERROR_BYTES])


def _copy(answer: Any, content: bytes) -> Any:
    """The answer with other content."""
    skipped = (b"content-encoding", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in skipped]
    return type(answer)(answer.status_code, headers=headers, content=content, request=answer.request)
