"""Skip-VAE: generative skip models that avoid latent variable collapse (Dieng, Kim, Rush, Blei; AISTATS 2019)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("decoder", "skip-mlp", "interpzoo_skipvae.decoders:SkipMLP")
    registry.add("decoder", "skip-conv", "interpzoo_skipvae.decoders:SkipConv")
    registry.add("decoder", "gated-pixelcnn", "interpzoo_skipvae.pixelcnn:GatedPixelCNN")
    registry.add("regularizer", "skipvae", "interpzoo_skipvae.skipvae:SkipVAE")
    registry.add("dataset", "omniglot", "interpzoo_skipvae.omniglot:Omniglot")
    registry.add("metric", "elbo", "interpzoo_skipvae.metrics:Bound")
    registry.add("metric", "kl", "interpzoo_skipvae.metrics:Divergence")
    registry.add("metric", "mutual-information", "interpzoo_skipvae.metrics:MutualInformation")
    registry.add("metric", "active-units", "interpzoo_skipvae.metrics:ActiveUnits")
    registry.add_package("interpzoo_skipvae")
