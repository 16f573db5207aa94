"""Data sets that models are trained and scored on."""
