"""timm itself: imported on demand, with its errors mapped to the zoo's."""

from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

from interpzoo.errors import ConfigError, MissingDependencyError, WeightsError, did_you_mean


def timm_with(backbone: str) -> ModuleType:
    """Import timm, and check that it has a backbone; its tag is not checked.

    Raises:
        MissingDependencyError: it is not installed, or torchvision does not match the installed torch.
        ConfigError: it does not have the backbone; the message suggests similar names.
    """
    try:
        import timm
    except (ImportError, RuntimeError, AttributeError, OSError) as error:  # torchvision can raise any of these
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise MissingDependencyError("timm backbones need timm: pip install timm") from None
        major, minor = torch.__version__.split(".")[:2]
        # torchvision 0.15 belongs to torch 2.0, and their minor versions have advanced together since.
        wanted = f"torchvision==0.{int(minor) + 15}.*" if major == "2" else "the newest torchvision"
        raise MissingDependencyError(
            f"timm cannot be imported ({line(error)}): torch {torch.__version__} needs {wanted} of the same build; "
            "install it from the package index that torch came from"
        ) from error
    if not timm.is_model(backbone):
        known = [*timm.list_models(), *timm.list_models(include_tags=True)]
        raise ConfigError(f"timm has no backbone {backbone!r}.{did_you_mean(backbone, known)}")
    return timm


@contextmanager
def fetching(backbone: str) -> Generator[None]:
    """A `WeightsError` where timm has no weights of a backbone, cannot fetch them, or they are damaged."""
    try:
        yield
    except Exception as error:  # the network, the Hub's client, safetensors and timm raise different types
        raise WeightsError(f"timm's weights of {backbone!r} cannot be loaded: {line(error)}") from error


def spread(values: tuple[float, ...], channels: int) -> Tensor:
    """Values of red, green and blue as (C, 1, 1), repeated like timm repeats the first layer's weights."""
    if channels == 1:
        values = (sum(values) / len(values),)
    return torch.tensor([values[channel % len(values)] for channel in range(channels)]).view(-1, 1, 1)


def line(error: Exception) -> str:
    """The first line of an error's message."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
