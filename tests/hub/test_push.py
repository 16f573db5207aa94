"""Pushing to the Hub: one commit or none, edited cards, and models that load from there unchanged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from interpzoo.directions import Direction
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.card import Result, write_card
from interpzoo.pretrained.folder import FILES
from tests.hub.warm import RefusedError, Warm
from tests.hubserver import Hub, environment
from tests.tiny import files_of, tiny_fitness, tiny_model, write_distribution

PUSH = """
import interpzoo
from dataclasses import asdict
model = interpzoo.load(folder)
result = asdict(model.push_to_hub(repository, **options))
"""
PUSH_FOLDER = """
from pathlib import Path
from dataclasses import asdict
from interpzoo.pretrained.push import push
result = asdict(push(Path(folder), repository, **options))
"""


def untrained(seed: int = 0, *, codes: bool = True) -> InterpolationModel:
    model = tiny_model(seed=seed, examples=4)
    model.codes = model.examples if codes else None
    model.fitness = tiny_fitness(model)
    model.directions["up"] = Direction("up", torch.ones(model.latent_shape))
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return untrained().save_pretrained(tmp_path / "model")


def contents(folder: Path, repository: str = "user/repo") -> dict[str, bytes]:
    """The folder's files, with a card that loads the model from the repository."""
    found = files_of(folder)
    there = re.sub(rb'interpzoo\.load\("[^"]*"\)', f'interpzoo.load("{repository}")'.encode(), found["README.md"])
    assert there != found["README.md"]
    return {**found, "README.md": there}


def on_hub(hub: Hub, revision: str = "main") -> dict[str, bytes]:
    """The files in ``user/repo``, without the Hub's own."""
    return {name: data for name, data in hub.files("user/repo", revision).items() if name != ".gitattributes"}


def commits(hub: Hub) -> int:
    return sum("/commit/" in request.path and request.status == 200 for request in hub.requests)


def push_folder(process: Warm, folder: Path, repository: str = "user/repo", **options: Any) -> dict[str, Any]:
    return process(PUSH_FOLDER, folder=str(folder), repository=repository, options=options)


# What is pushed


def test_a_model_is_pushed_in_one_commit_and_loads_as_it_was(
    hub: Hub, process: Warm, folder: Path, tmp_path: Path
) -> None:
    pushed = process(PUSH, folder=str(folder), repository="user/repo", options={"private": True})
    assert commits(hub) == 1
    assert on_hub(hub) == contents(folder)
    assert pushed["commit"] == hub.head("user/repo")
    assert pushed["url"] == f"{hub.endpoint}/user/repo/commit/{pushed['commit']}"
    frames = untrained().example_strip(2, 3).flatten().tolist()
    assert process.load("user/repo", cache_dir=str(tmp_path / "cache")) == frames
    with pytest.raises(RefusedError, match="or it is private"):
        process.load("user/repo", cache_dir=str(tmp_path / "cache"), token=False)


@pytest.mark.parametrize("name", ["repo", "./repo"])
def test_a_repository_without_an_owner_is_not_created(hub: Hub, process: Warm, folder: Path, name: str) -> None:
    with pytest.raises(RefusedError, match=f"InputError: '{name}' is not a repository on the Hub: expected 'u"):
        push_folder(process, folder, name)
    assert hub.requests == []


def test_only_the_files_of_a_pretrained_folder_are_pushed(hub: Hub, process: Warm, folder: Path) -> None:
    (folder / "checkpoint.safetensors").write_bytes(b"of the run")
    (folder / "secrets.txt").write_text("hf_...")
    push_folder(process, folder)
    assert set(on_hub(hub)) == set(FILES)


def test_files_of_the_old_model_are_removed_in_the_same_commit(
    hub: Hub, process: Warm, folder: Path, tmp_path: Path
) -> None:
    push_folder(process, folder)
    without = untrained(codes=False).save_pretrained(tmp_path / "without")
    hub.commit("user/repo", {"notes.txt": b"theirs"})
    hub.requests.clear()
    push_folder(process, without)
    assert commits(hub) == 1
    assert on_hub(hub) == {**contents(without), "notes.txt": b"theirs"}


def test_a_second_push_changes_nothing(hub: Hub, process: Warm, folder: Path) -> None:
    first = push_folder(process, folder)
    hub.requests.clear()
    assert push_folder(process, folder)["commit"] == first["commit"]
    assert commits(hub) == 0


def test_a_branch_is_created_and_main_left_alone(hub: Hub, process: Warm, folder: Path, tmp_path: Path) -> None:
    head = push_folder(process, folder)["commit"]
    other = untrained(seed=1).save_pretrained(tmp_path / "other")
    pushed = push_folder(process, other, revision="next/one")
    assert (hub.head("user/repo"), hub.head("user/repo", "next/one")) == (head, pushed["commit"])
    assert on_hub(hub, "next/one") == contents(other)


def test_a_pull_request_leaves_main_alone(hub: Hub, process: Warm, folder: Path, tmp_path: Path) -> None:
    hub.add_user("other")
    head = hub.add_repo("other/repo", contents(folder, "other/repo"))
    other = untrained(seed=1).save_pretrained(tmp_path / "other")
    with pytest.raises(RefusedError, match="HubError: the Hub refuses the token, or its rights to 'other/repo'"):
        push_folder(process, other, "other/repo")
    pushed = push_folder(process, other, "other/repo", create_pr=True)
    assert pushed["url"] == f"{hub.endpoint}/other/repo/discussions/1"
    assert hub.head("other/repo") == head
    assert hub.files("other/repo", "refs/pr/1").items() >= contents(other, "other/repo").items()


# Cards


def test_the_card_has_the_metadata_of_the_hub(hub: Hub, process: Warm, tmp_path: Path) -> None:
    model = tiny_model("acai")
    folder = model.save_pretrained(tmp_path / "acai")
    write_card(folder, model.config, [Result("Mean Distance", 0.25, "lines")])
    push_folder(process, folder)
    card = ModelCard(on_hub(hub)["README.md"].decode())
    metadata = card.data.to_dict()
    assert (metadata["license"], metadata["library_name"]) == ("apache-2.0", "interpzoo")
    assert {"interpzoo", "acai"} <= set(metadata["tags"])
    (result,) = metadata["model-index"][0]["results"]
    assert (result["dataset"]["name"], result["metrics"][0]["value"]) == ("lines", 0.25)
    assert "https://arxiv.org/abs/1807.07543" in card.text
    validated = [request for request in hub.requests if request.path == "/api/validate-yaml"]
    assert [request.status for request in validated] == [200]


PUSH_BY_COMMAND = """
import contextlib, io
from interpzoo.cli.app import run
said = io.StringIO()
with contextlib.redirect_stderr(said):
    code = run(["push", folder, "user/repo"])
result = [code, said.getvalue()]
"""


def test_a_license_that_is_not_known_is_mentioned(hub: Hub, process: Warm, folder: Path) -> None:
    code, said = process(PUSH_BY_COMMAND, folder=str(folder))
    assert (code, said) == (0, "")
    card = folder / "README.md"
    card.write_text(card.read_text().replace("license: apache-2.0", "license: unknown", 1))
    code, said = process(PUSH_BY_COMMAND, folder=str(folder))
    assert code == 0
    assert "The license is 'unknown'" in said
    assert b"license: unknown" in on_hub(hub)["README.md"]


EDITED = b"---\nlicense: mit\n---\n# My words\n"


def test_a_card_edited_on_the_hub_is_kept(hub: Hub, process: Warm, folder: Path, tmp_path: Path) -> None:
    push_folder(process, folder)
    hub.commit("user/repo", {"README.md": EDITED})
    other = untrained(seed=1).save_pretrained(tmp_path / "other")
    push_folder(process, other)
    assert on_hub(hub) == {**contents(other), "README.md": EDITED}


def test_a_card_edited_in_the_folder_is_pushed(hub: Hub, process: Warm, folder: Path) -> None:
    push_folder(process, folder)
    hub.commit("user/repo", {"README.md": EDITED})
    mine = EDITED + b"and more\n"
    (folder / "README.md").write_bytes(mine)
    push_folder(process, folder)
    assert on_hub(hub)["README.md"] == mine


def test_an_unedited_card_follows_the_model(hub: Hub, process: Warm, folder: Path, tmp_path: Path) -> None:
    push_folder(process, folder)
    vae = tiny_model("vae").save_pretrained(tmp_path / "vae")
    push_folder(process, vae)
    assert on_hub(hub) == contents(vae)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: [mit\n---\n", "ConfigError: .*README.md has no valid metadata"),
        ("---\ntags: [x]\n---\n", "ConfigError: .*README.md has no 'license' in its metadata"),
    ],
)
def test_an_invalid_card_is_not_pushed(hub: Hub, process: Warm, folder: Path, card: str, expected: str) -> None:
    (folder / "README.md").write_text(card)
    with pytest.raises(RefusedError, match=expected):
        push_folder(process, folder)
    assert hub.requests == []


# What goes wrong


@pytest.mark.parametrize("name", sorted(set(FILES) - {"README.md"}))
def test_a_damaged_folder_is_not_pushed(hub: Hub, process: Warm, folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    with pytest.raises(RefusedError, match=r"(Weights|Config)Error: .*model"):
        push_folder(process, folder)
    assert hub.requests == []


def test_files_without_a_hash_are_not_pushed(hub: Hub, process: Warm, folder: Path) -> None:
    sums = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in sums if "codes" not in line))
    with pytest.raises(RefusedError, match=r"WeightsError: .* has codes\.safetensors, which its SHA256SUMS does not"):
        push_folder(process, folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(RefusedError, match=r"WeightsError: .* has no SHA256SUMS: save the model again"):
        push_folder(process, folder)
    assert hub.requests == []


INTERRUPTIONS: dict[str, dict[str, Any]] = {
    "the upload is refused": {"pattern": "/storage/*/lfs/*", "status": 403},
    "the upload is not verified": {"pattern": "*/lfs/objects/verify", "status": 404},
    "the commit fails": {"pattern": "*/commit/main", "status": 500},
    "the commit is broken off": {"pattern": "*/commit/main", "transfer": "reset", "method": "POST"},
}


@pytest.mark.parametrize("kind", INTERRUPTIONS)
def test_an_interrupted_push_leaves_the_old_commit(
    hub: Hub, process: Warm, folder: Path, tmp_path: Path, kind: str
) -> None:
    head = push_folder(process, folder)["commit"]
    # Weights that this Hub has never seen: it does not ask for what it has.
    other = untrained(seed=[*INTERRUPTIONS].index(kind) + 2).save_pretrained(tmp_path / "other")
    hub.fail(**INTERRUPTIONS[kind], times=None)
    with pytest.raises(RefusedError, match=r"Hub(Unreachable)?Error: the Hub "):
        push_folder(process, other)
    assert hub.head("user/repo") == head
    assert on_hub(hub) == contents(folder)
    hub.heal()
    push_folder(process, other)
    assert on_hub(hub) == contents(other)


@pytest.mark.slow
def test_a_killed_push_leaves_the_old_commit(hub: Hub, process: Warm, folder: Path, tmp_path: Path) -> None:
    head = push_folder(process, folder)["commit"]
    other = untrained(seed=1).save_pretrained(tmp_path / "other")
    hub.fail("*/commit/main", status=503, times=None)
    with Warm(environment(hub, tmp_path / "home")) as killed:
        killed.start(PUSH_FOLDER, folder=str(other), repository="user/repo", options={})
        hub.wait_for("/api/models/user/repo/commit/main", after=len(hub.requests))
        killed.kill()
    hub.heal()
    assert hub.head("user/repo") == head
    push_folder(process, other)
    assert on_hub(hub) == contents(other)


def test_a_commit_by_somebody_else_in_the_meantime(hub: Hub, process: Warm, folder: Path) -> None:
    push_folder(process, folder)
    hub.fail("*/commit/main", status=412)
    (folder / "README.md").write_bytes(EDITED)
    with pytest.raises(RefusedError, match="HubError: 'user/repo' has a new commit in the meantime: try again"):
        push_folder(process, folder)


def test_without_a_token_it_says_how_to_log_in(hub: Hub, process: Warm, folder: Path) -> None:
    with pytest.raises(RefusedError, match=r"HubError: .*\(401\)"):
        process(PUSH, folder=str(folder), repository="user/repo", options={"token": False})


# The command line, and the names of the zoo

PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry):
    registry.add_package("interpzoo_far")
"""


def interpzoo(*arguments: str, hub: Hub, home: Path, module: str = "interpzoo", **variables: str) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**environment(hub, home), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_train_push_and_load_by_repository_revision_and_registered_name(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """Each in a new process with an empty cache; the second load makes no request."""
    changes = [f"--set={change}" for change in ("training.samples=32", "encoder.width=2", "decoder.width=2")]
    run, home = tmp_path / "run", tmp_path / "home"
    interpzoo("train", "ae-lines", "--output", str(run), *changes, hub=hub, home=home)
    printed = interpzoo("push", str(run), "user/repo", hub=hub, home=home)
    commit = hub.head("user/repo")
    assert f"interpzoo.load('user/repo@{commit}')" in printed

    entry = {"method": "ae", "dataset": "lines", "license": "apache-2.0", "repository": "user/repo", "revision": commit}
    entry["sha256"] = json.loads(printed.splitlines()[-1].partition("sha256 = ")[2])
    zoo = "[models.far]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
    files = {"__init__.py": PLUGIN, "zoo.toml": zoo}
    write_distribution(tmp_path / "site", "interpzoo-far", files, plugin="far")
    with Warm(environment(hub, home)) as process:
        expected = process.load(str(run))
    for name, asked_again in (("user/repo", 1), (f"user/repo@{commit}", 0), ("far", 0)):
        variables = {**environment(hub, tmp_path / name.replace("/", "-")), "PYTHONPATH": str(tmp_path / "site")}
        with Warm(variables) as process:
            hub.requests.clear()
            assert process.load(name) == expected
            assert hub.transfers("model.safetensors") == 1
        with Warm(variables) as process:
            hub.requests.clear()
            assert process.load(name) == expected
            assert sum(request.path != "/api/agent-harnesses" for request in hub.requests) == asked_again
    # The bundled folder, then the cache, then the Hub; and of the Hub only what was pinned.
    hub.commit("user/repo", contents(folder))
    with Warm({**environment(hub, tmp_path / "new"), "PYTHONPATH": str(tmp_path / "site")}) as process:
        assert process.load("far") == expected


@pytest.mark.slow
def test_publish_pushes_bundled_models_and_prints_their_pins(hub: Hub, tmp_path: Path) -> None:
    import tomllib

    printed = interpzoo("org", "a*-mnist", module="tools.publish", hub=hub, home=tmp_path / "home")
    pins = tomllib.loads(printed)["models"]
    assert set(pins) >= {"acai-mnist", "ae-mnist"}
    assert all(name.startswith("a") for name in pins)
    for name, pin in pins.items():
        assert (pin["repository"], pin["revision"]) == (f"org/{name}", hub.head(f"org/{name}"))
    assert commits(hub) == len(pins)
    hub.requests.clear()
    assert interpzoo("org", "a*-mnist", module="tools.publish", hub=hub, home=tmp_path / "home") == printed
    assert commits(hub) == 0
