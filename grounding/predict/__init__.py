"""Asks a model all questions of a data set, into a file that a killed run goes on with.

from grounding.predict import predict

summary = predict("refcoco:testA", "Qwen/Qwen2.5-VL-3B-Instruct", "predictions.jsonl", progress=True)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grounding.predict.options import PredictOptions
    from grounding.predict.running import predict
    from grounding.predict.summary import Summary

_HOME = {"predict": "running", "Summary": "summary", "PredictOptions": "options"}

__all__ = ["PredictOptions", "Summary", "predict"]


def __getattr__(name: str) -> Any:
    """The public name `name`, imported when it is asked for: settings are read by a command line that must be quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'grounding.predict' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(f"grounding.predict.{_HOME[name]}"), name)
