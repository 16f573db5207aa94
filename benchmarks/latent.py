"""What training on the codes of a frozen autoencoder costs and gives: portraits at 256 px through TAEF2.

    python benchmarks/latent.py tae:FOLDER WORK [--samples N] -o benchmarks/studies/latent.md

WORK is a folder for the prepared images, the cached codes and the runs, whose ``preview.png`` has strips. The data
set is portraits256 (see docs/reference/data.md); its 187 training images are joined by as many that are flipped, turned
by up to 5 degrees, shifted by up to 3 % and scaled by up to 5 %. Times are CPU seconds of one thread, which other work
on the machine changes little.
"""

import argparse
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor

RUNS = (("acai", 16), ("aeai", 16), ("ae", 16), ("ae", 64))
"""Method, and channels of its code of 4x4."""
HELD_OUT = 12
PIXELS = 20
"""Steps that the speed at 32 px is measured on."""


def prepare(folder: Path) -> None:
    """Write the portraits as files in ``train`` and ``test``."""
    from interpzoo.data.sources import encoded, load_splits

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
    import numpy as np

    side = image.width // 4
    return np.pad(np.asarray(image), ((side, side), (side, side), (0, 0)), mode="edge")


def timed(call: Any) -> tuple[Any, float, float]:
    """What `call` gives, images a CPU second of its training steps, and the CPU seconds before the first step."""
    from interpzoo.training.trainer import Trainer

    step, spent, images, start = Trainer.step, 0.0, 0, time.process_time()
    before: list[float] = []

    def measured(self: Trainer, index: int) -> dict[str, Tensor]:
        nonlocal spent, images
        begin = time.process_time()
        before.append(begin - start)
        found = step(self, index)
        if len(before) > 2:
            spent += time.process_time() - begin
            images += self.recipe.training.batch_size
        return found

    Trainer.step = measured
    try:
        result = call()
    finally:
        Trainer.step = step
    return result, images / spent, before[0]


def psnr(images: Tensor, others: Tensor) -> float:
    """Mean over images, in dB."""
    return float(-10 * (images - others.clamp(0, 1)).square().mean((1, 2, 3)).log10().mean())


def main() -> None:
    """Prepare, train, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("work", type=Path)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    os.environ["HF_HOME"] = str(options.work / "home")  # before the Hub's client is imported

    import interpzoo
    from interpzoo.latent import latent_networks

    torch.set_num_threads(1)
    folder = options.work / "portraits"
    prepare(folder)
    held_out = sorted((folder / "test").iterdir())[:HELD_OUT]
    base = interpzoo.load(options.base)
    images = torch.cat([interpzoo.load("pixels").encode([path], size=(256, 256)) for path in held_out])
    codes = base.encode(images)
    limit = psnr(images, base.reconstruct(images))
    rows, encoding = [], 0.0
    for method, channels in RUNS:
        width = ["encoder.width=32", "decoder.width=32", f"encoder.latent_channels={channels}"]
        critic = {"acai": "critic", "aeai": "discriminator"}.get(method)
        sizes = width + ([] if critic is None else [f"regularizer.{critic}.width=32"])
        start = [*sizes, "encoder.scales=3", "training.batch_size=32", "training.ema_decay=0.99"]

        def run(name: str, samples: int, **more: Any) -> Any:
            output = options.work / "runs" / name
            changes = [*start, f"training.samples={samples}"]  # noqa: B023
            recipe = {"ae": "ae-celeba", "acai": "acai-celeba", "aeai": "aeai-coil20"}[method]  # noqa: B023
            changes += ["image.channels=3"] if "base" not in more else []
            return interpzoo.train(recipe, dataset=folder, output=output, changes=changes, **more)

        name = f"{method}-{channels}-{options.samples}"
        model, fast, before = timed(lambda: run(name, options.samples, base=options.base))  # noqa: B023
        encoding = encoding or before
        _, plain, _ = timed(lambda: run(f"{name}-pixels", 32 * PIXELS))  # noqa: B023
        encoder, decoder = latent_networks(model.encoder, model.decoder)
        with torch.no_grad():
            z = encoder.inner(encoder.range(codes))
            frames = torch.cat([decoder(part) for part in z.split(2)])
        numbers = math.prod(model.latent_shape)
        rows.append((method, numbers, fast, plain, psnr(images, frames)))
        lines = "\n".join(f"| {m} | {n:,} | {f:.0f} | {p:.0f} | {q:.2f} |" for m, n, f, p, q in rows)
        options.output.write_text(
            f"# Training on the codes of TAEF2: portraits at 256 px\n\nMade by `python benchmarks/latent.py` with "
            f"{options.samples:,} samples a run, seed 0, batches of 32, on codes of 32x32x32. Encoding the 374 images "
            f"took {encoding:.0f} CPU seconds, once for all runs. Through the base model alone, the {HELD_OUT} "
            f"held-out portraits come back with {limit:.2f} dB.\n\n"
            "| method | numbers in a code | images a CPU second, 256 px on codes | the same recipe at 32 px | held-out "
            f"PSNR, dB |\n| --- | --- | --- | --- | --- |\n{lines}\n",
            "utf-8",
        )


if __name__ == "__main__":
    main()
