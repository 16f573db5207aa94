"""Loading from the Hub: requests, checks, and the state of the cache after errors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

import interpzoo
from interpzoo.directions import Direction
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import CARD, FILES
from tests.hub.warm import RefusedError, Warm
from tests.hubserver import Hub, environment
from tests.tiny import files_of, tiny_fitness, tiny_model, tiny_recipe

WEIGHTS = "model.safetensors"


def untrained(seed: int = 0) -> InterpolationModel:
    """A small model with examples and training codes."""
    model = tiny_model(seed=seed, examples=4)
    model.codes = torch.randn(9, *model.latent_shape, generator=torch.Generator().manual_seed(seed))
    model.fitness = tiny_fitness(model)
    model.directions["up"] = Direction("up", torch.ones(model.latent_shape))
    return model


def folder_of(model: InterpolationModel, path: Path) -> dict[str, bytes]:
    return files_of(model.save_pretrained(path))


def frames_of(model: InterpolationModel) -> list[float]:
    return model.example_strip(2, 3).flatten().tolist()


@pytest.fixture
def files(hub: Hub, tmp_path: Path) -> dict[str, bytes]:
    """A pretrained folder, which ``user/repo`` holds beside other files."""
    files = folder_of(untrained(), tmp_path / "model")
    strangers = {"modeling.py": b"raise SystemExit", "pytorch_model.bin": b"cos\nsystem\n", "sub/config.json": b"{}"}
    hub.add_repo("user/repo", {**files, **strangers})
    hub.requests.clear()
    return files


@pytest.fixture
def frames() -> list[float]:
    """The frames of the model in ``user/repo``."""
    return frames_of(untrained())


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def asked(hub: Hub) -> list[str]:
    """The requested paths, in order, without the client's own telemetry."""
    return [request.path for request in hub.requests if request.path != "/api/agent-harnesses"]


def stored(cache: str) -> list[Path]:
    """The files in a cache."""
    return [path for path in Path(cache).rglob("blobs/*") if path.suffix != ".incomplete"]


# What is asked for


def test_only_the_files_of_a_pretrained_folder_are_fetched(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str
) -> None:
    assert process.load("user/repo", cache_dir=cache) == frames
    commit = hub.head("user/repo")
    fetched = {path.rpartition("/")[2] for path in asked(hub) if "/resolve/" in path}
    assert fetched == set(files) == set(FILES)
    (snapshot,) = Path(cache).rglob(f"snapshots/{commit}")
    assert files_of(snapshot) == files
    assert hub.transfers(WEIGHTS) == 1


@pytest.mark.parametrize("by", ["name", "argument"])
def test_a_cached_commit_needs_no_request(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str, by: str
) -> None:
    commit = hub.head("user/repo")
    name, options = (f"user/repo@{commit}", {}) if by == "name" else ("user/repo", {"revision": commit})
    for expected in (True, False):
        hub.requests.clear()
        assert process.load(name, cache_dir=cache, **options) == frames
        assert bool(asked(hub)) is expected


def test_a_branch_is_looked_up_in_one_request(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str
) -> None:
    process.load("user/repo", cache_dir=cache)
    hub.requests.clear()
    assert process.load("user/repo", cache_dir=cache) == frames
    assert asked(hub) == ["/api/models/user/repo"]


def test_the_newest_commit_of_a_branch_is_loaded(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str, tmp_path: Path
) -> None:
    first, later = hub.head("user/repo"), untrained(seed=1)
    process.load("user/repo", cache_dir=cache)
    hub.commit("user/repo", folder_of(later, tmp_path / "later"))
    assert process.load("user/repo", cache_dir=cache) == frames_of(later) != frames
    assert process.load(f"user/repo@{first}", cache_dir=cache) == frames
    even_later = untrained(seed=2)
    hub.commit("user/repo", folder_of(even_later, tmp_path / "even-later"), revision="next/one")
    assert process.load("user/repo@next/one", cache_dir=cache) == frames_of(even_later)
    assert process.load("user/repo", cache_dir=cache) == frames_of(later)


def test_fine_tuning_a_repository(hub: Hub, process: Warm, files: dict[str, bytes], cache: str, tmp_path: Path) -> None:
    """The card names the repository and its revision, and the metadata the base model."""
    code = """
import interpzoo
from interpzoo.config import Recipe
interpzoo.train(Recipe.model_validate_json(recipe), output=output, start_from=start)
"""
    recipe = tiny_recipe(training={"samples": 16}, optimizer={"learning_rate": 1e-12})
    start = f"user/repo@{hub.head('user/repo')}"
    process(code, recipe=recipe.model_dump_json(), output=str(tmp_path / "tuned"), start=start)
    tuned = interpzoo.load(tmp_path / "tuned")
    for name, value in untrained().state_dict().items():
        torch.testing.assert_close(tuned.state_dict()[name], value, rtol=0, atol=1e-8)
    assert tuned.config.trained is not None
    assert tuned.config.trained.started_from == start
    assert ModelCard.load(tmp_path / "tuned" / CARD).data.to_dict()["base_model"] == "user/repo"


def test_a_private_repository_is_loaded_with_a_token(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str
) -> None:
    hub.add_repo("user/repo", files, private=True)
    with pytest.raises(RefusedError, match="HubError: the Hub refuses the token") as refused:
        process.load("user/repo", cache_dir=cache, token="hf_invalid")
    assert "hf_invalid" not in str(refused.value)
    with pytest.raises(RefusedError, match="or it is private and needs a token: log in with 'hf auth login' or set"):
        process.load("user/repo", cache_dir=cache, token=False)
    assert process.load("user/repo", cache_dir=cache, token=hub.token) == frames


# What is not there


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "user/none",
            r"UnknownNameError: the Hub has no repository 'user/none', .*\. For a folder write './user/none'",
        ),
        ("user/repo@v9", "UnknownNameError: 'user/repo' has no revision 'v9': expected a branch, a tag or a commit"),
        ("user/repo@", "InputError: 'user/repo@' with revision = None: expected one revision"),
        ("a/b/c", "UnknownNameError: 'a/b/c' is not a valid name of a repository, 'user/repo'"),
        ("user/gated", "HubError: 'user/gated' is gated: ask for access on its page"),
        ("user/empty", r"HubError: 'user/empty' is not a pretrained model of interpzoo: it has no config\.json"),
    ],
)
def test_names_that_cannot_be_loaded(
    hub: Hub, process: Warm, files: dict[str, bytes], cache: str, name: str, expected: str
) -> None:
    hub.add_repo("user/empty")
    hub.add_repo("user/gated", files, gated=True)
    guest = hub.add_user("guest")
    with pytest.raises(RefusedError, match=expected):
        process.load(name, cache_dir=cache, token=guest)
    assert stored(cache) == []


def test_two_revisions_are_an_error(process: Warm) -> None:
    with pytest.raises(RefusedError, match="InputError: 'user/repo@v1' with revision = 'v2': expected one revision"):
        process.load("user/repo@v1", revision="v2")


def test_a_missing_plugin_is_named(
    hub: Hub, process: Warm, files: dict[str, bytes], cache: str, tmp_path: Path
) -> None:
    model = untrained()
    model.config = model.config.model_copy(update={"plugins": {"midpoint": "interpzoo-midpoint 0.1.0"}})
    hub.add_repo("user/repo", folder_of(model, tmp_path / "midpoint"))
    expected = "PluginError: .* plugin 'midpoint' of interpzoo-midpoint 0.1.0, .* 'pip install interpzoo-midpoint'"
    with pytest.raises(RefusedError, match=expected):
        process.load("user/repo", cache_dir=cache)


# Without a network


@pytest.fixture
def unplugged(hub: Hub) -> Iterator[None]:
    """Connections to the Hub are refused."""
    hub.stop()
    yield
    hub.start()


@pytest.mark.usefixtures("unplugged")
@pytest.mark.parametrize("name", ["user/repo", f"user/repo@{'0' * 40}"])
def test_a_refused_connection_without_a_cache_fails_at_once(process: Warm, cache: str, name: str) -> None:
    with pytest.raises(
        RefusedError, match=r"HubUnreachableError: .* is not in the cache, and the Hub cannot be reached"
    ):
        process.load(name, cache_dir=cache)
    assert process.seconds < 1


@pytest.mark.parametrize("name", ["user/repo", f"user/repo@{'0' * 40}"])
def test_local_files_only(hub: Hub, process: Warm, files: dict[str, bytes], cache: str, name: str) -> None:
    with pytest.raises(RefusedError, match=f"HubUnreachableError: '{name}' is not in the cache"):
        process.load(name, cache_dir=cache, local_files_only=True)
    assert process.seconds < 1
    assert asked(hub) == []


def test_a_cached_model_is_loaded_without_a_network(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str
) -> None:
    commit = hub.head("user/repo")
    process.load("user/repo", cache_dir=cache)
    hub.stop()
    try:
        for name in ("user/repo", f"user/repo@{commit}"):
            assert process.load(name, cache_dir=cache) == frames
            assert process.load(name, cache_dir=cache, local_files_only=True) == frames
    finally:
        hub.start()


@pytest.mark.slow
def test_offline_by_environment_variable(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], tmp_path: Path, cache: str
) -> None:
    process.load("user/repo", cache_dir=cache)
    hub.requests.clear()
    variables = {**environment(hub, tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    with Warm(variables) as offline:
        offline("import torch")
        with pytest.raises(RefusedError, match=r"HubUnreachableError: 'user/repo' is not in the cache.*HF_HUB_OFFLINE"):
            offline.load("user/repo")
        assert offline.seconds < 1
        assert offline.load("user/repo", cache_dir=cache) == frames
    assert asked(hub) == []


# Faults


PASSING: dict[str, dict[str, Any]] = {
    "503 of the look-up": {"pattern": "/api/models/user/repo", "status": 503, "times": 2},
    "503 of a file": {"pattern": f"*/resolve/*/{WEIGHTS}", "status": 503, "method": "GET", "times": 2},
    "a reset": {"pattern": f"*/{WEIGHTS}", "transfer": "reset"},
    "a reset of the list": {"pattern": "*/SHA256SUMS", "transfer": "reset"},
    "a truncated file": {"pattern": f"*/{WEIGHTS}", "transfer": "truncate"},
    "wrong weights": {"pattern": f"*/{WEIGHTS}", "transfer": "corrupt"},
    "a wrong config": {"pattern": "*/config.json", "transfer": "corrupt"},
    "a wrong card": {"pattern": "*/README.md", "transfer": "corrupt"},
    "a wrong list": {"pattern": "*/SHA256SUMS", "transfer": "corrupt"},
    "a trickle": {"pattern": f"*/{WEIGHTS}", "transfer": "trickle", "seconds": 0.5},
    "a rate limit": {"pattern": f"*/{WEIGHTS}", "status": 429, "retry_after": 0, "method": "GET"},
    "a rate limit of the look-up": {"pattern": "/api/models/user/repo", "status": 429, "retry_after": 1},
}


@pytest.mark.parametrize("kind", PASSING)
def test_transient_hub_errors_are_retried(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str, kind: str
) -> None:
    fault = hub.fail(**PASSING[kind])
    assert process.load("user/repo", cache_dir=cache) == frames
    assert fault.hits == fault.times
    contents = {hashlib.sha256(content).hexdigest() for content in files.values()}
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in stored(cache)} == contents


LASTING: dict[str, tuple[dict[str, Any], str]] = {
    "503": (
        {"pattern": "*", "status": 503},
        "HubUnreachableError: 'user/repo' is not in the cache, and the Hub cannot",
    ),
    "a reset": ({"pattern": f"*/{WEIGHTS}", "transfer": "reset"}, "HubUnreachableError: the Hub cannot be reached"),
    "wrong weights": (
        {"pattern": f"*/{WEIGHTS}", "transfer": "corrupt"},
        f"WeightsError: .*: {WEIGHTS} was downloaded",
    ),
    "a wrong config": (
        {"pattern": "*/config.json", "transfer": "corrupt"},
        r"WeightsError: .*: config\.json was downloaded twice",
    ),
    "a wrong list": (
        {"pattern": "*/SHA256SUMS", "transfer": "corrupt"},
        "WeightsError: .*SHA256SUMS was downloaded twice",
    ),
    "a rate limit": (
        {"pattern": "/api/*", "status": 429, "retry_after": 3600},
        "HubUnreachableError: .* the Hub cannot be reached: .*429",
    ),
    "a lost token": ({"pattern": "*", "anonymous": True}, "UnknownNameError: .* private and needs a token"),
    "a refusal": ({"pattern": "/api/*", "status": 418}, "HubError: the Hub refuses a request about 'user/repo': .*418"),
}


@pytest.mark.parametrize("kind", LASTING)
def test_permanent_hub_errors_leave_nothing_wrong_in_the_cache(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str, kind: str
) -> None:
    fault, expected = LASTING[kind]
    if kind == "a lost token":
        hub.add_repo("user/repo", files, private=True)
    hub.fail(**fault, times=None)
    with pytest.raises(RefusedError, match=expected):
        process.load("user/repo", cache_dir=cache)
    contents = set(files.values())
    assert {path.read_bytes() for path in stored(cache)} <= contents
    hub.heal()
    assert process.load("user/repo", cache_dir=cache) == frames


@pytest.mark.parametrize("name", sorted(set(FILES) - {"README.md"}))
def test_a_damaged_file_in_the_cache_is_downloaded_again(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], cache: str, name: str
) -> None:
    commit = hub.head("user/repo")
    process.load("user/repo", cache_dir=cache)
    (path,) = Path(cache).rglob(f"snapshots/*/{name}")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    hub.requests.clear()
    with pytest.raises(RefusedError, match="is not in the cache"):
        process.load(f"user/repo@{commit}", cache_dir=cache, local_files_only=True)
    assert process.load(f"user/repo@{commit}", cache_dir=cache) == frames
    assert path.read_bytes() == files[name]
    assert {request.path.rpartition("/")[2] for request in hub.requests if request.method == "GET"} <= {name, commit}


def test_files_that_are_not_listed_are_not_downloaded(
    hub: Hub, process: Warm, files: dict[str, bytes], cache: str, tmp_path: Path
) -> None:
    others = folder_of(untrained(seed=1), tmp_path / "others")
    hub.add_repo("user/repo", {**files, WEIGHTS: others[WEIGHTS]})
    with pytest.raises(RefusedError, match=f"WeightsError: .*: {WEIGHTS} does not have the hash in SHA256SUMS"):
        process.load("user/repo", cache_dir=cache)
    unlisted = {name: content for name, content in files.items() if name != "codes.safetensors"}
    hub.add_repo("user/repo", unlisted)
    with pytest.raises(RefusedError, match=r"WeightsError: .* and its SHA256SUMS have different files: codes\.saf"):
        process.load("user/repo", cache_dir=cache)
    assert hub.transfers(WEIGHTS) == 0


# Many at once, and killed


@pytest.mark.slow
def test_eight_processes_fetch_the_weights_once(
    hub: Hub, files: dict[str, bytes], frames: list[float], tmp_path: Path
) -> None:
    variables = environment(hub, tmp_path / "home")
    with ExitStack() as stack:
        processes = [stack.enter_context(Warm(variables)) for _ in range(8)]
        for process in processes:
            process.start("import torch")
        for process in processes:
            process.answer()
        hub.requests.clear()
        hub.fail(f"*/{WEIGHTS}", transfer="trickle", seconds=1)
        for process in processes:
            process.start(
                "import interpzoo; result = interpzoo.load('user/repo').example_strip(2, 3).flatten().tolist()"
            )
        assert [process.answer() for process in processes] == [frames] * 8
    assert hub.transfers(WEIGHTS) == 1
    assert [request.sent for request in hub.requests if request.path.startswith("/storage/")].count(
        len(files[WEIGHTS])
    ) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [WEIGHTS, "SHA256SUMS"])
def test_killed_in_mid_download(
    hub: Hub, process: Warm, files: dict[str, bytes], frames: list[float], tmp_path: Path, cache: str, name: str
) -> None:
    hub.fail(f"*/{name}", transfer="trickle", seconds=60)
    with Warm(environment(hub, tmp_path / "home")) as killed:
        killed.start("import interpzoo; interpzoo.load(name, cache_dir=cache)", name="user/repo", cache=cache)
        deadline = time.monotonic() + 60
        while not any(request.fault == "trickle" and request.sent for request in hub.requests):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        killed.kill()
    hub.heal()
    with pytest.raises(RefusedError, match="is not in the cache"):
        process.load("user/repo", cache_dir=cache, local_files_only=True)
    assert process.load("user/repo", cache_dir=cache) == frames
    hub.stop()  # breaks the trickle off
    hub.start()


def test_a_folder_is_never_looked_for_on_the_hub(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    assert interpzoo.load(tmp_path / "model").config.name == "ae-tiny"
    assert asked(hub) == []
