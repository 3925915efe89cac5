"""Training of the whole model: checkpointed blocks learn the same, autocast works, and layers are known by name."""

import pytest
import torch
from transformers import CLIPVisionConfig, Siglip2VisionConfig, SiglipVisionConfig, Trainer, TrainingArguments

from grounding.errors import InputError
from tests import foreign_decoders, tiny

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SQUARES = {"image_size": tiny.SIZE, "patch_size": 16}
TEXT = torch.tensor([[3] * tiny.TOKENS + [1, 70, 71, 1500], [3] * tiny.TOKENS + [1, 80, 90, 1400]])
FAMILIES = ("ours", "llama", "gemma3", "gpt2", "phi3")


def pixels(seed=0):
    return torch.randn(2, 3, tiny.SIZE, tiny.SIZE, generator=torch.Generator().manual_seed(seed))


def gradients(model, **more):
    model.zero_grad()
    loss = model(input_ids=TEXT, pixel_values=pixels(), labels=TEXT, **more).loss
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def built(name, vision=None, **changes):
    if vision is not None:
        changes["vision_config"] = vision
    return foreign_decoders.model(name, **changes).train()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("attention", ["prefix", "causal"])
def test_checkpointed_blocks_learn_the_same(name, attention):
    vision = None if name == "ours" else CLIPVisionConfig(**VISION, **SQUARES)
    model = built(name, vision, attention=attention)
    plain = gradients(model)
    runs = count_runs(model)
    tiny.checkpointing(model)
    checkpointed = gradients(model)
    assert set(runs.values()) == {2}, runs
    assert set(checkpointed) == set(plain)
    assert all(torch.allclose(value, plain[key], atol=1e-5) for key, value in checkpointed.items())


def count_runs(model):
    """How often the middle of each block begins to run in what follows, by name: twice where it is checkpointed."""
    runs = {}
    for part in (model.vision, model.language):
        for name, module in part.named_modules():
            if name.rpartition(".")[2] in ("mlp", "mlp_in"):
                runs[f"{type(part).__name__} {name}"] = 0
                module.register_forward_pre_hook(counting(runs, f"{type(part).__name__} {name}"))
    return runs


def counting(runs, name):
    def count(*_):
        runs[name] += 1

    return count


def test_checkpointing_can_be_switched_off_again():
    model = built("ours")
    tiny.checkpointing(model)
    getattr(model, "activation_checkpointing_disable", model.gradient_checkpointing_disable)()
    runs = count_runs(model)
    gradients(model)
    assert set(runs.values()) == {1}


@pytest.mark.parametrize("name", ["ours", "llama"])
def test_checkpointed_blocks_keep_no_cache_and_say_so(name):
    model = built(name)
    tiny.checkpointing(model)
    with pytest.raises(InputError, match=r"keeps no keys and values: call eval\(\) before generate"):
        model(input_ids=TEXT, pixel_values=pixels(), use_cache=True)
    with pytest.raises(InputError, match="keeps no keys and values"):
        model.generate(TEXT, pixel_values=pixels(), max_new_tokens=2)
    ids = model.eval().generate(TEXT, pixel_values=pixels(), max_new_tokens=2, eos_token_id=None, pad_token_id=0)
    assert ids.shape == (2, TEXT.shape[1] + 2)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("projector", ["linear", "pixel_shuffle", "perceiver"])
def test_autocast_gives_about_the_same_loss_and_gradients_in_full_precision(name, projector):
    options = {"perceiver": {"latents": 4, "depth": 1}}.get(projector)
    model = built(name, projector=projector, projector_options=options)
    text = TEXT[:, tiny.TOKENS - (16 if projector == "linear" else 4) :]
    with torch.autocast("cpu", torch.bfloat16):
        half = model(input_ids=text, pixel_values=pixels(), labels=text).loss
    half.backward()
    whole = model(input_ids=text, pixel_values=pixels(), labels=text).loss
    assert half.item() == pytest.approx(whole.item(), rel=0.05)
    grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert all(grad.dtype == torch.float32 and grad.isfinite().all() for grad in grads)


def test_a_plain_trainer_learns_the_same_from_a_batch_and_from_its_halves(tmp_path):
    """It counts the labels of a whole step, and does not divide by its passes where forward takes other words."""

    def learned(passes):
        torch.manual_seed(0)
        model = built("ours", CLIPVisionConfig(**VISION, **SQUARES))  # batch norms would see other batches
        labels = TEXT.clone()
        labels[0, :2] = labels[1, :-3] = -100
        rows = [{"input_ids": TEXT[n], "pixel_values": pixels()[n], "labels": labels[n]} for n in range(2)]
        options = TrainingArguments(
            str(tmp_path), max_steps=1, per_device_train_batch_size=2 // passes, gradient_accumulation_steps=passes,
            optim="sgd", learning_rate=0.1, max_grad_norm=0, report_to=[], save_strategy="no", use_cpu=True,
        )  # fmt: skip
        Trainer(model, options, train_dataset=rows).train()
        return model.projector.weight.detach()

    assert torch.allclose(learned(1), learned(2), atol=1e-6)


def test_layers_that_stay_whole_over_devices_are_those_of_the_parts():
    def kept(name, vision=None, **changes):
        model = built(name, vision, **changes)
        kinds = {type(module).__name__ for module in model.modules()}
        assert kinds >= set(model._no_split_modules)
        return set(model._no_split_modules)

    crossed = {"fusion": "cross_attention", "fusion_options": {"every": 1}}
    assert kept("ours") == {"Block"}
    assert kept("llama") == {"Block", "LlamaDecoderLayer"}
    assert kept("ours", **crossed) == {"Block", "GatedCrossAttention"}
    assert kept("gpt2", SiglipVisionConfig(**VISION, **SQUARES), **crossed) >= {
        "GPT2Block", "SiglipEncoderLayer", "GatedCrossAttention",
    }  # fmt: skip
    assert "Block" not in kept("llama", Siglip2VisionConfig(**VISION, patch_size=16, num_patches=16))
