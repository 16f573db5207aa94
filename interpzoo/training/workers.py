"""The processes of a run, by accelerate: the device and number of this one, and means over all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from interpzoo.errors import InputError, MissingDependencyError, how_to_install
from interpzoo.text import quoted
from interpzoo.training.settings import flat

_CPU_BFLOAT16: Final = ("avx512_bf16", "amx_bf16", "bf16")
"""Instruction sets of x86 and ARM that multiply in bfloat16."""


class Workers:
    """The processes of a run as ``accelerate launch`` started them; without it there is one.

    Args:
        trackers: names of accelerate's trackers (``tensorboard``, ``wandb``, ...) to log to.
        folder: where trackers write their files.

    Raises:
        MissingDependencyError: accelerate or a tracker is not installed.
        InputError: accelerate has no such tracker.
    """

    def __init__(self, trackers: Sequence[str] = (), folder: str | None = None) -> None:
        try:
            from accelerate import Accelerator
            from accelerate.tracking import LoggerType, get_available_trackers
        except ImportError:
            raise MissingDependencyError(f"training needs accelerate: {how_to_install('train')}") from None
        known, installed = [*map(str, LoggerType)], ["all", *map(str, get_available_trackers())]
        for tracker in trackers:
            # Accelerate would ignore it silently.
            if tracker not in known:
                raise InputError(f"unknown tracker {quoted(tracker)}: accelerate has {', '.join(known)}")
            if tracker not in installed:
                raise MissingDependencyError(f"tracker {tracker!r} is not installed: install its package with pip")
        # Without cpu=True, accelerate leaves processes on the CPU unconnected.
        on_cpu = not torch.accelerator.is_available()
        self._accelerator: Accelerator = Accelerator(cpu=on_cpu, log_with=list(trackers) or None, project_dir=folder)
        self.device: torch.device = self._accelerator.device
        self.draw_ahead: bool = self.device.type != "cpu"
        """Whether a thread draws the next batch during a step; on a CPU it would slow the step down."""
        self.rank: int = self._accelerator.process_index
        """Number of this process, from 0."""
        self.count: int = self._accelerator.num_processes
        self.is_main: bool = self._accelerator.is_main_process
        """Whether this is the process that writes files and prints messages."""

    @property
    def has_bfloat16(self) -> bool:
        """Whether this device can compute in bfloat16, even if emulated."""
        return self.device.type == "cpu" or (self.device.type == "cuda" and torch.cuda.is_bf16_supported())

    @property
    def has_fast_bfloat16(self) -> bool:
        """Whether this device has instructions for bfloat16; emulated, a step takes twice as long as in float32."""
        if self.device.type == "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False)
        known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not have it
        return self.device.type == "cpu" and any(known.get(name, False) for name in _CPU_BFLOAT16)

    def wait(self) -> None:
        """Wait for all processes."""
        self._accelerator.wait_for_everyone()

    def share(self, module: nn.Module) -> None:
        """Give parameters and buffers of `module` the values of the main process, in every process."""
        if self.count > 1:
            from accelerate.utils import broadcast

            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data.copy_(broadcast(tensor.data.contiguous()))

    def mean_of(self, tensor: Tensor) -> Tensor:
        """The mean over all processes of one tensor; every process must call this."""
        if self.count == 1:
            return tensor
        reduced: Any = self._accelerator.reduce(tensor, reduction="mean")
        return reduced

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process; every process must call this."""
        if self.count == 1:
            return flag
        return bool(self.mean_of(torch.tensor(float(flag), device=self.device)) > 0)

    def mean(self, gradients: list[Tensor | None]) -> list[Tensor | None]:
        """The mean over all processes of each gradient, exchanged in one message."""
        found = [g for g in gradients if g is not None]
        if self.count == 1 or not found:
            return gradients
        flat = self.mean_of(torch.cat([g.flatten() for g in found]))
        means = iter([part.view_as(g) for part, g in zip(flat.split([g.numel() for g in found]), found, strict=True)])
        return [None if g is None else next(means) for g in gradients]

    def mean_values(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The mean over all processes of each scalar."""
        if not values:
            return {}
        flat = torch.stack([value.float() for value in values.values()])
        return dict(zip(values, self.mean_of(flat).tolist(), strict=True))

    def start_trackers(self, run: str, config: Mapping[str, Any]) -> None:
        """Open the trackers."""
        if self._accelerator.log_with:
            # TensorBoard takes nothing but numbers and text.
            values = {k: v if isinstance(v, int | float | str) else str(v) for k, v in flat(config).items()}
            self._accelerator.init_trackers(run, config=values)

    def track(self, values: Mapping[str, float], step: int) -> None:
        """Log values to the trackers."""
        if self._accelerator.log_with:
            self._accelerator.log(dict(values), step=step)

    def close(self) -> None:
        """Close the trackers."""
        if self._accelerator.log_with:
            self._accelerator.end_training()
