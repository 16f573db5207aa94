"""Uploading the page to a static Space of the Hub, in one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants

from interpzoo.demo.folder import demo_files, read_index
from interpzoo.demo.serve import HEADERS
from interpzoo.errors import InputError
from interpzoo.files import expanded
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import CARD, MOST_BYTES
from interpzoo.pretrained.locate import is_hub_id
from interpzoo.pretrained.transfer import receive_text
from interpzoo.text import one_line, quoted

_OWN: Final = "Made by `interpzoo demo`."  # what a README of ours has and the Hub's own has not
_CC: Final = {name.lower(): value for name, value in HEADERS.items() if name.startswith("Cross-Origin")}


@dataclass(frozen=True)
class PushedDemo:
    """The result of a push."""

    space: str
    commit: str
    url: str
    """Address of the Space."""


def push_demo(
    folder: str | Path,
    space: str,
    *,
    models: Sequence[str] = (),
    private: bool | None = None,
    token: str | bool | None = None,
) -> PushedDemo:
    """Upload a page to a static Space in one commit; files of an older page are removed.

    The Space's README names the models, their licenses and `models`. One that was edited on the Hub is kept.

    Args:
        folder: a folder that `write_demo` wrote.
        space: ``user/space``, created if it does not exist.
        models: repositories of the models, ``user/repo``, whose pages then show the Space.
        private: whether a new Space is private.
        token: as in `interpzoo.push`.

    Raises:
        InputError: `space` is not ``user/space``, or the folder holds no complete page.
        UnknownNameError, HubUnreachableError, HubError: as `interpzoo.push`; nothing is committed then.
    """
    for name in (space, *models):
        if not is_hub_id(name):
            raise InputError(
                f"{quoted(name)} is not on the Hub: expected 'user/{'space' if name == space else 'repo'}'"
            )
    folder = expanded(folder)
    contents: dict[str, Path | bytes] = {path.relative_to(folder).as_posix(): path for path in demo_files(folder)}
    card = _card(read_index(folder), space, models)
    access = Access(token=token)
    api = access.api()
    ask(
        lambda: api.create_repo(space, repo_type="space", space_sdk="static", private=private, exist_ok=True),
        space,
    )
    head = ask(lambda: api.space_info(space), space)
    before = {file.rfilename for file in head.siblings or ()}
    if CARD not in before or not _is_ours(space, str(head.sha), access):
        contents[CARD] = card.encode()
    gone = {name for name in before if name.startswith("models/") and name.endswith(".js")} - {*contents}
    commit = ask(
        lambda: api.create_commit(
            space,
            [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=found) for name, found in contents.items()),
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(gone)),
            ],
            commit_message="Page by interpzoo",
            repo_type="space",
            parent_commit=head.sha,
        ),
        space,
    )
    return PushedDemo(space, commit.oid, f"{api.endpoint}/spaces/{space}")


def _is_ours(space: str, commit: str, access: Access) -> bool:
    url = f"{constants.ENDPOINT}/spaces/{space}/resolve/{commit}/{CARD}"
    content = ask(lambda: receive_text(url, access.headers(), MOST_BYTES[CARD]), space)
    return _OWN in content.decode("utf-8", errors="replace")


def _card(index: dict[str, Any], space: str, models: Sequence[str]) -> str:
    """The Space's README, whose metadata let its page compute in threads."""
    cards = [card for group in index["groups"] for card in group["models"]]
    licenses = {card["license"] for card in cards}
    metadata: dict[str, Any] = {
        "title": space.partition("/")[2],
        "emoji": "🚶",
        "colorFrom": "blue",
        "colorTo": "gray",
        "sdk": "static",
        "pinned": False,
        "license": licenses.pop() if len(licenses) == 1 else "other",
        "tags": ["interpzoo", "interpolation", "autoencoder"],
        "custom_headers": _CC,
    }
    if models:
        metadata["models"] = [*models]
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    lines = [one_line(f"- {card['name']}: {card['summary']} License: {card['license']}.") for card in cards]
    text = f"Walk between pictures in your browser. {_OWN}"
    return f"---\n{head}---\n\n# {metadata['title']}\n\n{text}\n\n" + "\n".join(lines) + "\n"
