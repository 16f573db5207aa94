"""Data sets: what models are trained on and held to."""
