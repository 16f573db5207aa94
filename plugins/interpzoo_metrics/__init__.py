"""The metrics that every model of the zoo is scored by, and the networks whose features some of them compare."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "classifier", "interpzoo_metrics.classifier:Classifier")
    registry.add_package("interpzoo_metrics")
