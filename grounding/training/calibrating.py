"""Owns the calibration of a finished model's scores: asked what is known, how often are boxes of each score right?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from grounding.boxes import iou
from grounding.model.answers import log_odds
from grounding.model.decode import DecodeOptions, Decoder
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor
from grounding.training.evaluate import ask_about
from grounding.training.logistic import fit_logistic

FEWEST = 50
"""Boxes without which nothing can be said."""


def scored_boxes(
    model: GroundingForConditionalGeneration, processor: GroundingProcessor, pictures: Iterable[Any], *, each: int = 4
) -> tuple[list[float], list[bool]]:
    """Scores of the first boxes that the model, uncalibrated, gives to questions, and whether each is right: IoU 0.5 or
    more with the true one. A box for what is not there is wrong.

    `pictures`: with samples that are answered by one box, or none, of which `each` are asked.
    """
    kept, model.config.score_calibration = model.config.score_calibration, None
    scores: list[float] = []
    right: list[bool] = []
    try:
        decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=32))
        for picture in pictures:
            image = Image.fromarray(picture.image)
            asked = [s for s in picture.samples if s.task == "locate" and len(s.boxes) <= 1][:each]
            answers = decoder.answer_many([ask_about(sample, image, processor) for sample in asked])
            for sample, answer in zip(asked, answers, strict=True):
                if answer.regions and (score := answer.regions[0].score) is not None:
                    scores.append(score)
                    right.append(bool(sample.boxes) and float(iou([answer.regions[0].box], sample.boxes)[0, 0]) >= 0.5)
    finally:
        model.config.score_calibration = kept
    return scores, right


def fit_calibration(scores: Sequence[float], right: Sequence[bool]) -> list[float] | None:
    """Slope and shift for `score_calibration`; None where there are too few boxes, or the slope would turn the order
    of scores around."""
    if len(scores) < FEWEST:
        return None
    odds = np.array([[log_odds(score), 1.0] for score in scores])
    slope, shift = fit_logistic(odds, np.array(right, np.float64)).tolist()
    return [round(slope, 4), round(shift, 4)] if slope > 0 else None
