"""The benchmark: metrics on models and on controls, by one protocol."""
