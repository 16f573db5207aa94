"""Models of one data set, and that data set: what the scripts that compare models have in common."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from interpzoo.build import build_component
from interpzoo.interfaces import DataSet
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The command line of such a script: its description, and the models."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or folders of models of one data set")
    return parser


def spread(values: Tensor, form: str = ".3f") -> str:
    """Mean of `values` (N,) and half the width of its 95 % interval."""
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    return f"{float(values.mean()):{form}} +- {half:{form}}"


def compared(names: Sequence[str]) -> tuple[list[InterpolationModel], DataSet]:
    """Models by name or folder, and the data that the first was trained on; prints which data and which torch."""
    models = [read_model(locate(name)) for name in names]
    config = models[0].config
    if config.trained is None:
        raise SystemExit(f"{config.name!r} does not say what it was trained on")
    print(f"torch {torch.__version__}, {config.trained.data.name}", end=": ")  # noqa: T201
    return models, build_component(DataSet, config.trained.data, config.image, None)
