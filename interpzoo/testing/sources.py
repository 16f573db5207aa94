"""Checks of sources, which read models of other people."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from interpzoo.build import build_component, resolved
from interpzoo.config import Component
from interpzoo.errors import InterpzooError, MissingDependencyError
from interpzoo.interfaces import Source
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import Located, locate
from interpzoo.testing.expect import ConformanceError, UnavailableError, blaming, expect, expect_equal
from interpzoo.testing.models import check_networks_of, check_shapes_of
from interpzoo.testing.saving import outputs

_STRANGERS = ([], ["README.md"], ["notes.json", "photo.png"])
_SIDE = 32  # pixels
_REFUSE = "raise a WeightsError or ConfigError that says what is missing"


def check_source(name: str) -> None:
    """A source refuses files that are not a model, and chooses only files that are there."""
    with blaming(f"source {name!r}"):
        source = build_component(Source, Component(name=name))
        for names in _STRANGERS:
            try:
                chosen = [*source.files(names)]
            except InterpzooError:
                continue
            expect({*chosen} <= {*names}, f"source {name!r} chooses {chosen} from {names}: choose only what is there")


def check_source_reads(name: str, folder: Path) -> None:
    """A model in a folder is loaded, keeps the rules, is saved and loaded again, and is refused if damaged."""
    what, refuse = f"source {name!r}", f"source {name!r} reads a model"
    address = f"{name.partition(':')[2]}:{folder.absolute()}"
    model = _read(what, address)
    expect(resolved(model.config) == model.config, f"{what}: its config is not complete")
    check_shapes_of(model)
    files = [*(model.files.hashes if model.files is not None else ())]
    with TemporaryDirectory() as scratch:
        with blaming(f"{what}: saving its model"), torch.no_grad():
            expected = outputs(model)
            model.save_pretrained(Path(scratch, "saved"))
            found = outputs(read_model(locate(Path(scratch, "saved"))))
        for key, value in expected.items():
            expect_equal(found[key], value, f"{what}: the {key} of its model, and after saving and loading it")
        for number, file in enumerate(files):
            for kind, change in (("without", Path.unlink), ("with half of", _halve)):
                copy = Path(scratch, f"{kind} {number}")
                shutil.copytree(folder, copy)
                change(copy / file)
                _expect_refused(f"{refuse} {kind} {file}", f"{name.partition(':')[2]}:{copy}")
    check_networks_of(model)


def _read(what: str, address: str) -> InterpolationModel:
    try:
        with blaming(f"{what}: {address}"):
            return _small(locate(address))
    except ConformanceError as error:
        if isinstance(error.__cause__, MissingDependencyError):
            raise UnavailableError from error
        raise


def _small(found: Located) -> InterpolationModel:
    """The model, with small images as its default size if it takes any, so that the checks are fast."""
    model = read_model(found)
    if (multiple := model.sizes.multiple) is None:
        return model
    side = -(-_SIDE // multiple) * multiple
    config = model.config.model_copy(update={"image": model.sizes.spec((side, side))})
    return InterpolationModel.read(found.path, config, found.hashes, model.files)


def _expect_refused(what: str, address: str) -> None:
    try:
        _read(what, address)
    except ConformanceError as error:
        expect(isinstance(error.__cause__, InterpzooError), f"{error}: {_REFUSE}")
    else:
        raise ConformanceError(f"{what}: {_REFUSE}")


def _halve(path: Path) -> None:
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[: len(content) // 2])
