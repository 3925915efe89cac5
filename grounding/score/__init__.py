"""Scoring: a file of predictions in, figures with intervals out; and two files compared on the same questions."""

from grounding.score.compare import Comparison, Flip, compare
from grounding.score.dispatch import score, score_all_protocols, write_scores

__all__ = ["Comparison", "Flip", "compare", "score", "score_all_protocols", "write_scores"]
