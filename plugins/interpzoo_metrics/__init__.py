"""The metrics that every model of the zoo is scored by, and the networks whose features some of them compare."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "classifier", "interpzoo_metrics.classifier:Classifier")
    # In each family, the one that a summary shows comes first.
    registry.add("metric", "mean-distance", "interpzoo_metrics.truth:MeanDistance")
    registry.add("metric", "mean-smoothness", "interpzoo_metrics.truth:MeanSmoothness")
    registry.add("metric", "in-between-mse", "interpzoo_metrics.truth:InBetweenError")
    registry.add("metric", "parameter-deviation", "interpzoo_metrics.truth:ParameterDeviation")
    registry.add("metric", "alpha-predictability", "interpzoo_metrics.predictability:AlphaPredictability")
    registry.add("metric", "sharpness", "interpzoo_metrics.realism:Sharpness")
    registry.add("metric", "frechet-distance", "interpzoo_metrics.sets:FrechetDistance")
    registry.add("metric", "kernel-distance", "interpzoo_metrics.sets:KernelDistance")
    registry.add("metric", "density", "interpzoo_metrics.sets:Density")
    registry.add("metric", "coverage", "interpzoo_metrics.sets:Coverage")
    registry.add("metric", "cycle-error", "interpzoo_metrics.realism:CycleError")
    registry.add("metric", "largest-jump", "interpzoo_metrics.motion:LargestJump")
    registry.add("metric", "speed-variation", "interpzoo_metrics.motion:SpeedVariation")
    registry.add("metric", "path-length", "interpzoo_metrics.motion:PathLength")
    registry.add("metric", "linear-probe", "interpzoo_metrics.representation:LinearProbe")
    registry.add("metric", "k-means", "interpzoo_metrics.representation:KMeans")
    registry.add("metric", "reconstruction-mse", "interpzoo_metrics.reconstruction:ReconstructionError")
    registry.add("metric", "reconstruction-psnr", "interpzoo_metrics.reconstruction:PSNR")
    registry.add("metric", "reconstruction-ssim", "interpzoo_metrics.reconstruction:SSIM")
    registry.add("metric", "end-mse", "interpzoo_metrics.reconstruction:EndError")
    registry.add("metric", "fade-distance", "interpzoo_metrics.geometry:FadeDistance")
    registry.add_package("interpzoo_metrics")
