"""Owns the learning rate over a stage's steps: rise, plateau and fall, decided by the step alone."""

from __future__ import annotations

import math

from grounding.training.recipe import StageRecipe


def rate(stage: StageRecipe, step: int) -> float:
    """What share of its highest the learning rate is at a step, the first being 0.

    It rises in a straight line over `warmup_steps`, in the first of them already above 0. Then cosine falls to 0 along
    half a wave, linear in a straight line, constant not at all, and wsd (warm-up, stable, decay; MiniCPM, Hu et al.,
    2024) in a straight line over the last `decay_steps`, so that a run can be lengthened until the fall begins.
    """
    warmup = stage.warmup_steps
    rise = min(1.0, (step + 1) / max(1, warmup))
    done = min(1.0, max(0, step - warmup) / max(1, stage.steps - warmup))
    if stage.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * done))
    if stage.schedule == "linear":
        return rise * (1 - done)
    if stage.schedule == "wsd":
        return rise * min(1.0, max(0, stage.steps - step) / max(1, stage.decay_steps))
    return rise
