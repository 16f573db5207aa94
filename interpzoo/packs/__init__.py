"""Packs of stimuli for experiments: frames between many pairs of images, with a manifest."""
