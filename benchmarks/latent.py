"""What training on the codes of a frozen autoencoder costs and gives: portraits at 256 px through TAEF2.

    python benchmarks/latent.py tae:FOLDER WORK [--samples N] -o benchmarks/studies/latent.md

WORK is a folder for the prepared images and two strips; codes are kept in the folder of HF_HOME. The data set is
portraits256 (see docs/reference/data.md); its 187 training images are joined by as many that are flipped, turned
by up to 5 degrees, shifted by up to 3 % and scaled by up to 5 %. Times are CPU seconds of one thread, which other work
on the machine changes little.
"""

import argparse
import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

import interpzoo
from interpzoo import create
from interpzoo.build import build_component
from interpzoo.config import Recipe
from interpzoo.data.sources import encoded, load_splits
from interpzoo.interfaces import DataSet
from interpzoo.latent import latent_networks
from interpzoo.model import InterpolationModel
from interpzoo.training.codes import Codes, inner_of, put_together
from interpzoo.training.own_data import choose_recipe
from interpzoo.training.run import build_regularizer
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

RUNS = (("ae", 16), ("acai", 16), ("aeai", 16), ("ae", 64))
"""Method, and channels of its code of 4x4. `lowbend` cannot learn from photos: nobody knows their distances."""
HELD_OUT = 6
BATCH = 32
WARM_UP = 2
PIXELS = 6
"""Steps before a speed is measured, and steps that the speed at 32 px is measured on."""


def prepare(folder: Path) -> None:
    """Write the portraits as files in ``train`` and ``test``."""
    if (folder / "test").is_dir():
        return
    splits, draw = load_splits("x/portraits256"), random.Random(0)
    for split, name in (("train", "train"), ("validation", "test")):
        (folder / name).mkdir(parents=True)
        table = splits[split].cast_column("image", type(splits[split].features["image"])(decode=False))
        for number, row in enumerate(table):
            path = folder / name / f"{number:03}.png"
            path.write_bytes(encoded(row["image"]))
            if name == "train":
                image = Image.open(path).convert("RGB")
                path.unlink()
                image.save(path)
                moved(image, draw).save(folder / name / f"{number:03}-moved.png")


def moved(image: Image.Image, draw: random.Random) -> Image.Image:
    """A flipped image, slightly turned, shifted and scaled, with its border continued."""
    wide = Image.fromarray(padded(ImageOps.mirror(image)))
    angle, scale = math.radians(draw.uniform(-5, 5)), draw.uniform(0.95, 1.05)
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    middle, (dx, dy) = wide.width / 2, (draw.uniform(-0.03, 0.03) * image.width for _ in range(2))
    corner = image.width / 2
    x0 = middle + dx - cos * corner - sin * corner
    y0 = middle + dy + sin * corner - cos * corner
    return wide.transform(image.size, Image.Transform.AFFINE, (cos, sin, x0, -sin, cos, y0), Image.Resampling.BICUBIC)


def padded(image: Image.Image) -> Any:
    """Pixels with a border of a quarter of the side, a copy of the edge."""
    side = image.width // 4
    return np.pad(np.asarray(image), ((side, side), (side, side), (0, 0)), mode="edge")


def trained(recipe: Recipe, work: Path) -> tuple[InterpolationModel, float]:
    """The model of a recipe, trained on pixels or on codes, and images a CPU second of its steps."""
    networks, workers = create(recipe), Workers()
    data = build_component(DataSet, recipe.data, recipe.image, None)
    learning = networks if recipe.base is None else inner_of(networks)
    regularizer = build_regularizer(recipe, learning)
    if recipe.base is not None:
        data = Codes(data, networks, workers, recipe.name, needed=regularizer.requires)
    trainer = Trainer(recipe, learning, regularizer, data, workers, work)
    trainer.run(lambda step, values: None, stop_after=WARM_UP)
    start, before = time.process_time(), trainer.done
    trainer.run(lambda step, values: None)
    speed = (trainer.done - before) * recipe.training.batch_size / (time.process_time() - start)
    model = trainer.trained()
    return model if recipe.base is None else put_together(networks, model), speed


def psnr(images: Tensor, others: Tensor) -> float:
    """Mean over images, in dB."""
    return float(-10 * (images - others.clamp(0, 1)).square().mean((1, 2, 3)).log10().mean())


def recipe_of(method: str, channels: int, samples: int, folder: Path, base: str | None) -> Recipe:
    """The method on the images of a folder, with the networks of acai-celeba: 32x32 pixels, or 32x32 codes."""
    width = {"encoder.width": 32, "decoder.width": 32, "encoder.scales": 3, "encoder.latent_channels": channels}
    critic = {"acai": "critic", "aeai": "discriminator"}.get(method)
    width |= {} if critic is None else {f"regularizer.{critic}.width": 32}
    training = {"samples": samples, "batch_size": BATCH, "ema_decay": 0.95}
    changes = [
        f"{key}={value}" for key, value in {**width, **{f"training.{k}": v for k, v in training.items()}}.items()
    ]
    name = {"ae": "ae-celeba", "acai": "acai-celeba", "aeai": "aeai-coil20"}[method]
    given = [*changes, *([] if base else ["image.channels=3"])]
    return choose_recipe(name, given, dataset=folder, root=None, start_from=None, base=base)[0]


@torch.no_grad()
def main() -> None:
    """Prepare, train, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("work", type=Path)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.work / "portraits"
    prepare(folder)
    held_out = sorted((folder / "test").iterdir())[:HELD_OUT]
    base = interpzoo.load(options.base)
    images = torch.cat([interpzoo.load("pixels").encode([path], size=(256, 256)) for path in held_out])
    codes = base.encode(images)
    limit, rows = psnr(images, base.decode(codes)), list[str]()
    for number, (method, channels) in enumerate(RUNS):
        with torch.enable_grad(), tempfile.TemporaryDirectory() as scratch:
            whole = recipe_of(method, channels, options.samples, folder, options.base)
            pixels = recipe_of(method, channels, BATCH * (WARM_UP + PIXELS), folder, None)
            model, fast = trained(whole, Path(scratch))
            plain = trained(pixels, Path(scratch))[1]
        encoder, _ = latent_networks(model.encoder, model.decoder)
        z = encoder.inner(encoder.range(codes))
        frames = model.decode(z)
        rows.append(f"| {method} | {z[0].numel():,} | {fast:.0f} | {plain:.0f} | {psnr(images, frames):.2f} |")
        walk = model.interpolate_codes(z[:1], z[-1:], torch.linspace(0, 1, 7))
        if number in (0, len(RUNS) - 1):
            interpzoo.save_strip(options.work / f"{method}-{channels}.png", model.decode(walk))
        table = "\n".join(rows)
        options.output.write_text(
            f"# Training on the codes of TAEF2: portraits at 256 px\n\nMade by `python benchmarks/latent.py` with "
            f"{options.samples:,} samples a run, seed 0, batches of {BATCH}, on codes of 32x32x32. Through the base "
            f"model alone, {HELD_OUT} held-out portraits come back with {limit:.2f} dB. Speeds are images a CPU second "
            "of one thread.\n\n| method | numbers in a code | 256 px, on codes | the same recipe at 32 px | held-out "
            f"PSNR, dB |\n| --- | --- | --- | --- | --- |\n{table}\n",
            "utf-8",
        )


if __name__ == "__main__":
    main()
