"""Images as the codes of a frozen base model: each is encoded once, and its code kept on disk for this and later runs.

Codes are kept in files of 64, in a folder that all runs share, `folder_of_codes`. A file is named after a hash of what
its codes depend on: the base model, its weights, and every pixel of the images as the base model sees them. So a run
finds the codes of another run, a killed one loses at most the file it was writing, and nothing stale is ever read. A
file ends in the hash of its content; a damaged one is made again. A process holds only one file of codes in memory
at a time.
"""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from huggingface_hub import constants
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig
from interpzoo.errors import DataError, WeightsError
from interpzoo.files import atomic_write, is_leftover, writing
from interpzoo.interfaces import Batch, DataSet
from interpzoo.latent import base_names, code_spec, latent_networks
from interpzoo.model import InterpolationModel
from interpzoo.training.progress import TrainingProgress
from interpzoo.training.workers import Workers

_IN_A_FILE: Final = 64  # codes
_STREAMED: Final = 256  # images of an endless stream that the range of its codes is measured on
_AT_ONCE: Final = 1 << 19  # values of images that are encoded at once
_DIGEST: Final = 32  # bytes
_OLD: Final = 86_400  # seconds after which a file that was never finished is removed


def folder_of_codes() -> Path:
    """Where codes are kept: ``interpzoo/codes`` in the folder of ``HF_HOME``. It may be deleted at any time."""
    return Path(constants.HF_HOME, "interpzoo", "codes")


def hash_of(model: InterpolationModel) -> str | None:
    """Hexadecimal SHA-256 of a model's base model: options and all weights; ``None`` if it has none."""
    if model.config.base is None:
        return None
    described = model.config.base.model_dump(mode="json", include={"encoder", "decoder"})
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    state = model.state_dict()
    for name in sorted(base_names(state)):
        value = state[name].cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def inner_of(model: InterpolationModel) -> InterpolationModel:
    """The networks that learn on codes, as a model that takes these for images; it shares them with `model`."""
    encoder, decoder = latent_networks(model.encoder, model.decoder)
    config = model.config.model_copy(update={"image": code_spec(encoder.base.latent_shape), "base": None})
    inner = InterpolationModel(config, encoder.inner, decoder.inner, model.prior, model.interpolator, model.space)
    inner.add_module("range", encoder.range)  # so that it is in the checkpoint
    return inner.train(model.training)


def put_together(model: InterpolationModel, trained: InterpolationModel) -> InterpolationModel:
    """`model` with the networks of `trained`, which began as its `inner_of`; in eval mode, on their device."""
    encoder, decoder = latent_networks(model.encoder, model.decoder)
    encoder.inner, decoder.inner = trained.encoder, trained.decoder
    model.prior, model.interpolator, model.space = trained.prior, trained.interpolator, trained.space
    return model.to(trained.device).eval()


class Codes(DataSet):
    """The codes of the images of `data` in place of these, in [0, 1]; other fields are as they are.

    Images beside ``image``, such as ``partner``, and those of an endless stream are encoded in each step.

    Args:
        data: the images.
        model: a model with a base, whose range of codes is set from the training images.
        workers: the processes that share the encoding.
        name: what to call the run in its progress.
        fit: whether to set the range; that of a model to start from is kept.
        needed: fields that the regularizer needs besides ``image``.

    Raises:
        WeightsError: the base model gives codes that are not finite, or beyond the 65,504 of float16.
        OutputError: the folder of codes cannot be written.
    """

    def __init__(
        self,
        data: DataSet,
        model: InterpolationModel,
        workers: Workers,
        name: str,
        *,
        fit: bool = True,
        needed: frozenset[str] = frozenset(),
    ) -> None:
        encoder, _ = latent_networks(model.encoder, model.decoder)
        super().__init__(ComponentConfig(), code_spec(encoder.base.latent_shape))
        self.fields, self.size, self.framing, self.license = data.fields, data.size, data.framing, data.license
        self._data, self._needed, self._workers = data, needed, workers
        self._base, self._range = encoder.base.to(workers.device).eval(), encoder.range.to(workers.device)
        self._pixels, self.base = model.config.image.shape, hash_of(model)
        self._files: list[Path] = []
        measured, sums = self._streamed() if data.size is None else (data.size, self._cached(name, data.size))
        if fit:
            mean, squares = sums / (measured * self.image.height * self.image.width)
            deviation = (squares - mean.square()).clamp(min=0).sqrt()
            self._range.fit(mean.to(workers.device), deviation.to(workers.device))

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        if self.size is None:
            return self._encoded_fields(self._data.train(indices, generator))
        codes = torch.stack([self._read(index) for index in indices.tolist()])
        others: Batch = {}
        if self._needed:
            drawn = self._data.train(indices, generator)
            others = self._encoded_fields({field: drawn[field] for field in self._needed})
        return {**others, "image": self._range(codes.to(self._workers.device).float())}

    @override
    def test(self, limit: int | None = None) -> Batch:
        return self._encoded_fields(self._data.test(limit))

    def _encoded_fields(self, batch: Batch) -> Batch:
        return {
            name: self._range(self._encode(value)) if value.shape[1:] == self._pixels else value
            for name, value in batch.items()
        }

    @torch.no_grad()
    def _encode(self, images: Tensor) -> Tensor:
        at_once = max(1, _AT_ONCE // images[0].numel())
        parts = [self._base(part.to(self._workers.device)).float() for part in images.split(at_once)]
        codes = torch.cat(parts)
        if not bool((codes.abs() <= torch.finfo(torch.float16).max).all()):
            raise WeightsError(
                f"the base model {type(self._base).__name__!r} gives codes up to {float(codes.abs().max()):g}: "
                "expected finite ones of at most 65,504. Choose another base model"
            )
        return codes

    def _streamed(self) -> tuple[int, Tensor]:
        images = self._data.train(torch.arange(_STREAMED), Generator().manual_seed(0))["image"]
        return len(images), _sums_of(self._encode(images).cpu())

    def _cached(self, name: str, size: int) -> Tensor:
        """Make the files of codes that are missing, this process its share of them; gives the sums of all codes."""
        folder, workers = folder_of_codes(), self._workers
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        parts = torch.arange(size).split(_IN_A_FILE)
        own: dict[int, tuple[Path, Tensor]] = {}
        with TrainingProgress(f"{name}: codes", size, quiet=not workers.is_main) as progress:
            for done, number in enumerate(range(workers.rank, len(parts), workers.count), 1):
                own[number] = self._file(folder, parts[number])
                progress.report(min(size, done * _IN_A_FILE * workers.count), {})
        workers.wait()
        sums = torch.zeros(2, self.image.channels, dtype=torch.float64)
        for number, indices in enumerate(parts):
            path, these = own[number] if number in own else self._file(folder, indices)
            self._files.append(path)
            sums += these
        return sums

    def _file(self, folder: Path, indices: Tensor) -> tuple[Path, Tensor]:
        """The file with the codes of some images, made if it is not there, and the `_sums_of` the codes."""
        images = self._data.train(indices, Generator().manual_seed(0))["image"].contiguous()
        digest = hashlib.sha256(f"{self.base} {tuple(images.shape)} {images.dtype}".encode())
        digest.update(images.reshape(-1).view(torch.uint8).numpy().data)
        path = folder / f"{digest.hexdigest()}.codes"
        shape = (len(indices), *self.image.shape)
        codes = _read_whole(path, shape)
        if codes is None:
            codes = self._encode(images).half().cpu().contiguous()
            content = codes.reshape(-1).view(torch.uint8).numpy().tobytes()
            with atomic_write(path) as temporary:
                temporary.write_bytes(content + hashlib.sha256(content).digest())
        return path, _sums_of(codes)

    def _read(self, index: int) -> Tensor:
        """The code of one training image, from its file."""
        code = torch.empty(self.image.shape, dtype=torch.float16)
        path, size = self._files[index // _IN_A_FILE], code.nbytes
        with suppress(OSError), path.open("rb", buffering=0) as file:
            file.seek(index % _IN_A_FILE * size)
            if file.readinto(code.reshape(-1).view(torch.uint8).numpy().data) == size:
                return code
        raise DataError(f"{path} was removed or cut while it was in use: continue with --resume, which makes it again")


def _read_whole(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """The codes in a file; ``None`` if it is missing or damaged."""
    codes = torch.empty(shape, dtype=torch.float16)
    with suppress(OSError), path.open("rb") as file:
        content = file.read(codes.nbytes + _DIGEST + 1)
        if hashlib.sha256(content[:-_DIGEST]).digest() == content[-_DIGEST:] and len(content) == codes.nbytes + _DIGEST:
            return torch.frombuffer(bytearray(content[:-_DIGEST]), dtype=torch.float16).view(shape)
    return None


def _sums_of(codes: Tensor) -> Tensor:
    """Sums and sums of squares of each channel of codes (n, c, h, w): (2, c) in float64."""
    values = codes.double()
    return torch.stack([values.sum((0, 2, 3)), values.square().sum((0, 2, 3))])


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left."""
    for path in folder.iterdir():
        with suppress(OSError):
            if is_leftover(path) and path.stat().st_mtime < time.time() - _OLD:
                path.unlink()
