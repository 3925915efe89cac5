"""What other families learn from is what they are asked, and what they should write: tokens, labels, boxes."""

import pytest
import torch
from PIL import Image
from transformers import LogitsProcessorList

from grounding import Question
from grounding.backends.families import BY_TYPE
from grounding.data.lessons.lesson import Lesson, Words
from grounding.errors import ImageError
from grounding.training.foreign import UNTAUGHT, ForeignProcessor
from grounding.training.foreign_rows import ForeignCollator, content_of
from grounding.training.lesson_rows import IGNORE
from tests.family_cases import CASES, families
from tests.forced import Forced, request_of
from tests.foreign_lessons import drawn, lesson, sample, talk

TAUGHT = [kind for kind in CASES if BY_TYPE[kind.partition(" ")[0]].name not in UNTAUGHT]
POINTS = ("molmo2",)  # writes points only
each = families(*TAUGHT)


@pytest.fixture
def collator_of(model_of):
    def collator(family, **options):
        return ForeignCollator(ForeignProcessor(model_of(family)), **options)

    return collator


def labels_of(batch, row=0):
    """The tokens that a row learns, in order."""
    return [label for label in batch["labels"][row].tolist() if label != IGNORE]


def learned(model, batch, row=0):
    """The text that a row learns."""
    return model.processor.tokenizer.decode(labels_of(batch, row), skip_special_tokens=False)


@each
def test_question_is_the_one_that_is_asked_and_nothing_of_it_is_learned(family, model_of, collator_of):
    model = model_of(family)
    batch = collator_of(family)([lesson(sample())])
    request = request_of(model, Question("locate", "the red cup"), sample().open())
    asked = model.inputs([request])
    prompt = asked["input_ids"][0].tolist()
    assert batch["input_ids"][0, : len(prompt)].tolist() == prompt
    assert torch.equal(batch["pixel_values"], asked["pixel_values"])
    if not model.model.config.is_encoder_decoder:
        rest = batch["input_ids"][0, len(prompt) :].tolist()
        assert labels_of(batch) == [*rest, labels_of(batch)[-1]]
        assert (batch["labels"][0, : len(prompt) - 1] == IGNORE).all()
        assert batch["labels"][0, len(prompt) - 1] != IGNORE
    assert labels_of(batch)[-1] in model.ends


@each
def test_learned_text_is_read_back_as_the_box_of_the_picture(family, model_of, collator_of):
    """Through what the family's processor does to a picture of an odd shape, and its codec's rounding."""
    model, box = model_of(family), (31, 17, 203, 80)
    image = drawn("red", box, (333, 97))
    batch = collator_of(family)([lesson(sample(box=box, image=image))])
    request = request_of(model, Question("locate", "the red cup"), image)
    (region,) = model.codec.decode(learned(model, batch), request.canvas).regions
    if family in POINTS:
        assert region.point == pytest.approx((117, 48.5), abs=1)
    else:
        coarse = 12 if family == "kosmos-2" else 3.4 if "llava" in family else 1
        assert region.box == pytest.approx(box, abs=coarse)


@each
def test_logits_of_training_are_those_of_writing(family, model_of, collator_of):
    """Masks, positions and token types of a row with its answer are those of writing it token by token."""
    model = model_of(family)
    batch = collator_of(family)([lesson(sample()), lesson(sample("dog"))])
    labels = batch.pop("labels")
    with torch.no_grad():
        trained = model.model(**batch).logits[0, labels[0] != IGNORE]
    ids = labels[0][labels[0] != IGNORE].tolist()
    inputs = model.inputs([request_of(model, Question("locate", "the red cup"), sample().open())])
    written = model.model.generate(
        **inputs,
        max_new_tokens=len(ids),
        do_sample=False,
        logits_processor=LogitsProcessorList([Forced(ids[:-1], ids[-1])]),
        return_dict_in_generate=True,
        output_logits=True,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
    )
    assert written.sequences[0, -len(ids) :].tolist() == ids
    assert torch.allclose(trained, torch.stack(written.logits)[:, 0], atol=2e-4)


# ---- token by token


def test_paligemma_learns_coordinates_label_and_end_behind_a_prefix_that_sees_itself_whole(model_of, collator_of):
    batch = collator_of("paligemma")([lesson(sample()), lesson(sample("dog", None))])
    tokenizer = model_of("paligemma").processor.tokenizer
    tokens = tokenizer.convert_ids_to_tokens(labels_of(batch))
    assert tokens[:4] == ["<loc0205>", "<loc0205>", "<loc0818>", "<loc0614>"]
    assert tokenizer.decode(labels_of(batch)[4:-1]) == " the red cup"
    assert tokens[-1] == "<eos>"
    assert labels_of(batch, 1) == [tokenizer.eos_token_id]  # nothing there: the end at once
    length = len(batch["input_ids"][0]) - len(labels_of(batch)) + 1
    assert batch["token_type_ids"][0].tolist() == [0] * length + [1] * (len(labels_of(batch)) - 1)


def test_paligemma_rows_are_those_of_its_own_processor_with_a_suffix(model_of, collator_of):
    model = model_of("paligemma")
    batch = collator_of("paligemma")([lesson(sample())])
    made = model.processor(
        images=[sample().open()],
        text=["<image>detect the red cup"],
        suffix=["<loc0205><loc0205><loc0818><loc0614> the red cup"],
        return_tensors="pt",
    )
    assert batch["input_ids"][0].tolist() == made["input_ids"][0, :-1].tolist()
    assert batch["labels"][0].tolist() == made["labels"][0, 1:].tolist()
    assert batch["token_type_ids"][0].tolist() == made["token_type_ids"][0, :-1].tolist()


def test_florence2_learns_its_answer_in_a_decoder_that_reads_it_one_place_behind(model_of, collator_of):
    model = model_of("florence2")
    batch = collator_of("florence2")([lesson(sample()), lesson(sample("dog"))])
    tokenizer = model.processor.tokenizer
    assert learned(model, batch) == "<s>the red cup<loc_200><loc_200><loc_600><loc_800></s>"
    assert learned(model, batch, 1) == "<s>dog<loc_200><loc_200><loc_600><loc_800></s>"
    inputs = batch["decoder_input_ids"]
    start = model.model.generation_config.decoder_start_token_id
    assert inputs[0].tolist() == [start, *labels_of(batch)[:-1]]
    assert (inputs[1, len(labels_of(batch, 1)) :] == tokenizer.pad_token_id).all()
    assert batch["decoder_attention_mask"].sum(1).tolist() == [len(labels_of(batch)), len(labels_of(batch, 1))]


def test_qwen25_learns_pixels_of_the_resized_picture_and_the_turns_end(model_of, collator_of):
    model = model_of("qwen2_5_vl")
    image = drawn("red", (40, 20, 120, 80), (300, 100))
    batch = collator_of("qwen2_5_vl")([lesson(sample(image=image))])
    _, rows, columns = batch["image_grid_thw"][0].tolist()
    assert (columns * 14, rows * 14) == (308, 112)
    assert '{"bbox_2d": [41, 22, 123, 90], "label": "the red cup"}' in learned(model, batch)
    assert learned(model, batch).endswith("```<|im_end|>")


# ---- conversations


def test_every_answer_of_a_conversation_is_learned_in_one_row(model_of, collator_of):
    model = model_of("qwen2_5_vl")
    batch = collator_of("qwen2_5_vl")([talk(("<image>\nIs it a car?", "It is"), ("a dog?", "There are none"))])
    assert len(batch["input_ids"]) == 1
    assert learned(model, batch) == "It is<|im_end|>There are none<|im_end|>"
    text = model.processor.tokenizer.decode(batch["input_ids"][0])
    assert text.count("<|vision_start|>") == 1
    assert text.endswith("It is<|im_end|>\n<|im_start|>user\na dog?<|im_end|>\n<|im_start|>assistant\nThere are none")


def test_a_family_without_conversations_is_asked_each_turn_by_itself(model_of, collator_of):
    model = model_of("paligemma")
    batch = collator_of("paligemma")([talk(("<image>\nIs it a car?", "It is"), ("a dog?", "no"))])
    assert [learned(model, batch, row) for row in range(2)] == ["It is<eos>", "no<eos>"]


def test_pictures_stand_where_the_prompt_marks_them(collator_of, model_of):
    assert content_of("which of <image> and <image>?", 2) == [
        {"type": "text", "text": "which of "},
        {"type": "image"},
        {"type": "text", "text": " and "},
        {"type": "image"},
        {"type": "text", "text": "?"},
    ]
    assert content_of("what is it?", 1) == [{"type": "image"}, {"type": "text", "text": "what is it?"}]
    assert content_of("what is <image>?", 0) == [{"type": "text", "text": "what is <image>?"}]
    pictures = (sample().picture, sample(colour="blue").picture)
    two = Lesson("two", pictures, (Words("<image> or <image>?", "both"),), sequential=True)
    batch = collator_of("qwen2_5_vl")([two])
    assert len(batch["image_grid_thw"]) == 2


# ---- limits


def test_answers_behind_the_longest_row_are_left_out_and_counted_but_never_the_first(collator_of, model_of):
    collator = collator_of("qwen2_5_vl", most_tokens=20)
    batch = collator([talk(("a cat?", "It is"), ("a dog?", "There are none"))])
    assert learned(model_of("qwen2_5_vl"), batch) == "It is<|im_end|>"
    assert collator.left_out == {"answers that there is no room for": 1}


def test_what_a_family_cannot_say_is_left_out_and_counted(collator_of):
    collator = collator_of("kosmos-2")
    batch = collator([lesson(sample(task="detect")), lesson(sample())])
    assert len(batch["labels"]) == 1
    assert collator.left_out == {"lessons that the family cannot say": 1}
    assert (collator([lesson(sample(task="detect"))])["labels"] == IGNORE).all()


def test_a_picture_that_was_resized_without_its_boxes_is_refused(collator_of):
    small = Image.new("RGB", (100, 50))
    question = sample()
    object.__setattr__(question, "image", sample(image=small).picture)
    with pytest.raises(ImageError, match=r"100 x 50 pixels, but its boxes are in 200 x 100"):
        collator_of("paligemma")([Lesson("resized", (question.picture,), (question,))])


def test_tensors_of_pictures_are_in_the_models_own_type(model_of):
    processor = ForeignProcessor(model_of("paligemma"))
    processor.dtype = torch.bfloat16
    batch = ForeignCollator(processor)([lesson(sample())])
    assert batch["pixel_values"].dtype == torch.bfloat16
    assert batch["input_ids"].dtype == torch.int64
