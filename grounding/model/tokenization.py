"""Owns the making of our tokenizer: byte-level words, lower case, and one token for each location and separator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from grounding.codecs.location import TOKENS
from grounding.errors import ConfigError

PAD, BOS, EOS, IMAGE = "<pad>", "<bos>", "<eos>", "<image>"
MARKS = ("<p>", "</p>", " ; ", " : ")
"""What structures an answer; a separator with its spaces is one token."""


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 5120,
    *,
    marks: Sequence[str] = MARKS,
    places: Sequence[str] = TOKENS,
    single_digits: bool = False,
) -> PreTrainedTokenizerFast:
    """A tokenizer of exactly `vocab_size` tokens, learned from texts; any other text is spelled in bytes.

    Ids: 0-3 pad, bos, eos, image; then words; `marks` and `places` end the vocabulary, in order: for our codec its
    separators and the 1,024 location tokens, for others the tags of their box language. `single_digits`: every digit is
    a token of its own, as in Llama, for boxes that are written in words. Raises ConfigError where so few tokens leave
    no room for the 256 bytes.
    """
    specials = [PAD, BOS, EOS, IMAGE]
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    cut: list[pre_tokenizers.PreTokenizer] = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if single_digits:
        cut.insert(0, pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cut) if single_digits else cut[0]
    tokenizer.decoder = decoders.ByteLevel()
    words = vocab_size - len(places) - len(marks)
    if words < (least := len(specials) + 256):
        raise ConfigError(
            f"vocab_size {vocab_size} leaves {words} tokens beside {len(places)} places and {len(marks)} marks: give "
            f"{vocab_size - words + least} or more, for bytes and special tokens take {least}"
        )
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        min_frequency=1,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    missing = words - tokenizer.get_vocab_size()
    fillers = [AddedToken(f"<unused{i}>", normalized=False) for i in range(missing)]
    tags = [AddedToken(text, normalized=False) for text in (*marks, *places)]
    tokenizer.add_tokens([*fillers, *tags])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens=[IMAGE],
        clean_up_tokenization_spaces=False,
        model_max_length=512,
        padding_side="left",
    )
