"""The vocabulary and the normalizer of a `tokenizer.json`, the only tokenizer file that transformers 5 writes."""

import json
from pathlib import Path
from typing import Any

import tokenizers

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import read_json_object

TOKENIZER_JSON = "tokenizer.json"
_WAY_OUT = (
    "give the folder of a BERT or RoFormer with WordPiece, or put its vocab.txt (one token a line) in the place of this file"
)
_BERT: dict[str, dict[str, Any]] = {
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
    "normalizer": {"type": "BertNormalizer", "clean_text": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
}
"""Parts of a tokenizer and their options, as BERT was trained with them; others would cut titles in another way."""


def read_tokenizer_json(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Read the WordPiece tokenizer of BERT or RoFormer as the Rust package `tokenizers` saved it.

    Returns:
        The tokens in the order of their ids; `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` of its normalizer.

    Raises:
        UserError: no JSON, another type of tokenizer (BPE, Unigram, ...) or of normalizer, WordPiece with other options, ids with
            gaps, or tokens that were added behind the vocabulary.
    """
    content = read_json_object(path)
    _require_bert(path, content)
    try:
        backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the package raises nothing more specific
        raise UserError(f"{path}: damaged, or of an unknown version: {error}; {_WAY_OUT}") from error
    normalizer = backend.normalizer
    options = {
        "do_lower_case": normalizer.lowercase,
        "strip_accents": normalizer.strip_accents,
        "tokenize_chinese_chars": normalizer.handle_chinese_chars,
    }
    return _vocabulary(path, backend), options


def _require_bert(path: Path, content: dict[str, Any]) -> None:
    """Before the Rust package reads the file: it may panic, not raise, at the rarer parts of other tokenizers."""
    for part, options in _BERT.items():
        found = content.get(part)
        if not isinstance(found, dict):
            found = {"type": found}
        if "max_input_chars_per_word" in found:  # of WordPiece alone; files of 2020 name no type
            found.setdefault("type", "WordPiece")
        if (kind := found.get("type")) != options["type"]:
            raise UserError(f"{path}: {part} is {kind!r}, BERT's {options['type']} is needed; {_WAY_OUT}")
        for name, needed in options.items():
            if (value := found.get(name, needed)) != needed:
                raise UserError(f"{path}: {part} with {name}={value!r}; BERT has {needed!r}: {_WAY_OUT}")


def _vocabulary(path: Path, backend: tokenizers.Tokenizer) -> list[str]:
    ids = backend.get_vocab(with_added_tokens=False)
    added = [token for token in backend.get_vocab(with_added_tokens=True) if token not in ids]
    if added:
        raise UserError(
            f"{path}: tokens were added behind the vocabulary, {count_and_first(added)}; titles would be cut without them:"
            " give the folder as it was before they were added"
        )
    vocabulary = sorted(ids, key=ids.__getitem__)
    if broken := [repr(token) for token in vocabulary if "\n" in token or "\r" in token]:
        raise UserError(f"{path}: tokens with a line break, {count_and_first(broken)}; vocab.txt cannot hold them")
    if [ids[token] for token in vocabulary] != list(range(len(ids))):
        raise UserError(f"{path}: the ids of {len(ids)} tokens are not 0 to {len(ids) - 1}; {_WAY_OUT}")
    return vocabulary
