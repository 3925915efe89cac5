"""Owns LoRA in which new tokens learn too: adapters through peft, their files, and merging them into the weights.

    from grounding.training.lora import load, merge, save, with_lora

    tuned = with_lora(model, rank=16)      # after grounding.add_location_tokens(model, tokenizer)
    ...                                    # train it
    save(tuned, "adapter", tokenizer)      # adapters and the rows of new tokens, nothing else
    merge(tuned).save_pretrained("whole")  # a checkpoint like any other

Source: E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021); peft's `trainable_token_indices`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from grounding.errors import CheckpointError, ConfigError, MissingExtraError
from grounding.model.language import GroundingTextModel
from grounding.model.location_tokens import new_token_ids
from grounding.model.token_tables import grow_vocabulary, is_tied, tables, text_model
from grounding.training.parts import part_of

VOCABULARY = "vocabulary.json"
"""Beside the adapters: how many rows the table has with the new tokens, and which they are."""
ADAPTERS = "adapter_model.safetensors"


def with_lora(
    model: PreTrainedModel,
    *,
    rank: int = 16,
    alpha: float | None = None,
    targets: Sequence[str] | str = "auto",
    dropout: float = 0.0,
    locations: Sequence[int] | None = None,
    whole: Sequence[str] = (),
) -> Any:
    """`model` with adapters (a peft.PeftModel): they learn, and with them the rows of new tokens; all else is frozen.

    alpha: None means twice the rank. targets: names of linear layers; "auto", all of the language model but its head.
    locations: ids whose rows learn, in the table and in a head of its own; None, those that
    `grounding.add_location_tokens` started. whole: modules that learn entirely and are saved, such as `projector`.

    Raises ConfigError where the new tokens would not learn, for a model that has adapters already, and for names that
    are not there; MissingExtraError without peft.
    """
    peft = _peft()
    if getattr(model, "peft_config", None):
        raise ConfigError("the model has adapters already: merge them first (grounding.training.lora.merge)")
    new = new_token_ids(model)
    ids = sorted({int(id_) for id_ in (new if locations is None else locations)})
    if missed := sorted({*new} - {*ids}):
        raise ConfigError(
            f"{len(missed)} new tokens, {missed[0]} to {missed[-1]}, would stay as they started and never learn: leave "
            "`locations` out, so that all of them do"
        )
    rows = text_model(model).get_input_embeddings().weight.shape[0]
    if ids and not 0 <= ids[0] <= ids[-1] < rows:
        raise ConfigError(f"ids {ids[0]} to {ids[-1]} are not all among the table's {rows} rows")
    names = linear_layers(model) if targets == "auto" else [targets] if isinstance(targets, str) else list(targets)
    modules = dict(model.named_modules())
    for name in (*names, *whole):
        if not any(module == name or module.endswith(f".{name}") for module in modules):
            raise ConfigError(f"the model has no module {name!r}: its own are those of model.named_modules()")
    kept = list(whole)
    indices: dict[str, list[int]] | None = None
    own = isinstance(text_model(model), GroundingTextModel)
    if own:
        kept += [name for name in modules if name.endswith("embedding.locations")]  # what their rows are made by
    elif ids:
        indices = dict.fromkeys(_table_names(model), ids)
    _tell_peft(model)
    settings = peft.LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=names,
        modules_to_save=kept or None,
        trainable_token_indices=indices,
        fan_in_fan_out=any(isinstance(modules.get(name), Conv1D) for name in names),
    )
    tuned = peft.get_peft_model(model, settings)
    _settle(tuned)
    check_tokens_learn(tuned, ids)
    return tuned


def save(model: Any, directory: str | Path, tokenizer: Any = None) -> Path:
    """Writes adapters, the rows of new tokens and what was trained whole, in safetensors; the tokenizer too, if given.

    Returns the folder. `load` needs it and the checkpoint that the training began with.
    """
    folder = Path(directory)
    if not getattr(model, "peft_config", None):
        raise ConfigError("the model has no adapters to save: model.save_pretrained writes its weights")
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    base = model.get_base_model()
    note: dict[str, Any] = {"rows": len(_weight(base.get_input_embeddings()))}
    if (bias := _head_bias(base)) is not None:
        note["head_bias"] = bias.detach()[new_token_ids(base)].float().tolist()
    for name in ("location_token_id", "num_locations", "new_token_ranges"):
        if (value := getattr(base.config, name, None)) is not None:
            note[name] = value
    (folder / VOCABULARY).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def load(model: PreTrainedModel, directory: str | Path, *, trainable: bool = False) -> Any:
    """The adapters that `save` wrote, on `model`, the checkpoint that their training began with; to go on, `trainable`.

    The table is given the rows that it had in training. Raises CheckpointError for a folder without safetensors.
    """
    peft = _peft()
    folder = Path(directory)
    if not (folder / ADAPTERS).is_file():
        raise CheckpointError(f"{folder} holds no {ADAPTERS}: give the folder that grounding.training.lora.save wrote")
    if (folder / VOCABULARY).is_file():
        note = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        rows = int(note.pop("rows"))
        if not isinstance(text_model(model), GroundingTextModel):
            grow_vocabulary(model, rows)
        started = note.pop("head_bias", None)
        for name, value in note.items():
            setattr(model.config, name, value)
        if started and (bias := _head_bias(model)) is not None:
            bias.data[new_token_ids(model)] = torch.tensor(started).to(bias)
    _tell_peft(model)
    tuned = peft.PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    _settle(tuned)
    return tuned


def merge(model: Any) -> PreTrainedModel:
    """The model without adapters: what they learned is in its weights. A table that was the head as well is so still.

    Raises ConfigError where a merged weight is not finite.
    """
    base = model.get_base_model()
    tied = _is_tied(base)
    try:
        merged: PreTrainedModel = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ConfigError(f"the adapters can't be merged ({error}): go back to an earlier checkpoint") from error
    if tied and not is_tied(merged):
        merged.get_output_embeddings().weight = merged.get_input_embeddings().weight
    merged.__dict__.pop("peft_config", None)
    return merged.requires_grad_(True)


def linear_layers(model: nn.Module) -> list[str]:
    """Names of the linear layers of the language model, its head left out: what "auto" adapts."""
    table = text_model(model).get_input_embeddings()
    where = next(name for name, module in model.named_modules() if module is table).rpartition(".")[0]
    head = text_model(model).get_output_embeddings()
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D))
        and module is not head
        and name.startswith(f"{where}." if where else "")
        and part_of(f"{name}.weight") == "language"
    ]
    if not names:
        raise ConfigError(f"{type(model).__name__} has no linear layers beside its table: name targets yourself")
    return names


def check_tokens_learn(model: Any, ids: Sequence[int] | None = None) -> None:
    """Raises ConfigError unless the rows of `ids` (None: of the model's new tokens) would learn, and the head agrees.

    For models with adapters made elsewhere too.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    wanted = {*(new_token_ids(base) if ids is None else ids)}
    if not wanted or isinstance(text_model(base), GroundingTextModel):
        return
    remedy = "make the adapters with grounding.training.lora.with_lora, or give peft trainable_token_indices for both"
    head = base.get_output_embeddings()
    for place, module in (("embedding table", base.get_input_embeddings()), ("head", head)):
        if module is None:
            continue
        adapter = getattr(module, "token_adapter", None)
        if adapter is None:
            if not any(parameter.requires_grad for parameter in module.parameters()):
                raise ConfigError(f"the new tokens' rows in the {place} are frozen and would never learn: {remedy}")
            continue
        learning = {
            id_
            for name in adapter.active_adapters
            if name in adapter.trainable_tokens_delta and adapter.trainable_tokens_delta[name].requires_grad
            for id_ in adapter.token_indices[name]
        }
        if missed := sorted(wanted - learning):
            raise ConfigError(f"{len(missed)} new tokens, {missed[0]} first, are frozen in the {place}: {remedy}")


# ---- what peft has to be told, and what it leaves out


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("adapters need peft: pip install 'grounding-vlm[train]'") from error
    return peft


def _table_names(model: PreTrainedModel) -> list[str]:
    """Full names of the table and, where the head is another, of the head."""
    modules = [model.get_input_embeddings()]
    if len(tables(model)) > 1:
        modules.append(model.get_output_embeddings())
    names = {id(module): name for name, module in model.named_modules()}
    return [names[id(module)] for module in modules]


def _tell_peft(model: PreTrainedModel) -> None:
    """Says truly whether the head is the table: peft reads the configuration, and a list that wrappers leave empty."""
    if not isinstance(text_model(model), GroundingTextModel):
        model.config.tie_word_embeddings = is_tied(model)
    if getattr(model, "_tied_weights_keys", None) is None:
        model._tied_weights_keys = {}  # peft then looks into the parts


def _settle(model: Any) -> None:
    """Rows that learn in float32, tied heads that follow them, and heads that keep their bias."""
    base = model.get_base_model()
    for name, parameter in model.named_parameters():
        if "trainable_tokens_delta" in name:
            parameter.data = parameter.data.float()  # small steps vanish in bfloat16
    table, head = base.get_input_embeddings(), base.get_output_embeddings()
    adapter = getattr(table, "token_adapter", None)
    if adapter is None or head is None:
        return
    if _is_tied(base) and getattr(getattr(head, "token_adapter", None), "tied_adapter", None) is not adapter:
        raise ConfigError(
            f"{type(base).__name__} shares its table with its head, and peft does not see it: name the pair in its "
            "_tied_weights_keys"
        )
    if _head_bias(base) is not None:
        _keep_bias(head.token_adapter)


def _keep_bias(adapter: Any) -> None:
    """peft's layer for rows of a head leaves its bias out; here it is added where that happens."""
    bias = adapter.base_layer.bias
    zeros = torch.zeros(1, adapter.base_layer.in_features, dtype=bias.dtype, device=bias.device)
    with torch.no_grad():
        if torch.equal(adapter(zeros)[0].to(bias), bias):
            return  # a peft that has learned it

    def add_bias(layer: Any, _: Any, output: Tensor) -> Tensor:
        left_out = layer.active_adapters and not layer.disable_adapters and not layer.merged
        return output + layer.base_layer.bias if left_out else output

    adapter.register_forward_hook(add_bias)


def _weight(module: nn.Module) -> Tensor:
    """A table's own weight, behind peft's wrapper."""
    original: Any = getattr(module, "original_module", module)
    weight: Tensor = original.weight
    return weight


def _head_bias(base: PreTrainedModel) -> nn.Parameter | None:
    """The bias (V,) of a head, behind peft's wrapper."""
    if isinstance(text_model(base), GroundingTextModel):
        return None
    head: Any = base.get_output_embeddings()
    bias: nn.Parameter | None = getattr(getattr(head, "original_module", head), "bias", None)
    return bias


def _is_tied(base: PreTrainedModel) -> bool:
    head = base.get_output_embeddings()
    return head is not None and _weight(head) is _weight(base.get_input_embeddings())
