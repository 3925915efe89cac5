"""A frozen language model of two layers learns to write boxes with our location tokens, and not with a plain resize."""

import copy
import importlib.util
import statistics
import sys
from functools import lru_cache
from pathlib import Path

import peft
import pytest
import torch

import grounding
from grounding.codecs.location import TOKENS
from grounding.training.lora import linear_layers, with_lora

SPEC = importlib.util.spec_from_file_location(
    "location_tokens_benchmark", Path(__file__).resolve().parents[1] / "benchmarks" / "location_tokens.py"
)
world = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = world  # dataclasses look their module up
SPEC.loader.exec_module(world)

STEPS, RANK = 100, 8
tied_and_not = pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])


@lru_cache(maxsize=2)
def pretrained(tied):
    return world.base_model(tied)


def base(tied):
    """A copy of the pretrained model, the same for every way."""
    return copy.deepcopy(pretrained(tied))


def taught(tuned, first):
    """IoU of each box never shown with the one written after equal steps on equal data."""
    world.teach(tuned, first, STEPS, seed=0, sigma=0.0)
    return world.ious(tuned, first)


@tied_and_not
def test_with_our_tokens_adapters_learn_boxes(tied):
    model = base(tied)
    added = grounding.add_location_tokens(model, world.tokenizer())
    torch.manual_seed(0)
    found = taught(with_lora(model, rank=RANK), added.first)
    assert statistics.mean(found) > 0.8
    assert sum(iou > 0.5 for iou in found) > 0.95 * len(found)


@tied_and_not
def test_with_a_plain_resize_they_stay_near_chance(tied):
    model, words = base(tied), world.tokenizer()
    first = len(words)
    words.add_tokens(list(TOKENS))
    torch.manual_seed(0)
    model.resize_token_embeddings(len(words), mean_resizing=False)
    settings = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=linear_layers(model))
    torch.manual_seed(0)
    found = taught(peft.get_peft_model(model, settings), first)
    assert statistics.mean(found) < 0.1
    assert sum(iou > 0.5 for iou in found) < 0.05 * len(found)
