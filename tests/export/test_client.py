"""The client of exported models: the tokens of this package without this package."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.export import client
from vsim_tf.export.client import Client
from vsim_tf.export.interface import Interface, TextEncoding
from vsim_tf.records.schema import NO_SPEECH
from vsim_tf.text.fields import ALL_FIELDS, Fields, encode_fields
from vsim_tf.text.tokenizers import Normalization, Tokenizer, WordTokenizer

VOCABULARY = [*toys.VOCABULARY, "a", "b", "##a", "##b", "ab", "\u00e9", "e\u0301", "σ", "##σ", "!", "한"]
CASED = Normalization(do_lower_case=False, tokenize_chinese_chars=False)
TOKENIZERS = {
    "bert": Tokenizer(VOCABULARY), "cased": Tokenizer(VOCABULARY, CASED), "roformer": WordTokenizer(VOCABULARY),
    "cased roformer": WordTokenizer(VOCABULARY, CASED),
}  # fmt: skip
TEXTS = st.lists(st.sampled_from([*VOCABULARY, "##", " ", "A", "Σ", "\u3000", "\ud800", "nan"]) | st.characters(), max_size=12)
TEXTS = TEXTS.map("".join)


def client_of(folder, *encodings: TextEncoding) -> Client:
    interface = Interface(encodings, (0,), toys.DIM, "embedding", 8, ())
    interface.write(folder, "savedmodel")
    return Client(folder)


def as_read(text: str) -> str:
    """Text of an item or a record."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """One for each tokenizer, with all three forms as three pairs of inputs."""
    return {
        name: client_of(tmp_path_factory.mktemp("export"), *(TextEncoding(each, 9, form) for form in FORMS))
        for name, each in TOKENIZERS.items()
    }


FORMS = ("single", "pair", ALL_FIELDS)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(title=TEXTS, ocr=TEXTS, asr=TEXTS)
def test_tokens_are_those_of_batches(clients, name, title, ocr, asr):
    tokenizer, texts = TOKENIZERS[name], Fields(*map(as_read, (title, ocr, "" if asr == NO_SPEECH else asr)))
    found = clients[name].inputs([{"title": title, "ocr": ocr, "asr": asr, "frames": []}])
    for place, form in enumerate(FORMS):
        expected = encode_fields(tokenizer, [texts], 9) if form == ALL_FIELDS else tokenizer.encode_batch([texts.title], 9, form)
        for one, other in zip((f"input_ids_{place}", f"attention_mask_{place}"), expected, strict=True):
            np.testing.assert_array_equal(found[one], other)
            assert found[one].dtype == np.int32


def test_texts_that_are_missing_are_empty(clients):
    video = {"title": "天", "frames": []}
    found = clients["bert"].inputs([video, video | {"ocr": "", "asr": "nan"}])
    for array in found.values():
        np.testing.assert_array_equal(*array)


def test_frames_are_filled_up_with_zeros(clients):
    frames = np.arange(2 * toys.DIM).reshape(2, toys.DIM)
    found = clients["bert"].inputs([{"title": "", "frames": frames.tolist()}, {"title": "", "frames": []}])
    np.testing.assert_array_equal(found["frames"], [frames, np.zeros_like(frames)])
    assert found["num_frames"].tolist() == [2, 0]
    assert found["frames"].dtype == np.float32 and found["num_frames"].dtype == np.int32


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (np.zeros((2, toys.DIM + 1)), r"video 0: frames have the shape \[2, 7\]; accepted is \[frames, 6\]"),
        (np.zeros(toys.DIM), r"shape \[6\]"),
        (np.full((1, toys.DIM), np.nan), "video 0: frames hold numbers outside of -65504 to 65504"),
        (np.full((1, toys.DIM), 65505), "outside"),
    ],
)
def test_frames_that_are_refused(clients, frames, said):
    with pytest.raises(ValueError, match=said):
        clients["bert"].inputs([{"title": "", "frames": frames}])


def test_it_needs_three_packages():
    tree = ast.parse(Path(client.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy", "tokenizers", "rjieba"}
