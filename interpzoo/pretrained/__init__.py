"""Pretrained models: their folder and its files, their card, where they come from and where they go."""
