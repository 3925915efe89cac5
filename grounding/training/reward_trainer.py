"""Owns RewardTrainer: trl's GRPO over the answers that a model draws itself, for ours and for other families.

trl asks by a pipeline of its own, in which pictures belong to chat templates: it can't ask a model without one, and it
gives the answers of a model with a prefix (PaliGemma) the token type of questions, so that they would see what comes
after them. Here that pipeline knows a question by a number, and the two places where a model is run, drawing answers
and reading their probabilities, make tensors as training and asking do (reward_rows.py). All else is trl's: groups,
advantages, clipping, the losses and the metrics.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import GenerationConfig, TrainerCallback, TrainingArguments
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.reading import BadLesson, ready
from grounding.data.sample import Sample
from grounding.errors import ConfigError, GroundingError, MissingExtraError
from grounding.images import Canvas
from grounding.training.failures import Signals
from grounding.training.lesson_rows import IGNORE
from grounding.training.parts import Moving
from grounding.training.passes import Collator, PassNotes
from grounding.training.recipe import Recipe, StageRecipe
from grounding.training.recipe_files import read
from grounding.training.reward_rows import Questions, questions_of
from grounding.training.rewards import REWARDS, RewardOptions, Written, rewardable, rewards_of
from grounding.training.stage_trainer import StageTrainer

_LOG = logging.getLogger(__name__)
OVERRIDDEN = ("_tokenize_prompts", "_generate_single_turn", "_get_per_token_logps_and_entropies")
if missing := [name for name in OVERRIDDEN if not hasattr(GRPOTrainer, name)]:  # trl's own, and it may rename them
    raise MissingExtraError(
        f"rewards need trl 1.16; this one's GRPOTrainer has no {missing[0]}: pip install trl==1.16.0"
    )
FURTHER = 1_000_000_007
"""Positions between a lesson that can't be rewarded and the one asked in its place."""
KEPT = (
    "output_dir",
    "max_steps",
    "gradient_accumulation_steps",
    "bf16",
    "use_cpu",
    "logging_steps",
    "logging_nan_inf_filter",
    "save_steps",
    "max_grad_norm",
    "remove_unused_columns",
    "ignore_data_skip",
    "seed",
    "dataloader_pin_memory",
    "ddp_find_unused_parameters",
)
"""What every stage is told, and trl's trainer too."""
MISSING = object()
"""In place of a value that a configuration has not."""
TRIES = 50
"""Lessons that may be passed over one after another."""


@dataclass
class Question:
    """One that answers are drawn to."""

    sample: Sample
    row: Any
    canvas: Canvas


class QuestionBook:
    """Questions by position: of each lesson one turn, the next at its next turn."""

    def __init__(self, mixture: Mixture, questions: Questions) -> None:
        self.mixture, self.questions = mixture, questions
        self.open: dict[int, Question] = {}
        self.bad: list[BadLesson] = []
        """Lessons that others took the place of, since somebody took this list."""

    def turn_to(self, positions: Sequence[int]) -> None:
        """Opens these and closes all others."""
        self.open = {position: self.open.get(position) or self.find(position) for position in dict.fromkeys(positions)}

    def find(self, position: int) -> Question:
        """The question of a position, or of the first further one that can be asked and rewarded.

        Raises ConfigError where many in turn can't.
        """
        reason = "it has no question that is answered by boxes"
        for number in range(TRIES):
            at = position + number * FURTHER
            found = ready(self.mixture, at)
            self.bad += found.passed_over
            lesson = found.lesson
            turns = rewardable(lesson.turns)
            if turns:
                sample = turns[at % len(turns)]
                try:
                    return Question(sample, *self.questions.ask(sample, found.images[0]))
                except GroundingError as error:
                    reason = str(error)
            _LOG.warning("the lesson %s is passed over: %s", lesson.id, reason)
        raise ConfigError(
            f"{TRIES} lessons in turn can't be rewarded, such as {lesson.id!r} ({reason}): give the stage data with "
            "questions that are answered by boxes"
        )


class DrawnAnswers(GRPOTrainer):
    """trl's trainer, told by attributes that are set before what its own __init__ is told: StageTrainer calls it."""

    book: QuestionBook
    options: RewardOptions
    positions: Sequence[int]
    """Of the questions, in order."""

    def __init__(self, model: nn.Module, args: GRPOConfig, callbacks: list[TrainerCallback] | None = None) -> None:
        own_forward = model.__dict__.get("forward")
        self.put_back = special_tokens(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what trl finds experimental
            super().__init__(
                model=model,
                args=args,
                callbacks=callbacks,
                reward_funcs=[self.reward_function(name) for name in REWARDS],
                processing_class=self.book.questions.tokenizer,
                train_dataset=Dataset.from_dict(
                    {"prompt": [str(at) for at in self.positions], "position": list(self.positions)}
                ),
            )
        if own_forward is None:  # trl has put one of its own over the model's, for its own way of asking
            model.__dict__.pop("forward", None)
        if self.options.beta:
            self.beta = self.options.beta
            self.ref_model = deepcopy(model).to(args.device).requires_grad_(False).eval()

    def train(self, *args: Any, **more: Any) -> Any:
        try:
            return super().train(*args, **more)
        finally:
            self.put_back()  # trl and Trainer have told the model what its tokenizer says

    def _send_telemetry(self) -> None:
        """Nothing is told to anybody."""

    def reward_function(self, name: str) -> Any:
        """One of REWARDS, as trl calls it."""

        def reward(completion_ids: Sequence[list[int]], position: Sequence[int], **_: Any) -> list[float]:
            return [
                rewards_of(self.written(self.book.open[at], ids))[name]
                for at, ids in zip(position, completion_ids, strict=True)
            ]

        reward.__name__ = name
        return reward

    def written(self, question: Question, ids: Sequence[int]) -> Written:
        """An answer, to be rewarded."""
        whole = bool(ids) and ids[-1] in self.eos_token_ids
        questions = self.book.questions
        return Written(questions.text(ids), whole, question.sample, questions.codec, question.canvas)

    # ---- where the model is run

    def _generate_single_turn(self, prompt_ids: Any, images: Any, multimodal_fields: Any, *_: Any, **__: Any) -> Any:
        """Tokens of an answer to each prompt; a prompt is the number of its question."""
        positions = [int(ids[0]) for ids in prompt_ids]
        return self.draw([self.book.open[at] for at in positions]), None

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        positions = [int(prompt) for prompt in prompts]
        self.book.turn_to(positions)
        return [[at] for at in positions], None, {}

    @torch.no_grad()
    def draw(self, asked: Sequence[Question]) -> list[list[int]]:
        """An answer to each question, its end included where it came to one. Rows of one question stand together."""
        distinct: list[Question] = []
        for question in asked:
            if not distinct or distinct[-1] is not question:
                distinct.append(question)
        each, rest = divmod(len(asked), len(distinct))
        counts = [sum(question is other for other in asked) for question in distinct]
        if rest or set(counts) != {each}:  # a group that is shared by processes
            distinct, each = list(asked), 1
        if self.book.questions.padded:
            return self.written_by_model(distinct, each)
        return [ids for question in distinct for ids in self.written_by_model([question], each)]

    def written_by_model(self, asked: Sequence[Question], each: int) -> list[list[int]]:
        """So many answers to each question, those of one question together."""
        model = self.accelerator.unwrap_model(self.model_wrapped)
        inputs = self._prepare_input(dict(self.book.questions.inputs([question.row for question in asked])))
        with writing(model, self.generation_settings(model)), self.accelerator.autocast():
            rows = model.generate(**inputs, num_return_sequences=each)
        rows = rows[:, 1 if self.book.questions.begins_anew else inputs["input_ids"].shape[1] :]
        return [until_end(row, self.eos_token_ids) for row in rows.tolist()]

    def generation_settings(self, model: Any) -> GenerationConfig:
        """Plain drawing from the model's own distribution: nothing forced, cut or forbidden but its image token."""
        return GenerationConfig(
            do_sample=True,
            temperature=self.options.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=self.options.max_new_tokens,
            eos_token_id=list(self.eos_token_ids),
            pad_token_id=self._tokenizer.pad_token_id,
            bos_token_id=self._tokenizer.bos_token_id,
            decoder_start_token_id=getattr(model.generation_config, "decoder_start_token_id", None),
            suppress_tokens=picture_tokens(model.config) or None,  # each would want a picture behind it
        )

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor, None]:
        """(B, C) log-probabilities and entropies of answers padded right; a row is a question's number, an answer."""
        logs, entropies = [], []
        size = batch_size or len(input_ids)
        for start in range(0, len(input_ids), size):
            rows = slice(start, start + size)
            masks = attention_mask[rows, -logits_to_keep:].bool()
            answers = [row[mask].tolist() for row, mask in zip(input_ids[rows, -logits_to_keep:], masks, strict=True)]
            asked = [self.book.open[int(at)].row for at in input_ids[rows, 0]]
            log, entropy = self.probabilities(model, asked, answers)
            logs.append(F.pad(log, (0, logits_to_keep - log.shape[1])))
            entropies.append(F.pad(entropy, (0, logits_to_keep - entropy.shape[1])))
        return torch.cat(logs), torch.cat(entropies), None

    def probabilities(self, model: Any, asked: Sequence[Any], answers: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """(B, longest answer) log-probability of each token of the answers, and entropy of where it was drawn from."""
        for module in model.modules():  # as they were drawn: nothing dropped, nothing told by others in the batch
            if not any(True for _ in module.children()):
                module.eval()
        batch = self._prepare_input(self.book.questions.learned(asked, answers))
        labels = batch.pop("labels")
        columns = (labels != IGNORE).any(0).nonzero()[:, 0]
        with self.accelerator.autocast():
            logits = model(**batch, logits_to_keep=columns).logits
        labels = labels[:, columns]
        chosen = labels != IGNORE
        scores = logits[chosen].float() / self.options.temperature
        never = picture_tokens(self.accelerator.unwrap_model(self.model_wrapped).config)
        scores[:, never] = torch.finfo(scores.dtype).min  # as they are drawn
        spread = F.log_softmax(scores, -1)
        own = spread.gather(1, labels[chosen][:, None])[:, 0]
        entropy = -(spread.exp() * spread).sum(-1).detach()
        places = torch.tensor([[c < len(ids) for c in range(max(map(len, answers)))] for ids in answers])
        blank = own.new_zeros(places.shape)
        places = places.to(own.device)
        return blank.masked_scatter(places, own), blank.masked_scatter(places, entropy)


class RewardTrainer(StageTrainer, DrawnAnswers):  # type: ignore[misc]  # trl declares without types
    """One stage of a recipe whose objective is rewards: what StageTrainer sees to, with trl's steps."""

    def __init__(
        self,
        recipe: Recipe,
        stage: StageRecipe,
        mixture: Mixture,
        collator: Collator,
        moving: Moving,
        start_step: int,
        signals: Signals,
        model: nn.Module,
        args: GRPOConfig,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        """`args`: with `grpo_settings`. Raises ConfigError for weights that are shared out among processes."""
        if recipe.scale == "fsdp" and args.world_size > 1:
            raise ConfigError(
                f"scale is 'fsdp' and the stage {stage.name!r} learns from rewards, where each process writes answers "
                "with the whole model: take ddp"
            )
        self.options = reward_options(stage)
        self.book = QuestionBook(mixture, questions_of(collator.processor))  # type: ignore[attr-defined]
        done, steps = start_step // self.options.iterations, -(-stage.steps // self.options.iterations)
        self.positions = range(done * recipe.batch_size, max(steps, done + 1) * recipe.batch_size)
        super().__init__(recipe, stage, mixture, collator, moving, start_step, signals, model, args, callbacks)

    @classmethod
    def arguments(cls, args: TrainingArguments, stage: StageRecipe) -> GRPOConfig:
        """GRPOConfig with what every stage is told, a pass being its questions with all their answers."""
        options = reward_options(stage)
        told = {name: getattr(args, name) for name in KEPT}
        return GRPOConfig(
            **told,
            per_device_train_batch_size=args.per_device_train_batch_size * options.answers,
            num_generations=options.answers,
            max_completion_length=options.max_new_tokens,
            temperature=options.temperature,
            num_iterations=options.iterations,
            loss_type=options.loss,
            beta=0.0,  # DrawnAnswers keeps the model that the stage began with itself
            reward_weights=[getattr(options, name) for name in REWARDS],
            shuffle_dataset=False,
            gradient_checkpointing=False,  # the recipe says whether
            report_to=[],
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DrawnAnswers.get_train_dataloader(self)

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        positions = list(dict.fromkeys(int(row["position"]) for row in inputs))
        loss = DrawnAnswers.training_step(self, model, inputs, num_items_in_batch)
        bad, self.book.bad = self.book.bad, []
        notes = PassNotes(positions, [self.book.open[at].sample.id for at in positions], bad)
        self.passes.append((notes, loss.detach()))
        return loss

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        return DrawnAnswers.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


def reward_options(stage: StageRecipe) -> RewardOptions:
    """Of a stage's `objective_options`. Raises ConfigError that names the key."""
    return read(RewardOptions, stage.objective_options, f"objective_options of the stage {stage.name!r}")


def picture_tokens(config: Any) -> list[int]:
    """Tokens that stand for pictures in a family's texts."""
    names = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
    return sorted({int(id_) for name in names if (id_ := getattr(config, name, None)) is not None})


def special_tokens(model: Any) -> Callable[[], None]:
    """What puts the model's ids of begin, end and padding back to what they are now."""
    configs = {id(config): config for config in (model.config, model.config.get_text_config())}.values()
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    known = [(config, name, getattr(config, name, MISSING)) for config in configs for name in names]
    writes = deepcopy(model.generation_config)

    def put_back() -> None:
        for config, name, value in known:
            if value is not MISSING:
                setattr(config, name, value)
            elif hasattr(config, name):
                delattr(config, name)
        model.generation_config = writes

    return put_back


@contextmanager
def writing(model: Any, settings: GenerationConfig) -> Iterator[None]:
    """The model in evaluation mode, with these settings alone."""
    writers = [module for module in model.modules() if getattr(module, "generation_config", None) is not None]
    before, training = [module.generation_config for module in writers], model.training
    for module in writers:  # in Kosmos-2 a part of the model writes
        module.generation_config = settings
    model.eval()
    try:
        yield
    finally:
        for module, own in zip(writers, before, strict=True):
            module.generation_config = own
        model.train(training)


def until_end(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The ids up to the first end, which is kept; all of them where there is none."""
    length = next((place + 1 for place, id_ in enumerate(ids) if id_ in ends), len(ids))
    return list(ids[:length])
