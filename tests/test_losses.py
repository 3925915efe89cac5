"""What training minimizes: soft targets, distances of coordinates, patches; and which parts of the model it reaches."""

import pytest
import torch
from torch.nn import functional as F

from grounding.data.scenes.things import KINDS, names_of
from grounding.training.collator import IGNORE, SceneCollator, Vocabularies
from grounding.training.config import TrainingConfig
from grounding.training.losses import TrainingModel, soft_targets, token_losses
from tests import tiny

FIRST, BINS = 6, 64


@pytest.fixture(scope="module")
def vocabularies():
    return Vocabularies(list(dict.fromkeys(name for kind in KINDS for name in names_of(kind))))


@pytest.fixture(scope="module")
def batch(tiny_processor, vocabularies):
    return SceneCollator(tiny_processor, vocabularies)(tiny.pictures()[:3])


@pytest.fixture
def training(vocabularies):
    torch.manual_seed(0)
    return TrainingModel(tiny.model(), vocabularies.counts, TrainingConfig()).train()


def peaked(bins, sigma=3.0, words=-9.0):
    """Logits (M, V) whose locations are a normal around each of `bins`."""
    places = torch.arange(BINS)
    spread = -0.5 * ((places - torch.as_tensor(bins)[:, None]) / sigma) ** 2
    return torch.cat([torch.full((len(spread), FIRST), words), spread], 1)


# ---- coordinates and words


@pytest.mark.parametrize("sigma", [0.0, 0.5, 4.0, 30.0])
def test_soft_targets_sum_to_one_and_are_highest_at_the_truth(sigma):
    targets = soft_targets(BINS, sigma)
    assert targets.sum(1).tolist() == pytest.approx([1.0] * BINS, abs=1e-5)
    assert targets.argmax(1).tolist() == list(range(BINS))
    assert torch.allclose(targets[30, 20:41], targets[30, 20:41].flip(0), atol=1e-6)
    if sigma == 0:
        assert torch.equal(targets, torch.eye(BINS))


def test_the_loss_of_a_coordinate_is_least_at_the_truth():
    truth = torch.full((BINS,), FIRST + 25)
    losses, distances = token_losses(peaked(range(BINS)), truth, FIRST, BINS, 3.0)
    assert losses.argmin() == 25
    assert distances.argmin() == 25
    assert (losses[25:].diff() > 0).all()
    assert (losses[:26].diff() < 0).all()


def test_no_distribution_is_better_than_the_soft_target_itself():
    truth = torch.tensor([FIRST + 25])
    best = soft_targets(BINS, 3.0)[25:26].clamp_min(1e-12).log()
    logits = torch.cat([torch.full((1, FIRST), -99.0), best], 1).requires_grad_()
    loss, distance = token_losses(logits, truth, FIRST, BINS, 3.0)
    loss.sum().backward()
    assert logits.grad.abs().max() < 1e-5
    assert distance.item() < 1e-3


def test_words_cost_their_plain_cross_entropy_and_no_distance():
    torch.manual_seed(0)
    logits, labels = torch.randn(5, FIRST + BINS), torch.tensor([0, 1, 5, 3, 2])
    losses, distances = token_losses(logits, labels, FIRST, BINS, 3.0)
    assert torch.allclose(losses, F.cross_entropy(logits, labels, reduction="none"))
    assert not distances.any()


def test_a_distance_is_a_share_of_the_picture():
    _, distances = token_losses(peaked([10.0], sigma=0.01), torch.tensor([FIRST + 31]), FIRST, BINS, 3.0)
    assert distances.item() == pytest.approx(21 / (BINS - 1), abs=1e-4)


def test_half_precision_logits_give_float_losses():
    losses, _ = token_losses(peaked([10.0, 20.0]).bfloat16(), torch.tensor([FIRST + 10, 2]), FIRST, BINS, 3.0)
    assert losses.dtype == torch.float32
    assert losses.isfinite().all()


# ---- the whole loss


def test_the_loss_reaches_every_weight(training, batch):
    parts = training(**batch)
    assert set(parts) >= {"loss", "text", "expectation", "where", "patch", "patch_name", "patch_boxes"}
    assert all(value.ndim == 0 and value.isfinite() for value in parts.values())
    parts["loss"].backward()
    silent = [name for name, weight in training.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


def test_dense_only_trains_the_encoder_and_leaves_the_rest(training, batch):
    training.dense_only = True
    parts = training(**batch)
    assert "text" not in parts
    parts["loss"].backward()
    names = [name for name, weight in training.named_parameters() if weight.grad is not None]
    reached = {name.removeprefix("model.").split(".")[0] for name in names}
    assert reached == {"vision", "dense"}
    assert all(weight.grad is not None for weight in training.model.vision.parameters())


def test_the_parts_add_up_by_their_weights(training, batch):
    settings = training.settings
    parts = training.eval()(**batch)
    want = parts["text"] + settings.expectation_weight * parts["expectation"]
    want = want + settings.dense_weight * parts["patch"] + settings.where_weight * parts["where"]
    assert torch.allclose(parts["loss"], want)


def test_the_text_loss_is_that_of_the_logits_of_forward(training, batch):
    """Logits are made for labelled places only; they are those that the model gives."""
    training.eval()
    options = {name: batch[name] for name in ("token_roles", "segment_ids", "position_ids", "pixel_values")}
    with torch.no_grad():
        logits = training.model(input_ids=batch["input_ids"], **options).logits
        places = batch["labels"] != IGNORE
        losses, _ = token_losses(logits[places], batch["labels"][places], tiny.VOCAB - 1024, 1024, 4.0)
        assert torch.allclose(training(**batch)["text"], losses.mean(), atol=1e-4)


def test_a_step_makes_the_loss_smaller(training, batch):
    optimizer = torch.optim.AdamW(training.parameters(), lr=1e-3)
    first = training(**batch)["loss"]
    for _ in range(4):
        optimizer.zero_grad()
        loss = training(**batch)["loss"]
        loss.backward()
        optimizer.step()
    assert training(**batch)["loss"] < first


def test_a_batch_that_shows_nothing_costs_a_finite_loss(training, batch):
    bare = {**batch, "patch_names": torch.zeros_like(batch["patch_names"])}
    for key in ("patch_colors", "patch_fills", "patch_sizes"):
        bare[key] = torch.full_like(batch[key], IGNORE)
    parts = training(**bare)
    assert all(value.isfinite() for value in parts.values())
    parts["loss"].backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in training.parameters())


def test_where_compares_each_phrase_with_the_patches_of_its_own_picture(training, batch):
    torch.manual_seed(1)
    states = torch.randn(3, batch["input_ids"].shape[1], tiny.WIDTH)
    got = training.where(states, batch)
    patches = training.where.patch(training.where.norms[1](states[:, : tiny.TOKENS]))
    total, count = torch.tensor(0.0), 0
    for (row, place), target, located in zip(
        batch["phrase_ends"].tolist(), batch["phrase_patches"], batch["phrase_located"], strict=True
    ):
        phrase = training.where.phrase(training.where.norms[0](states[row, place]))
        scores = patches[row] @ phrase * tiny.WIDTH**-0.5 + training.where.bias
        each = F.binary_cross_entropy_with_logits(scores, target, reduction="sum") / (target.sum() + 2)
        total, count = total + each * located, count + int(located)
    assert torch.allclose(got, total / count, atol=1e-5)


def test_where_is_asked_in_the_upper_half_of_the_decoder(training):
    assert 1 <= training.where.layer <= len(training.model.language.blocks)
