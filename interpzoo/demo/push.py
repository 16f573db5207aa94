"""Uploading the page to a static Space of the Hub, in one commit."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from huggingface_hub import constants

from interpzoo.demo.folder import demo_files, read_index
from interpzoo.demo.serve import HEADERS
from interpzoo.errors import InputError
from interpzoo.files import expanded
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import CARD, MOST_BYTES
from interpzoo.pretrained.locate import is_hub_id
from interpzoo.pretrained.push import operations
from interpzoo.pretrained.transfer import receive_text
from interpzoo.text import one_line, quoted

_MARK: Final = "\n<!-- interpzoo replaces this README at the next push, unless it was edited: "
_HUBS: Final = re.compile(r"---\n(.*?)\n---\s+Check out the configuration reference at https?://\S+\s*", re.DOTALL)
_FORM: Final = {"title", "emoji", "colorFrom", "colorTo", "sdk", "pinned", "license", "short_description"}
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

    The Space's README names the models, their licenses and `models`. One that was edited on the Hub is kept; only one
    that an earlier push made, or the Hub with the Space, is replaced.

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
    if CARD not in before or _is_made(_readme(space, str(head.sha), access)):
        contents[CARD] = card.encode()
    gone = {name for name in before if name.startswith("models/") and name.endswith(".js")} - {*contents}
    commit = ask(
        lambda: api.create_commit(
            space,
            operations(contents, gone),
            commit_message="Page by interpzoo",
            repo_type="space",
            parent_commit=head.sha,
        ),
        space,
    )
    return PushedDemo(space, commit.oid, f"{api.endpoint}/spaces/{space}")


def _readme(space: str, commit: str, access: Access) -> str:
    url = f"{constants.ENDPOINT}/spaces/{space}/resolve/{commit}/{CARD}"
    content = ask(lambda: receive_text(url, access.headers(), MOST_BYTES[CARD]), space)
    return content.decode("utf-8", errors="replace")


def _is_made(readme: str) -> bool:
    """Whether a README is as `_card` gave it, or as the Hub makes it with a Space: nobody has edited it."""
    text, mark, _ = readme.rpartition(_MARK)
    if mark:
        return readme == _marked(text)
    found = _HUBS.fullmatch(readme)
    try:
        metadata = None if found is None else yaml.safe_load(found[1])
    except yaml.YAMLError:
        return False
    return isinstance(metadata, dict) and metadata.keys() <= _FORM


def _marked(text: str) -> str:
    """A README with its own SHA-256 at the end, by which a later push knows whether it was edited."""
    return f"{text}{_MARK}{hashlib.sha256(text.encode()).hexdigest()} -->\n"


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
    text = "Walk between pictures in your browser. Made by `interpzoo demo`."
    return _marked(f"---\n{head}---\n\n# {metadata['title']}\n\n{text}\n\n" + "\n".join(lines) + "\n")
