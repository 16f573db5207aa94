"""Exported models, run by ONNX Runtime: no torch is imported here.

>>> import interpzoo.onnx
>>> model = interpzoo.onnx.load("./acai-mnist-onnx")  # written by `interpzoo export acai-mnist -o ./acai-mnist-onnx`
>>> frames = model.interpolate("three.png", "eight.png", steps=9)  # (9, C, H, W)
>>> interpzoo.onnx.save_strip("strip.png", frames)

An exported folder holds ``encoder.onnx``, ``decoder.onnx``, ``examples.safetensors`` (``codes`` and the ``frames``
decoded from them) and ``model.json``, which describes the model; the networks carry the same description in their
metadata, under the key ``interpzoo``.
"""

from interpzoo.onnx.model import ExportedModel, load
from interpzoo.onnx.pictures import save_strip

__all__ = ["ExportedModel", "load", "save_strip"]
