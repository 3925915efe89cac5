"""What a training takes, reckoned, against what small ones take: activations, operations, files, parts of weights."""

import multiprocessing

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from grounding.training.label_logits import logits_at
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.parts import freeze
from grounding.training.planning import Corpus, Machine, Run, memory, operations, plan, sizes_of, table
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.spread import repeated_blocks
from grounding.training.stage_optimizer import build_optimizer
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP, Boxes, run

WIDER = {
    "text_config": {**LLAMA, "hidden_size": 128, "intermediate_size": 320, "num_attention_heads": 4},
    "vision_config": {**SIGLIP, "hidden_size": 96, "intermediate_size": 256},
}
LESSONS = [Boxes().lesson(number) for number in range(2)]


def batch_of(lessons=LESSONS):
    batch = LessonCollator(tiny.processor(), 400)(lessons)
    return batch, batch.pop("labels") != IGNORE


def kept(block, inputs, options):
    """Bytes that a block keeps for the backward pass, weights and what all blocks share aside."""
    own = {p.untyped_storage().data_ptr() for p in block.parameters()}
    shapes = {tuple(shape) for p in block.parameters() for shape in (p.shape, p.t().shape if p.ndim == 2 else p.shape)}
    found = {}

    def note(tensor):
        shared = tensor.untyped_storage().data_ptr() in own or (tensor.ndim <= 2 and tuple(tensor.shape) in shapes)
        if not shared:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        block(inputs, **options)
    return sum(found.values())


@pytest.mark.parametrize("tower", ["vision", "language"])
def test_a_block_keeps_what_was_reckoned(tower):
    model = tiny.model(**WIDER).train()
    sizes = {one.name: one for one in sizes_of(model, 16, 16).towers}[tower]
    block = next(iter(repeated_blocks(getattr(model, tower))))
    inputs = torch.randn(1, 32, sizes.width, requires_grad=True) * 1
    options = {"attention_mask": None}
    if tower == "language":
        options["position_embeddings"] = model.language.model.rotary_emb(inputs, torch.arange(32)[None])
    assert kept(block, inputs, options) == pytest.approx(32 * sizes.kept(), rel=0.1)


@pytest.mark.parametrize("train", [("all",), ("projector",), ("projector", "language")])
def test_a_lesson_takes_the_operations_that_were_reckoned(train):
    model = tiny.model(**WIDER).train()
    freeze(model, train)
    batch, places = batch_of(LESSONS[:1])
    length, labels = batch["input_ids"].shape[1], int(places.sum())
    counter = FlopCounterMode(display=False)
    with counter:
        logits_at(model, model, batch, places).sum().backward()
    sizes = sizes_of(model, 16, length - 16, train)
    wanted = operations(sizes, Run(labels=labels, gradient_checkpointing=False))
    assert counter.get_total_flops() == pytest.approx(wanted, rel=0.15)


def test_weights_gradients_and_states_take_their_bytes():
    model = tiny.model(**WIDER)
    for train in (("all",), ("projector", "language")):
        stage = StageRecipe("x", 1, train=train)
        optimizer = build_optimizer(model, freeze(model, train), Recipe(), stage)
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
        optimizer.step()
        told = memory(sizes_of(model, 16, 16, train), Run(fsdp=False), Machine(gpus=1))
        assert told["weights"] == sum(weight.nbytes for weight in model.parameters())
        assert told["gradients"] == sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
        states = [value for state in optimizer.state.values() for value in state.values() if value.ndim]
        assert told["optimizer"] == sum(value.nbytes for value in states)


def test_a_checkpoint_takes_its_bytes(tmp_path):
    run(tmp_path, options=WIDER, stage={"steps": 1}, ema=0.9)
    (folder,) = (tmp_path / "ground").glob("checkpoint-*")
    written = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    wanted = plan(sizes_of(tiny.model(**WIDER), 16, 16), Run(ema=True))["checkpoints"]["bytes of one"]
    assert written == pytest.approx(wanted, rel=0.1)  # layers that nothing passes through have no states


def _shared_out(pipe):
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from grounding.training.spread import shard

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    model = tiny.model(**WIDER)
    shard(model, torch.device("cpu"), bf16=True)
    pipe.send(sum(weight.to_local().nbytes for weight in model.parameters()))


def test_eight_processes_have_an_eighth_of_the_weights_each():
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_shared_out, args=(theirs,))
    process.start()
    assert ours.poll(60)
    told = memory(sizes_of(tiny.model(**WIDER), 16, 16), Run(), Machine(gpus=8))
    assert ours.recv() == pytest.approx(told["weights"], rel=0.02)  # what doesn't divide by eight is padded
    process.join()


def test_parts_cost_less_than_copies_and_checkpointing_trades_time_for_memory():
    sizes = sizes_of(tiny.model(**WIDER), 16, 16)
    whole, parts = (memory(sizes, Run(fsdp=fsdp), Machine()) for fsdp in (False, True))
    assert parts["all"] < whole["all"]
    again, once = (Run(gradient_checkpointing=value) for value in (True, False))
    assert memory(sizes, again, Machine())["activations"] < memory(sizes, once, Machine())["activations"]
    assert operations(sizes, again) > operations(sizes, once)


def test_a_plan_is_told_in_lines():
    planned = plan(sizes_of(tiny.model(), 16, 16), corpus=Corpus(lessons=1000))
    text = table(planned)
    assert "memory\n  weights" in text
    assert planned["time"]["steps"] == 4
    assert all(f"  {name} " in text for numbers in planned.values() for name in numbers)


def test_sizes_are_known_without_weights():
    with torch.device("meta"):
        model = tiny.model(**WIDER)
    assert sizes_of(model, 16, 16) == sizes_of(tiny.model(**WIDER), 16, 16)
    assert sizes_of(model, 16, 16).parameters == sum(weight.numel() for weight in model.parameters())
