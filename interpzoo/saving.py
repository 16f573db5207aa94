"""A model in a folder: read from its files, and written so that it can be read again."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import Tensor
from typing_extensions import Self

from interpzoo.autoencoder import evaluating
from interpzoo.build import Parts, check_registered, resolved
from interpzoo.config import ModelConfig
from interpzoo.counterfactuals import Questioned
from interpzoo.directions import Direction, load_directions, save_directions
from interpzoo.errors import ConfigError, WeightsError
from interpzoo.files import expanded
from interpzoo.fitness import Fitness, count_of_statistics, load_fitness, save_fitness
from interpzoo.pictures import save_strip
from interpzoo.pretrained.card import public_path, write_card
from interpzoo.pretrained.folder import (
    CODES,
    DIRECTIONS,
    EXAMPLES,
    FITNESS,
    PREVIEW,
    file_of,
    replace_files,
    write_hashes,
)
from interpzoo.pretrained.networks import check_codes, names_elsewhere, read_networks, write_networks
from interpzoo.pretrained.origins import Foreign
from interpzoo.pretrained.push import Pushed, push
from interpzoo.pretrained.stored import write_tensors
from interpzoo.tensors import all_finite, check_plain, ordinary_mode

_CLOSE: Final = 1e-3  # largest difference, relative to values above 1, that other kernels and layouts make


class Saved(Questioned):
    """Base of `InterpolationModel`, which sets the attributes: reading and writing its folder."""

    files: Foreign | None = None
    """The files that the weights were read from, if they are in another library's format."""

    @classmethod
    @ordinary_mode
    def read(cls, folder: Path, config: ModelConfig, hashes: Mapping[str, str], files: Foreign | None = None) -> Self:
        """The model in a folder, on the CPU, in float32 and in eval mode; arguments and errors as `read_networks`."""
        parts, examples, codes = read_networks(folder, config, hashes, files)
        directions = _read_directions(folder, hashes, parts.encoder.latent_shape)
        model = cls(config, *parts, examples=examples, codes=codes, directions=directions)
        model.fitness = _read_fitness(folder, hashes, config)
        model.files = files
        if config.trained is not None and config.trained.training.channels_last:
            # As in training: twice as fast on CPUs, and the same frames as the trained model's, bit for bit.
            model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing from torch's stubs
        return model.eval()

    @ordinary_mode
    def save_pretrained(self, target: str | Path, *, dtype: torch.dtype | None = None) -> Path:
        """Write a folder that `load` reads. A model that is already there is replaced in one step, or not at all.

        The weights of another author's model that was loaded from the Hub, and of such a base model, are not copied.
        The folder points to their repository, by commit and SHA-256, unless the weights were changed since or `dtype`
        is given.

        Args:
            target: the folder.
            dtype: type of the stored weights: float32, or float16 or bfloat16 for half the size. By default the model's
                own, and float32 for a model in float64. Frames of the examples are made with the stored weights.

        Raises:
            InputError: `dtype`, or the type of a weight, is not one that `load` reads.
            ConfigError: the model is not what its config describes, as after `wrap` or a change of its layers.
            WeightsError: a value is not finite in `dtype`, or the weights are not those of the config's networks.
            OutputError: the folder holds something else or cannot be written.
        """
        folder, parts = expanded(target), Parts(self.encoder, self.decoder, self.prior, self.interpolator, self.space)
        check_registered(self.config, parts)
        config = resolved(self.config)
        points = dtype is None and config.pointer is not None and self._has_weights_of(self.files)
        files = self.files if points else None
        if files is None:
            config = config.without_pointer()
        with TemporaryDirectory() as scratch, torch.no_grad():
            made = Path(scratch)
            try:
                write_networks(made, config, self.state_dict(), dtype)
                # The model that `load` will read: it can be read, and its frames are the ones that are stored.
                again = self.read(made, config, {}, files)
                self._check_same(again, same_weights=dtype is None and self.dtype == torch.float32)
                again._write_codes(made, self.examples, self.codes)
                if self.directions:
                    save_directions(made / DIRECTIONS, self.directions)
                    _read_directions(made, {}, self.latent_shape)
                if self.fitness is not None:
                    save_fitness(made / FITNESS, self.fitness)
                    _read_fitness(made, {}, config)
            except WeightsError as error:
                raise WeightsError(f"cannot save this model: {str(error).replace(f'{made}{os.sep}', '')}") from None
            write_card(made, config, name=public_path(folder))
            write_hashes(made)
            replace_files(folder, made)
        return folder

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        token: str | bool | None = None,
    ) -> Pushed:
        """Save the model to a repository on the Hub, in one commit; takes the arguments of `interpzoo.push`.

        Raises:
            ConfigError, HubError: as `save_pretrained` and `push`; nothing is committed then.
        """
        with TemporaryDirectory() as scratch:
            folder = self.save_pretrained(Path(scratch, self.config.name))
            return push(folder, repository, private=private, revision=revision, create_pr=create_pr, token=token)

    def _has_weights_of(self, files: Foreign | None) -> bool:
        """Whether the weights, or those of the base model, are still those of the files, in this model's type."""
        every = self.state_dict()
        state = {there: every[name] for name, there in names_elsewhere(self.config, every).items()}
        try:
            found = {} if files is None else files.tensors({name: tuple(value.shape) for name, value in state.items()})
        except WeightsError:  # the layers were changed, or the files are gone
            return False

        def loaded(value: Tensor, like: Tensor) -> Tensor:
            return (value.float() if value.is_floating_point() else value).to(like)

        return all(name in found and torch.equal(loaded(found[name], value), value) for name, value in state.items())

    def _check_same(self, again: Self, *, same_weights: bool) -> None:
        """Raise a `ConfigError` unless `again`, of the config, has the same layers and gives the same images."""
        advice = "register it in a plugin (see docs/plugins.md)"
        for kind in ("encoder", "decoder", "prior", "space"):
            if repr(getattr(self, kind)) != repr(getattr(again, kind)):
                raise ConfigError(f"cannot save this model: its {kind} has other layers than its config says: {advice}")
        if not same_weights:
            return
        images, codes = torch.full((1, *self.config.image.shape), 0.5), torch.zeros(1, *self.latent_shape)
        with evaluating(self):
            pairs = {"encoder": (self.encode(images), again.encode(images))}
            pairs["decoder"] = (self.decode(codes), again.decode(codes))
        for kind, (mine, read) in pairs.items():
            if not torch.allclose(mine.cpu(), read, rtol=_CLOSE, atol=_CLOSE):
                raise ConfigError(
                    f"cannot save this model: read again, its {kind} gives other values, because it was changed or "
                    f"keeps state outside of parameters and persistent buffers: {advice}"
                )

    def _write_codes(self, folder: Path, examples: Tensor | None, codes: Tensor | None) -> None:
        """Write these codes, with the frames and the picture that this model makes of the examples."""
        if codes is not None:
            checked = check_codes(check_plain("codes", codes), self.latent_shape, "the model")
            write_tensors(folder / CODES, {"codes": checked})
            self.codes = checked.cpu()  # its path may need them for the picture
        if examples is None:
            return
        self.examples = check_codes(check_plain("examples", examples), self.latent_shape, "examples").cpu()
        frames = self._decode_in_chunks(self.examples, None)
        if not all_finite(frames):
            raise WeightsError("the decoder gives images that are not finite for its examples")
        write_tensors(folder / EXAMPLES, {"codes": self.examples, "frames": frames})
        # A path needs two images, and a picture one channel or three.
        if len(self.examples) > 1 and self.config.image.channels in (1, 3):
            save_strip(folder / PREVIEW, self.example_strip())


def _optional(folder: Path, name: str, hashes: Mapping[str, str]) -> Path | None:
    """The file of a folder that may be left out: it is there if it is listed, or, without a list, if it exists."""
    path = file_of(folder, name, hashes)
    return path if name in hashes or (not hashes and path.exists()) else None


def _read_directions(folder: Path, hashes: Mapping[str, str], latent_shape: tuple[int, ...]) -> dict[str, Direction]:
    if (path := _optional(folder, DIRECTIONS, hashes)) is None:
        return {}
    found = load_directions(path, sha256=hashes.get(DIRECTIONS))
    for name, direction in found.items():
        if direction.vector.shape != latent_shape:
            raise WeightsError(f"{path} has {name!r} of shape {tuple(direction.vector.shape)}, expected {latent_shape}")
    return found


def _read_fitness(folder: Path, hashes: Mapping[str, str], config: ModelConfig) -> Fitness | None:
    path = _optional(folder, FITNESS, hashes)
    return None if path is None else load_fitness(path, count_of_statistics(config.image), sha256=hashes.get(FITNESS))
