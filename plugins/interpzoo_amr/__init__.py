"""AMR: adversarial mixup resynthesis (Beckham, Honari, Verma, Lamb, Ghadiri, Hjelm, Bengio, Pal; NeurIPS 2019)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "amr", "interpzoo_amr.amr:AMR")
    registry.add("interpolator", "mixup", "interpzoo_amr.mixers:Mixup")
    registry.add("interpolator", "bernoulli", "interpzoo_amr.mixers:Bernoulli")
    registry.add_package("interpzoo_amr")
