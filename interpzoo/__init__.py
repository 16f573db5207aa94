"""interpzoo: the model zoo for latent interpolation.

>>> import interpzoo
>>> model = interpzoo.load("acai-mnist")
>>> frames = model.interpolate(a, b, steps=9)  # (9, C, H, W)

Names are imported on first use, so that listing models costs no import of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interpzoo.create import create
    from interpzoo.errors import InterpzooError
    from interpzoo.evaluation import evaluate
    from interpzoo.listing import list_models
    from interpzoo.model import InterpolationModel
    from interpzoo.pretrained.load import load
    from interpzoo.pretrained.verify import verify
    from interpzoo.training.run import train
    from interpzoo.wrapped import wrap

__all__ = [
    "InterpolationModel",
    "InterpzooError",
    "create",
    "evaluate",
    "list_models",
    "load",
    "train",
    "verify",
    "wrap",
]

_HOMES = {
    "InterpolationModel": "interpzoo.model",
    "InterpzooError": "interpzoo.errors",
    "create": "interpzoo.create",
    "evaluate": "interpzoo.evaluation",
    "list_models": "interpzoo.listing",
    "load": "interpzoo.pretrained.load",
    "train": "interpzoo.training.run",
    "verify": "interpzoo.pretrained.verify",
    "wrap": "interpzoo.wrapped",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("interpzoo")
    if name not in _HOMES:
        raise AttributeError(f"module 'interpzoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
