"""Uploading a pretrained folder to the Hub in one commit, so that a repository never mixes two models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, ModelCard

from interpzoo.errors import ConfigError, InputError, WeightsError
from interpzoo.files import expanded
from interpzoo.pretrained.card import demo_of, is_made, made_card, read_results
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import (
    CARD,
    CONFIG,
    FILES,
    MOST_BYTES,
    PREVIEW,
    SUMS,
    check_hash,
    check_links,
    file_of,
    read_config,
    read_hashes,
    read_text,
)
from interpzoo.pretrained.locate import is_hub_id
from interpzoo.pretrained.reading import sha256
from interpzoo.pretrained.remote import get_file, look_up
from interpzoo.pretrained.transfer import Receiver
from interpzoo.text import quoted


@dataclass(frozen=True)
class Pushed:
    """The result of a push."""

    repository: str
    commit: str
    sha256: str
    """SHA-256 of the folder's ``SHA256SUMS``, which a ``zoo.toml`` states together with the commit."""
    url: str
    """Address of the commit or of the pull request."""
    license: str
    """That of the folder's card."""


def push(
    folder: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | bool | None = None,
    demo: str | None = None,
) -> Pushed:
    """Upload the files of a pretrained folder to the Hub in one commit; files of an older model are removed.

    A card that was edited on the Hub is kept, unless the folder's own was edited as well. An unedited card is changed
    to load the model from the repository.

    Args:
        folder: a folder from `train` or `save_pretrained`; other files in it are not uploaded.
        repository: ``user/repo``, created if it does not exist.
        private: whether a new repository is private.
        revision: branch, created if it does not exist; the main branch by default.
        create_pr: open a pull request instead of committing to the branch.
        token: token for the Hub; by default ``HF_TOKEN`` or the token of ``hf auth login``.
        demo: a Space with the model's page, ``user/space``, to which an unedited card links; by default the one that
            the card on the Hub links to.

    Raises:
        InputError: `repository` or `demo` is not ``user/repo``.
        ConfigError, WeightsError: the folder or its card is damaged.
        UnknownNameError, HubUnreachableError, HubError: as `ask`; nothing is committed then.
    """
    if not is_hub_id(repository):
        raise InputError(f"{quoted(repository)} is not a repository on the Hub: expected 'user/repo'")
    if demo is not None and not is_hub_id(demo):
        raise InputError(f"{quoted(demo)} is not a Space on the Hub: expected 'user/space'")
    folder = expanded(folder)
    config = read_config(folder)
    listed, license = _check(folder)
    access = Access(token=token)
    api = access.api()
    ask(lambda: api.create_repo(repository, private=private, exist_ok=True), repository)
    if revision is not None and not revision.startswith("refs/"):
        ask(lambda: api.create_branch(repository, branch=revision, exist_ok=True), repository, revision)
    head = look_up(repository, revision, access, FILES.__contains__)
    before = {file.rfilename for file in head.siblings}
    contents: dict[str, Path | bytes] = {name: file_of(folder, name, listed) for name in (*listed, CARD, SUMS)}
    if is_made(folder):
        made, linked = _card_there(repository, head.sha, before, access) if CARD in before else (True, None)
        if made:
            contents[CARD] = made_card(folder, repository, demo or linked).encode()
        else:
            del contents[CARD]
    gone = before - {*contents, CARD}
    commit = ask(
        lambda: api.create_commit(
            repository,
            operations(contents, gone),
            commit_message=f"{config.name} by interpzoo",
            revision=revision,
            create_pr=create_pr,
            parent_commit=head.sha,
        ),
        repository,
        revision,
    )
    return Pushed(repository, commit.oid, sha256(folder / SUMS), commit.pr_url or commit.commit_url, license)


def operations(
    contents: Mapping[str, Path | bytes], gone: Iterable[str]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """What a commit does that puts files into a repository and removes those that are `gone`."""
    added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in contents.items()]
    return [*added, *(CommitOperationDelete(path_in_repo=name) for name in sorted(gone))]


def _check(folder: Path) -> tuple[dict[str, str], str]:
    """The folder's list of hashes, which every file agrees with, and the license on its card."""
    check_links(folder)
    listed = read_hashes(folder)
    if not listed:
        raise WeightsError(f"{folder} has no {SUMS}: save the model again")
    present = {name for name in FILES if (folder / name).is_file()} - {CARD, SUMS}
    if unlisted := sorted(present - listed.keys()):
        raise WeightsError(f"{folder} has {unlisted[0]}, which its {SUMS} does not list: save the model again")
    for name in listed:
        check_hash(folder, name, listed)
    read_results(folder)
    try:
        metadata: Any = ModelCard(read_text(folder, CARD)).data
    except FileNotFoundError:
        raise ConfigError(f"{folder} has no {CARD}, which names the license: save the model again") from None
    if not metadata.license:
        raise ConfigError(f"{folder / CARD} has no 'license' in its metadata")
    return listed, str(metadata.license)


def _card_there(repository: str, commit: str, files: set[str], access: Access) -> tuple[bool, str | None]:
    """Whether the card on the Hub is as generated, and the Space that it links to."""
    with TemporaryDirectory() as scratch:
        for name in files & {CARD, CONFIG}:
            content = bytearray()
            receiver = Receiver(content.extend, content.clear, MOST_BYTES[name], None)
            get_file(repository, commit, name, receiver, access, MOST_BYTES[name])
            Path(scratch, name).write_bytes(content)
        if PREVIEW in files:
            Path(scratch, PREVIEW).touch()
        return is_made(Path(scratch), repository), demo_of(Path(scratch))
