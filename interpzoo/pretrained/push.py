"""From a pretrained folder to a repository of the Hub, in one commit: a repository is never half of two models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelCard,
    hf_hub_download,
)

from interpzoo.errors import ConfigError, InputError, WeightsError
from interpzoo.files import is_hub_id
from interpzoo.pretrained.card import is_made, made_card, read_results
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import (
    CARD,
    CONFIG,
    FILES,
    PREVIEW,
    SUMS,
    check_sum,
    read_config,
    read_sums,
    read_text,
    sha256,
)


@dataclass(frozen=True)
class Pushed:
    """What a push has made."""

    repository: str
    commit: str
    sha256: str
    """Of the folder's ``SHA256SUMS``: with the commit, what a ``zoo.toml`` pins."""
    url: str
    """Of the commit, or of the pull request."""


def push(
    folder: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    access: Access | None = None,
) -> Pushed:
    """Bring the files of a pretrained folder to the Hub, in one commit; files of a former model are removed.

    A card that people have edited on the Hub is kept, unless the folder's own was edited as well; one that nobody has
    edited says there that the model is loaded from the repository.

    Args:
        folder: what `save_pretrained` or a training wrote; other files in it are left out.
        repository: ``user/repo``, which is made if there is none.
        private: whether a new repository is.
        revision: the branch, which is made if there is none; the main branch by default.
        create_pr: propose the commit in a pull request instead.
        access: how the Hub may be reached.

    Raises:
        InputError: `repository` has no owner.
        ConfigError, WeightsError: the folder, or its card, is damaged.
        UnknownNameError, HubUnreachableError, HubError: as `ask`; nothing is committed then.
    """
    if not is_hub_id(repository):
        raise InputError(f"{repository!r} is no repository of the Hub: expected 'user/repo'")
    folder = Path(folder)
    config = read_config(folder)
    _check(folder)
    api = (access or Access()).api()
    ask(lambda: api.create_repo(repository, private=private, exist_ok=True), repository)
    if revision is not None and not revision.startswith("refs/"):
        ask(lambda: api.create_branch(repository, branch=revision, exist_ok=True), repository, revision)
    head = ask(lambda: api.model_info(repository, revision=revision), repository, revision)
    before = {file.rfilename for file in head.siblings or []} & {*FILES}
    contents: dict[str, Path | bytes] = {name: folder / name for name in FILES if (folder / name).is_file()}
    if CARD in contents and is_made(folder):
        if CARD in before and not _is_made_there(api, repository, head.sha, before):
            del contents[CARD]
        else:
            contents[CARD] = made_card(folder, repository).encode()
    gone = before - {*contents, CARD}
    commit = ask(
        lambda: api.create_commit(
            repository,
            [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=found) for name, found in contents.items()),
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(gone)),
            ],
            commit_message=f"{config.name} by interpzoo",
            revision=revision,
            create_pr=create_pr,
            parent_commit=head.sha,
        ),
        repository,
        revision,
    )
    return Pushed(repository, commit.oid, sha256(folder / SUMS), commit.pr_url or commit.commit_url)


def _check(folder: Path) -> None:
    sums = read_sums(folder)
    if not sums:
        raise WeightsError(f"{folder} has no {SUMS}: save the model again")
    present = {name for name in FILES if (folder / name).is_file()} - {CARD, SUMS}
    if unlisted := sorted(present - sums.keys()):
        raise WeightsError(f"{folder} has {unlisted[0]}, which its {SUMS} does not list: save the model again")
    for name in sums:
        check_sum(folder, name, sums)
    read_results(folder)
    metadata: Any = ModelCard(read_text(folder / CARD)).data
    if not metadata.license:
        raise ConfigError(f"{folder / CARD} names no 'license' in its metadata")


def _is_made_there(api: HfApi, repository: str, commit: str | None, files: set[str]) -> bool:
    """`is_made` of a commit on the Hub."""
    with TemporaryDirectory() as scratch:
        for name in files & {CARD, CONFIG}:
            ask(
                lambda name=name: hf_hub_download(
                    repository, name, revision=commit, local_dir=scratch, token=api.token, endpoint=api.endpoint
                ),
                repository,
                commit,
                again=True,
            )
        if PREVIEW in files:
            Path(scratch, PREVIEW).touch()
        return is_made(Path(scratch), repository)
