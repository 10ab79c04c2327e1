"""Both tokenizers against transformers, the vocabulary that is built, and files that cannot be used."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_titles import TITLES, ids_of, vocabulary

from vsim_tf.errors import UserError
from vsim_tf.text.tokenizers import (
    SPECIAL_TOKENS,
    Normalization,
    Tokenizer,
    WordTokenizer,
    build_vocab,
    decode_titles,
    load_tokenizer,
)

COMMON = st.sampled_from("aZé9ñΣß 北京天门我们非常好的+#.-%[]！？😀𠀀한カ\u3000\r\n\u200b")
WIDE = st.one_of(  # blocks in which Python and the Rust package know the same characters
    *(
        st.characters(min_codepoint=first, max_codepoint=last, exclude_categories=["C"])
        for first, last in ((0, 0x5FF), (0x2E80, 0x9FFF), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x20000, 0x2A6DF))
    )
)
TEXT = st.text(alphabet=st.one_of(COMMON, WIDE), max_size=30)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """Our tokenizer and transformers', from the same folder."""
    from transformers import BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    Tokenizer(vocabulary("bert")).save(folder)
    return load_tokenizer(folder, "bert"), BertTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def roformer():
    return WordTokenizer(vocabulary("roformer"))


def lowered(title: str) -> str:
    """What the slow tokenizers of transformers 4 do to a title before they cut it."""
    return "".join(character.lower() for character in title)


def slow_bert_tokens(title: str, ids: dict[str, int]) -> list[str]:
    """`BertTokenizer._tokenize` of transformers 4 for a title without special tokens."""
    from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer, WordpieceTokenizer

    word_piece = WordpieceTokenizer(ids, "[UNK]")
    words = BasicTokenizer(do_lower_case=True).tokenize(lowered(title))
    return [token for word in words for token in word_piece.tokenize(word)]


def slow_roformer_tokens(title: str, ids: dict[str, int]) -> list[str]:
    """`RoFormerTokenizer._tokenize` of transformers 4 for a title without special tokens."""
    import rjieba

    tokens = []
    for word in rjieba.cut(lowered(title), False):
        tokens.extend([word] if word in ids else slow_bert_tokens(word, ids))
    return tokens


def tokens_of(tokenizer: Tokenizer, title: str) -> list[str]:
    (ids,), (mask,) = tokenizer.encode_batch([title], 64)
    return [tokenizer.vocabulary[i] for i in ids[mask == 1]][1:-1]


def holds_special_token(title: str) -> bool:
    return any(token in title for token in SPECIAL_TOKENS)


@pytest.mark.parametrize("max_length", [2, 3, 12, 32, 128])
def test_bert_batch_equals_transformers(bert, max_length):
    ours, theirs = bert
    ids, mask = ours.encode_batch(TITLES, max_length)
    expected = theirs(TITLES, max_length=max_length, truncation=True, padding="max_length")
    np.testing.assert_array_equal(ids, expected["input_ids"])
    np.testing.assert_array_equal(mask, expected["attention_mask"])
    assert ids.dtype == mask.dtype == np.int32 and ids.shape == (len(TITLES), max_length)


@settings(max_examples=200, deadline=None)
@given(title=st.one_of(TEXT, st.text(max_size=30)))
def test_bert_equals_transformers_on_any_text(bert, title):
    ours, theirs = bert
    expected = theirs(title, max_length=16, truncation=True, padding="max_length")["input_ids"]
    assert ours.encode_batch([title], 16)[0][0].tolist() == expected


@settings(max_examples=200, deadline=None)
@given(title=TEXT)
def test_bert_equals_the_slow_tokenizer_of_2021(bert, title):
    ours, _ = bert
    if not holds_special_token(title):
        assert tokens_of(ours, title) == slow_bert_tokens(title, ids_of(ours))[:62]


@pytest.mark.parametrize("normalization", [Normalization(*chosen) for chosen in itertools.product([True, False], repeat=3)])
def test_bert_equals_transformers_with_any_normalization(tmp_path, normalization):
    from transformers import BertTokenizer

    ours = Tokenizer([*vocabulary("bert"), "天气", "##气", "##京"], normalization)
    ours.save(tmp_path)
    expected = BertTokenizer.from_pretrained(tmp_path)(TITLES, max_length=32, truncation=True, padding="max_length")
    np.testing.assert_array_equal(ours.encode_batch(TITLES, 32)[0], expected["input_ids"])


@pytest.mark.parametrize("character", ["北", "𠀀", "𪚥", "\U0002a700", "\U0002b740", "㐀", "豈"])
def test_chinese_characters_are_words_of_their_own(bert, character):
    assert len(tokens_of(bert[0], character * 3)) == 3


@pytest.mark.parametrize("title", [title for title in TITLES if "[" not in title])
def test_roformer_equals_the_slow_tokenizer_of_2021(roformer, title):
    ids = ids_of(roformer)
    tokens = ["[CLS]", *slow_roformer_tokens(title, ids)[:30], "[SEP]"]
    (row,), (mask,) = roformer.encode_batch([title], 32)
    assert row.tolist() == [ids[token] for token in tokens] + [roformer.pad_id] * (32 - len(tokens))
    assert mask.tolist() == [1] * len(tokens) + [0] * (32 - len(tokens))


@settings(max_examples=200, deadline=None)
@given(title=TEXT)
def test_roformer_equals_the_slow_tokenizer_on_any_text(roformer, title):
    if not holds_special_token(title):
        assert tokens_of(roformer, title) == slow_roformer_tokens(title, ids_of(roformer))[:62]


def test_roformer_equals_transformers_5_where_that_cleans_up_nothing(roformer):
    from transformers import RoFormerTokenizer

    theirs = RoFormerTokenizer(vocab=ids_of(roformer))
    titles = ["", TITLES[2], "喜欢iphone13 pro，100好用！", "天气真好😀😀ok", TITLES[11], "[MASK]和[SEP]"]
    expected = theirs(titles, max_length=32, truncation=True, padding="max_length")["input_ids"]
    np.testing.assert_array_equal(roformer.encode_batch(titles, 32)[0], expected)


def test_words_of_the_vocabulary_are_one_token():
    vocab = [*SPECIAL_TOKENS, "天", "安", "门", "天安门", "北", "京", "caf", "e", "c", "+"]
    assert tokens_of(WordTokenizer(vocab), "北京天安门") == ["北", "京", "天安门"]
    assert tokens_of(WordTokenizer(vocab), "Café") == ["caf", "e"]
    assert tokens_of(WordTokenizer(vocab), "C++") == ["c", "+", "+"]
    assert tokens_of(Tokenizer(vocab), "天安门") == ["天", "安", "门"]


@pytest.mark.parametrize("kind", ["bert", "roformer"])
def test_special_tokens_in_a_title_stay_whole(kind):
    tokenizer = {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary(kind))
    assert tokens_of(tokenizer, "[MASK]北[SEP]")[0] == "[MASK]"
    assert tokens_of(tokenizer, "[MASK]北[SEP]")[-1] == "[SEP]"
    assert "[MASK]" not in tokens_of(tokenizer, "[mask]")


def test_ids_follow_the_file_and_not_a_convention(tmp_path):
    (tmp_path / "vocab.txt").write_text("北\n[SEP]\n[MASK]\n[UNK]\n[PAD]\n[CLS]\n", encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, "bert")
    ids, mask = tokenizer.encode_batch(["北", ""], 4)
    assert ids.tolist() == [[5, 0, 1, 4], [5, 1, 4, 4]]
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert (tokenizer.mask_id, tokenizer.unk_id, tokenizer.vocab_size) == (2, 3, 6)
    assert set(tokenizer.special_ids) == {4, 5, 1}


def test_empty_batch_and_too_short_a_length(bert):
    ids, mask = bert[0].encode_batch([], 8)
    assert ids.shape == mask.shape == (0, 8)
    with pytest.raises(UserError, match="text length 1: at least 2"):
        bert[0].encode_batch(["北"], 1)


@pytest.mark.parametrize("kind", ["bert", "roformer"])
def test_a_pair_has_an_empty_text_before_the_title(kind, bert, roformer):
    """[CLS] [SEP] title [SEP]: one title token less than a single text of the same length."""
    tokenizer = {"bert": bert[0], "roformer": roformer}[kind]
    (single, *_), _ = tokenizer.encode_batch([TITLES[2], ""], 4)
    pair, mask = tokenizer.encode_batch([TITLES[2], ""], 5, "pair")
    cls, sep, pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    assert pair[0].tolist() == [cls, sep, *single[1:]] and pair.dtype == mask.dtype == np.int32
    assert pair[1].tolist() == [cls, sep, sep, pad, pad] and mask.sum(axis=1).tolist() == [5, 3]
    assert tokenizer.encode_batch([TITLES[2]], 3, "pair")[0].tolist() == [[cls, sep, sep]]
    with pytest.raises(UserError, match=r"text length 2: at least 3 is needed, for \[CLS\] \[SEP\] \[SEP\]"):
        tokenizer.encode_batch(["北"], 2, "pair")


@pytest.mark.parametrize("kind", ["bert", "roformer"])
@pytest.mark.parametrize("normalization", [Normalization(), Normalization(False), Normalization(True, False, False)])
def test_save_and_load_give_the_same_tokenizer(tmp_path, kind, normalization):
    saved = {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary(kind), normalization)
    folder = tmp_path / "new" / "tokenizer"
    saved.save(folder)
    loaded = load_tokenizer(folder, kind)
    assert loaded.normalization == normalization and loaded.fingerprint == saved.fingerprint
    np.testing.assert_array_equal(loaded.encode_batch(TITLES, 16), saved.encode_batch(TITLES, 16))
    assert {path.name for path in folder.iterdir()} == {"tokenizer_config.json", "vocab.txt"}


def test_lower_case_and_accents_follow_the_folder(tmp_path):
    from transformers import BertTokenizer

    Tokenizer([*SPECIAL_TOKENS, "A", "a", "é", "e"], Normalization(do_lower_case=False)).save(tmp_path)
    assert tokens_of(load_tokenizer(tmp_path, "bert"), "A a é") == ["A", "a", "é"]
    assert BertTokenizer.from_pretrained(tmp_path).tokenize("A a é") == ["A", "a", "é"]


def test_fingerprint_sees_order_and_content():
    vocab = [*SPECIAL_TOKENS, "a", "b"]
    prints = {Tokenizer(v).fingerprint for v in (vocab, [*vocab, "c"], [*SPECIAL_TOKENS, "b", "a"])}
    assert len(prints) == 3
    assert Tokenizer(vocab).fingerprint == WordTokenizer(vocab).fingerprint


def test_built_vocabulary_spells_every_training_title_and_any_latin_word():
    for kind, cls in (("bert", Tokenizer), ("roformer", WordTokenizer)):
        vocab = build_vocab(TITLES[:10], kind)
        tokenizer = cls(vocab)
        assert tuple(vocab[:5]) == SPECIAL_TOKENS and len(set(vocab)) == len(vocab)
        assert not any("[UNK]" in tokens_of(tokenizer, title) for title in TITLES[:10])
        assert "[UNK]" not in tokens_of(tokenizer, "Xylophone2077")


def test_built_vocabulary_is_by_frequency_whatever_the_order():
    titles = ["北京北京", "北京天安门", "天安门z"]
    vocab = build_vocab(titles, "roformer")
    assert vocab == build_vocab(reversed(titles), "roformer")
    assert vocab[5:8] == ["京", "北", "天"] and vocab[-2:] == ["北京", "天安门"]
    assert "北京" not in build_vocab(titles, "bert")


def test_words_are_frequent_and_at_most_as_many_as_asked():
    titles = ["北京天安门", "北京天安门", "北京 上海"]
    words = [word for word in build_vocab(titles, "roformer") if len(word) > 1 and word[0] in "北天上"]
    assert words == ["北京", "天安门"]
    assert build_vocab(titles, "roformer", max_words=1)[-1] == "北京"
    assert "北京" not in build_vocab(titles, "roformer", max_words=0)


@settings(max_examples=100, deadline=None)
@given(titles=st.lists(st.text(max_size=20), max_size=4), kind=st.sampled_from(["bert", "roformer"]))
def test_any_built_vocabulary_survives_its_file(tmp_path_factory, titles, kind):
    folder = tmp_path_factory.mktemp("vocabulary")
    vocab = build_vocab(titles * 2, kind)
    {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocab).save(folder)
    assert list(load_tokenizer(folder, kind).vocabulary) == vocab


def test_bytes_that_are_not_utf8_are_dropped(bert):
    titles = decode_titles(["北京".encode(), b"\xff\xe5\x8c\x97", b""])
    assert titles == ["北京", "\ufffd北", ""]
    assert tokens_of(bert[0], titles[1]) == ["北"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "vocab.txt: the vocabulary is empty"),
        (b"\n\n", "vocab.txt: the vocabulary is empty"),
        (b"[PAD]\n[UNK]\n[CLS]\na\n", r"vocab.txt: 4 tokens, but not \[SEP\], \[MASK\]"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\na\n", "vocab.txt: 'a' stands in line 6 and again in line 8"),
        (b"[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n[MASK]\n", "vocab.txt: line 3 is empty"),
        (b"[PAD]\n\xff\n", "vocab.txt: not UTF-8 text at byte 6"),
        (None, "vocab.txt: cannot be read: No such file"),
    ],
)
def test_vocabulary_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path, "bert")
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path / "vocab.txt", "roformer")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"tokenizer_class": "RoFormerTokenizer"}', "tokenizer_class is 'RoFormerTokenizer', but a bert model needs"),
        ('{"do_lower_case": "no"}', "do_lower_case is 'no'; true or false"),
        ("[1]", "tokenizer_config.json: a JSON object is needed, got list"),
        ("{", "tokenizer_config.json: not JSON"),
        ("[" * 100_000, "tokenizer_config.json: not JSON"),
    ],
)
def test_folder_of_another_tokenizer(tmp_path, config, message):
    Tokenizer(SPECIAL_TOKENS).save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path, "bert")


def test_hub_folders_load(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*SPECIAL_TOKENS, "北", ""]).encode("utf-8-sig"))
    assert load_tokenizer(tmp_path, "bert").vocabulary == (*SPECIAL_TOKENS, "北")
    for config in ({"init_inputs": []}, {"tokenizer_class": "BertTokenizerFast", "strip_accents": None}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        assert load_tokenizer(tmp_path, "bert").normalization == Normalization()


def test_unknown_kind_and_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="tokenizer 'gpt': accepted are bert and roformer"):
        load_tokenizer(tmp_path, "gpt")
    with pytest.raises(UserError, match="gpt"):
        build_vocab([], "gpt")
    with pytest.raises(UserError, match="cannot be written"):
        Tokenizer(SPECIAL_TOKENS).save(tmp_path / "file" / "tokenizer")


def test_imports_neither_tensorflow_nor_transformers():
    code = "import sys, vsim_tf.text.tokenizers; sys.exit(bool({'tensorflow', 'keras', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
