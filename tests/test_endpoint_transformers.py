"""A real server with a real chat model of vision behind the verbs: `transformers serve` on loopback, a tiny checkpoint.

The model's weights are made so that each token decides the next: behind any prompt it writes BOX and ends. Everything
else is as in earnest: HTTP, chat template, picture, processor, generation, detokenization, token counts.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

import grounding
from grounding import Grounding, Region
from grounding.errors import BackendError
from tests.chat_server import BOX, BOX_PX

pytestmark = pytest.mark.slow
for needed in ("openai", "fastapi", "uvicorn"):
    pytest.importorskip(needed, reason="`transformers serve` needs its extra: pip install 'transformers[serving]'")

PARTS = (BOX[:24], BOX[24:-1], BOX[-1])
"""The tokens that the answer is written in."""
TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{{ '<image>' if c['type'] == 'image' else c['text'] }}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} assistant:{% endif %}"
)


def build(directory: Path) -> None:
    """LLaVA with one layer of text that adds nothing: what follows is decided by the last token's embedding alone."""
    import torch
    import transformers as t
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator([], trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=specials))
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", bos_token="<s>", eos_token="</s>", extra_special_tokens=["<image>"]
    )
    tokenizer.add_tokens([AddedToken(part, normalized=False) for part in PARTS])

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = t.CLIPVisionConfig(**shape, image_size=28, patch_size=14, projection_dim=16)
    text = t.LlamaConfig(**shape, vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=2)
    config = t.LlavaConfig(vision_config=vision, text_config=text, vision_feature_layer=-1)
    config.image_token_index = config.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(0)
    model = t.LlavaForConditionalGeneration(config)
    language, head = model.model.language_model, model.lm_head
    chain = [*(tokenizer.convert_tokens_to_ids(part) for part in PARTS), tokenizer.eos_token_id]
    with torch.no_grad():
        language.layers[0].self_attn.o_proj.weight.zero_()
        language.layers[0].mlp.down_proj.weight.zero_()
        language.embed_tokens.weight.zero_()[:, 0] = 1  # every token leads to the answer's first ...
        head.weight.zero_()[chain[0], 0] = 1
        for step, token in enumerate(chain[:-1], 1):  # ... and each of the answer's to its next
            language.embed_tokens.weight[token] = torch.eye(16)[step]
            head.weight[chain[step], step] = 1
    model.save_pretrained(directory)
    t.LlavaProcessor(
        image_processor=t.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=TEMPLATE,
    ).save_pretrained(directory)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The directory of the checkpoint, which is its name to the server, and the server's address."""
    directory = tmp_path_factory.mktemp("served") / "model"
    build(directory)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", directory, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    log = directory.with_name("log")
    with log.open("w") as out:
        process = subprocess.Popen(
            list(map(str, command)), stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        until = time.monotonic() + 600
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.5)
        yield str(directory), f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def load(served, **options):
    name, base_url = served
    return grounding.load(f"endpoint:{name}", base_url=base_url, timeout=300, **{"max_tokens": 30, **options})


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


def test_served_model_answers_the_verbs(served, picture):
    model = load(served)
    one = model.ground(picture, "the cup")
    assert [region.box for region in one.regions] == [pytest.approx(BOX_PX)]
    assert (one.labels, one.problems, one.text) == (("cup",), (), BOX)
    both = model.ground_many([(picture, "the cup"), (picture, "the spoon")])
    assert [answer.text for answer in both] == [BOX, BOX]
    first = model.usage.answers[0]
    assert (first.finish, first.output_tokens) == ("stop", len(PARTS) + 1)
    assert first.input_tokens > 100


def test_served_model_streams(served, picture):
    model = load(served)
    region, whole = model.stream(picture, "the cup")
    assert isinstance(region, Region)
    assert isinstance(whole, Grounding)
    assert whole.regions == (region,)
    assert (whole.text, whole.problems) == (BOX, ())
    assert model.usage.answers[0].finish == "stop"


def test_served_model_that_is_cut_says_so(served, picture):
    answer = load(served, max_tokens=1).ground(picture, "the cup")
    assert answer.text == PARTS[0]
    assert "truncated" in {problem.kind for problem in answer.problems}


def test_field_that_the_server_refuses_is_left_out(served, picture):
    """It takes no `skip_special_tokens`, and says so with status 422."""
    model = load(served, codec="internvl")
    model.ground(picture, "the cup")
    assert "skip_special_tokens" in model.notes[0]


def test_model_that_is_not_served_is_told_in_the_servers_words(served, picture):
    name, base_url = served
    with pytest.raises(BackendError, match=f"pinned to '{name}'; requested 'other'"):
        grounding.load("endpoint:other", base_url=base_url, timeout=300).ground(picture, "the cup")
