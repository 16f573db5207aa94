"""Metrics: how good the images between two images are."""
