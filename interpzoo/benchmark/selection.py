"""What is benchmarked: the models that a user asks for, grouped by the data that they were trained on."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from interpzoo.benchmark.metric import Control
from interpzoo.benchmark.results import task_name
from interpzoo.config import ComponentSpec, ImageSpec
from interpzoo.errors import DataError, UnknownNameError, WeightsError, did_you_mean
from interpzoo.listing import list_models
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import fingerprint, read_config
from interpzoo.pretrained.locate import is_path, locate
from interpzoo.registry import bundled_folder

_DIGITS: Final = 12


@dataclass
class Job:
    """A data set and the models to be scored on it."""

    data: ComponentSpec
    image: ImageSpec
    models: dict[str, str | Path] = field(default_factory=dict[str, str | Path])
    """What `load` takes, by the name in tables and records."""

    @property
    def candidates(self) -> int:
        """Number of models and controls; one too many where the data set has no ground truth."""
        return len(self.models) + len(get_args(Control))


def jobs_of(models: Iterable[str | Path]) -> list[Job]:
    """Group models by the data that they were trained on; raises a `DataError` if a model does not name its data.

    A model is named as in its config. Several models may share that name, as trainings of one recipe do: then those
    that are not the zoo's are told apart by the first digits of a hash of config and weights. Copies are scored once.
    """
    found: dict[str, Job] = {}
    folders = {source: locate(source).path for source in models}
    configs = {source: read_config(folder) for source, folder in folders.items()}
    shared = Counter(config.name for config in configs.values())
    for source, config in configs.items():
        if config.trained is None:
            raise DataError(f"{config.name!r} does not say what it was trained on: there is nothing to score it on")
        alone = shared[config.name] == 1 or source == config.name
        name = config.name if alone else f"{config.name}@{fingerprint(folders[source])[:_DIGITS]}"
        data = config.trained.data
        found.setdefault(task_name(data, config.image), Job(data, config.image)).models.setdefault(name, source)
    return [found[key] for key in sorted(found)]


def models_named(patterns: Sequence[str], *, skipped: Callable[[str], None] = lambda name: None) -> list[str | Path]:
    """Pretrained models that match one of the shell patterns, all without a pattern; folders are kept as they are.

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
        if is_path(pattern):
            found[pattern] = None
            continue
        names = list_models(pattern)
        if not names:
            raise UnknownNameError(f"no model matches {pattern!r}.{did_you_mean(pattern, list_models())}")
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
