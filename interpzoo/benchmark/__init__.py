"""Benchmark: a `Metric` scores an `Evaluation`, which is a `Candidate` on a `Task`, on held-out data."""

from interpzoo.benchmark.evaluation import Candidate, Evaluation
from interpzoo.benchmark.metric import Metric
from interpzoo.benchmark.task import Pairs, Task
from interpzoo.metrics.measured import Measured, NotApplicable

__all__ = ["Candidate", "Evaluation", "Measured", "Metric", "NotApplicable", "Pairs", "Task"]
