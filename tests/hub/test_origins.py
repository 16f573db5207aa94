"""Models of other people on the Hub: fetched, pinned, pointed to and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save

import interpzoo
from tests.hub.warm import RefusedError, Warm
from tests.hubserver import Hub
from tests.origins.test_diffusers import SMALL, Saved, own_codes
from tests.origins.tiny import write_tae
from tests.tiny import files_of, tiny_recipe

CODES = """
import torch, interpzoo
model = interpzoo.load(name, **options)
result = model.encode(torch.full((1, 3, 16, 16), 0.5)).flatten().tolist()
"""
SAVE = """
import torch, interpzoo
model = interpzoo.load(name, **options)
model.examples = model.encode(torch.full((2, 3, 256, 256), 0.5))
if change:
    model.decoder.layers[1].bias.data += 1e-3
result = str(model.save_pretrained(target))
"""
VERIFY = """
import interpzoo
result = [[finding.name, finding.problem] for finding in interpzoo.verify(name, **options)]
"""
PUSH = """
import interpzoo
result = interpzoo.load(name, **options).push_to_hub(repository).commit
"""
TRAIN = """
import torch, interpzoo
from interpzoo.config import Recipe
model = interpzoo.train(Recipe.model_validate_json(recipe), output=target)
result = [model.push_to_hub(repository).commit, model.encode(torch.full((1, 3, 16, 16), 0.5)).flatten().tolist()]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small model of the TAESD family."""
    folder = tmp_path_factory.mktemp("tae")
    write_tae(folder)
    return files_of(folder)


@pytest.fixture(scope="module")
def codes(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """What the model makes of a gray image."""
    folder = tmp_path_factory.mktemp("local")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return interpzoo.load(f"tae:{folder}").encode(torch.full((1, 3, 16, 16), 0.5)).flatten().tolist()


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, Any]:
    return {"cache_dir": str(tmp_path / "cache")}


@pytest.fixture
def there(hub: Hub, files: dict[str, bytes]) -> str:
    """The commit of ``user/tae``, which holds other files, too."""
    strangers = {"README.md": b"# Tiny", "modeling.py": b"raise SystemExit", "weights.bin": b"cos\nsystem\n"}
    return hub.add_repo("user/tae", {**files, **strangers, **{f"sub/x/{k}": v for k, v in files.items()}})


def changed(files: dict[str, bytes]) -> dict[str, bytes]:
    tensors = load(files["encoder.safetensors"])
    return {**files, "encoder.safetensors": save({**tensors, "0.bias": tensors["0.bias"] + 1})}


def fetched(hub: Hub) -> set[str]:
    paths = [request.path.partition("/resolve/")[2] for request in hub.requests if "/resolve/" in request.path]
    return {path.partition("/")[2] for path in paths}


def test_only_the_models_files_are_fetched_and_once(
    hub: Hub, process: Warm, there: str, codes: list[float], cache: dict[str, Any]
) -> None:
    assert process(CODES, name="tae:user/tae", options=cache) == codes
    assert fetched(hub) == {"encoder.safetensors", "decoder.safetensors"}
    hub.requests.clear()
    assert process(CODES, name="tae:user/tae", options={**cache, "local_files_only": True}) == codes
    assert process(CODES, name=f"tae:user/tae@{there}", options=cache) == codes
    assert not [request for request in hub.requests if "/tae" in request.path]
    with pytest.raises(RefusedError, match="HubUnreachableError: 'user/other' is not in the cache"):
        process(CODES, name="tae:user/other", options={**cache, "local_files_only": True})


def test_sub_folders_revisions_and_tokens(
    hub: Hub, process: Warm, there: str, files: dict[str, bytes], codes: list[float], cache: dict[str, Any]
) -> None:
    assert process(CODES, name="tae:user/tae:sub/x", options=cache) == codes
    assert fetched(hub) == {"sub/x/encoder.safetensors", "sub/x/decoder.safetensors"}
    assert process(CODES, name="tae:user/tae:sub/x", options={**cache, "local_files_only": True}) == codes
    hub.commit("user/tae", changed(files))
    assert process(CODES, name="tae:user/tae", options=cache) != codes
    assert process(CODES, name="tae:user/tae", options={**cache, "revision": there}) == codes
    with pytest.raises(RefusedError, match="UnknownNameError: 'user/tae' has no revision 'v9'"):
        process(CODES, name="tae:user/tae@v9", options=cache)
    with pytest.raises(RefusedError, match="WeightsError: user/tae:sub is not a model that 'tae' reads"):
        process(CODES, name="tae:user/tae:sub", options=cache)
    hub.add_repo("user/private", files, private=True)
    assert process(CODES, name="tae:user/private", options={**cache, "token": hub.token}) == codes
    with pytest.raises(RefusedError, match="or it is private and needs a token"):
        process(CODES, name="tae:user/private", options={**cache, "token": False})


def test_a_saved_model_points_to_its_weights(
    hub: Hub,
    process: Warm,
    there: str,
    files: dict[str, bytes],
    codes: list[float],
    cache: dict[str, Any],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pointing"
    process(SAVE, name="tae:user/tae", options=cache, target=str(folder), change=False)
    assert "model.safetensors" not in {path.name for path in folder.iterdir()}
    origin = json.loads((folder / "config.json").read_text())["origin"]
    assert (origin["source"], origin["repository"], origin["revision"]) == ("tae:tae", "user/tae", there)
    assert {*origin["files"]} == {*files}
    assert "This folder does not contain the weights" in (folder / "README.md").read_text()

    hub.commit("user/tae", changed(files))  # later commits do not matter
    findings = process(VERIFY, name=str(folder), options=cache)
    assert {*files, "frames", "config.json"} <= {name for name, _ in findings}
    assert not [problem for _, problem in findings if problem]
    commit = process(PUSH, name=str(folder), options=cache, repository="user/pointing")
    assert {*hub.files("user/pointing")} >= {"config.json", "examples.safetensors", "SHA256SUMS"}
    assert "model.safetensors" not in hub.files("user/pointing")
    elsewhere = {"cache_dir": str(tmp_path / "elsewhere")}
    assert process(CODES, name=f"user/pointing@{commit}", options=elsewhere) == codes
    offline = {**elsewhere, "local_files_only": True}
    assert process(CODES, name=f"user/pointing@{commit}", options=offline) == codes


def test_a_model_on_the_codes_of_a_base_points_to_the_bases_weights(
    hub: Hub, process: Warm, there: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    recipe = tiny_recipe(channels=3, training={"samples": 8}).model_dump(mode="json")
    networks = {"encoder": {**recipe["encoder"], "scales": 1}, "data": {"name": "rotating-object"}}
    text = json.dumps({**recipe, **networks, "base": "tae:user/tae"})
    target = tmp_path / "trained"
    commit, codes = process(TRAIN, recipe=text, target=str(target), repository="user/trained")
    base = json.loads((target / "config.json").read_text())["base"]
    assert (base["name"], base["origin"]["revision"]) == ("tae:user/tae", there)
    assert not [name for name in load_file(target / "model.safetensors") if ".base." in name]
    assert "does not contain the weights of the base model" in (target / "README.md").read_text()
    hub.commit("user/tae", changed(files))  # later commits do not matter
    elsewhere = {"cache_dir": str(tmp_path / "elsewhere")}
    assert process(CODES, name=f"user/trained@{commit}", options=elsewhere) == codes
    assert fetched(hub) >= {*files}
    findings = process(VERIFY, name=f"user/trained@{commit}", options={**elsewhere, "local_files_only": True})
    assert {*files, "model.safetensors", "frames"} <= {name for name, _ in findings}
    assert not [problem for _, problem in findings if problem]


def test_changed_weights_are_saved_themselves(
    hub: Hub, process: Warm, there: str, cache: dict[str, Any], tmp_path: Path
) -> None:
    process(SAVE, name="tae:user/tae", options=cache, target=str(tmp_path / "tuned"), change=True)
    assert (tmp_path / "tuned" / "model.safetensors").is_file()
    assert interpzoo.load(tmp_path / "tuned").config.origin is None
    hub.clear()
    assert not any(problem for _, problem in process(VERIFY, name=str(tmp_path / "tuned"), options=cache))


def test_files_with_another_hash_are_refused(
    hub: Hub, process: Warm, there: str, files: dict[str, bytes], cache: dict[str, Any], tmp_path: Path
) -> None:
    struck = hub.fail("*/encoder.safetensors", transfer="corrupt", times=9)
    with pytest.raises(RefusedError, match=r"WeightsError: .*encoder.safetensors was downloaded twice"):
        process(CODES, name="tae:user/tae", options=cache)
    assert struck.hits == 2
    hub.heal()
    folder = tmp_path / "pointing"
    process(SAVE, name="tae:user/tae", options=cache, target=str(folder), change=False)
    text = (folder / "config.json").read_text()
    digest = json.loads(text)["origin"]["files"]["encoder.safetensors"]
    (folder / "config.json").write_text(text.replace(digest, "0" * 64))
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(RefusedError, match=r"encoder.safetensors (does not have the hash|was downloaded twice)"):
        process(CODES, name=str(folder), options={"cache_dir": str(tmp_path / "new")})
    blob = next(path for path in Path(cache["cache_dir"]).rglob("blobs/*") if digest in path.name)
    blob.write_bytes(changed(files)["encoder.safetensors"])  # damaged in the cache: downloaded again
    (folder / "config.json").write_text(text)
    process(CODES, name=str(folder), options=cache)
    assert blob.read_bytes() == files["encoder.safetensors"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repository", "../../etc"),
        ("repository", "/etc/passwd"),
        ("folder", "../x"),
        ("revision", "main"),
        ("files", {"../encoder.safetensors": "0" * 64}),
        ("files", {}),
        ("source", "/bin/sh"),
    ],
)
def test_a_config_points_to_nothing_but_pinned_files_of_a_repository(
    tmp_path: Path, files: dict[str, bytes], field: str, value: object
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    folder = interpzoo.load(f"tae:{tmp_path}").save_pretrained(tmp_path / "saved")
    config = json.loads((folder / "config.json").read_text())
    good = {"source": "tae", "repository": "user/tae", "revision": "0" * 40, "files": {"encoder.safetensors": "0" * 64}}
    (folder / "config.json").write_text(json.dumps({**config, "origin": {**good, field: value}}))
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(interpzoo.InterpzooError, match=rf"config.json: origin.{field}"):
        interpzoo.load(folder)


DIFFUSERS = """
from tests.conftest import shim_torchvision
shim = shim_torchvision()
from diffusers import AutoencoderTiny
torch.manual_seed(0)
small = dict.fromkeys(("encoder_block_out_channels", "decoder_block_out_channels"), (8, 8, 8))
small |= dict.fromkeys(("num_encoder_blocks", "num_decoder_blocks"), (1, 1, 1))
AutoencoderTiny(**small).save_pretrained(folder)
result = interpzoo.load(f"diffusers:{folder}").encode(torch.full((1, 3, 16, 16), 0.5)).flatten().tolist()
"""


@pytest.mark.slow
def test_an_autoencoder_in_a_pipeline_of_diffusers(
    hub: Hub, process: Warm, cache: dict[str, Any], tmp_path: Path
) -> None:
    expected = process(f"import torch, interpzoo{DIFFUSERS}", folder=str(tmp_path / "vae"))
    files = {f"vae/{name}": content for name, content in files_of(tmp_path / "vae").items()}
    hub.add_repo(
        "user/pipeline", {**files, "model_index.json": b"{}", "unet/config.json": b"{}", "vae/mine.py": b"1/0"}
    )
    with pytest.raises(RefusedError, match=r"WeightsError: .*name the sub-folder of its autoencoder"):
        process(CODES, name="diffusers:user/pipeline", options=cache)
    assert process(CODES, name="diffusers:user/pipeline:vae", options=cache) == expected
    assert fetched(hub) == {"vae/config.json", "vae/diffusion_pytorch_model.safetensors"}
    assert process(CODES, name="diffusers:user/pipeline:vae", options={**cache, "local_files_only": True}) == expected
    folder = tmp_path / "pointing"
    process(SAVE, name="diffusers:user/pipeline:vae", options=cache, target=str(folder), change=False)
    assert json.loads((folder / "config.json").read_text())["origin"]["folder"] == "vae"
    assert process(CODES, name=str(folder), options={"cache_dir": str(tmp_path / "elsewhere")}) == expected


SHIM = """
import sys
from tests.conftest import shim_torchvision
if "torchvision" not in sys.modules:
    sys.kept = shim_torchvision()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_every_class_of_diffusers_is_fetched_pinned_and_checked(
    hub: Hub, process: Warm, cache: dict[str, Any], tmp_path: Path, torchvision_shim: object, name: str
) -> None:
    """In a sub-folder, as in a pipeline, beside code and pickles that are left alone."""
    process(SHIM)
    saved = Saved(name, tmp_path)
    content = {f"vae/{name}": data for name, data in files_of(saved.folder).items()}
    strangers = {"modeling.py": b"raise SystemExit", "vae/diffusion_pytorch_model.bin": b"cos\nsystem\n"}
    commit = hub.add_repo("user/pipeline", {**content, **strangers})
    gray = torch.full((1, 3, 16, 16), 0.5)
    expected = own_codes(saved.network, gray).flatten().tolist()
    assert process(CODES, name="diffusers:user/pipeline:vae", options=cache) == expected
    assert fetched(hub) == {*content}
    offline = {**cache, "local_files_only": True}
    assert process(CODES, name=f"diffusers:user/pipeline@{commit}:vae", options=offline) == expected
    findings = process(VERIFY, name="diffusers:user/pipeline:vae", options=offline)
    assert not [problem for _, problem in findings if problem]
