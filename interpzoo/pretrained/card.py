"""The card of a pretrained model, generated from its config and the results of ``interpzoo evaluate``."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from interpzoo.config import Base, Component, ModelConfig, Origin, TrainedWith
from interpzoo.errors import ConfigError, UnknownNameError, WeightsError
from interpzoo.files import write_text
from interpzoo.markdown import markdown_table
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import CARD, LIMITS, PREVIEW, read_config, read_text
from interpzoo.pretrained.locate import is_hub_id, scheme_of
from interpzoo.registry import FIRST_PARTY
from interpzoo.text import quoted

MOST_METADATA: Final = 1 << 17
"""Largest length of a card's metadata, in characters; parsing them takes some seconds."""


_DEMO: Final = re.compile(
    r"^\[Try it in the browser\]\(https://huggingface\.co/spaces/([\w.-]{1,96}/[\w.-]{1,96})\)$", re.MULTILINE
)
_BETTER: Final = re.compile(r"lower|higher|no rank|near (the truth|-?\d{1,9}(\.\d{1,9})?)")
_LOADED: Final = re.compile(r'^model = interpzoo\.load\(("(?:[^"\\\n]|\\.){1,4096}")\)$', re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """One score."""

    metric: str
    value: float
    dataset: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    """Ends of the confidence interval, if there is one; a card has only the value."""
    better: str = ""
    """Which values are better: ``lower``, ``higher``, ``near 1``, ``near the truth`` or ``no rank``, if it is known."""


def write_card(folder: Path, config: ModelConfig, results: Sequence[Result] = (), *, name: str | None = None) -> None:
    """Write the folder's card; raises an `OutputError` if it cannot be written.

    `name` is that in its ``load`` example: by default the one on the folder's card, or else the model's own.
    """
    name = name or _loaded_name(folder)
    write_text(folder / CARD, render_card(config, results, preview=(folder / PREVIEW).is_file(), name=name))


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def public_path(folder: Path) -> str:
    """How a card names a folder to load: its path below the working directory, or else its last name alone.

    Cards are published, and a full path would tell about the machine.
    """
    full, here = folder.resolve(), Path.cwd().resolve()
    return f"./{full.relative_to(here).as_posix() if full.is_relative_to(here) else full.name}"


def _loaded_name(folder: Path) -> str | None:
    """The name in the ``load`` example of the folder's card, if it has one."""
    try:
        found = _LOADED.search(read_text(folder, CARD))
        return None if found is None else str(json.loads(found[1]))
    except (FileNotFoundError, WeightsError, ValueError):  # also a text that is not UTF-8, or not a name in JSON
        return None


def read_results(folder: Path) -> list[Result]:
    """The scores on the folder's card, from its Hub metadata.

    Raises:
        ConfigError: the metadata is invalid or too large, or a score is not a number.
    """
    path = folder / CARD
    try:
        text = read_text(folder, CARD)
        _check_metadata(path, text)
        data: Any = ModelCard(text).data
    except FileNotFoundError:
        return []
    except WeightsError as error:
        raise ConfigError(str(error)) from None
    except ConfigError:
        raise
    except Exception as error:  # from the YAML parser, the decoder or the Hub's own checks
        raise ConfigError(f"{path} has no valid metadata: {error}") from None
    return [_result(path, found) for found in data.eval_results or ()]


def _check_metadata(path: Path, text: str) -> None:
    """Refuse metadata that would take long to parse, or whose parts stand for each other and so multiply."""
    block = REGEX_YAML_BLOCK.search(text)
    metadata = "" if block is None else block[2]
    if len(metadata) > MOST_METADATA:
        raise ConfigError(f"{path} has {len(metadata):,} characters of metadata, expected at most {MOST_METADATA:,}")
    if "*" in metadata and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(metadata, yaml.SafeLoader)):
        raise ConfigError(f"{path} has an alias (*) in its metadata: write the value itself there")


def _result(path: Path, found: EvalResult) -> Result:
    """A score on a card, which people and other programs may write."""
    metric: Any = found.metric_name or found.metric_type
    dataset: Any = found.dataset_name or found.dataset_type
    for name in (metric, dataset):
        if not isinstance(name, str):
            raise ConfigError(f"{path} has a score named {quoted(name)}, expected text")
    value: Any = found.metric_value
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        return Result(metric, float(value), dataset, better=_better(found.metric_args))
    except (TypeError, OverflowError):
        raise ConfigError(f"{path} has {metric} = {quoted(value)}, expected a number") from None


def is_made(folder: Path, name: str | None = None) -> bool:
    """Whether the folder's card is as generated; `name` is that in its ``load`` example, any by default."""
    try:
        return read_text(folder, CARD) == made_card(folder, name or _loaded_name(folder))
    # Written by another version, edited to something other than text, or of a plugin that is not installed.
    except (ConfigError, WeightsError, UnknownNameError, UnicodeDecodeError):
        return False


def made_card(folder: Path, name: str | None = None, demo: str | None = None) -> str:
    """The card generated from the folder's config and results; `demo` is as in `demo_of`, the card's own by default."""
    preview = (folder / PREVIEW).is_file()
    demo = demo or demo_of(folder)
    return render_card(read_config(folder), read_results(folder), preview=preview, name=name, demo=demo)


def demo_of(folder: Path) -> str | None:
    """The Space ``user/space`` with the model's page that the folder's card links to, if it does."""
    try:
        found = _DEMO.search(read_text(folder, CARD))
    except (FileNotFoundError, WeightsError, UnicodeDecodeError):
        return None
    return None if found is None else found[1]


def render_card(
    config: ModelConfig,
    results: Sequence[Result] = (),
    *,
    preview: bool = False,
    name: str | None = None,
    demo: str | None = None,
) -> str:
    """The text of a card, with YAML front matter.

    `name` is the name to load the model by, its own by default; `demo` is a Space with its page.
    """
    method = registry().methods.find(config.method, prefer=config.plugins).entry
    parts = [
        f"---\n{_metadata(config, results).to_yaml()}\n---",
        f"# {config.name}",
        config.summary,
        f"[Try it in the browser](https://huggingface.co/spaces/{demo})" if demo else "",
        f"![Interpolations between pairs of codes, one pair a row](./{PREVIEW})" if preview else "",
        f"```sh\npip install {' '.join(_packages(config))}\n```",
        f"```python\nimport interpzoo\n\nmodel = interpzoo.load({_quoted(name or config.name)})\n"
        "frames = model.interpolate(a, b, steps=9)  # (9, C, H, W), values around [0, 1]\n```",
        f"## Method\n\n{method.title}" + (f" ([paper]({method.paper}))" if method.paper else ""),
        "## Architecture\n\n" + _table(describe_architecture(config)),
        "" if config.pointer is None else f"## Weights\n\n{_where_weights_are(config.pointer, config.base)}",
        "" if config.trained is None else "## Training\n\n" + _table(describe_training(config.trained)),
        _results(results) if results else "",
        f"{LIMITS}\n\n{config.limitations}" if config.limitations else "",
        f"## License of the weights\n\n{config.license}",
        f"## Citation\n\n```bibtex\n{method.citation.strip()}\n```" if method.citation else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _packages(config: ModelConfig) -> list[str]:
    """This package, and those of other people's plugins that the model needs."""
    others = {distribution.partition(" ")[0] for distribution in config.plugins.values()}
    return [FIRST_PARTY, *sorted(others - {FIRST_PARTY})]


def _metadata(config: ModelConfig, results: Sequence[Result]) -> ModelCardData:
    trained = config.trained
    on_hub = None if trained is None else _hub_id(trained.data)
    return ModelCardData(
        license=config.license,
        library_name="interpzoo",
        tags=["interpzoo", "interpolation", "autoencoder", config.method],
        datasets=None if on_hub is None else [on_hub],
        base_model=_base_model(config),
        model_name=config.name,
        # The Hub accepts .eval_results/*.yaml only for data sets registered there as benchmarks, which ours are not.
        eval_results=[
            EvalResult(
                task_type="image-to-image",
                task_name="latent interpolation",
                dataset_type=on_hub if on_hub and trained and r.dataset == trained.data.name else r.dataset,
                dataset_name=r.dataset,
                metric_type=r.metric.lower().replace(" ", "_"),
                metric_args={"better": r.better} if r.better else None,
                metric_name=r.metric,
                metric_value=r.value,
            )
            for r in results
        ]
        or None,
    )


def _base_model(config: ModelConfig) -> str | None:
    """The repository that the weights are in, or that training started from."""
    if config.pointer is not None:
        return config.pointer.repository
    start = None if config.trained is None else config.trained.started_from
    start = start if config.base is None else config.base.name
    if start is None:
        return None
    scheme = scheme_of(start)
    repository = (start if scheme is None else scheme[1]).partition("@")[0].partition(":")[0]
    return repository if is_hub_id(repository) else None


def _hub_id(data: Component) -> str | None:
    """The data set's name on the Hub, if it is there; names of generated data sets could mean something else there."""
    source = data.options.get("source")
    if isinstance(source, str):
        return source if is_hub_id(source) else None
    from interpzoo.build import component_class  # imports torch, which most descriptions do not need
    from interpzoo.interfaces import DataSet

    try:
        return component_class(DataSet, data.name).hub_id
    except UnknownNameError:  # from a plugin that is not installed
        return None


def describe_architecture(config: ModelConfig) -> dict[str, str]:
    """The parts of a model, in words."""
    image = config.image
    return {
        "image": f"{image.channels} x {image.height} x {image.width}, values in [0, 1]",
        **({} if config.base is None else _describe_base(config.base)),
        "encoder": _component(config.encoder),
        "decoder": _component(config.decoder),
        "prior": "none" if config.prior is None else _component(config.prior),
        **({} if config.space is None else {"space of codes": _component(config.space)}),
        "default path": _component(config.interpolator),
    }


def describe_training(trained: TrainedWith) -> dict[str, str]:
    """The training of a model, in words."""
    training, optimizer = trained.training, trained.training.optimizer
    return {
        "recipe": trained.recipe,
        "losses": _component(trained.regularizer),
        "data": _component(trained.data),
        "samples seen": f"{trained.samples_seen:,}",
        "batch size": str(training.batch_size),
        "optimizer": f"{optimizer.name}, rate {optimizer.learning_rate:g} ({optimizer.schedule}), "
        f"betas {optimizer.betas}"
        + ("" if optimizer.clip_norm is None else f", gradient norm at most {optimizer.clip_norm:g}"),
        "weight average": "none" if training.ema_decay is None else f"exponential, decay {training.ema_decay} a step",
        "precision": training.precision,
        "seed": str(training.seed),
        "started from": trained.started_from or "random weights",
        "versions": ", ".join(f"{name} {version}" for name, version in trained.versions.items()),
    }


def _describe_base(base: Base) -> dict[str, str]:
    parts = f"{_component(base.encoder)} and {_component(base.decoder)}"
    return {"base model": f"{base.name}, frozen, on whose codes the other networks were trained: {parts}"}


def _where_weights_are(origin: Origin, base: Base | None) -> str:
    inside = f"`{origin.folder}/` of " if origin.folder else ""
    files = ", ".join(f"`{name}`" for name in origin.files)
    return (
        f"This folder does not contain the weights{'' if base is None else ' of the base model'}. They stay in "
        f"{inside}[{origin.repository}]"
        f"(https://huggingface.co/{origin.repository}), from which `load` reads {files} at commit "
        f"`{origin.revision}`, each checked against its SHA-256. Their license is that of their repository."
    )


def _results(results: Sequence[Result]) -> str:
    header, told = ("metric", "data", "value"), ""
    rows = [(r.metric, r.dataset, f"{r.value:.4g}{r.unit}") for r in results]
    if any(r.better for r in results):
        header = (*header, "better")
        rows = [(*row, r.better) for row, r in zip(rows, results, strict=True)]
        told = " The last column says which values are better; `no rank` is for what a cross-fade would be best by."
    table = markdown_table(header, rows)
    about = (
        "Measured by `interpzoo evaluate` on held-out images. Paths join pairs of these or, where the data set knows "
        f"the true path, of any of its images.{told}"
    )
    return f"## Results\n\n{about}\n\n{table.rstrip()}"


def _better(told: Any) -> str:
    """What a card says of the direction of a score, which people and other programs may write."""
    found = told.get("better") if isinstance(told, dict) else None
    return found if isinstance(found, str) and _BETTER.fullmatch(found) else ""


def _component(component: Component) -> str:
    options = ", ".join(f"{key} = {value}" for key, value in component.options.items() if value is not None)
    return component.name + (f" ({options})" if options else "")


def _table(rows: Mapping[str, str]) -> str:
    table = markdown_table(("", ""), rows.items()).rstrip()
    return table.replace("|  |  |", "| | |", 1)  # as in the cards that were written before: `is_made` compares the text
