"""Owns plan(): the memory, time and disk that a training takes, reckoned before it is begun.

    from grounding.training.planning import Corpus, Machine, Run, plan, sizes_of, table

    sizes = sizes_of(model, image_tokens=729, text_tokens=200)       # a model on torch's "meta" device will do
    print(table(plan(sizes, Run(batch_size=256, micro_batch=4), Machine(gpus=8), Corpus(lessons=20_000_000))))

Formulas stand beside the numbers they give; docs/scale.md goes through them and compares them with what was measured.
All sizes are bytes, all times seconds unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from grounding.training.parts import part_of
from grounding.training.spread import repeated_blocks

FLOAT, HALF = 4, 2
"""Bytes of a number in float32 and in bfloat16."""
LOGIT = 14
"""Bytes of a logit while its loss is made: bfloat16, float32, log-probability, gradient."""


@dataclass(frozen=True)
class Tower:
    """Blocks that tokens pass through."""

    name: str
    parameters: int
    """Of all its blocks."""
    blocks: int
    width: int
    hidden: int
    """Width within the blocks' linear layers."""
    tokens: int
    """Tokens of a lesson that pass through it."""
    gated: bool
    """Whether those layers are three, as in Llama, or two."""
    keys: float = 1.0
    """Heads of keys and values, for each head of queries."""
    moves: bool = True

    def kept(self) -> int:
        """Bytes that a block keeps of a token for the backward pass, with attention that keeps no scores.

        In autocast to bfloat16: what comes into a norm and what goes out of it in float32, what comes into a linear
        layer in bfloat16, once for each layer that takes it, queries, keys and values, and what is between the layers.
        """
        if self.gated:
            return round((30 + 4 * self.keys) * self.width + 8 * self.hidden)
        return round((20 + 4 * self.keys) * self.width + 4 * self.hidden)


@dataclass(frozen=True)
class Sizes:
    """What of a model decides its cost."""

    towers: tuple[Tower, ...]
    around: int
    """Parameters beside the blocks: embeddings, head, projector."""
    around_moving: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        return self.around + sum(tower.parameters for tower in self.towers)

    @property
    def moving(self) -> int:
        return self.around_moving + sum(tower.parameters for tower in self.towers if tower.moves)


@dataclass(frozen=True)
class Run:
    """What of a recipe decides its cost."""

    batch_size: int = 256
    micro_batch: int = 4
    """Lessons of a pass on one device."""
    labels: int = 60
    """Labelled places of a lesson."""
    fsdp: bool = True
    gradient_checkpointing: bool = True
    states: int = 2
    """Numbers that the optimizer remembers of each weight that moves: 2 for AdamW, about 1 for Muon."""
    ema: bool = False


@dataclass(frozen=True)
class Machine:
    """Devices that work together."""

    gpus: int = 8
    memory: float = 80e9
    """Of one."""
    flops: float = 989e12
    """Operations a second of one, at its best in bfloat16: here an H100."""
    mfu: float = 0.4
    """Share of them that a training of this kind uses (model FLOPs utilization; PaLM, Chowdhery et al., 2022)."""
    disk: float = 2e9
    """Bytes a second that a checkpoint is written with."""


@dataclass(frozen=True)
class Corpus:
    """What is learned from."""

    lessons: int = 20_000_000
    passes: float = 1.0
    """How often each is seen."""
    picture: int = 100_000
    """Bytes of a picture, as JPEG."""
    shard: int = 1_000_000_000
    """Bytes of a shard."""
    ready: float = 0.02
    """Seconds that one core takes to open a lesson and to make its tensors."""


def memory(sizes: Sizes, run: Run, machine: Machine) -> dict[str, float]:
    """Bytes of one device, by what they are for; `all` is their sum, `share` that of the device."""
    parts = machine.gpus if run.fsdp else 1
    found: dict[str, float] = {
        "weights": FLOAT * sizes.parameters / parts,
        "gradients": FLOAT * sizes.moving / parts,
        "optimizer": FLOAT * run.states * sizes.moving / parts,
    }
    if run.ema:
        found["running mean"] = FLOAT * sizes.moving / parts
    if run.fsdp:
        largest = max(tower.parameters // tower.blocks for tower in sizes.towers)
        # two blocks whole, the one at work and the one that comes next, and all that is around blocks, for the pass
        found["whole at work"] = HALF * (2 * largest + sizes.around) + HALF * 2 * largest
    else:
        found["copies in bfloat16"] = HALF * sizes.parameters
        if machine.gpus > 1:
            found["buckets of gradients"] = FLOAT * sizes.moving
    found["activations"] = run.micro_batch * sum(kept_of(tower, run) for tower in sizes.towers)
    found["logits"] = LOGIT * run.micro_batch * run.labels * sizes.vocabulary
    total = sum(found.values())
    return {**found, "all": total, "share": total / machine.memory}


def kept_of(tower: Tower, run: Run) -> float:
    """Bytes that a lesson leaves in a tower for the backward pass; none where nothing in it, nor before it, moves."""
    if not tower.moves and tower.name == "vision":
        return 0
    if run.gradient_checkpointing:  # what comes into each block, and one block whole
        return tower.tokens * (FLOAT * tower.width * tower.blocks + tower.kept())
    return tower.tokens * tower.kept() * tower.blocks


def operations(sizes: Sizes, run: Run) -> float:
    """Floating-point operations that a lesson takes: 2 for each weight and token forward, 2 backward for the tokens,
    2 for the weights that move; attention's own, 4 T D a block and token forward; with checkpointing all of that
    forward once more. The head works on labelled places alone."""
    again = 1 if run.gradient_checkpointing else 0
    total = 0.0
    for tower in sizes.towers:
        forward = 2.0 * tower.parameters * tower.tokens + 4.0 * tower.tokens**2 * tower.width * tower.blocks
        backward = (1 if tower.moves or tower.name != "vision" else 0) + (1 if tower.moves else 0)
        total += forward * (1 + backward + (again if backward else 0))
    width = sizes.towers[-1].width
    return total + 6.0 * run.labels * width * sizes.vocabulary


def plan(
    sizes: Sizes, run: Run | None = None, machine: Machine | None = None, corpus: Corpus | None = None
) -> dict[str, dict[str, float]]:
    """Numbers by what they are of: `memory` (of one device), `time`, `checkpoints` and `corpus`."""
    run, machine, corpus = run or Run(), machine or Machine(), corpus or Corpus()
    lessons = corpus.lessons * corpus.passes
    each = operations(sizes, run)
    speed = machine.gpus * machine.flops * machine.mfu / each
    saved = FLOAT * (sizes.parameters + (run.states + (1 if run.ema else 0)) * sizes.moving)
    size = corpus.lessons * corpus.picture
    return {
        "memory": memory(sizes, run, machine),
        "time": {
            "operations of a lesson": each,
            "lessons a second": speed,
            "steps": math.ceil(lessons / run.batch_size),
            "seconds of a step": run.batch_size / speed,
            "hours": lessons / speed / 3600,
            "tokens": lessons * sum(tower.tokens for tower in sizes.towers if tower.name != "vision"),
        },
        "checkpoints": {"bytes of one": saved, "seconds to write": saved / machine.disk},
        "corpus": {
            "bytes": size,
            "shards": math.ceil(size / corpus.shard),
            "bytes a second": speed * corpus.picture,
            "cores for each device": speed * corpus.ready / machine.gpus,
        },
    }


def sizes_of(model: Any, image_tokens: int, text_tokens: int, train: Iterable[str] = ("all",), views: int = 1) -> Sizes:
    """The sizes of one of our models, whose weights need not be there. `image_tokens`: of a lesson's pictures, in the
    text; `train`: the parts that move. The encoder sees the square of its configuration, `views` times."""
    named = set(train)
    blocks = {id(p) for block in repeated_blocks(model) for p in block.parameters()}
    moves = {part: "all" in named or part in named for part in ("vision", "language")}
    rest = [(part_of(name), p.numel()) for name, p in model.named_parameters() if id(p) not in blocks]
    vision, text = model.config.vision_config, model.config.text_config
    patches = (model.config.image_size // getattr(vision, "patch_size", 16)) ** 2 * views
    towers = [
        _tower("vision", model.vision, vision, patches, moves["vision"]),
        _tower("language", model.language, text, image_tokens + text_tokens, moves["language"]),
    ]
    return Sizes(
        tuple(tower for tower in towers if tower is not None),
        around=sum(count for _, count in rest),
        around_moving=sum(count for part, count in rest if "all" in named or part in named),
        vocabulary=int(text.vocab_size),
    )


def _tower(name: str, part: nn.Module, config: Any, tokens: int, moves: bool) -> Tower | None:
    blocks = list(repeated_blocks(part))
    if not blocks:
        return None
    heads = config.num_attention_heads
    return Tower(
        name,
        parameters=sum(p.numel() for block in blocks for p in block.parameters()),
        blocks=len(blocks),
        width=config.hidden_size,
        hidden=config.intermediate_size,
        tokens=tokens,
        gated=any("gate" in inner for inner, _ in blocks[0].named_parameters()),
        keys=(getattr(config, "num_key_value_heads", None) or heads) / heads,
        moves=moves,
    )


def table(planned: dict[str, dict[str, float]]) -> str:
    """The plan in lines."""
    lines: list[str] = []
    for title, numbers in planned.items():
        lines.append(title)
        lines += [f"  {name:<24}{told(title, name, value):>12}" for name, value in numbers.items()]
    return "\n".join(lines)


def told(title: str, name: str, value: float) -> str:
    """A number with its unit, in three digits."""
    if name == "share":
        return f"{value:.0%}"
    if name == "cores for each device":
        return f"{value:.1f}"
    if title == "memory" or "bytes" in name:
        return f"{_short(value)}B" + ("/s" if "a second" in name else "")
    return f"{value:,.1f}" if value < 1000 else _short(value).strip()


def _short(value: float, units: Sequence[str] = ("", "k", "M", "G", "T", "P", "E")) -> str:
    power = min(len(units) - 1, max(0, int(math.log10(max(value, 1)) // 3)))
    return f"{value / 1000**power:.3g} {units[power]}"
