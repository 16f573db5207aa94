"""How the unmodified client is pointed at a `Hub`."""

from __future__ import annotations

import os
from pathlib import Path

from .hub import Hub


def environment(hub: Hub, cache: str | Path, *, user: str | None = "user") -> dict[str, str]:
    """The environment of a subprocess whose client knows only `hub`.

    Args:
        hub: the Hub to talk to.
        cache: the folder that becomes ``HF_HOME``: files, tokens and all.
        user: whose token it has; `None` for nobody's.

    Returns:
        This process's environment, without its own settings of the client and with those above.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    token = {} if user is None else {"HF_TOKEN": hub.users[user].token}
    return {
        **kept,
        **token,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
