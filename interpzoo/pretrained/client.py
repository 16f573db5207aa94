"""Requests to the Hub: retried after transient errors, and with errors of this package.

All requests go through the Hub's own client, so that ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE`` and
``hf auth login`` work as they do elsewhere.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from interpzoo.errors import HubError, HubUnreachableError, InterpzooError, UnknownNameError

T = TypeVar("T")

_WAITS: Final = (1.0, 2.0)  # seconds before the second and the third attempt
_LONGEST_WAIT: Final = 60.0  # seconds; a longer ``Retry-After`` is not waited for
_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)  # status codes


class Access(NamedTuple):
    """How the Hub may be reached; by default as the environment variables of its client say."""

    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | bool | None = None

    def api(self) -> HfApi:
        """The Hub's client."""
        return HfApi(token=self.token, library_name="interpzoo")

    def headers(self) -> dict[str, str]:
        """The headers of the client's requests, with the token."""
        return build_hf_headers(token=self.token, library_name="interpzoo")


def ask(request: Callable[[], T], repository: str, revision: str | None = None, *, again: bool = False) -> T:
    """Make a request, with up to three attempts; messages name the `repository` and `revision`.

    With `again`, a broken connection is retried, too. Leave it off for the first of several requests, so that a missing
    network is noticed at once.

    Raises:
        UnknownNameError: there is no such repository or revision.
        HubUnreachableError: the Hub does not answer, or may not be asked.
        HubError: the Hub refuses.
    """
    waits = iter(_WAITS)
    while True:
        try:
            return request()
        except InterpzooError:
            raise
        except Exception as error:  # from the client or its HTTP library, which differs between its versions
            wait = next(waits, None)
            if wait is None or not _is_transient(error, again) or (pause := _pause(error) or wait) > _LONGEST_WAIT:
                raise _explained(error, repository, revision) from error
            time.sleep(pause)


def _is_transient(error: Exception, again: bool) -> bool:
    if isinstance(error, HfHubHTTPError):
        return _status(error) in _TRANSIENT
    # Before it raises LocalEntryNotFoundError, the client itself has retried.
    return again and not isinstance(error, HFValidationError | LocalEntryNotFoundError) and not _is_disk_error(error)


def _is_disk_error(error: Exception) -> bool:
    return isinstance(error, OSError) and error.strerror is not None and not isinstance(error, ConnectionError)


def _status(error: Exception) -> int:
    return getattr(getattr(error, "response", None), "status_code", 0)


def _pause(error: Exception) -> float:
    asked: str = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(asked) if asked.isdecimal() and len(asked) < 10 else 0.0


def _explained(error: Exception, repository: str, revision: str | None) -> InterpzooError:
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    status, hint = _status(error), f"For a folder write './{repository}'"
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if isinstance(error, HFValidationError):
        return UnknownNameError(f"{repository!r} is not a valid name of a repository, 'user/repo'. {hint}")
    if isinstance(error, GatedRepoError):
        return HubError(f"{repository!r} is gated: ask for access on its page, then log in with 'hf auth login'")
    if isinstance(error, RepositoryNotFoundError):
        private = "or it is private and needs a token: log in with 'hf auth login' or set HF_TOKEN"
        return UnknownNameError(f"the Hub has no repository {repository!r}, {private}. {hint}")
    if isinstance(error, RevisionNotFoundError):
        return UnknownNameError(f"{repository!r} has no revision {revision!r}: expected a branch, a tag or a commit")
    if status in (401, 403):
        return HubError(f"the Hub refuses the token, or its rights to {repository!r} ({status}): {reason}")
    if status == 412:
        return HubError(f"{repository!r} has a new commit in the meantime: try again")
    if _is_disk_error(error):
        return HubError(f"{repository!r} cannot be written to the cache: {error}")
    if isinstance(error, ValueError) or (isinstance(error, HfHubHTTPError) and status not in _TRANSIENT):
        return HubError(f"the Hub refuses a request about {repository!r}: {reason}")
    return HubUnreachableError(f"the Hub cannot be reached: {reason}")
