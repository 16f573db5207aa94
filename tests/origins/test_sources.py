"""Models of other people by SCHEME:FOLDER: their names, what they are, and how they are saved."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import load_dataset
from safetensors.torch import load_file, save_file
from torch import nn

import interpzoo
from interpzoo.errors import InputError, InterpzooError, UnknownNameError, WeightsError
from interpzoo.pretrained.locate import recorded_name
from interpzoo.testing import check_plugin
from tests.origins.tiny import state_of, tae_networks, write_tae
from tests.site import Site
from tests.tiny import noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of the TAESD family."""
    path = tmp_path_factory.mktemp("tae") / "tiny"
    write_tae(path)
    return path


def test_a_folder_is_loaded_in_one_line(folder: Path) -> None:
    model, networks, x = interpzoo.load(f"tae:{folder}"), tae_networks(), noise(2, 3, 24, 16)
    with torch.no_grad():
        z = networks["encoder"](x)
        assert torch.equal(model.encode(x), z)
        assert torch.equal(model.decode(z), networks["decoder"](z))
    assert model.interpolate(x[0], x[1], 3, size=(16, 24)).shape == (3, 3, 16, 24)
    assert (model.name, model.config.method, model.config.license) == ("tiny", "tae", "unknown")
    assert not model.training


def test_files_of_torch_are_the_same_model(folder: Path, tmp_path: Path) -> None:
    for name, network in tae_networks().items():
        torch.save(state_of(network), tmp_path / f"taex_{name}.pth")
    x = noise(1, 3, 16, 16)
    found = interpzoo.load(f"tae:{tmp_path}")
    assert torch.equal(found.encode(x), interpzoo.load(f"tae:{folder}").encode(x))


def test_the_sizes_are_read_off_the_tensors(tmp_path: Path) -> None:
    networks = write_tae(tmp_path, pooled=False, prefix="taesd_")
    model = interpzoo.load(f"tae:{tmp_path}")
    assert model.config.encoder.options == {"latent_channels": 2, "width": 4, "pooled": False}
    assert repr(model.encoder) == repr(networks["encoder"])


def test_a_model_from_a_folder_is_saved_with_its_weights(folder: Path, tmp_path: Path) -> None:
    model, x = interpzoo.load(f"tae:{folder}"), noise(2, 3, 16, 16)
    model.examples = model.encode(x, size=(256, 256))
    saved = model.save_pretrained(tmp_path / "saved")
    assert (saved / "model.safetensors").is_file()
    assert str(folder) not in (saved / "config.json").read_text() + (saved / "README.md").read_text()
    assert torch.equal(interpzoo.load(saved).encode(x), model.encode(x))
    assert not any(finding.problem for finding in interpzoo.verify(saved))
    assert [finding.name for finding in interpzoo.verify(f"tae:{folder}")] == [
        "decoder.safetensors",
        "encoder.safetensors",
        "frames",
    ]


def test_other_types_and_paths_as_for_every_model(folder: Path) -> None:
    model = interpzoo.load(f"tae:{folder}", dtype=torch.bfloat16, interpolator="slerp")
    assert (model.dtype, model.config.interpolator.name) == (torch.bfloat16, "slerp")


NAMES = {
    "nobody:user/repo": (UnknownNameError, "unknown scheme 'nobody'.*in the package 'interpzoo-nobody'"),
    "tea:user/repo": (UnknownNameError, "unknown scheme 'tea'. Did you mean .*'tae'"),
    "tae:taef2": (UnknownNameError, "unknown model 'tae:taef2'.*write 'tae:./taef2' for a folder or 'tae:user/taef2'"),
    "tae:user/repo@": (InputError, "expected tae:user/repo@revision:folder, or less"),
    "tae:user/repo:../x": (InputError, "'../x' is not a sub-folder of a repository"),
    "tae:user/repo:": (InputError, "'' is not a sub-folder of a repository"),
    "tae:./nowhere/": (WeightsError, "'nowhere' cannot be read: No such file or directory"),
    "acai:acai-mnist:x/y": (UnknownNameError, "unknown scheme 'acai:acai-mnist'"),
}


@pytest.mark.parametrize("name", NAMES)
def test_wrong_names_say_what_to_write(name: str) -> None:
    error, message = NAMES[name]
    with pytest.raises(error, match=message):
        interpzoo.load(name)


def test_a_scheme_of_a_plugin_that_is_not_loaded_names_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERPZOO_DISABLE_PLUGINS", "tae")
    with pytest.raises(UnknownNameError, match=r"plugin 'tae' \(interpzoo .*\) may have it, but it is disabled"):
        interpzoo.load(f"tae:{tmp_path}")


def test_a_full_name_and_a_revision(folder: Path) -> None:
    assert interpzoo.load(f"tae:tae:{folder}").name == "tiny"
    with pytest.raises(InputError, match="is a folder, which has no revisions"):
        interpzoo.load(f"tae:{folder}", revision="main")


def change(folder: Path, target: Path, **changes: torch.Tensor | None) -> Path:
    """The folder with other tensors in its encoder; ``None`` leaves one out."""
    write_tae(target)
    tensors = {**load_file(target / "encoder.safetensors"), **{k.replace("_", "."): v for k, v in changes.items()}}
    save_file({k: v for k, v in tensors.items() if v is not None}, target / "encoder.safetensors")
    return target


DAMAGED = {
    "a tensor too few": ({"14_bias": None}, "lacks 'encoder.layers.14.bias'"),
    "a tensor too many": ({"99_weight": torch.zeros(1)}, "has 'encoder.layers.99.weight', which the config's"),
    "another shape": ({"10_weight": torch.zeros(1)}, r"has 'encoder.layers.10.weight' of shape \(1,\)"),
    "not finite": ({"0_bias": torch.full((4,), torch.nan)}, "values in 'encoder.layers.0.bias' that are not finite"),
    "not convolutions": ({"0_weight": torch.zeros(1)}, "does not have the layers of the TAESD family"),
    "an absurd size": ({"14_weight": torch.zeros(1000, 4, 1, 1)}, "latent_channels = 1000: Input should be less"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_files_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, kind: str) -> None:
    changes, message = DAMAGED[kind]
    with pytest.raises(InterpzooError, match=message):
        interpzoo.load(f"tae:{change(folder, tmp_path / 'changed', **changes)}")


def test_folders_without_one_pair_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not a model that 'tae' reads: expected one pair of files.*found none"):
        interpzoo.load(f"tae:{tmp_path}")
    for prefix in ("taesd_", "taef2_"):
        write_tae(tmp_path, prefix=prefix)
    with pytest.raises(WeightsError, match="found 'taef2', 'taesd'"):
        interpzoo.load(f"tae:{tmp_path}")


def test_nothing_that_is_written_names_a_folders_path() -> None:
    assert recorded_name("tae:/home/me/taef2") == "tae:taef2"
    assert recorded_name("tae:user/taef2@main") == "tae:user/taef2@main"


@pytest.mark.slow
def test_the_plugin_reads_its_format_as_the_kit_demands(folder: Path) -> None:
    check_plugin("tae", folders={"tae": folder})


SOURCE = {
    "__init__.py": """
from interpzoo.plugins import hookimpl
INTERPZOO_API = 1

@hookimpl
def register(registry):
    registry.add("source", "odd", "{package}.source:Odd")
""",
    "source.py": '''
from interpzoo.interfaces import Source

class Odd(Source):
    """Reads everything, badly."""
    def files(self, names):
        return CHOSEN
    def model(self, name, texts, shapes):
        return 1 / 0
    def places(self, file, tensor):
        return []
''',
}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("['../config.json']", "chooses .*expected 1 to 64 of the files in"),
        ("[]", "chooses .*expected 1 to 64 of the files in"),
        ("['config.json']", "source 'odd:odd' failed: ZeroDivisionError"),
        ("names[5]", "source 'odd:odd' failed: IndexError"),
    ],
)
def test_a_plugin_is_blamed_for_what_its_source_does(site: Site, tmp_path: Path, chosen: str, message: str) -> None:
    name = "interpzoo_odd_0"
    files = {path: text.replace("CHOSEN", chosen) for path, text in SOURCE.items()}
    name = site.install("odd", {**files, "__init__.py": files["__init__.py"].replace("{package}", "PACKAGE")})
    package = site.path / name.replace("-", "_") / "__init__.py"
    package.write_text(package.read_text().replace("PACKAGE", name.replace("-", "_")))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(InterpzooError, match=rf"plugin 'odd' \({name} 1.0\).*{message}|{message}"):
        interpzoo.load(f"odd:{tmp_path / 'model'}")


REAL = Path(os.environ.get("INTERPZOO_DATA", "nowhere")).parent / "models" / "taef2"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the weights of TAEF2 are not beside the data sets")


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """The first four held-out portraits."""
    file = str(REAL.parents[1] / "data" / "portraits256" / "validation-00000-of-00001.parquet")
    cache = str(tmp_path_factory.mktemp("cache"))
    rows = load_dataset("parquet", data_files=file, split="train[:4]", cache_dir=cache)
    return torch.stack([torch.from_numpy(np.array(row["image"])).movedim(-1, 0) / 255 for row in rows])


@real
@pytest.mark.slow
def test_the_real_weights_give_the_golden_values(portraits: torch.Tensor) -> None:
    """Computed with the official networks."""
    model = interpzoo.load(f"tae:{REAL}")
    z = model.encode(portraits)
    images = model.decode(z)
    golden = torch.tensor([-0.6423886, 0.7208307, -1.6326376, 0.1660680])
    torch.testing.assert_close(z[0, :4, 16, 16], golden, atol=1e-3, rtol=0)
    golden = torch.tensor([0.6594717, 0.4717455, 0.3797394])
    torch.testing.assert_close(images[0, :, 128, 128], golden, atol=1e-3, rtol=0)
    error = (images.clamp(0, 1) - portraits).square().mean((1, 2, 3))
    torch.testing.assert_close(-10 * error.log10(), torch.tensor([33.61, 34.30, 35.24, 33.37]), atol=0.01, rtol=0)


@real
@pytest.mark.slow
def test_the_real_model_interpolates_like_any_other(portraits: torch.Tensor) -> None:
    model = interpzoo.load(f"tae:{REAL}")
    a, b = portraits[:2]
    size = (128, 128)
    line = model.interpolate(a, b, 5, size=size)
    even = model.interpolate(a, b, 5, size=size, spacing="even")
    steps = (even[1:] - even[:-1]).square().mean((1, 2, 3)).sqrt()
    assert float(steps.max() / steps.min()) < 1.1
    morph = model.interpolate(a, b, 5, size=size, interpolator="metamorphosis")
    ends = model.reconstruct(torch.stack([a, b]), size=size)
    for frames in (line, even, morph):
        torch.testing.assert_close(frames[[0, -1]], ends, atol=1e-5, rtol=0)
    assert isinstance(model.encoder, nn.Module)
