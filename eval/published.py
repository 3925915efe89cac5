"""Published accuracies, to stand beside a measured one: who, which numbers, and where they were printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of somebody's table."""

    system: str
    figures: Mapping[str, float]
    """By data set, such as "refcoco:testA"; percent as printed."""
    source: str
    """Where it was printed."""
    protocol: str = "iou"
    """The protocol it was measured under, as far as its authors say."""


def _row(system: str, source: str, *triples: str, protocol: str = "iou") -> Published:
    """Figures as tables print them: "val/testA/testB" of RefCOCO, then of RefCOCO+, then "val/test" of RefCOCOg."""
    names = (
        ("refcoco:val", "refcoco:testA", "refcoco:testB"),
        ("refcoco+:val", "refcoco+:testA", "refcoco+:testB"),
        ("refcocog:val", "refcocog:test"),
    )
    figures = {
        name: float(figure)
        for keys, triple in zip(names, triples, strict=True)
        for name, figure in zip(keys, triple.split("/"), strict=True)
        if figure != "-"
    }
    return Published(system, figures, source, protocol)


REFCOCO: tuple[Published, ...] = (
    _row("Florence-2-L, fine-tuned (0.77B)", "arXiv:2311.06242", "93.4/95.3/92.0", "88.3/92.9/83.6", "91.2/91.7"),
    _row("Florence-2-B, fine-tuned (0.23B)", "arXiv:2311.06242", "92.6/94.8/91.5", "86.8/91.7/82.2", "89.8/-"),
    _row("Florence-2-L, zero-shot", "arXiv:2311.06242", "56.3/61.6/51.4", "53.6/57.9/49.9", "68.0/67.0"),
    _row("Kosmos-2 (1.6B), zero-shot", "arXiv:2306.14824", "52.32/57.42/47.26", "45.48/50.73/42.24", "60.57/61.65"),
    _row(
        "MDETR R101",
        "arXiv:2104.12763",
        "86.75/89.58/81.41",
        "79.52/84.09/70.62",
        "81.64/80.89",
        protocol="mdetr-giou",
    ),
    _row(
        "Shikra-7B",
        "arXiv:2306.15195",
        "87.01/90.61/80.24",
        "81.60/87.36/72.12",
        "82.27/82.19",
        protocol="iou-strict",
    ),
    _row("Qwen-VL-7B", "arXiv:2308.12966", "89.36/92.26/85.34", "83.12/88.25/77.21", "85.58/85.48"),
    _row("CogVLM-grounding-17B", "arXiv:2311.03079", "92.76/94.75/88.99", "88.68/92.91/83.39", "89.75/90.79"),
    _row("Qwen2.5-VL-7B", "arXiv:2502.13923", "90.0/92.5/85.4", "84.2/89.1/76.9", "87.2/87.2"),
    _row("InternVL2.5-78B", "arXiv:2412.05271", "93.7/95.6/92.5", "90.4/94.7/86.9", "92.7/92.2"),
    _row("Gemini 1.5 Pro", "arXiv:2502.13923", "73.2/72.9/74.6", "62.5/63.9/65.0", "75.2/76.2"),
)
"""Acc@0.5 on the RefCOCO family."""
