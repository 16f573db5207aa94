"""What is benchmarked: the models that a user asks for, grouped by the data that they were trained on."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from interpzoo.benchmark.metric import Control
from interpzoo.benchmark.results import task_name
from interpzoo.build import component_class
from interpzoo.config import Component, ImageSpec, ModelConfig
from interpzoo.errors import DataError, InputError, InterpzooError, UnknownNameError, WeightsError, suggestions
from interpzoo.interfaces import Interpolator
from interpzoo.listing import list_models
from interpzoo.plugins import registry
from interpzoo.pretrained.locate import as_path, is_path, locate, scheme_of
from interpzoo.registry import bundled_folder
from interpzoo.text import quoted


@dataclass
class Job:
    """A data set and the models to be scored on it."""

    data: Component
    image: ImageSpec
    models: dict[str, str | Path] = field(default_factory=dict[str, str | Path])
    """What `load` takes, by the name in tables and records."""

    @property
    def candidates(self) -> int:
        """Number of models and controls; one too many where the data set has no ground truth."""
        return len(self.models) + len(get_args(Control))


def data_named(dataset: str | Path | Component) -> Component:
    """A data set as `train` and `evaluate` take it.

    Args:
        dataset: a registered name, a folder of images (a `Path`, or a string that starts with ``./``, ``../``, ``~`` or
            ``/``), a data set of images on the Hub, ``user/name``, or a `Component` with settings.

    Raises:
        UnknownNameError, AmbiguousNameError: there is no such name.
        InputError: it is something else.
    """
    if isinstance(dataset, Component):
        return dataset
    if isinstance(dataset, Path):
        dataset = as_path(dataset)
    if not isinstance(dataset, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"dataset = {quoted(dataset)}: expected a name, a folder or a Component")
    if "/" in dataset or is_path(dataset):
        return Component.model_validate({"name": "images", "source": dataset})
    try:
        registry().components["dataset"].find(dataset)
    except UnknownNameError as error:
        if Path(dataset).is_dir():
            raise UnknownNameError(f"{error} For the folder write './{dataset}'") from None
        raise
    return Component(name=dataset)


def own_data(config: ModelConfig) -> Component:
    """The data that a model was trained on; raises a `DataError` if it does not say, or the folder is not here."""
    if config.trained is None:
        raise DataError(
            f"{config.name!r} does not say what it was trained on: name the data with --dataset, such as --dataset "
            "lines (dataset='lines' in Python)"
        )
    source = config.trained.data.options.get("source")
    if isinstance(source, str) and is_path(source) and not os.path.isdir(os.path.expanduser(source)):
        raise DataError(
            f"{config.name!r} was trained on the folder {source!r}, which is not here: say where it is with "
            f"--dataset FOLDER (dataset=FOLDER in Python)"
        )
    return config.trained.data


def jobs_of(models: Iterable[str | Path], dataset: Component | None = None) -> list[Job]:
    """Group models by their data: what they were trained on, or `dataset` for all; raises as `own_data`.

    A model is named as in its config. Several models may share that name, as trainings of one recipe do: then those
    that are not the zoo's are named by their folders or repositories. Copies are scored once.
    """
    found: dict[str, Job] = {}
    found_at = {source: locate(source) for source in models}
    configs = {source: located.config() for source, located in found_at.items()}
    shared = Counter(config.name for config in configs.values())
    twins = {source for source, config in configs.items() if shared[config.name] > 1 and source != config.name}
    seen: set[str] = set()
    for source in [source for source in configs if source in twins]:
        weights = found_at[source].fingerprint()
        if weights in seen:
            twins.remove(source)
            del configs[source]
        seen.add(weights)
    names = distinct(twins, {config.name for source, config in configs.items() if source not in twins})
    # A path that is searched for takes many times as long: begun first, it is not what all wait for in the end.
    for source, config in sorted(configs.items(), key=lambda item: not _is_searched_for(item[1])):
        data = dataset or own_data(config)
        job = found.setdefault(task_name(data, config.image), Job(data, config.image))
        job.models[names.get(source, config.name)] = source
    return [found[key] for key in sorted(found)]


def _is_searched_for(config: ModelConfig) -> bool:
    """Whether the model's own path is one that `Interpolator.path` searches for once."""
    with suppress(InterpzooError):  # one that is not installed is skipped when its turn comes, as any such model is
        return component_class(Interpolator, config.interpolator.name).path is not Interpolator.path
    return False


def distinct(sources: Iterable[str | Path], taken: Collection[str] = ()) -> dict[str | Path, str]:
    """For each file or folder the shortest end of its path that tells it apart; for a repository its own name."""
    parts = {s: Path(s).expanduser().absolute().parts if _is_local(s) else (str(s),) for s in sources}
    names: dict[str | Path, str] = {}
    for source, own in parts.items():
        name = ""
        for length in range(1, len(own) + 1):
            name = "/".join(own[-length:])
            others = ["/".join(other[-length:]) for key, other in parts.items() if key != source]
            if name not in others and name not in taken:
                break
        names[source] = name
    return names


def _is_local(source: str | Path) -> bool:
    return isinstance(source, Path) or is_path(source)


def models_named(patterns: Sequence[str], *, skipped: Callable[[str], None] = lambda name: None) -> list[str | Path]:
    """Pretrained models that match one of the shell patterns, all without a pattern; folders are kept as they are.

    Those that were trained on nothing have no data of their own: a pattern leaves them out if it matches others.

    Args:
        patterns: shell patterns, names and folders.
        skipped: called with each name that a pattern matches and that is not available: its folder is not installed and
            it has no repository. A model that is asked for by its whole name is kept.

    Raises:
        UnknownNameError: a pattern matches none.
        WeightsError: all that match are skipped.
    """
    found: dict[str | Path, None] = {}
    absent: dict[str, None] = {}
    patterns = patterns or ("*",)
    for pattern in patterns:
        if is_path(pattern) or scheme_of(pattern) is not None:
            found[pattern] = None
            continue
        names = list_models(pattern)
        if not names:
            raise UnknownNameError(f"no model matches {pattern!r}.{suggestions(pattern, list_models())}")
        names = [name for name in names if name == pattern or registry().models.find(name).entry.dataset] or names
        missing = [name for name in names if name != pattern and not _is_available(name)]
        absent.update(dict.fromkeys(missing))
        found.update(dict.fromkeys(name for name in names if name not in missing))
    for name in absent:
        if name not in found:
            skipped(name)
    if not found:
        raise WeightsError(
            f"nothing that {' or '.join(map(repr, patterns))} matches is installed: expected the folder of "
            f"{' or '.join(map(repr, absent))}. Train it and give that folder, such as ./runs/{next(iter(absent))}"
        )
    return list(found)


def _is_available(name: str) -> bool:
    row = registry().models.find(name)
    return row.entry.repository is not None or bundled_folder(row) is not None
