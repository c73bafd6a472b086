"""The configurations that model families publish in their tokenizer.json, with vocabularies trained here.

Sources: the tokenizer.json files of SmolLM2, Llama 2, Llama 3, Qwen2.5 and Qwen3, Mistral 7B and Mistral
Nemo (Tekken), Gemma, as their model pages and the converters of `transformers`
(convert_slow_tokenizer.py) give them.
"""

import json

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
META = "\u2581"


def special(*contents):
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def plain(*contents):
    return [AddedToken(content, special=False, normalized=False) for content in contents]


def byte_level(texts, vocab, steps, added, normalizer=None, ignore_merges=False):
    """BPE over bytes; `steps` are the pre-tokenizers."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens(added)
    return tokenizer


def begin_with(tokenizer, token):
    return processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A {token}:1 $B:1",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def sentencepiece(texts, vocab, normalizer, pre_tokenizer, decoder, added):
    """BPE over characters with byte fallback, trained on words as sentencepiece does."""
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<unk>", "<s>", "</s>"] + byte_tokens,
        limit_alphabet=200,
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    description = json.loads(tokenizer.to_str())
    description["added_tokens"] = []
    description["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(description))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.add_tokens(special("<unk>", "<s>", "</s>") + added)
    tokenizer.post_processor = begin_with(tokenizer, "<s>")
    return tokenizer


def train(texts, vocab):
    """Tokenizers by family name."""

    def split(pattern):
        return pre_tokenizers.Split(Regex(pattern), "isolated")

    def to_bytes(use_regex=False, add_prefix_space=False):
        return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)

    chatml = special("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    from_meta = [decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()]
    strip = decoders.Strip(" ", 1, 0)
    families = {
        "smollm2": byte_level(
            texts, vocab, [pre_tokenizers.Digits(individual_digits=True), to_bytes(True)], chatml
        ),
        "qwen3": byte_level(
            texts,
            vocab,
            [split(QWEN2), to_bytes()],
            chatml + plain("<think>", "</think>"),
            normalizer=normalizers.NFC(),
        ),
        "llama3": byte_level(
            texts,
            vocab,
            [split(LLAMA3), to_bytes()],
            special("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            ignore_merges=True,
        ),
        "tekken": byte_level(
            texts,
            vocab,
            [split(TEKKEN), to_bytes()],
            special("<s>", "</s>", "[INST]", "[/INST]"),
            ignore_merges=True,
        ),
        "llama2": sentencepiece(
            texts,
            vocab,
            normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)]),
            None,
            decoders.Sequence([*from_meta, strip]),
            [],
        ),
        "mistral": sentencepiece(
            texts,
            vocab,
            None,
            pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
            decoders.Sequence([*from_meta, strip]),
            special("[INST]", "[/INST]"),
        ),
        "gemma": sentencepiece(
            texts,
            vocab,
            normalizers.Replace(" ", META),
            pre_tokenizers.Split(" ", "merged_with_previous"),
            decoders.Sequence(from_meta),
            special("<start_of_turn>", "<end_of_turn>") + plain("\n\n"),
        ),
    }
    for name, token in (("llama3", "<|begin_of_text|>"), ("tekken", "<s>")):
        families[name].post_processor = processors.Sequence(
            [processors.ByteLevel(trim_offsets=True), begin_with(families[name], token)]
        )
    families["qwen3"].post_processor = processors.ByteLevel(trim_offsets=False)
    return families


def odd(texts, vocab):
    """What no family uses, but the format has."""
    behaviors = (
        (r"[\t\x00]", "removed", False),
        (r"[aeiou]\b|;", "merged_with_previous", False),
        (r"\p{P}|x*", "merged_with_next", False),
        (r"[^q-z]", "contiguous", True),
    )
    splits = [
        pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)
        for pattern, behavior, invert in behaviors
    ]
    normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\d+"), "#"),
            normalizers.Strip(),
        ]
    )
    added = [
        AddedToken("<|a|>", special=True, normalized=True),
        AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("Word", single_word=True, normalized=True),
    ]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {
        "added": byte_level(texts, vocab, [to_bytes], added, normalizer=normalizer),
        "split": byte_level(texts, vocab, [*splits, last], []),
    }
