"""How near loading, interpolating and training are to hand-written code: ``python benchmarks/core.py``.

Each figure is the median over interleaved pairs of runs (ours, floor, ours, floor, ...) in one process, so that what
else the machine does falls on both sides; the ratio is the median of the ratios of the pairs.

- load: against building the same networks on the meta device by hand, one SHA-256 of the weights file, and safetensors
  with assign.
- step: one ACAI training step, against the same losses and optimisers in a plain loop on plainly written networks, in
  bfloat16 where the CPU has it, and in float32.
- pythae (where it is installed): its `interpolate` on a network of its own (64 pairs x 9 frames), against encode twice,
  lerp, one decode under inference mode.

What encoding, decoding and `interpolate` take is in benchmarks/networks.py.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from networks import plain, plain_layers
from safetensors.torch import load_file
from torch import nn
from training import Noise

import interpzoo
from interpzoo.build import build_component
from interpzoo.interfaces import Regularizer
from interpzoo.nets import ConvDecoder, ConvDecoderConfig, ConvEncoder, ConvEncoderConfig
from interpzoo.pretrained.folder import WEIGHTS
from interpzoo.pretrained.locate import locate
from interpzoo.recipes import load_recipe
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

Run = Callable[[], Any]


def compare(name: str, ours: Run, floor: Run, pairs: int) -> None:
    """Print medians of `pairs` interleaved runs and their ratio."""
    for _ in range(3):
        ours()
        floor()
    times: list[tuple[float, float]] = []
    for _ in range(pairs):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        floor()
        times.append((middle - start, time.perf_counter() - middle))
    first, second = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(f"{name:40s} {first:9.2f} ms   floor {second:9.2f} ms   ratio {ratio:5.2f}   ({pairs} pairs)")  # noqa: T201


def bench_load(name: str, pairs: int) -> None:
    """`load` of a zoo model against the fewest steps that give the same networks."""
    model = interpzoo.load(name)
    encoder, decoder = model.config.encoder.options, model.config.decoder.options
    path = locate(name).path / WEIGHTS

    def floor() -> nn.Module:
        with torch.device("meta"):
            first = ConvEncoder(ConvEncoderConfig(**encoder), model.config.image)
            second = ConvDecoder(ConvDecoderConfig(**decoder), model.config.image, first.latent_shape)
            both = nn.ModuleDict({"encoder": first, "decoder": second})
        hashlib.sha256(path.read_bytes()).hexdigest()
        both.load_state_dict(load_file(path), assign=True)
        return both.eval()

    compare(f"load {name}", lambda: interpzoo.load(name), floor, pairs)


def bench_step(recipe_name: str, precision: Literal["auto", "float32"], pairs: int) -> None:
    """One training step against a plain loop with the same losses."""
    recipe = load_recipe(recipe_name)
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"precision": precision})})
    model, twin = interpzoo.create(recipe), interpzoo.create(recipe)
    size, rate = recipe.training.batch_size, recipe.training.optimizer.learning_rate
    data = Noise(recipe.image, size)
    regularizer, other = (
        build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape) for _ in range(2)
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, model, regularizer, data, Workers(), Path(folder))
        step = trainer.step
        twin.encoder, twin.decoder = plain(twin.encoder), plain(twin.decoder)
        other.critic = plain_layers(other.critic)
        parameters = [p for network in (twin.encoder, twin.decoder) for p in network.parameters()]
        critic = [*other.parameters()]
        placed: Any = other.to
        placed(memory_format=torch.channels_last)
        optimizers = [torch.optim.Adam(group, lr=rate, fused=True) for group in (parameters, critic)]
        average = torch.optim.swa_utils.AveragedModel(
            twin, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999), use_buffers=True
        )
        generator = torch.Generator().manual_seed(0)
        reduced = precision == "auto" and trainer.workers.has_fast_bfloat16

        def floor() -> None:
            x = data.train(torch.arange(size), generator)["image"].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                z = twin.encoder(x)
                y = twin.decoder(z)
                alpha = 0.5 - (torch.rand(size, generator=generator) - 0.5).abs()
                w = alpha.view(-1, 1, 1, 1)
                estimate = other.d(twin.decoder(w * z + (1 - w) * z.flip(0)))
                first = 4 * (x - y.float()).square().mean() + 0.5 * estimate.square().mean()
                blend = (0.2 * x + 0.8 * y.float()).detach()
                second = (estimate - alpha).square().mean() + other.d(blend).square().mean()
            gradients = [
                torch.autograd.grad(first, parameters, retain_graph=True),
                torch.autograd.grad(second, critic),
            ]
            for optimizer, group, found in zip(optimizers, (parameters, critic), gradients, strict=True):
                for parameter, gradient in zip(group, found, strict=True):
                    parameter.grad = torch.empty_like(parameter).copy_(gradient)
                nn.utils.clip_grad_norm_(group, 1.0)
                optimizer.step()
            average.update_parameters(twin)
            first.item(), second.item()

        index = iter(range(10**9))
        name = "bfloat16" if reduced else "float32"
        compare(f"training step, {recipe_name}, {name}", lambda: step(next(index)), floor, pairs)


def bench_pythae(pairs: int) -> None:
    """pythae's `interpolate` (64 pairs x 9 frames) against the floor on the same networks."""
    logging.disable(logging.CRITICAL)
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            BaseEncoder.__init__(self)
            self.latent_dim = 64
            layers: list[nn.Module] = []
            for narrow, wide in ((3, 32), (32, 64), (64, 128)):
                layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.ReLU()]
            self.net = nn.Sequential(*layers, nn.Flatten())
            self.mean, self.log_variance = nn.Linear(2048, 64), nn.Linear(2048, 64)

        def forward(self, x: torch.Tensor) -> Any:
            h = self.net(x)
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            BaseDecoder.__init__(self)
            self.dense = nn.Linear(64, 2048)
            layers: list[nn.Module] = []
            for wide, narrow in ((128, 64), (64, 32)):
                layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.ReLU()]
            self.net = nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Sigmoid())

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.net(self.dense(z).view(-1, 128, 4, 4)))

    model = VAE(VAEConfig(input_dim=(3, 32, 32), latent_dim=64), encoder=Encoder(), decoder=Decoder()).eval()
    a, b = torch.rand(2, 64, 3, 32, 32)

    @torch.inference_mode()
    def floor() -> torch.Tensor:
        z0, z1 = model.encoder(a).embedding, model.encoder(b).embedding
        z = torch.lerp(z0[:, None], z1[:, None], torch.linspace(0, 1, 9).view(1, 9, 1))
        return model.decoder(z.flatten(0, 1)).reconstruction

    compare("pythae interpolate 64 x 9", lambda: model.interpolate(a, b, 9), floor, pairs)


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="acai-mnist")
    parser.add_argument("--recipe", action="append", help="acai-lines and acai-celeba by default")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads")  # noqa: T201
    bench_load(options.model, options.pairs)
    for recipe in options.recipe or ["acai-lines", "acai-celeba"]:
        bench_step(recipe, "auto", options.pairs)
        bench_step(recipe, "float32", options.pairs)
    if importlib.util.find_spec("pythae") is not None:
        bench_pythae(options.pairs)


if __name__ == "__main__":
    main()
