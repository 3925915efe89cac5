"""The training on photographs: from weak labels to a model that is asked, stage by stage, each resumed where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import grounding
from grounding.data.photos.labels import PhotoLabels, WeakBox, read_labels
from grounding.data.scenes.generate import draw_picture
from grounding.errors import ConfigError
from grounding.metrics.base import Figure
from grounding.model import GroundingForConditionalGeneration, GroundingProcessor
from grounding.model.answers import ModelAnswer
from grounding.model.nano_vit import CLASSES
from grounding.model.proposals import cover_channels
from grounding.result import Region
from grounding.training.parts_trainer import last_step
from grounding.training.photos.batches import MixedCollator
from grounding.training.photos.config import PhotosConfig
from grounding.training.photos.run import AT_ONCE, PhotoRun, reserved
from grounding.training.photos.start import moved_positions, start_model, told_as_read
from grounding.training.photos.trainer import PhotoTrainer, train
from grounding.training.photos.validating import both_ways, validate, validation_pictures
from tests.photos_tiny import write_labelled, write_nanodet, write_photos, write_scene_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PhotosConfig:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "photos")
    write_labelled(folder / "labelled", folder / "photos")
    write_nanodet(folder / "weights")
    write_scene_model(folder / "scenes")
    return PhotosConfig(
        photos=folder / "photos",
        labelled=folder / "labelled",
        weights=folder / "weights",
        start_from=folder / "scenes",
        out=folder / "run",
        image_size=64,
        vision_layers=1,
        vocab_size=1500,
        see_steps=3,
        rounds=2,
        speak_steps=4,
        batch_size=4,
        phrases=4,
        most_tokens=128,
        scene_share=0.5,
        watched=3,
        text_pictures=6,
        warmup_steps=1,
        eval_every=4,
        save_every=2,
        workers=0,
        bf16=False,
    )


@pytest.fixture(scope="module")
def finished(tiny: PhotosConfig) -> Path:
    return train(tiny)


def test_a_whole_run_gives_a_model_that_answers(tiny: PhotosConfig, finished: Path) -> None:
    stages = [json.loads(line) for line in (tiny.out / "log.jsonl").read_text().splitlines()]
    assert {entry["stage"] for entry in stages} == {"see-1", "see-2", "speak"}
    last = [entry for entry in stages if "eval_photo_all" in entry][-1]
    assert 0 <= last["eval_photo_all"] <= 1
    assert "eval_scene_all" in last
    assert all("eval_ap" in entry for entry in stages if "eval_photo_all" in entry)  # of 0 too
    assert [path.name for path in (tiny.out / "sheets").iterdir()] == ["step-000004.png"]
    model = grounding.load(finished)
    picture = next((tiny.labelled / "images").iterdir())
    answer = model.ground(picture, "the red dog")
    assert answer.width == 64


def test_a_model_is_validated_on_true_boxes_alone_and_with_mirror_images(tiny: PhotosConfig, finished: Path) -> None:
    run = PhotoRun(tiny)
    pictures = validation_pictures(tiny.labelled / "images", run.truth, run.options())
    again = validation_pictures(tiny.labelled / "images", run.truth, run.options())
    assert [one.samples for one in pictures] == [one.samples for one in again]
    model = GroundingForConditionalGeneration.from_pretrained(finished, dtype=torch.float32)
    plain = validate(model, run.processor, pictures)
    both = validate(model, run.processor, pictures, flips=True)
    assert plain.keys() == both.keys() >= {"all"}
    assert all(0 <= figure.value <= 1 for figure in (*plain.values(), *both.values()))


def test_answers_about_a_picture_and_its_mirror_image_become_one() -> None:
    def said(box, score: float, presence: float) -> ModelAnswer:
        regions = (Region(box, score=score),) if box else ()
        return ModelAnswer("", (), (), regions, (), presence)

    here, there = said((10, 0, 30, 40), 0.6, 0.9), said((70, 0, 92, 44), 0.4, 0.9)
    assert both_ways(here, there, 100)[0].box == (9, 0, 30, 42)  # the mirror image of 70-92 is 8-30
    apart = said((10, 0, 30, 40), 0.7, 0.9)
    assert both_ways(here, apart, 100)[0].box == (70, 0, 90, 40)  # the surer of two that differ
    assert both_ways(here, said(None, 0, 0.3), 100)[0].box == (10, 0, 30, 40)
    assert both_ways(said(None, 0, 0.2), said((10, 0, 30, 40), 0.6, 0.6), 100) == ()


def test_photographs_with_true_boxes_are_never_learned_from(tiny: PhotosConfig, finished: Path) -> None:
    run = PhotoRun(tiny)
    learned = set(run.photo_set(run.first_labels()).names())
    assert len(run.reserved) == 2
    assert not learned & set(run.reserved)
    assert not learned & set(run.watched)
    assert len(learned) + len(run.reserved) + len(run.watched) == len(run.given)


def test_a_photograph_with_true_boxes_is_known_by_its_name_or_its_only_number() -> None:
    one, other = PhotoLabels("7.jpg"), PhotoLabels("dog_1.jpg")
    given = ["COCO_000000000007.jpg", "cat_1.jpg", "dog_1.jpg"]
    assert reserved(given, {"7.jpg": one, "dog_1.jpg": other}) == {"COCO_000000000007.jpg": one, "dog_1.jpg": other}
    with pytest.raises(ConfigError, match=r"1\.jpg with true boxes may be any of cat_1\.jpg, dog_1\.jpg"):
        reserved(given, {"1.jpg": one})


def test_true_boxes_of_other_photographs_are_refused(tiny: PhotosConfig, tmp_path: Path) -> None:
    (tmp_path / "boxes.jsonl").write_text('{"image": "9999.jpg", "boxes": []}\n')
    with pytest.raises(ConfigError, match="judges are weighed by those that both have"):
        PhotoRun(replace(tiny, labelled=tmp_path, out=tmp_path / "run"))


def test_every_photograph_has_labels_of_each_round(tiny: PhotosConfig, finished: Path) -> None:
    given = read_labels(tiny.photos / "detections.jsonl")
    for number in (0, 1):
        labels = read_labels(tiny.out / f"labels-{number}.jsonl")
        assert list(labels) == list(given)
        assert any(found.boxes for found in labels.values())


def test_a_stage_that_was_finished_with_other_steps_is_not_taken_for_more(tiny: PhotosConfig, finished: Path) -> None:
    told = (tiny.out / "run.json").read_text()
    with pytest.raises(ConfigError, match="was finished with 4 steps, and 400 are asked for"):
        train(replace(tiny, speak_steps=400))
    assert (tiny.out / "run.json").read_text() == told


def test_a_checkpoint_cut_off_while_it_was_written_is_passed_over(tmp_path: Path) -> None:
    assert last_step(tmp_path) == (None, 0)
    for step in (250, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    (tmp_path / "checkpoint-1250").mkdir()
    assert last_step(tmp_path) == (str(tmp_path / "checkpoint-1000"), 1000)


def test_photographs_that_a_stopped_run_has_labelled_are_not_labelled_again(tiny: PhotosConfig, tmp_path: Path) -> None:
    run = PhotoRun(replace(tiny, out=tmp_path / "run"))
    asked: list[str] = []

    def judge(pictures):
        names = [name for name, _ in pictures]
        if len(asked) >= 2 * AT_ONCE:
            raise KeyboardInterrupt
        asked.extend(names)
        return {name: PhotoLabels(name, (WeakBox("dog", 0.5, (0.1, 0.1, 0.6, 0.6)),)) for name in names}

    run.given = {f"{number:03d}.jpg": PhotoLabels(f"{number:03d}.jpg") for number in range(3 * AT_ONCE)}
    run.shards = dict.fromkeys(run.given)
    file = tmp_path / "run" / "judge.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run._judged(file, lambda: judge)
    assert not file.exists()
    del asked[:AT_ONCE]
    found = run._judged(file, lambda: judge)
    assert list(found) == list(run.given)
    assert len(set(asked)) == len(asked) == 2 * AT_ONCE
    assert not file.with_suffix(".parts").exists()


def test_a_run_of_another_shape_is_refused(tiny: PhotosConfig, finished: Path) -> None:
    with pytest.raises(ConfigError, match="vision_layers is 2, and 1 in the run"):
        train(replace(tiny, vision_layers=2))


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tiny: PhotosConfig, finished: Path, tmp_path: Path) -> None:
    config = replace(tiny, out=tmp_path / "run", see_steps=2, rounds=1, speak_steps=4, eval_every=100)
    whole = GroundingForConditionalGeneration.from_pretrained(train(config))
    again = replace(config, out=tmp_path / "again")
    train_until(again, steps=2)
    resumed = GroundingForConditionalGeneration.from_pretrained(train(again))
    ours, theirs = resumed.state_dict(), whole.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def train_until(config: PhotosConfig, steps: int) -> None:
    """Runs until the checkpoint of so many steps of asking, then stops as a signal would."""

    class Stopped(Exception):
        pass

    original = PhotoTrainer.compute_loss

    def compute(self, *args, **kwargs):
        if self.stage == "speak" and self.state.global_step >= steps:
            raise Stopped
        return original(self, *args, **kwargs)

    PhotoTrainer.compute_loss = compute
    try:
        with pytest.raises(Stopped):
            train(config)
    finally:
        PhotoTrainer.compute_loss = original


def test_at_first_the_model_answers_as_the_one_it_starts_from(tiny: PhotosConfig) -> None:
    processor = GroundingProcessor.from_pretrained(tiny.start_from)
    config = replace(tiny, vocab_size=1400, most_tokens=200, image_size=128)  # the grid of the model before
    before = GroundingForConditionalGeneration.from_pretrained(tiny.start_from, dtype=torch.float32).eval()
    model = start_model(tiny.start_from, processor, config).eval()
    assert model.vision.first.config.grid == before.config.vision_config.grid
    pixels = torch.rand(1, 3, 128, 128) * 2 - 1
    small = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="bilinear", antialias=True)
    ids = torch.tensor([[3] * 16 + [1, 300, 301]])
    with torch.no_grad():
        ours = model(input_ids=ids, pixel_values=pixels).logits
        theirs = before(input_ids=ids, pixel_values=small).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_finished_model_of_photographs_goes_on(tiny: PhotosConfig, finished: Path) -> None:
    processor = GroundingProcessor.from_pretrained(finished)
    before = GroundingForConditionalGeneration.from_pretrained(finished, dtype=torch.float32).eval()
    model = start_model(finished, processor, tiny).eval()
    side = model.vision.first.config.image_size
    pixels = torch.rand(1, 3, side, side) * 2 - 1
    ids = torch.tensor([[3] * model.vision.first.config.grid**2 + [1, 300, 301]])
    with torch.no_grad():
        ours, theirs = (one(input_ids=ids, pixel_values=pixels).logits for one in (model, before))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    other = start_model(finished, processor, replace(tiny, image_size=128)).eval()  # another encoder: from its start
    assert not other.projector.weight[:, : other.vision.first.config.out_hidden_size].any()


def test_told_edges_come_in_as_the_decoder_reads_edges(tiny: PhotosConfig, finished: Path) -> None:
    processor = GroundingProcessor.from_pretrained(tiny.start_from)
    config = replace(tiny, vocab_size=1400, most_tokens=200, image_size=128)
    drawn = list(PhotoRun(tiny).scenes[0][1:])
    scenes = [draw_picture(seed, drawn[0]) for seed in range(12)]
    model = start_model(tiny.start_from, processor, config, scenes)
    eyes = model.vision.first.config
    weight = model.projector.weight[:, : eyes.out_hidden_size]
    told = torch.tensor(cover_channels(CLASSES)) + eyes.hidden_size
    assert weight[:, told].abs().sum(0).min() > 0
    rest = torch.ones(weight.shape[1], dtype=torch.bool)
    rest[told] = False
    assert not weight[:, rest].any()
    before = GroundingForConditionalGeneration.from_pretrained(tiny.start_from, dtype=torch.float32).eval()
    read = told_as_read(before, processor, scenes)
    assert torch.equal(read, weight[:, told].detach())
    assert told_as_read(before, processor, []) is None


def test_photographs_with_several_of_a_kind_come_more_often(tiny: PhotosConfig, finished: Path) -> None:
    photos = PhotoRun(tiny).photo_set(PhotoRun(tiny).first_labels())
    name = next(iter(photos.labels))
    twin = WeakBox("dog", 0.9, (0.1, 0.1, 0.3, 0.4))
    two = PhotoLabels(name, (twin, replace(twin, box=(0.6, 0.5, 0.9, 0.9))))
    photos = replace(photos, labels={**photos.labels, name: two}, several=3)
    names = photos.names()
    assert names.count(name) == 3
    assert len(names) == len(set(names)) + 2


def test_positions_move_with_the_grid() -> None:
    table = torch.arange(10.0)[:, None].expand(10, 4)  # 4 for the grid, 6 for the text
    moved = moved_positions(table, 9 + 8, 2, 3)
    assert moved.shape == (17, 4)
    assert moved[4, 0] == pytest.approx(1.5)  # the middle of the grid
    assert moved[9:, 0].tolist() == [4, 5, 6, 7, 8, 9, 9, 9]


def test_boxes_of_photographs_and_outlines_of_scenes_share_a_batch(tiny: PhotosConfig, finished: Path) -> None:
    from grounding.training.collator import SceneStream
    from grounding.training.photos.batches import MixedStream

    run = PhotoRun(tiny)
    scenes = SceneStream(run.scenes, 5, 0)
    stream = MixedStream(run.photo_set(run.first_labels()), scenes, 0.5, 0, 4)
    pictures = list(stream)
    assert [type(picture).__name__ for picture in pictures] == ["PhotoPicture", "Picture", "PhotoPicture", "Picture"]
    batch = MixedCollator(run.processor, run.names, run.colors, 0.5, 128)(pictures)
    assert batch["dense_rows"].tolist() == [0, 2]
    assert batch["dense_names"].shape == (2, 4, 80)
    asked = batch["phrase_ends"][:, 0]
    for row, picture in enumerate(pictures):
        assert int((asked == row).sum()) <= len(picture.samples)
    located = batch["phrase_located"]
    assert (batch["phrase_patches"][located].sum(1) > 0).any()
    assert batch["labels"].shape == batch["input_ids"].shape
    later = MixedStream(run.photo_set(run.first_labels()), scenes, 0.5, 2, 2)
    assert [picture.seed for picture in later] == [picture.seed for picture in pictures[2:]]


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="human-models"):
        PhotosConfig()
    with pytest.raises(ConfigError, match="lite7"):
        PhotosConfig(eyes="lite7")
    with pytest.raises(ConfigError, match="scene_share"):
        PhotosConfig(eyes="lite0", scene_share=1.5)


def test_changes_to_a_finished_run_begin_where_its_seeing_ended(tiny: PhotosConfig, finished: Path, tmp_path: Path):
    spec = spec_from_file_location("photo_ablations", Path(__file__).parents[1] / "benchmarks" / "photo_ablations.py")
    assert spec is not None
    assert spec.loader is not None
    ablations = module_from_spec(spec)
    spec.loader.exec_module(ablations)
    config = ablations.config_of(tiny.out)
    assert config == tiny
    seen = load_file(tiny.out / "see-2" / "finished.safetensors")
    for name, change in (("smaller", {"image_size": 32}), ("tuned", {"conv_lr": 1e-4})):
        ablations.CHANGES[name] = change
        model = GroundingForConditionalGeneration.from_pretrained(
            ablations.changed(config, tiny.out, name, 2, tmp_path)
        )
        assert model.config.image_size == change.get("image_size", 64)
        begun = load_file(tmp_path / name / "see-1" / "finished.safetensors")
        same = [key for key in seen if begun[key].shape == seen[key].shape and torch.equal(begun[key], seen[key])]
        assert len(seen) - len(same) <= (0 if name == "tuned" else 3)  # the tables of places
        assert (tmp_path / name / "labels-0.jsonl").read_text() == (tiny.out / "labels-1.jsonl").read_text()
        assert not (tmp_path / name / "see-2").exists()
    row = ablations.measured("tuned", lambda: {"all": Figure(0.5, 0.4, 0.6)}, tmp_path)
    assert row[0] == "50.0 (40.0-60.0)"
    ablations.asked_before(tmp_path / "asked.json", {"steps": 2})
    with pytest.raises(SystemExit, match="give --out another folder"):
        ablations.asked_before(tmp_path / "asked.json", {"steps": 3})
