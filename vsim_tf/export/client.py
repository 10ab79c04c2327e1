"""Inputs of an exported model, made of videos, without vsim_tf: this file lies in every exported folder.

    from client import Client
    inputs = Client("my-export").inputs([{"title": "天地玄黄", "frames": frames}])

It needs NumPy and the package tokenizers, and for RoFormer rjieba. `docs/serving.md` of vsim_tf has the rules that it follows.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

Video = Mapping[str, Any]
SPECIAL = PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
BEFORE = {"single": [CLS], "pair": [CLS, SEP]}
FLOAT16_MAX = 65504


class Client:
    """Makes the inputs of the model in a folder.

    Args:
        folder: with export.json and the vocabularies.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.settings = json.loads(Path(folder, "export.json").read_text(encoding="utf-8"))
        self.texts = [Text(Path(folder), settings) for settings in self.settings["texts"]]

    def inputs(self, videos: Sequence[Video]) -> dict[str, np.ndarray]:
        """Input arrays by their names, with a row for each video.

        Args:
            videos: dicts with `title`, `frames` `[frames, dim]`, and `ocr` and `asr` where the model reads them.

        Raises:
            ValueError: frames of another shape, or numbers that float16 does not hold; with the number of the video.
        """
        arrays = self.frames([video["frames"] for video in videos])
        for text in self.texts:
            arrays |= text.inputs(videos)
        return arrays

    def frames(self, given: Sequence[Any]) -> dict[str, np.ndarray]:
        """Frames of all videos, filled up with zeros to the longest, and how many each has."""
        dim, arrays = self.settings["frames"]["dim"], []
        for number, frames in enumerate(given):
            array = np.asarray(frames, np.float32)
            array = array.reshape(0, dim) if array.shape == (0,) else array
            if array.ndim != 2 or array.shape[1] != dim:
                raise ValueError(f"video {number}: frames have the shape {list(array.shape)}; accepted is [frames, {dim}]")
            if not (np.abs(array) <= FLOAT16_MAX).all():
                raise ValueError(f"video {number}: frames hold numbers outside of -{FLOAT16_MAX} to {FLOAT16_MAX}")
            arrays.append(array)
        num_frames = np.array([len(array) for array in arrays], np.int32)
        batch = np.zeros((len(arrays), num_frames.max(initial=0), dim), np.float32)
        for row, array in zip(batch, arrays, strict=True):
            row[: len(array)] = array
        return {"frames": batch, "num_frames": num_frames}


class Text:
    """Token ids of texts.

    Args:
        folder: of the exported model.
        settings: an entry of `texts` in its export.json.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.settings, vocabulary = settings, folder / settings["tokenizer"]
        # not splitlines, which cuts at characters that are tokens
        tokens = (vocabulary / "vocab.txt").read_bytes().decode().removesuffix("\n").split("\n")
        self.ids = {token: number for number, token in enumerate(tokens)}
        options = json.loads((vocabulary / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.lower = options["do_lower_case"]
        self.pieces = tokenizers.Tokenizer(models.WordPiece(self.ids, unk_token=UNK, max_input_chars_per_word=100))
        self.pieces.normalizer = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=options["tokenize_chinese_chars"], strip_accents=options["strip_accents"],
            lowercase=self.lower,
        )  # fmt: skip
        self.pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self.pieces.add_special_tokens(list(SPECIAL))

    def inputs(self, videos: Sequence[Video]) -> dict[str, np.ndarray]:
        """Token ids and attention mask, `[videos, max_length]` int32 each."""
        shape = len(videos), self.settings["max_length"]
        input_ids, mask = np.full(shape, self.ids[PAD], np.int32), np.zeros(shape, np.int32)
        for row, video in enumerate(videos):
            tokens = self.row(video)
            input_ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        return {self.settings["input_ids"]: input_ids, self.settings["attention_mask"]: mask}

    def row(self, video: Video) -> list[int]:
        """Token ids of a video, special ones included."""
        length, form = self.settings["max_length"], self.settings["form"]
        if form in BEFORE:
            before = [self.ids[token] for token in BEFORE[form]]
            return [*before, *self.tokens(video["title"])[: length - len(before) - 1], self.ids[SEP]]
        speech = video.get("asr", "")
        texts = video["title"], video.get("ocr", ""), "" if speech == "nan" else speech
        fields = [self.tokens(text) for text in texts]
        while sum(map(len, fields)) > length - 4:  # the longest loses its last token; of equal ones OCR, then speech, then title
            max((fields[1], fields[2], fields[0]), key=len).pop()
        return [self.ids[CLS], *(token for field in fields for token in (*field, self.ids[SEP]))]

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text alone."""
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        if self.settings["kind"] == "bert":
            return self.cut(text)
        return [token for word in self.words(text) for token in ([self.ids[word]] if word in self.ids else self.cut(word))]

    def cut(self, text: str) -> list[int]:
        """WordPiece."""
        ids: list[int] = self.pieces.encode(text, add_special_tokens=False).ids
        return ids

    def words(self, text: str) -> list[str]:
        """Jieba words, without the hidden Markov model; special tokens that are spelled out stay whole."""
        import rjieba

        words: list[str] = []
        for part in re.split("(" + "|".join(map(re.escape, SPECIAL)) + ")", text):
            if part in SPECIAL:
                words.append(part)
            elif part:  # the last sigma of a word is lowered as any other
                words += rjieba.cut(part.replace("Σ", "σ").lower() if self.lower else part, False)
        return words
