"""Sources: models of other people, read in their own format."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from interpzoo.config import ModelConfig
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.registry import Kind

TensorShapes = Mapping[str, tuple[int, ...]]
"""Shapes of the tensors of a file, by name."""


class Source(Configured[ConfigT], ABC):
    """Models of other people, loaded by ``SCHEME:user/repo`` or ``SCHEME:FOLDER``; the registered name is the scheme.

    It says which files make a model, what they mean, and how their tensors are called here. It reads nothing itself:
    the files are found, downloaded, checked and read by the core, which never runs or unpickles anything in them.
    """

    kind: ClassVar[Kind] = "source"

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def files(self, names: Sequence[str]) -> Sequence[str]:
        """The files of a folder that make the model, chosen from the `names` of those that are there.

        JSON files end in ``.json``. The others have tensors: ``.safetensors``, or ``.pt``, ``.pth`` and ``.bin`` of
        torch, of which only plain tensors are read.

        Raises:
            WeightsError: they do not make a model; the message says what is missing or not read.
        """

    @abstractmethod
    def model(self, name: str, texts: Mapping[str, Any], shapes: Mapping[str, TensorShapes]) -> ModelConfig:
        """The config of the model `name`: its method, default image size, components and license.

        Args:
            name: what to call the model.
            texts: the parsed JSON files, by file name.
            shapes: the tensors of the other files, by file name.

        Raises:
            ConfigError: there is no such model here; the message quotes what says so.
            MissingDependencyError: a package that it needs is not installed.
        """

    @abstractmethod
    def places(self, file: str, tensor: str) -> Sequence[str]:
        """Where a tensor of a file belongs: names in the model's state, such as ``encoder.layers.0.weight``.

        Nothing, if the model does not need it. A name that the model does not have, and one that nothing fills, are
        errors.
        """
