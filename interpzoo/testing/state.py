"""What a module keeps outside its parameters and buffers, where neither a file nor a checkpoint has it."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from interpzoo.testing.expect import expect

_OF_TORCH = frozenset(vars(nn.Module()))


def attributes(modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, Any]]:
    """The plain attributes of modules and of all that is in them, with their full names."""
    for prefix, module in modules.items():
        for path, part in module.named_modules():
            for name, value in vars(part).items():
                if name not in _OF_TORCH:
                    yield ".".join(filter(None, (prefix, path, name))), value


def counters(modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """Numbers, scalar tensors and collections of numbers in plain attributes, as text."""
    return {name: _text(value) for name, value in attributes(modules) if _is_counter(value)}


def loose_tensors(modules: Mapping[str, nn.Module]) -> list[str]:
    """Names of tensors in plain attributes."""
    return [name for name, value in attributes(modules) if isinstance(value, Tensor)]


def check_counters(before: Mapping[str, str], modules: Mapping[str, nn.Module]) -> None:
    """Expect no counter to have changed since `before`."""
    after = counters(modules)
    moved = {name: (old, after[name]) for name, old in before.items() if after.get(name, old) != old}
    for name, (old, new) in moved.items():
        expect(
            False,
            f"{name!r} changed from {old} to {new} in training and is not a buffer, so that a resumed run and a saved "
            f"model forget it: keep it with register_buffer({name.rpartition('.')[2]!r}, torch.tensor(...))",
        )


def check_only_tensors(modules: Mapping[str, nn.Module]) -> None:
    """Expect nothing but tensors in the state of modules."""
    for prefix, module in modules.items():
        for name, value in module.state_dict().items():
            expect(
                isinstance(value, Tensor),
                f"the state of {prefix!r} has {name!r} of type {type(value).__name__!r}: files hold tensors alone: put "
                "settings into the component's config and numbers into buffers, and remove get_extra_state",
            )


def suspects(modules: Mapping[str, nn.Module]) -> str:
    """The end of a message that names tensors in plain attributes."""
    names = ", ".join(map(repr, loose_tensors(modules)[:3]))
    return f". {names} is a plain attribute" if names else ""


def _is_counter(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_meta
    if isinstance(value, list | tuple | deque | set | dict):
        items: Iterable[object] = value.values() if isinstance(value, dict) else value
        return all(isinstance(item, int | float) for item in items)
    return isinstance(value, itertools.count) or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: object) -> str:
    text = repr(value.item() if isinstance(value, Tensor) else value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
