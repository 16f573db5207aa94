"""The Hub's own client: what is asked of it is tried again where that may help, and its errors become ours.

All requests are the client's, so that ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE`` and the token of
``hf auth login`` mean what they mean everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from interpzoo.errors import HubError, HubUnreachableError, InterpzooError, UnknownNameError

T = TypeVar("T")

_WAITS: Final = (1.0, 2.0)
"""Seconds before the second try and the third."""

_LONGEST_WAIT: Final = 60.0
"""Seconds that the Hub may ask to wait."""

_PASSING: Final = (408, 429, 500, 502, 503, 504)
"""What the Hub answers when it is busy or broken for a while."""


@dataclass(frozen=True)
class Access:
    """How the Hub may be reached; by default as its client's environment variables say."""

    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | bool | None = None

    def api(self) -> HfApi:
        """The client."""
        return HfApi(token=self.token, library_name="interpzoo")


def ask(request: Callable[[], T], repository: str, revision: str | None = None, *, again: bool = False) -> T:
    """What `request` returns of the client.

    Args:
        request: the call; what the Hub is too busy for is asked up to three times.
        repository, revision: what it is about, for the message.
        again: whether a connection that broke is tried again, too. Not for the first of several requests, which tells
            that there is no connection.

    Raises:
        UnknownNameError: there is no such repository or revision.
        HubUnreachableError: the Hub does not answer, or may not be asked.
        HubError: it refuses.
    """
    for wait in _WAITS:
        try:
            return request()
        except Exception as error:  # of the client and of its HTTP library, which is another one in its version 2
            pause = _pause(error) or wait
            if not _is_passing(error, again) or pause > _LONGEST_WAIT:
                raise _explained(error, repository, revision) from error
            time.sleep(pause)
    try:
        return request()
    except Exception as error:
        raise _explained(error, repository, revision) from error


def _is_passing(error: Exception, again: bool) -> bool:
    if isinstance(error, HfHubHTTPError):
        return _status(error) in _PASSING
    # The client has tried a look-up again itself before it says that a file is not in the cache, either.
    return again and not isinstance(error, HFValidationError | LocalEntryNotFoundError) and not _is_of_the_disk(error)


def _is_of_the_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.strerror is not None and not isinstance(error, ConnectionError)


def _status(error: Exception) -> int:
    response: Any = getattr(error, "response", None)
    return 0 if response is None else response.status_code


def _pause(error: Exception) -> float:
    response: Any = getattr(error, "response", None)
    asked: str = "" if response is None else response.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 0.0


def _explained(error: Exception, repository: str, revision: str | None) -> InterpzooError:
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    status = _status(error)
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if isinstance(error, HFValidationError):
        return UnknownNameError(
            f"{repository!r} is no name of a repository, which is 'user/repo'. {_folder_hint(repository)}"
        )
    if isinstance(error, GatedRepoError):
        return HubError(f"{repository!r} is gated: ask for access on its page, then log in with 'hf auth login'")
    if isinstance(error, RepositoryNotFoundError):
        private = "or it is private and asks for a token: log in with 'hf auth login' or set HF_TOKEN"
        return UnknownNameError(f"the Hub has no repository {repository!r}, {private}. {_folder_hint(repository)}")
    if isinstance(error, RevisionNotFoundError):
        return UnknownNameError(f"{repository!r} has no revision {revision!r}: expected a branch, a tag or a commit")
    if status in (401, 403):
        return HubError(f"the Hub refuses the token, or what it may do to {repository!r} ({status}): {reason}")
    if status == 412:
        return HubError(f"{repository!r} was committed to in the meantime: try again")
    if _is_of_the_disk(error):
        return HubError(f"{repository!r} cannot be kept in the cache: {error}")
    if isinstance(error, ValueError) or (isinstance(error, HfHubHTTPError) and status not in _PASSING):
        return HubError(f"the Hub refuses a request about {repository!r}: {reason}")
    return HubUnreachableError(f"the Hub cannot be reached: {reason}")


def _folder_hint(repository: str) -> str:
    return f"For a folder write './{repository}'"
