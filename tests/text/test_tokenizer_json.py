"""Folders of transformers 5, which have tokenizer.json in the place of vocab.txt."""

import itertools
import json

import numpy as np
import pytest
import tokenizers
from toy_titles import TITLES, ids_of, vocabulary

from vsim_tf.errors import UserError
from vsim_tf.text.tokenizers import SPECIAL_TOKENS, Normalization, Tokenizer, WordTokenizer, load_tokenizer


@pytest.fixture
def roformer():
    return WordTokenizer(vocabulary("roformer"))


@pytest.mark.parametrize("normalization", [Normalization(*chosen) for chosen in itertools.product([True, False], repeat=3)])
def test_a_bert_folder_of_transformers_5_loads(tmp_path, normalization):
    """It has tokenizer.json and no vocab.txt; also without the other file, which repeats the options."""
    from transformers import BertTokenizer

    Tokenizer([*vocabulary("bert"), "天气", "##气", "##京"], normalization).save(tmp_path / "old")
    theirs = BertTokenizer.from_pretrained(tmp_path / "old")
    theirs.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new/vocab.txt").exists()
    expected = theirs(TITLES, max_length=32, truncation=True, padding="max_length")["input_ids"]
    old, new = (load_tokenizer(tmp_path / name, "bert") for name in ("old", "new"))
    np.testing.assert_array_equal(new.encode_batch(TITLES, 32)[0], expected)
    assert new.fingerprint == old.fingerprint
    (tmp_path / "new/tokenizer_config.json").unlink()
    np.testing.assert_array_equal(load_tokenizer(tmp_path / "new", "bert").encode_batch(TITLES, 32)[0], expected)


@pytest.mark.parametrize("with_config", [True, False])
def test_a_roformer_folder_of_transformers_5_loads(tmp_path, roformer, with_config):
    """Its normalizer leaves Chinese characters alone, since words are cut before; ids stay those of 2021."""
    from transformers import RoFormerTokenizer

    RoFormerTokenizer(vocab=ids_of(roformer)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["normalizer"]["handle_chinese_chars"] is False
    if not with_config:
        (tmp_path / "tokenizer_config.json").unlink()
    loaded = load_tokenizer(tmp_path, "roformer")
    assert loaded.normalization.tokenize_chinese_chars
    np.testing.assert_array_equal(loaded.encode_batch(TITLES, 32), roformer.encode_batch(TITLES, 32))


def test_vocab_txt_wins_over_tokenizer_json(tmp_path):
    Tokenizer([*SPECIAL_TOKENS, "北"]).save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert load_tokenizer(tmp_path, "bert").vocabulary == (*SPECIAL_TOKENS, "北")


def json_of(change):
    """A tokenizer.json of transformers 5 with something changed."""
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece({t: i for i, t in enumerate(SPECIAL_TOKENS)}, unk_token="[UNK]"))
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    content = json.loads(backend.to_str())
    change(content)
    return content


ADDED = {"id": 5, "content": "<user>", "special": True}
ADDED |= dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].update(type="BPE"), "model is 'BPE', BERT's WordPiece is needed; give the folder of a BERT"),
        (lambda c: c.update(model=None), "model is None, BERT's WordPiece"),
        (lambda c: c.update(normalizer={"type": "NFC"}), "normalizer is 'NFC', BERT's BertNormalizer is needed"),
        (lambda c: c["normalizer"].update(clean_text=False), "clean_text=False"),
        (lambda c: c.update(pre_tokenizer={"type": "Whitespace"}), "pre_tokenizer is 'Whitespace'"),
        (lambda c: c["model"].update(unk_token="<unk>"), "unk_token='<unk>'; BERT has '.UNK.'"),
        (lambda c: c["model"].update(max_input_chars_per_word=9), "max_input_chars_per_word=9"),
        (lambda c: c["model"].update(vocab=3), "damaged, or of an unknown version"),
        (lambda c: c["model"]["vocab"].update({"[PAD]": 9}), "ids of 5 tokens are not 0 to 4"),
        (lambda c: c["model"]["vocab"].pop("[MASK]"), r"tokenizer.json: 4 tokens, but not \[MASK\]"),
        (lambda c: c["model"]["vocab"].update({"a\nb": 5}), r"a line break, 1: 'a\\nb'"),
        (lambda c: c["added_tokens"].append(ADDED), "added behind the vocabulary, 1: <user>"),
    ],
)
def test_other_tokenizer_json_files_are_refused(tmp_path, change, message):
    (tmp_path / "tokenizer.json").write_text(json.dumps(json_of(change)))
    with pytest.raises(UserError, match=message) as caught:
        load_tokenizer(tmp_path, "bert")
    assert str(tmp_path / "tokenizer.json") in str(caught.value)


def test_tokenizer_json_of_another_model_names_it(tmp_path):
    (tmp_path / "tokenizer.json").write_text(tokenizers.Tokenizer(tokenizers.models.Unigram([("a", 0.0)], 0)).to_str())
    with pytest.raises(UserError, match=r"tokenizer.json: model is 'Unigram'.*put its vocab.txt"):
        load_tokenizer(tmp_path, "bert")
