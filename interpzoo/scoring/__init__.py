"""Scores for frames of any tool, by the metrics of the benchmark that need no model."""
