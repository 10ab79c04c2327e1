"""Titles to token ids: BERT's WordPiece, and RoFormer's jieba words with WordPiece for the words it does not know.

Neither tokenizer needs TensorFlow or transformers: words are cut by `rjieba`, WordPiece runs in the Rust package `tokenizers`,
and what it gave for a part of a title is remembered. A tokenizer is its vocabulary, its kind and how text is normalised; `save`
writes all three.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rjieba
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file, read_json_object
from vsim_tf.text.special_tokens import FORMS, SEP, SPECIAL_TOKENS, UNK, shortest_text
from vsim_tf.text.tokenizer_json import TOKENIZER_JSON, read_tokenizer_json
from vsim_tf.types import PathLike

VOCAB_FILE = "vocab.txt"
CONFIG_FILE = "tokenizer_config.json"

_SPECIAL_IN_TEXT = re.compile("(" + "|".join(map(re.escape, SPECIAL_TOKENS)) + ")")
_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789"
_CACHED = 1 << 16
"""Of so many parts of titles a tokenizer remembers the ids."""

_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff"
_CHARACTER_OR_RUN = re.compile(f"[{_CHINESE}]|[^{_CHINESE}]+")
"""A Chinese character, which BERT makes a word of its own, or what stands between two: neither changes how the other is cut. The
rarer blocks of Chinese characters are left to the Rust package."""


class Normalization(NamedTuple):
    """How BERT cleans text before it is cut; the names are those of a Hugging Face `tokenizer_config.json`.

    Attributes:
        do_lower_case: lower the text.
        strip_accents: drop accents; None means the same as `do_lower_case`.
        tokenize_chinese_chars: every Chinese character is a word of its own.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True

    def backend(self) -> normalizers.BertNormalizer:
        """The normaliser of the Rust package."""
        return normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.tokenize_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.do_lower_case,
        )


DEFAULT_NORMALIZATION = Normalization()


class Tokenizer:
    """BERT's tokenizer: the ids of transformers' `BertTokenizer` for whole batches.

    The slow tokenizer of 2021 gives the same ids except around 480 rare characters that the Rust package classifies
    differently: U+2B820 to U+2B91F (CJK extension E), and marks and punctuation younger than its Unicode tables.

    Args:
        vocabulary: tokens in the order of their ids; holds the five special tokens, nothing empty, nothing twice.
        normalization: how text is cleaned.
        source: what errors call the vocabulary, usually its file.

    Raises:
        UserError: the vocabulary is empty, lacks a special token, or has an empty or a repeated entry.
    """

    kind = "bert"

    def __init__(
        self,
        vocabulary: Sequence[str],
        normalization: Normalization = DEFAULT_NORMALIZATION,
        source: PathLike = "the vocabulary",
    ):
        self.vocabulary = tuple(vocabulary)
        self.normalization = normalization
        self._ids = _ids_of(self.vocabulary, source)
        self._word_piece = _word_piece(self._ids, normalization)
        self._pieces = lru_cache(_CACHED)(self._cut)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (self._ids[t] for t in SPECIAL_TOKENS)

    @property
    def vocab_size(self) -> int:
        """Number of entries of the vocabulary; ids are below it."""
        return len(self.vocabulary)

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of [PAD], [CLS] and [SEP]: positions that a masked language model never selects (2021 solution)."""
        return self.pad_id, self.cls_id, self.sep_id

    @property
    def fingerprint(self) -> str:
        """sha256 of the vocabulary, hexadecimal: weights trained with one vocabulary mean nothing with another."""
        return hashlib.sha256(_vocab_text(self.vocabulary)).hexdigest()

    def encode_batch(self, titles: Sequence[str], max_length: int, form: str = "single") -> tuple[np.ndarray, np.ndarray]:
        """Token ids of a batch: [CLS], the title cut on the right, [SEP], then [PAD] up to exactly `max_length`.

        Args:
            titles: the batch; an empty title is legal. A special token spelled out in a title becomes that token,
                as in transformers.
            max_length: tokens a row, special tokens included.
            form: "single", or "pair" for an empty text before the title: [CLS] [SEP] title [SEP].

        Returns:
            `(input_ids, attention_mask)`, both `[batch, max_length]` int32.

        Raises:
            UserError: a `max_length` without room for the special tokens.
        """
        before = [self._ids[token] for token in FORMS[form]]
        title_length = max_length - shortest_text(form)
        if title_length < 0:
            needed = " ".join((*FORMS[form], SEP))
            raise UserError(f"text length {max_length}: at least {shortest_text(form)} is needed, for {needed}")
        return self.pad([[*before, *self.token_ids(title)[:title_length], self.sep_id] for title in titles], max_length)

    def pad(self, rows: Sequence[Sequence[int]], max_length: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of at most `max_length` token ids, filled up with [PAD]; their mask. Both `[batch, max_length]` int32."""
        input_ids = np.full((len(rows), max_length), self.pad_id, np.int32)
        for padded, row in zip(input_ids, rows, strict=True):
            padded[: len(row)] = row
        lengths = np.array([len(row) for row in rows], np.int32).reshape(-1, 1)
        return input_ids, (np.arange(max_length) < lengths).astype(np.int32)

    def token_ids(self, title: str) -> list[int]:
        """Token ids of a text alone, without special tokens around it."""
        parts = _CHARACTER_OR_RUN.findall(title) if self.normalization.tokenize_chinese_chars else [title]
        return [token for part in parts for token in self._pieces(part)]

    def save(self, folder: PathLike) -> None:
        """Write vocab.txt and tokenizer_config.json so that `load_tokenizer(folder, kind)` gives this tokenizer.

        The vocabulary, without which nothing loads, comes last. Raises UserError if the folder cannot be written.
        """
        config = {"tokenizer_class": _CLASS_NAMES[self.kind], **self.normalization._asdict()}
        with output_file(Path(folder, CONFIG_FILE)) as file:
            file.write((json.dumps(config, indent=2, allow_nan=False) + "\n").encode())
        with output_file(Path(folder, VOCAB_FILE)) as file:
            file.write(_vocab_text(self.vocabulary))

    def _cut(self, text: str) -> list[int]:
        return self._word_piece.encode(text, add_special_tokens=False).ids


class WordTokenizer(Tokenizer):
    """RoFormer's tokenizer: a jieba word of the vocabulary is one token, any other word is cut as BERT would.

    Same ids as the slow `RoFormerTokenizer` of transformers 4, with which the public weights were trained: lower the
    text, cut it without the hidden Markov model, and clean up (accents, control characters, punctuation) only the
    words that are not in the vocabulary. The one in transformers 5 cleans up first and never splits at punctuation.
    """

    kind = "roformer"

    def token_ids(self, title: str) -> list[int]:
        tokens: list[int] = []
        for word in _words(title, self.normalization.do_lower_case):
            token = self._ids.get(word)
            if token is None:
                tokens.extend(self._pieces(word))
            else:
                tokens.append(token)
        return tokens


_CLASSES = {"bert": Tokenizer, "roformer": WordTokenizer}
_CLASS_NAMES = {"bert": "BertTokenizer", "roformer": "RoFormerTokenizer"}


def load_tokenizer(path: PathLike, kind: str) -> Tokenizer:
    """The tokenizer of a folder (vocab.txt or tokenizer.json, optional tokenizer_config.json) or of a vocabulary file alone.

    Args:
        path: a folder that `Tokenizer.save` or Hugging Face wrote, or a file with one token a line. vocab.txt is read
            before tokenizer.json.
        kind: "bert" or "roformer".

    Raises:
        UserError: no such file, not UTF-8 or not JSON, a vocabulary that cannot be used, or a folder with another kind of
            tokenizer.
    """
    _check_kind(kind)
    folder = Path(path)
    if not folder.is_dir():
        return _CLASSES[kind](_read_vocabulary(folder), source=path)
    return tokenizer_of(vocabulary_files(folder)[0], kind)


def vocabulary_files(folder: Path) -> list[Path]:
    """The files of a folder that hold a vocabulary, vocab.txt first; never empty, so that an error names vocab.txt."""
    found = [folder / name for name in (VOCAB_FILE, TOKENIZER_JSON) if (folder / name).exists()]
    return found or [folder / VOCAB_FILE]


def tokenizer_of(file: Path, kind: str) -> Tokenizer:
    """The tokenizer that one vocabulary file of a folder makes, as `load_tokenizer`.

    The options of the tokenizer_config.json next to it win over those of tokenizer.json, as in transformers.
    """
    if file.name == TOKENIZER_JSON:
        vocabulary, options = read_tokenizer_json(file)
        if kind == WordTokenizer.kind:  # there it says that words are cut before, not how BERT cuts what is unknown
            del options["tokenize_chinese_chars"]
        normalization = Normalization(**options)
    else:
        vocabulary, normalization = _read_vocabulary(file), DEFAULT_NORMALIZATION
    config_file = file.with_name(CONFIG_FILE)
    if config_file.exists():
        normalization = _read_normalization(config_file, kind, normalization)
    return _CLASSES[kind](vocabulary, normalization, source=file)


def build_vocab(titles: Iterable[str], kind: str, max_words: int = 50_000) -> list[str]:
    """A vocabulary to train an encoder from scratch with, the same for the same titles in any order.

    The special tokens, then every character of the titles (lowered, without accents) and a to z and 0 to 9 by
    frequency, then `##` forms of the characters that stand inside a word, so that WordPiece can spell any Latin word
    and number. For RoFormer, jieba words of at least two characters that occur at least twice follow by frequency.

    Args:
        titles: the training titles.
        kind: "bert" or "roformer".
        max_words: at most so many words; RoFormer only.
    """
    _check_kind(kind)
    characters = Counter(dict.fromkeys(_ALPHANUMERIC, 0))
    inner = Counter({"##" + character: 0 for character in _ALPHANUMERIC})
    words: Counter[str] = Counter()
    normalizer, splitter = DEFAULT_NORMALIZATION.backend(), pre_tokenizers.BertPreTokenizer()
    for title in titles:
        if kind == WordTokenizer.kind:
            cut = _words(title, lower_case=True)
            words.update(word for word in cut if len(word) > 1 and not word.isspace())
            title = " ".join(cut)
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(title)):
            characters[word[0]] += 1
            inner.update("##" + character for character in word[1:])
    frequent = [word for word in _by_frequency(words) if words[word] > 1][:max_words]
    return list(dict.fromkeys([*SPECIAL_TOKENS, *_by_frequency(characters), *_by_frequency(inner), *frequent]))


def decode_titles(titles: Iterable[bytes]) -> list[str]:
    """Titles of records as text; bytes that are not UTF-8 become U+FFFD, which both tokenizers drop."""
    return [title.decode("utf-8", errors="replace") for title in titles]


def _words(title: str, lower_case: bool) -> list[str]:
    """The jieba words of a title in order; special tokens spelled out in it stay whole."""
    if "[" not in title:
        return rjieba.cut(_lower(title) if lower_case else title, False)
    words = []
    for i, part in enumerate(_SPECIAL_IN_TEXT.split(title)):
        if i % 2:
            words.append(part)
        elif part:
            words.extend(rjieba.cut(_lower(part) if lower_case else part, False))
    return words


def _lower(text: str) -> str:
    # Character by character, as transformers does: `lower` alone makes the last sigma of a word another letter.
    return text.replace("Σ", "σ").lower()


def _ids_of(vocabulary: Sequence[str], source: PathLike) -> dict[str, int]:
    ids: dict[str, int] = {}
    for i, token in enumerate(vocabulary):
        if not token:
            raise UserError(f"{source}: line {i + 1} is empty; a vocabulary has one token a line")
        if ids.setdefault(token, i) != i:
            raise UserError(f"{source}: {token!r} stands in line {ids[token] + 1} and again in line {i + 1}")
    missing = [token for token in SPECIAL_TOKENS if token not in ids]
    if missing:
        raise UserError(
            f"{source}: {len(ids)} tokens, but not {', '.join(missing)}; a vocabulary needs all of {' '.join(SPECIAL_TOKENS)}"
        )
    return ids


def _word_piece(ids: dict[str, int], normalization: Normalization) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece(ids, unk_token=UNK, max_input_chars_per_word=100))
    backend.normalizer = normalization.backend()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    return backend


def _by_frequency(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda token: (-counts[token], token))


def _vocab_text(vocabulary: Sequence[str]) -> bytes:
    return "".join(f"{token}\n" for token in vocabulary).encode()


def _read_vocabulary(path: Path) -> list[str]:
    # Not splitlines: it also splits at characters such as U+2028, which are tokens like any other.
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text at byte {error.start}") from error
    if not text:
        raise UserError(f"{path}: the vocabulary is empty; one token a line is needed")
    return text.split("\n")


def _read_normalization(path: Path, kind: str, fallback: Normalization) -> Normalization:
    config = read_json_object(path)
    class_name = config.get("tokenizer_class") or _CLASS_NAMES[kind]
    if class_name not in (_CLASS_NAMES[kind], _CLASS_NAMES[kind] + "Fast"):
        raise UserError(f"{path}: tokenizer_class is {class_name!r}, but a {kind} model needs {_CLASS_NAMES[kind]!r}")
    given = {name: config[name] for name in Normalization._fields if config.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, bool):
            raise UserError(f"{path}: {name} is {value!r}; true or false is needed")
    return fallback._replace(**given)


def _check_kind(kind: str) -> None:
    if kind not in _CLASSES:
        raise UserError(f"tokenizer {kind!r}: accepted are {' and '.join(_CLASSES)}")
