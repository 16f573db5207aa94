"""`verify`: check the files of a pretrained folder against their hashes, and its frames against new ones."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch

from interpzoo.errors import InterpzooError, WeightsError
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.folder import CARD, EXAMPLES, FILES, MOST_BYTES, SUMS, WEIGHTS, check_hash, file_of
from interpzoo.pretrained.load import read_model, usable_config
from interpzoo.pretrained.locate import Located, locate
from interpzoo.pretrained.networks import check_codes, most_weight_bytes
from interpzoo.pretrained.stored import Shapes, read_tensors

_MOST: Final = 1e-4
"""Largest difference between recomputed and stored values: kernels of other machines and versions round differently."""

_AT_ONCE: Final = 16  # codes

FRAMES: Final = "frames"
"""Name of the finding on the images decoded from the example codes."""


@dataclass(frozen=True)
class Finding:
    """The result for one file, or for the frames."""

    name: str
    problem: str = ""
    """Empty if nothing is wrong."""


def verify(
    name: str | Path,
    *,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> list[Finding]:
    """Check every file of a model against its listed hash, then decode the example codes again.

    For a registered name the list itself is checked against the registry. The card, which people may edit, has no hash.

    The files of another author's model are checked against the hashes that the Hub states, or those in the folder that
    points to them.

    Args:
        name, cache_dir, local_files_only, token: as for `load`.

    Raises:
        UnknownNameError, AmbiguousNameError, HubError: the model cannot be found.
        WeightsError: the list is damaged, or is not the registered one.

    Example:
        >>> import interpzoo
        >>> [finding for finding in interpzoo.verify("acai-mnist") if finding.problem]
        []
    """
    source = locate(name, access=Access(cache_dir, local_files_only, token))
    return [*_files(source), *_foreign(source), Finding(FRAMES, _frames(source))]


def _foreign(source: Located) -> Iterator[Finding]:
    """The files of another author's model that the weights are read from."""
    try:
        files = source.files(source.config())
    except InterpzooError as error:
        yield Finding("origin", str(error))
        return
    if files is None:
        return
    yield from (_checked(name, partial(files.check, name)) for name in files.hashes)


def _checked(name: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except InterpzooError as error:
        return Finding(name, str(error))
    return Finding(name)


def _files(source: Located) -> Iterator[Finding]:
    if source.foreign is not None:
        return
    if not source.hashes:
        yield Finding(SUMS, "is missing: there is nothing to check the files against")
    most = MOST_BYTES[WEIGHTS]
    with suppress(InterpzooError):  # an unusable config is reported with the frames
        most = most_weight_bytes(usable_config(source))
    for name in FILES:
        if name in source.hashes:
            limit = most if name == WEIGHTS else MOST_BYTES[name]
            yield _checked(name, partial(check_hash, source.path, name, source.hashes, limit))
        elif (source.path / name).exists() and name not in (CARD, SUMS):
            yield Finding(name, f"is not listed in {SUMS}")


@torch.no_grad()
def _frames(source: Located) -> str:
    path = file_of(source.path, EXAMPLES, source.hashes)

    def check(found: Shapes) -> None:
        if {*found} != {"codes", "frames"}:
            raise WeightsError(f"{EXAMPLES} holds {', '.join(map(repr, found))}, expected 'codes', 'frames'")
        count, frames = found["codes"][:1], found["frames"]
        if frames != (*count, *model.config.image.shape):
            raise WeightsError(f"its 'frames' have shape {frames}, expected {(*count, *model.config.image.shape)}")

    try:
        model = read_model(source)
        if model.files is not None and EXAMPLES not in source.hashes:
            return ""  # there are none to compare
        stored = read_tensors(path, check, most=MOST_BYTES[EXAMPLES], sha256=source.hashes.get(EXAMPLES))
        codes = check_codes(stored["codes"], model.latent_shape, EXAMPLES)
        frames = [model.decode(part) for part in codes.split(_AT_ONCE)]
    except InterpzooError as error:
        return f"cannot be decoded: {error}"
    parts = stored["frames"].float().split(_AT_ONCE) if frames else ()
    deviation = max((float((a - b).abs().max()) for a, b in zip(frames, parts, strict=True) if len(a)), default=0.0)
    # Written with <=, which NaN fails.
    return "" if deviation <= _MOST else f"differ from the stored ones by {deviation:.3g}, expected at most {_MOST:g}"
