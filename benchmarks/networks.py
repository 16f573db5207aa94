"""Encoding, decoding and interpolating beside plain torch: ``python benchmarks/networks.py [MODEL ...] [--threads N]``.

The rival is the same network written plainly: every convolution, pooling and upsampling by itself, all images at once,
in channels_last layout and inference mode. A second one takes as many images at once as was found best for it, of 16,
32, 64 and 128, as somebody would who tried. The third is ONNX Runtime on the exported network, also with its best
number. All run in turn, each once untimed and once timed, after the threads of the one before have come to rest; the
table has the median of each, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import onnxruntime
import torch
from torch import Generator, Tensor, nn

from interpzoo.interfaces import Decoder, Encoder
from interpzoo.layers import DoublingConv2d
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import load

Run = Callable[[Tensor], Tensor]

_IMAGES: Final = 576
_PAIRS: Final = 64
_BATCHES: Final = (16, 32, 64, 128)
_HEADER: Final = ("model", "what", "ours (ms)", "plain (ms)", "ratio", "plain, in parts", "ratio", "ONNX", "ratio")
_CLOSE: Final = 1e-5
_REST: Final = 0.05
"""Seconds; threads of ONNX Runtime and OpenMP look for work for a while before they sleep."""


def plain(network: Encoder | Decoder) -> nn.Module:
    """A copy of one of the core's networks with one layer after the other, in channels_last layout."""
    written = copy.deepcopy(network)
    written.layers = plain_layers(network.layers)  # pyright: ignore[reportAttributeAccessIssue]
    placed: Any = written.to
    return placed(memory_format=torch.channels_last)


def plain_layers(layers: nn.Module) -> nn.Sequential:
    """Copies of layers, to run one after the other."""
    written: list[nn.Module] = []
    for layer in layers.children():
        if isinstance(layer, DoublingConv2d):
            written.append(nn.Upsample(scale_factor=2))
        if isinstance(layer, nn.Conv2d):
            written.append(nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding))
            written[-1].load_state_dict(layer.state_dict())
        elif isinstance(layer, nn.LeakyReLU):
            written.append(nn.LeakyReLU(layer.negative_slope))
        elif not isinstance(layer, nn.Identity):
            written.append(layer)
    return nn.Sequential(*written)


def in_parts(run: Run, size: int) -> Run:
    """`run` on `size` values at a time."""
    return lambda values: torch.cat([run(part) for part in values.split(size)])


def exported(path: Path, threads: int) -> Run:
    """An ONNX network, on torch's tensors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options)
    (given,) = session.get_inputs()
    return lambda values: torch.from_numpy(session.run(None, {given.name: values.contiguous().numpy()})[0])


def walks(encode: Run, decode: Run) -> Run:
    """Nine frames of each pair (2 N, C, H, W), as (9 N, C, H, W): encode both ends, mix, decode."""

    def run(images: Tensor) -> Tensor:
        first, last = (encode(part) for part in images.chunk(2))
        t = torch.linspace(0, 1, 9).view(1, 9, *(1 for _ in first.shape[1:]))
        return decode(torch.lerp(first[:, None], last[:, None], t).flatten(0, 1))

    return run


def quickest(runs: Sequence[Run], values: Tensor) -> Run:
    """The run of the shortest median of three, all in turn."""
    found = medians(timed(runs, values, 3))
    return runs[found.index(min(found))]


def medians(times: Sequence[Sequence[float]]) -> list[float]:
    """The median of each column."""
    return [statistics.median(column) for column in zip(*times, strict=True)]


def timed(runs: Sequence[Run], values: Tensor, rounds: int) -> list[list[float]]:
    """Milliseconds of each run, round by round."""
    return [[milliseconds(run, values) for run in runs] for _ in range(rounds)]


def milliseconds(run: Run, values: Tensor) -> float:
    """What a run takes in the state that it leaves itself."""
    time.sleep(_REST)
    run(values)
    begin = time.perf_counter()
    run(values)
    return 1e3 * (time.perf_counter() - begin)


def rows(name: str, threads: int, rounds: int, folder: Path) -> list[list[str]]:
    """The rows of one model."""
    model = load(name)
    model.export(folder / name)
    encoder, decoder = plain(model.encoder).eval(), plain(model.decoder).eval()
    sessions = [exported(folder / name / f"{part}.onnx", threads) for part in ("encoder", "decoder")]
    generator = Generator().manual_seed(0)
    images = torch.rand(_IMAGES, *model.config.image.shape, generator=generator)
    codes = model.encode(images)
    cases: list[tuple[str, Tensor, Run, Callable[[Run, Run], Run]]] = [
        (f"encode {_IMAGES}", images, model.encode, lambda encode, decode: encode),
        (f"decode {_IMAGES}", codes, model.decode, lambda encode, decode: decode),
        (f"interpolate {_PAIRS} x 9", images[: 2 * _PAIRS], walked(model), walks),
    ]
    found: list[list[str]] = []
    for what, values, ours, of in cases:
        parts = quickest([of(in_parts(encoder, n), in_parts(decoder, n)) for n in _BATCHES], values)
        ready = quickest([of(*(in_parts(session, n) for session in sessions)) for n in (*_BATCHES, _IMAGES)], values)
        runs = [ours, of(encoder, decoder), parts, ready]
        answers = [run(values).flatten(0, -4) for run in runs]
        if any(not torch.allclose(answers[0], other, atol=_CLOSE, rtol=_CLOSE) for other in answers[1:]):
            sys.exit(f"{name}, {what}: the networks differ")
        times = timed(runs, values, rounds)
        first, *others = medians(times)
        ratios = medians([[row[0] / other for other in row[1:]] for row in times])
        cells = [f"{first:.0f}"]
        for other, ratio in zip(others, ratios, strict=True):
            cells += [f"{other:.0f}", f"{ratio:.2f}"]
        found.append([name, what, *cells])
        sys.stderr.write(f"{' '.join(found[-1])}\n")
    return found


def walked(model: InterpolationModel) -> Run:
    """`interpolate` on pairs that lie in one tensor."""
    return lambda images: model.interpolate(*images.chunk(2))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Encoding, decoding and interpolating beside plain torch.")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    with TemporaryDirectory() as folder, torch.inference_mode():
        names = given.models or ["acai-mnist", "acai-celeba", "acai-celeba64"]
        table = [row for name in names for row in rows(name, given.threads, given.rounds, Path(folder))]
    sys.stdout.write(f"`python benchmarks/networks.py {' '.join(arguments)}`\n\n{markdown_table(_HEADER, table)}")


if __name__ == "__main__":
    main(sys.argv[1:])
