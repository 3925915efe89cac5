"""Training batches: answers shifted to the right place, patches inside boxes, pictures squashed, seeds in order."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from grounding.data.scenes.generate import PictureOptions
from grounding.data.scenes.palette import COLORS
from grounding.data.scenes.scene import SceneOptions
from grounding.data.scenes.things import KINDS, names_of
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT
from grounding.training.collator import IGNORE, SceneCollator, SceneStream, Vocabularies, main_owners, patch_owners
from tests import tiny

NAMES = [name for kind in KINDS for name in names_of(kind)]
BATCH = tiny.pictures()[:4]


@pytest.fixture(scope="module")
def vocabularies():
    return Vocabularies(list(dict.fromkeys(NAMES)))


@pytest.fixture
def collator(tiny_processor, vocabularies):
    return SceneCollator(tiny_processor, vocabularies)


@pytest.fixture
def batch(collator):
    return collator(BATCH)


def phrases(batch, row):
    """Each phrase of a row: its ids, roles, positions and labels."""
    texts = batch["token_roles"][row] >= PROMPT
    for segment in batch["segment_ids"][row][texts].unique().tolist():
        mine = texts & (batch["segment_ids"][row] == segment)
        yield [batch[name][row][mine] for name in ("input_ids", "token_roles", "position_ids", "labels")]


# ---- texts


def test_labels_read_from_left_to_right_are_the_answers(batch, tiny_processor):
    for row, picture in enumerate(BATCH):
        for (_, _, _, labels), sample in zip(phrases(batch, row), picture.samples, strict=True):
            written = labels[labels != IGNORE]
            assert written[-1] == tiny_processor.ids[2]
            assert tiny_processor.text(written) == sample.answer


def test_each_place_predicts_the_token_behind_it(batch):
    for row in range(len(BATCH)):
        for ids, roles, _, labels in phrases(batch, row):
            last = int((roles == PROMPT).sum()) - 1
            assert (labels[:last] == IGNORE).all()
            assert torch.equal(labels[last:-1], ids[last + 1 :])
            assert labels[-1] == 2  # <eos> is predicted and never read


def test_prompts_are_those_of_the_samples_and_begin_with_bos(batch, tiny_processor):
    for row, picture in enumerate(BATCH):
        for (ids, roles, _, _), sample in zip(phrases(batch, row), picture.samples, strict=True):
            assert ids[0] == 1
            assert tiny_processor.text(ids[roles == PROMPT]) == sample.prompt


def test_every_phrase_stands_right_behind_the_picture(batch):
    for row in range(len(BATCH)):
        assert batch["position_ids"][row, : tiny.TOKENS].tolist() == list(range(tiny.TOKENS))
        for ids, _, positions, _ in phrases(batch, row):
            assert positions.tolist() == list(range(tiny.TOKENS, tiny.TOKENS + len(ids)))


def test_rows_are_image_then_phrases_then_padding(batch):
    roles = batch["token_roles"]
    assert (roles[:, : tiny.TOKENS] == IMAGE).all()
    assert torch.equal(batch["input_ids"] == 3, roles == IMAGE)
    for row in roles.tolist():
        kinds = [kind for kind, before in zip(row, [None, *row[:-1]], strict=True) if kind != before]
        assert kinds[0] == IMAGE
        assert PAD not in kinds[:-1]
        assert IMAGE not in kinds[1:]
        assert set(kinds[1:-1]) <= {PROMPT, ANSWER}
    assert (batch["input_ids"][roles == PAD] == 0).all()
    assert (batch["labels"][roles == PAD] == IGNORE).all()
    assert (roles.shape[1] - tiny.TOKENS) % 16 == 0


def test_phrase_ends_are_the_last_tokens_of_prompts(batch):
    rows, places = batch["phrase_ends"].unbind(1)
    assert len(rows) == sum(len(picture.samples) for picture in BATCH)
    assert (batch["token_roles"][rows, places] == PROMPT).all()
    assert (
        (batch["token_roles"][rows, places + 1] != PROMPT).logical_or(batch["input_ids"][rows, places + 1] == 1).all()
    )
    assert (batch["labels"][rows, places] != IGNORE).all()


def test_the_model_learns_the_same_from_a_packed_row_as_from_each_phrase_alone(batch, tiny_model, tiny_processor):
    options = {name: batch[name] for name in ("token_roles", "segment_ids", "position_ids", "pixel_values")}
    with torch.no_grad():
        packed = tiny_model(input_ids=batch["input_ids"], **options).logits
    labels = batch["labels"]
    for row in (0, 3):
        places = (labels[row] != IGNORE).nonzero()[:, 0]
        at = 0
        for sample in BATCH[row].samples:
            (prompt,) = tiny_processor.encode_prompts([sample.prompt])
            (answer,) = tiny_processor.encode_answers([sample.answer])
            ids = torch.tensor([[3] * tiny.TOKENS + prompt + answer[:-1]])
            roles = torch.tensor([[IMAGE] * tiny.TOKENS + [PROMPT] * len(prompt) + [ANSWER] * (len(answer) - 1)])
            with torch.no_grad():
                alone = tiny_model(input_ids=ids, pixel_values=batch["pixel_values"][row : row + 1], token_roles=roles)
            mine = places[at : at + len(answer)]
            at += len(answer)
            assert torch.allclose(packed[row, mine], alone.logits[0, -len(answer) :], atol=3e-5)


def test_long_phrases_are_left_out_over_the_limit_but_one_always_stays(tiny_processor, vocabularies):
    whole = SceneCollator(tiny_processor, vocabularies)(BATCH)
    short = SceneCollator(tiny_processor, vocabularies, most_tokens=40)(BATCH)
    lengths = (short["token_roles"] >= PROMPT).sum(1)
    assert len(short["phrase_ends"]) < len(whole["phrase_ends"])
    assert len(short["phrase_patches"]) == len(short["phrase_located"]) == len(short["phrase_ends"])
    one = SceneCollator(tiny_processor, vocabularies, most_tokens=1)(BATCH)
    assert len(one["phrase_ends"]) == len(BATCH)
    assert lengths.max() <= max(40, int((one["token_roles"] >= PROMPT).sum(1).max()))


# ---- pictures and patches


def test_pictures_are_squashed_as_the_processor_squashes_them(batch, tiny_processor):
    assert batch["pixel_values"].shape == (4, 3, 64, 64)
    want = tiny_processor.image_processor([picture.image for picture in BATCH])["pixel_values"]
    assert torch.equal(batch["pixel_values"], want)
    assert {picture.image.shape for picture in BATCH} != {(64, 64, 3)}


def test_patches_of_a_phrase_lie_inside_its_boxes(batch):
    side, number, seen = 4, 0, 0
    for picture in BATCH:
        height, width = picture.image.shape[:2]
        for sample in picture.samples:
            share = batch["phrase_patches"][number].view(side, side).numpy()
            number += 1
            if sample.task not in ("locate", "detect", "count", "segment"):
                continue
            allowed = np.zeros((side, side), bool)
            for x1, y1, x2, y2 in sample.boxes:
                rows = slice(int(y1 / height * side), int(np.ceil(y2 / height * side)))
                allowed[rows, int(x1 / width * side) : int(np.ceil(x2 / width * side))] = True
            assert not share[~allowed].any()
            assert share.any() == bool(sample.targets)
            seen += share.any()
    assert seen >= 5
    assert batch["phrase_patches"].min() >= 0
    assert batch["phrase_patches"].max() <= 1


def test_phrases_that_mean_nothing_there_have_no_patches_and_count_as_located(batch):
    samples = [sample for picture in BATCH for sample in picture.samples]
    for sample, located, patches in zip(samples, batch["phrase_located"], batch["phrase_patches"], strict=True):
        assert bool(located) == (bool(sample.targets) or sample.answer == "none")
        assert bool(patches.any()) <= bool(located)


def test_the_thing_on_top_owns_a_patch():
    scene = tiny.pictures()[0].scene
    owners = patch_owners(scene, 8)
    assert owners.shape == (64, 16)
    big = max(scene.things, key=lambda thing: (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1]))
    x, y = (big.box[0] + big.box[2]) / 2 / scene.width, (big.box[1] + big.box[3]) / 2 / scene.height
    assert owners[int(y * 8) * 8 + int(x * 8)].max() >= 0
    assert set(np.unique(owners)) <= {-1, *(thing.index for thing in scene.things)}


def test_a_patch_belongs_to_what_covers_most_of_it_if_it_covers_enough():
    owners = np.array([[0, 0, 1, -1], [-1, -1, -1, 1], [-1, -1, -1, -1], [2, 2, 2, 2]])
    assert main_owners(owners).tolist() == [0, 1, -1, 2]
    assert main_owners(owners, share=0.5).tolist() == [0, -1, -1, 2]
    assert main_owners(np.full((3, 4), -1)).tolist() == [-1, -1, -1]


def test_what_a_patch_shows_is_named_with_its_box(batch, vocabularies):
    scene = BATCH[0].scene
    main = main_owners(patch_owners(scene, 4))
    for place, owner in enumerate(main):
        name = batch["patch_names"][0, place].item()
        if owner < 0:
            assert name == 0
            assert batch["patch_colors"][0, place] == IGNORE
            continue
        thing = scene.things[owner]
        assert vocabularies.names[name - 1] == thing.name
        assert list(COLORS)[batch["patch_colors"][0, place]] == thing.color
        x1, y1, x2, y2 = thing.box
        want = [y1 / scene.height, x1 / scene.width, y2 / scene.height, x2 / scene.width]
        assert batch["patch_boxes"][0, place].tolist() == pytest.approx(want, abs=1e-6)


def test_an_empty_picture_gives_only_nothing(collator):
    picture = BATCH[0]
    scene = dataclasses.replace(picture.scene, things=())
    sample = dataclasses.replace(picture.samples[0], targets=(), boxes=())
    batch = collator([dataclasses.replace(picture, scene=scene, samples=(sample,))])
    assert not batch["patch_names"].any()
    assert (batch["patch_sizes"] == IGNORE).all()
    assert not batch["phrase_patches"].any()


# ---- the stream of pictures


SMALL = PictureOptions(SceneOptions(sides=(64, 80), things=(1, 2)), phrases=1)


def seeds_of(stream, **options):
    loader = DataLoader(stream, stream.batch_size, collate_fn=lambda pictures: [p.seed for p in pictures], **options)
    return list(loader)


def test_the_number_of_workers_changes_no_batch():
    stream = SceneStream([(1.0, SMALL)], 500, 8, batch_size=2)
    want = [[500, 501], [502, 503], [504, 505], [506, 507]]
    assert seeds_of(stream) == want
    assert seeds_of(stream, num_workers=2) == want


def test_a_stream_that_starts_later_goes_on_with_the_same_pictures():
    whole = list(SceneStream([(1.0, SMALL)], 500, 6))
    rest = list(SceneStream([(1.0, SMALL)], 504, 2))
    assert [picture.seed for picture in rest] == [504, 505]
    for one, other in zip(rest, whole[4:], strict=True):
        assert np.array_equal(one.image, other.image)
        assert one.samples == other.samples


def test_a_mixture_draws_each_kind_as_often_as_it_weighs():
    plain = PictureOptions(SceneOptions(sides=(64, 64), things=(1, 1)), phrases=1)
    wide = PictureOptions(SceneOptions(sides=(80, 80), things=(1, 1)), phrases=1)
    stream = SceneStream([(3.0, plain), (1.0, wide)], 0, 120)
    share = np.mean([picture.image.shape[0] == 80 for picture in stream])
    assert 0.15 < share < 0.35
