"""Low bending and low distortion embeddings (Braunsmann, Rajkovic, Rumpf, Wirth; CVPR workshops 2021)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "lowbend", "interpzoo_lowbend.lowbend:LowBending")
    registry.add("interpolator", "projected", "interpzoo_lowbend.projected:Projected")
    registry.add("dataset", "sundial", "interpzoo_lowbend.datasets:Sundial")
    registry.add("dataset", "rotating-object", "interpzoo_lowbend.datasets:RotatingObject")
    registry.add("dataset", "arc", "interpzoo_lowbend.datasets:Arc")
    registry.add("dataset", "ellipses", "interpzoo_lowbend.datasets:Ellipses")
    registry.add("metric", "distortion", "interpzoo_lowbend.metrics:Distortion")
    registry.add("metric", "bending", "interpzoo_lowbend.metrics:Bending")
    registry.add_package("interpzoo_lowbend")
