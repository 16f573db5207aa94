"""The baselines: autoencoder, denoising, variational and adversarial autoencoder; straight and spherical paths; pixels.

It also gives the core's shared networks and data sets their names.
"""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("encoder", "conv", "interpzoo.nets:ConvEncoder")
    registry.add("decoder", "conv", "interpzoo.nets:ConvDecoder")
    registry.add("encoder", "pixels", "interpzoo_baselines.pixels:PixelEncoder")
    registry.add("decoder", "pixels", "interpzoo_baselines.pixels:PixelDecoder")
    registry.add("prior", "normal", "interpzoo_baselines.prior:StandardNormal")
    registry.add("regularizer", "ae", "interpzoo_baselines.autoencoders:Autoencoder")
    registry.add("regularizer", "dae", "interpzoo_baselines.autoencoders:Denoising")
    registry.add("regularizer", "vae", "interpzoo_baselines.autoencoders:Variational")
    registry.add("regularizer", "aae", "interpzoo_baselines.autoencoders:Adversarial")
    registry.add("interpolator", "linear", "interpzoo_baselines.interpolators:Linear")
    registry.add("interpolator", "slerp", "interpzoo_baselines.interpolators:Slerp")
    registry.add("dataset", "lines", "interpzoo.data.lines:Lines")
    registry.add("dataset", "mnist", "interpzoo.data.presets:MNIST")
    registry.add("dataset", "fashion_mnist", "interpzoo.data.presets:FashionMNIST")
    registry.add("dataset", "celeba", "interpzoo.data.presets:CelebA")
    registry.add("dataset", "images", "interpzoo.data.images:Images")
    registry.add_package("interpzoo_baselines")
