"""What the page knows of its models: those of the same data stand together and walk between the same pictures."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor

from interpzoo.config import ModelConfig
from interpzoo.demo.parts import script
from interpzoo.directions import principal_directions
from interpzoo.errors import InputError, warn
from interpzoo.exporting import line_of
from interpzoo.fitness import Fitness
from interpzoo.geometry import lerp, slerp
from interpzoo.listing import method_of
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.registry import Method
from interpzoo.text import sized

_FEWEST: Final = 3  # codes that span a plane
_LOW, _HIGH, _STRIP = -0.5, 1.5, 9  # the page's positions, and its frames at first: web/src/state.ts
_PLACES: Final = (201, 41, 17)  # frames over all positions, in steps of the page's slider or in larger ones
_LINES: Final = {"linear": lerp, "slerp": slerp}  # the page's paths: web/src/paths.ts
_SAME: Final = 1e-3  # largest distance from a cross-fade, as a share of that between the ends
_MOST_VALUES: Final = 2**20  # of written frames, which take a tenth to a third of this in bytes


@dataclass
class Group:
    """Models that take the same pictures."""

    name: str
    config: ModelConfig
    pictures: Tensor
    """Examples (n, C, H, W), uint8: what the first model makes of its example codes, so no training picture."""
    cards: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def line(self) -> str:
        """The path at first: the first model's own, if the page has it."""
        return line_of(self.config) or "linear"

    def described(self) -> dict[str, Any]:
        """The group, for the page."""
        framing = self.config.framing
        return {
            "name": self.name,
            "image": self.config.image.model_dump(),
            "border": 0 if framing is None else framing.border,
            "ink": framing is not None and framing.ink,
            "eyes": None if framing is None else framing.eyes,
            "line": self.line,
            "pictures": [base64.b64encode(picture.numpy().tobytes()).decode() for picture in self.pictures],
            "models": self.cards,
        }


class Groups:
    """Groups, and the scripts of their models by the names of files."""

    def __init__(self) -> None:
        self._found: dict[str, Group] = {}
        self.files: dict[str, str] = {}

    def described(self) -> list[dict[str, Any]]:
        """All groups that have models, for the page."""
        return [group.described() for group in self._found.values() if group.cards]

    def add(self, model: InterpolationModel) -> None:
        """Add a model.

        Raises:
            InputError: its images have neither one channel nor three, it cannot be exported, or another has its name.
            OutputError, MissingDependencyError: as `interpzoo.InterpolationModel.export`.
        """
        config = model.config
        if config.image.channels not in (1, 3):
            raise InputError(f"{model.name!r} has {config.image.channels} channels: pages show pictures of 1 or 3")
        if f"models/{model.name}.js" in self.files:
            raise InputError(f"two models are named {model.name!r}: give one of them, or save one with a new name")
        with TemporaryDirectory() as scratch:
            folder = model.export(Path(scratch, "model"))
            encoder, decoder = ((folder / f"{kind}.onnx").read_bytes() for kind in ("encoder", "decoder"))
        group = self._group(model)
        codes, directions = _codes(model, group.pictures), [*model.directions]
        places = next((count for count in _PLACES if count * group.pictures[0].numel() <= _MOST_VALUES), 0)
        content = torch.cat([codes, *(model.directions[name].vector[None] for name in directions), *_plane(codes)])
        first = script(
            {
                f"{model.name}/decoder": decoder,
                f"{model.name}/codes": content.cpu().numpy().astype("<f4").tobytes(),
            }
        )
        fitness = {} if model.fitness is None else {f"{model.name}/fitness": _numbers(model.fitness)}
        second = script({f"{model.name}/encoder": encoder, **fitness})
        self.files |= {f"models/{model.name}.js": first, f"models/{model.name}.encoder.js": second}
        if places:
            written = {f"{model.name}/frames": _frames(model, codes, group.line, places)}
            self.files[f"models/{model.name}.frames.js"] = script(written)
        path, fades = _path(config), _fades(model, codes)
        if path not in _LINES:
            shown = "a plain cross-fade" if fades else "a straight line or a great circle"
            warn(f"the page shows {shown} for {model.name!r}: the model's own path, {path}, needs Python")
        group.cards.append(
            {
                "name": model.name,
                **_method(config),
                "summary": config.summary,
                "license": config.license,
                "limitations": config.limitations,
                "path": path,
                "fades": fades,
                "fitness": model.fitness is not None,
                "code": [*model.latent_shape],
                "directions": directions,
                "bytes": [len(first), len(second)],
                "written": [_STRIP, places] if places else None,
            }
        )

    def _group(self, model: InterpolationModel) -> Group:
        config = model.config
        data = "" if config.trained is None else config.trained.data.model_dump_json()
        key = f"{data} {config.image} {config.framing}"
        if key not in self._found:
            what = "pictures" if config.trained is None else config.trained.data.name
            name = f"{what}, {sized(config.image.height, config.image.width)}"
            same = sum(group.name.startswith(name) for group in self._found.values())
            pictures = model.decode(_examples(model)).clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
            self._found[key] = Group(f"{name} ({same + 1})" if same else name, config, pictures)
        return self._found[key]


def _examples(model: InterpolationModel) -> Tensor:
    """The model's example codes; of a model without any, codes of noise."""
    if model.examples is not None and len(model.examples) > 1:
        return model.examples
    return model.encode(torch.rand(4, *model.config.image.shape, generator=torch.Generator().manual_seed(0)))


def _codes(model: InterpolationModel, pictures: Tensor) -> Tensor:
    return model.encode(pictures).detach().cpu().float()


def _frames(model: InterpolationModel, codes: Tensor, line: str, places: int) -> bytes:
    """Frames between the first two pictures, each less the one before, which takes fewer bytes: those of the strip, and
    those at `places` even positions. The page shows them while the runtime starts.
    """
    t = torch.cat([torch.linspace(0, 1, _STRIP), torch.linspace(_LOW, _HIGH, places)])
    frames = model.decode(_LINES[line](codes[:1], codes[1:2], t)[0])
    values = frames.clamp(0, 1).mul(255).round().to(torch.uint8).flatten(1)
    return torch.cat([values[:1], values[1:] - values[:-1]]).cpu().numpy().tobytes()


def _fades(model: InterpolationModel, codes: Tensor) -> bool:
    """Whether a straight line between the first two codes is a cross-fade of their images."""
    a, middle, b = model.decode(torch.stack([codes[0], (codes[0] + codes[1]) / 2, codes[1]])).cpu()
    return bool((middle - (a + b) / 2).abs().max() <= _SAME * (a - b).abs().max())


def _numbers(fitness: Fitness) -> bytes:
    """As ``web/src/fitness.ts`` reads them."""
    values = torch.cat([fitness.means.flatten(), fitness.whitening.flatten(), fitness.limit.reshape(1)])
    return values.cpu().numpy().astype("<f4").tobytes()


def _path(config: ModelConfig) -> str:
    """What the page calls the model's own path; one of others with the name of a line also gets its plugin's name."""
    if (line := line_of(config)) is not None:
        return line
    table = registry().components["interpolator"]
    row = table.find(config.interpolator.name)
    return row.qualified if row.name in _LINES else table.shown(row)


def _plane(codes: Tensor) -> list[Tensor]:
    """Mean of the codes and the two directions in which they vary most, (1, ...) each; none if there are too few."""
    if len(codes) < _FEWEST or codes[0].numel() < 2:
        return []
    return [codes.mean(0, keepdim=True), *(one.vector[None] for one in principal_directions(codes, 2))]


def _method(config: ModelConfig) -> dict[str, str]:
    method = method_of(config.method, config.plugins) or Method(config.method)
    return {"method": config.method, "title": method.title, "paper": method.paper}
