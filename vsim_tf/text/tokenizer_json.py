"""The vocabulary and the normalizer of a `tokenizer.json`, the only tokenizer file that transformers 5 writes."""

from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import read_json_object

TOKENIZER_JSON = "tokenizer.json"
_WAY_OUT = "give the folder of a BERT or RoFormer with WordPiece, or put its vocab.txt (one token a line) into the folder"
_PARTS = {
    "model": models.WordPiece, "normalizer": normalizers.BertNormalizer, "pre_tokenizer": pre_tokenizers.BertPreTokenizer
}  # fmt: skip
_WORD_PIECE = {"unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
"""Options of WordPiece as BERT was trained with; other values would cut words in another way."""


class TokenizerJson(NamedTuple):
    """Contents of a `tokenizer.json`.

    Attributes:
        vocabulary: tokens in the order of their ids.
        options: `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` of its normalizer; None where it decides nothing.
    """

    vocabulary: list[str]
    options: dict[str, bool | None]


def read_tokenizer_json(path: Path) -> TokenizerJson:
    """Reads the WordPiece tokenizer of BERT or RoFormer as the Rust package `tokenizers` saved it.

    Raises:
        UserError: no JSON, another type of tokenizer (BPE, Unigram, ...) or of normalizer, WordPiece with other options, ids with
            gaps, or tokens that were added behind the vocabulary.
    """
    _require_types(path)
    try:
        backend = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises nothing more specific
        raise UserError(f"{path}: damaged, or of an unknown version: {error}; {_WAY_OUT}") from error
    for name, needed in _WORD_PIECE.items():
        if (found := getattr(backend.model, name)) != needed:
            raise UserError(f"{path}: WordPiece with {name}={found!r}; BERT has {needed!r}: {_WAY_OUT}")
    normalizer = backend.normalizer
    if not normalizer.clean_text:
        raise UserError(f"{path}: its normalizer has clean_text=False; BERT has True: {_WAY_OUT}")
    options = {
        "do_lower_case": normalizer.lowercase,
        "strip_accents": normalizer.strip_accents,
        "tokenize_chinese_chars": normalizer.handle_chinese_chars,
    }
    return TokenizerJson(_vocabulary(path, backend), options)


def _require_types(path: Path) -> None:
    """Before the Rust package reads the file: it may panic, not raise, at the rarer parts of other tokenizers."""
    content = read_json_object(path)
    for part, kind in _PARTS.items():
        found = content.get(part)
        name = found.get("type") if isinstance(found, dict) else found
        if name != kind.__name__:
            raise UserError(f"{path}: {part} is {name!r}, BERT's {kind.__name__} is needed; {_WAY_OUT}")


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
