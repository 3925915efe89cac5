"""Lessons changed so that pictures, boxes, points, masks and words change together, by seed and ordinal alone."""

from grounding.data.augment.steps import AUGMENTATIONS, NOISE, AugmentedSource, augmented

__all__ = ["AUGMENTATIONS", "NOISE", "AugmentedSource", "augmented"]
