"""Tests that know what a model writes: only its logits are taken over. And pictures and questions to ask it with."""

from __future__ import annotations

import math
import re

import torch
import transformers
from PIL import Image
from transformers import LogitsProcessor

from tests.family_cases import HIGH, WIDE


class Forced(LogitsProcessor):
    """Makes a model write these tokens, each with the probability given, and then end.

    `gate`: an event that must be set before the last token is written.
    """

    def __init__(self, ids, end, chances=None, gate=None):
        self.ids, self.chances, self.gate = [*ids, end], chances or {}, gate
        self.start = None

    def __call__(self, input_ids, scores):
        if self.start is None:
            self.start = input_ids.shape[1]
        place = min(input_ids.shape[1] - self.start, len(self.ids) - 1)
        if self.gate is not None and place == len(self.ids) - 1:
            assert self.gate.wait(30)
        chance = self.chances.get(place, 1 - 1e-6)
        forced = torch.full_like(scores, math.log((1 - chance) / (scores.shape[1] - 1)))
        forced[:, self.ids[place]] = math.log(chance)
        return forced


def cut_after(model, tokens):
    """The model's way of writing, with this many tokens at most."""
    changed = transformers.GenerationConfig.from_dict(model._generation.to_dict())
    changed.max_new_tokens = tokens
    return changed


def ids_of(model, text):
    """The tokens that the family's model would write for this text."""
    tokenizer = model.processor.tokenizer
    if model.family.name == "Fuyu":
        pieces = re.findall(r"</?box>|\d+|[A-Za-z]+|\.", text)
        tags = {"<box>": "<0x00>", "</box>": "<0x01>"}
        known = tokenizer.get_vocab()
        ids = [known.get(tags.get(piece, piece), known.get(f"▁{piece}")) for piece in pieces]
        assert None not in ids
        return ids
    ids = tokenizer(text, add_special_tokens=False).input_ids
    if model.family.name != "Kosmos-2":
        return ids
    # Its tokenizer puts a blank in front of whatever follows a tag; the model writes it without.
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return [
        id_ for id_, token, after in zip(ids, tokens, [*tokens[1:], ""], strict=True) if (token, after) != ("▁", ".")
    ]


def picture(width=WIDE, height=HIGH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def request_of(model, question, image=None):
    (request,) = model._requests([(image or picture(), question)])
    return request


def spelled(model, question, image=None):
    """The tokens of a question as text, with counts behind those that repeat."""
    (ids,) = model.inputs([request_of(model, question, image)])["input_ids"].tolist()
    tokenizer = model.processor.tokenizer
    marks = set(tokenizer.get_added_vocab()) | {"|SPEAKER|", "|NEWLINE|", "<0x04>"}
    known = {tokenizer.convert_tokens_to_ids(mark): mark for mark in marks}
    runs = []
    for id_ in ids:
        mark = known.get(id_)
        if runs and mark is not None and runs[-1][0] == mark:
            runs[-1][1] += 1
        elif mark is not None:
            runs.append([mark, 1])
        elif runs and isinstance(runs[-1][1], list):
            runs[-1][1].append(id_)
        else:
            runs.append([None, [id_]])
    return "".join(
        words(tokenizer, count) if mark is None else f"{mark}*{count}" if count > 1 else mark for mark, count in runs
    )


def words(tokenizer, ids):
    """The text of tokens, with the blank in front that SentencePiece's decoders leave out."""
    text = tokenizer.decode(ids)
    tokens = "".join(tokenizer.convert_ids_to_tokens(ids))
    return tokens.replace("▁", " ") if tokens.replace("▁", " ").lstrip() == text.lstrip() else text
