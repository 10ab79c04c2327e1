"""Hugging Face folders through transformers: what it reads right, what it reads as something else, and that it stays silent."""

import ast
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from vsim_tf.errors import UserError
from vsim_tf.models.hub_folder import load_hub_tokenizer, read_config
from vsim_tf.models.hub_weights import read_encoder_config
from vsim_tf.text.tokenizers import DEFAULT_NORMALIZATION, SPECIAL_TOKENS, Normalization, WordTokenizer, load_tokenizer

ROOT = Path(__file__).parents[2]
VOCABULARY = [*SPECIAL_TOKENS, "北", "京", "a", "##b", "A", "é", "e", "##京", "c", "+", "[", "]", "x"]
WORDS = [*SPECIAL_TOKENS, "今", "天", "气", "非", "常", "好", "非常", "我", "们", "我们", "c", "+", "caf", "e"]
TITLES = ["", "北京 ab", "A é [MASK]", "C++ [x]", "ab" * 40, "零\u200b宽\u3000空"]
FOLDER_OF_2020 = {
    "special_tokens_map": {f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS},
    "added_tokens": {},
    "tokenizer_config": {"init_inputs": []},
}


def ids_of(vocabulary: list[str]) -> dict[str, int]:
    return {token: i for i, token in enumerate(vocabulary)}


def tokenizer_json(vocabulary: list[str] = VOCABULARY, normalization=DEFAULT_NORMALIZATION) -> dict:
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids_of(vocabulary), unk_token="[UNK]"))
    backend.normalizer = normalization.backend()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    return json.loads(backend.to_str())


def write(folder: Path, vocab: list[str] | None = None, **files: dict) -> Path:
    """A folder with a vocab.txt and files NAME.json."""
    folder.mkdir(exist_ok=True)
    if vocab:
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocab), encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def bert_ids(folder: Path, **options) -> np.ndarray:
    """Ids of `TITLES` as transformers reads a folder."""
    from transformers import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(folder, **options)
    return np.array(tokenizer(TITLES, max_length=16, truncation=True, padding="max_length")["input_ids"])


# --- configurations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bert", "roformer", "clip_vision_model"])
def test_the_class_of_a_configuration_follows_its_model_type(tmp_path, kind):
    config = read_config(write(tmp_path, config={"model_type": kind, "hidden_size": 48}))
    assert (config.model_type, config.hidden_size) == (kind, 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_type": "gpt9"}, "config.json: transformers cannot read it: .* model type `gpt9`"),
        ({"hidden_size": 4}, "config.json: transformers cannot read it: Unrecognized model"),
        ({"model_type": "bert", "is_decoder": None}, "cannot read it: .* 'is_decoder' expected bool, got NoneType"),
        ({"model_type": "gpt9", "auto_map": {"AutoConfig": "code.Config"}}, "config.json: transformers cannot read it: "),
    ],
)
def test_configurations_that_transformers_refuses(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        read_config(write(tmp_path, config=content))
    assert "\n" not in str(error.value)


SIZES = {
    "model_type": "bert", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 96, "max_position_embeddings": 40,
}  # fmt: skip


@pytest.mark.parametrize("key", [key for key in SIZES if key != "model_type"])
def test_a_size_that_is_missing_gets_no_default(tmp_path, key):
    """Trap: transformers takes the size of bert-base for it."""
    folder = write(tmp_path, config={name: value for name, value in SIZES.items() if name != key})
    assert getattr(read_config(folder), key) > SIZES[key]
    with pytest.raises(UserError, match=f"config.json: no key {key}"):
        read_encoder_config(folder, "bert")


def test_another_file_in_the_place_of_config_json_is_refused(tmp_path):
    """Trap: transformers reads it without a word, so that what was checked is not what is read."""
    folder = write(tmp_path, config=SIZES | {"configuration_files": ["config.4.0.0.json"]})
    write(tmp_path, **{"config.4.0.0": SIZES | {"hidden_size": 32}})
    assert read_config(folder).hidden_size == 32
    with pytest.raises(UserError, match=r"configuration_files is \['config.4.0.0.json'\], only None"):
        read_encoder_config(folder, "bert")


def test_code_of_a_folder_never_runs(tmp_path):
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Tokenizer: pass\n")
    config = SIZES | {"auto_map": {"AutoConfig": "code.Config"}}
    tokenizer = {"auto_map": {"AutoTokenizer": ["code.Tokenizer", "code.Tokenizer"]}}
    folder = write(tmp_path, VOCABULARY, config=config, tokenizer_config=tokenizer)
    assert read_encoder_config(folder, "bert")["hidden_size"] == 64
    assert load_hub_tokenizer(folder, "bert").vocabulary == tuple(VOCABULARY)
    assert not (tmp_path / "ran").exists()


# --- tokenizers: right ids --------------------------------------------------------------------------------------------


JSON_FILE = {"tokenizer": tokenizer_json()}


@pytest.mark.parametrize(("vocab", "json_files"), [(VOCABULARY, {}), (None, JSON_FILE), (VOCABULARY, JSON_FILE)])
@pytest.mark.parametrize("others", [{}, FOLDER_OF_2020, {"tokenizer_config": {"do_lower_case": False}}])
def test_ids_of_bert_are_those_of_transformers(tmp_path, vocab, json_files, others):
    folder = write(tmp_path, vocab, **others, **json_files)
    np.testing.assert_array_equal(load_hub_tokenizer(folder, "bert").encode_batch(TITLES, 16)[0], bert_ids(folder))


@pytest.mark.parametrize("normalization", [Normalization(*chosen) for chosen in itertools.product([True, False], repeat=3)])
def test_a_folder_that_transformers_5_saved_has_its_ids(tmp_path, normalization):
    from transformers import BertTokenizer

    BertTokenizer(vocab=ids_of(VOCABULARY), **normalization._asdict()).save_pretrained(tmp_path)
    np.testing.assert_array_equal(load_hub_tokenizer(tmp_path, "bert").encode_batch(TITLES, 16)[0], bert_ids(tmp_path))


def test_a_folder_that_transformers_4_saved_has_its_ids(tmp_path):
    """It repeats the special tokens with their ids."""
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    special = {str(i): {"content": token, "special": True, **flags} for i, token in enumerate(SPECIAL_TOKENS)}
    config = {"added_tokens_decoder": special, "clean_up_tokenization_spaces": True, "cls_token": "[CLS]", "do_lower_case": True}
    config |= {"tokenizer_class": "BertTokenizer", "strip_accents": None, "model_max_length": 512, "never_split": None}
    folder = write(tmp_path, VOCABULARY, tokenizer_config=config, tokenizer=tokenizer_json())
    np.testing.assert_array_equal(load_hub_tokenizer(folder, "bert").encode_batch(TITLES, 16)[0], bert_ids(folder))


def test_a_tokenizer_json_of_2020_names_no_type_of_model(tmp_path):
    content = tokenizer_json()
    del content["model"]["type"]
    folder = write(tmp_path, tokenizer=content)
    assert load_hub_tokenizer(folder, "bert").vocabulary == tuple(VOCABULARY)


@pytest.mark.parametrize("with_json", [True, False])
def test_roformer_is_read_without_transformers(tmp_path, with_json):
    """Its tokenizer.json may have the normalizer that transformers 4 gave it."""
    normalization = Normalization(True, False, False)
    folder = write(tmp_path, WORDS, **({"tokenizer": tokenizer_json(WORDS, normalization)} if with_json else {}))
    expected = WordTokenizer(WORDS)
    for titles in (TITLES, ["今天天气非常好 我们", "Café C++"]):
        loaded = load_hub_tokenizer(folder, "roformer")
        np.testing.assert_array_equal(loaded.encode_batch(titles, 16), expected.encode_batch(titles, 16))


# --- tokenizers: traps ------------------------------------------------------------------------------------------------


def test_trap_vocab_file_gives_an_empty_vocabulary(tmp_path):
    from transformers import BertTokenizer

    folder = write(tmp_path, VOCABULARY)
    assert len(BertTokenizer(vocab_file=str(folder / "vocab.txt"))) == len(SPECIAL_TOKENS)
    assert load_hub_tokenizer(folder, "bert").vocab_size == len(VOCABULARY)


def test_trap_auto_tokenizer_needs_a_model_type(tmp_path):
    from transformers import AutoTokenizer

    folder = write(tmp_path, VOCABULARY)
    with pytest.raises(ValueError, match="Couldn't instantiate the backend tokenizer"):
        AutoTokenizer.from_pretrained(folder)
    assert load_hub_tokenizer(folder, "bert").vocab_size == len(VOCABULARY)


def test_trap_a_byte_order_mark_belongs_to_the_first_token(tmp_path):
    from transformers import BertTokenizer

    write(tmp_path)
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(VOCABULARY).encode("utf-8-sig"))
    assert BertTokenizer.from_pretrained(tmp_path).pad_token_id == len(VOCABULARY)
    assert load_hub_tokenizer(tmp_path, "bert").pad_id == 0


def test_trap_blanks_of_a_token_are_dropped(tmp_path):
    from transformers import BertTokenizer

    folder = write(tmp_path, [*VOCABULARY, "y\u3000"])
    assert "y" in BertTokenizer.from_pretrained(folder).get_vocab()
    assert load_hub_tokenizer(folder, "bert").vocabulary[-1] == "y\u3000"


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ([*VOCABULARY, "a"], "'a' stands in line 8 and again in line 19"),
        (["[PAD]", "", *VOCABULARY[1:]], "line 2 is empty"),
        (VOCABULARY[:4], r"vocab.txt: 4 tokens, but not \[MASK\]"),
    ],
)
def test_trap_a_damaged_vocabulary_loads_without_a_word(tmp_path, vocab, message):
    folder = write(tmp_path, vocab)
    bert_ids(folder)
    with pytest.raises(UserError, match=message):
        load_hub_tokenizer(folder, "bert")


def test_trap_the_normalizer_of_tokenizer_json_counts_for_nothing(tmp_path):
    folder = write(tmp_path, tokenizer=tokenizer_json(normalization=Normalization(False)))
    ours = load_hub_tokenizer(folder, "bert")
    assert ours.normalization == Normalization(False)
    assert not np.array_equal(ours.encode_batch(TITLES, 16)[0], bert_ids(folder))
    np.testing.assert_array_equal(ours.encode_batch(TITLES, 16)[0], bert_ids(folder, do_lower_case=False))


def test_trap_tokenizer_json_wins_over_vocab_txt(tmp_path):
    from transformers import BertTokenizer

    folder = write(tmp_path, VOCABULARY, tokenizer=tokenizer_json(VOCABULARY[::-1]))
    assert BertTokenizer.from_pretrained(folder).pad_token_id == len(VOCABULARY) - 1
    assert load_tokenizer(folder, "bert").pad_id == 0


def test_trap_words_of_a_roformer_folder_are_ignored(tmp_path):
    from transformers import RoFormerTokenizer

    folder = write(tmp_path, WORDS)
    title, words = "非常好 我们", ["非常", "好", "我们"]
    assert RoFormerTokenizer.from_pretrained(folder).tokenize(title) == ["非", "常", "好", "我", "们"]
    assert RoFormerTokenizer(vocab=ids_of(WORDS)).tokenize(title) == words
    ids, _ = load_hub_tokenizer(folder, "roformer").encode_batch([title], 5)
    assert ids[0, 1:-1].tolist() == [WORDS.index(word) for word in words]


def test_trap_roformer_is_not_cut_at_punctuation(tmp_path):
    from transformers import RoFormerTokenizer

    theirs = RoFormerTokenizer(vocab=ids_of(WORDS))
    ids, _ = load_hub_tokenizer(write(tmp_path, WORDS), "roformer").encode_batch(["c++"], 5)
    assert ids[0, 1:-1].tolist() == [WORDS.index(token) for token in ("c", "+", "+")]
    assert theirs("c++")["input_ids"] != ids[0].tolist()


# --- tokenizers: refused ----------------------------------------------------------------------------------------------

ADDED = {"16": {"content": "[x]", "special": True}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer": tokenizer_json(VOCABULARY[::-1])}, "vocab.txt and tokenizer.json differ"),
        ({"tokenizer": tokenizer_json(normalization=Normalization(False))}, "differ.* set do_lower_case and strip_accents in"),
        ({"tokenizer": {}}, "tokenizer.json: model is None.*in the place of this file"),
        ({"added_tokens": {"[x]": len(VOCABULARY)}}, r"tokens were added to the vocabulary, 1: \[x\]; titles would be cut"),
        ({"tokenizer_config": {"added_tokens_decoder": ADDED}}, r"tokens were added to the vocabulary, 1: \[x\]"),
        ({"special_tokens_map": {"additional_special_tokens": ["x"]}}, "tokens were added to the vocabulary, 1: x"),
        ({"special_tokens_map": {"sep_token": "x"}}, "tokens were added to the vocabulary, 1: x"),
        ({"special_tokens_map": {"sep_token": "[CLS]"}}, r"special tokens are \[PAD\] \[UNK\] \[CLS\] \[CLS\] \[MASK\]; .* need"),
        ({"tokenizer_config": {"init_inputs": ["a"]}}, "transformers cannot read it: .* multiple values for argument 'vocab'"),
        ({"special_tokens_map": [1]}, "transformers cannot read it: "),
    ],
)
def test_folders_that_transformers_reads_as_something_else(tmp_path, files, message):
    with pytest.raises(UserError, match=message) as error:
        load_hub_tokenizer(write(tmp_path, VOCABULARY, **files), "bert")
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_another_tokenizer_json_in_the_place_of_the_one_that_was_read(tmp_path):
    config = {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]}
    folder = write(tmp_path, tokenizer=tokenizer_json(), tokenizer_config=config)
    write(tmp_path, **{"tokenizer.4.0.0": tokenizer_json([*VOCABULARY, "z"])})
    with pytest.raises(UserError, match="transformers reads another vocabulary than"):
        load_hub_tokenizer(folder, "bert")


def test_what_tokenizer_config_decides_does_not_differ(tmp_path):
    files = {"tokenizer": tokenizer_json(normalization=Normalization(False, False)), "tokenizer_config": {"do_lower_case": False}}
    assert load_hub_tokenizer(write(tmp_path, VOCABULARY, **files), "bert").normalization.do_lower_case is False


def test_a_roformer_whose_files_differ_is_refused(tmp_path):
    folder = write(tmp_path, WORDS, tokenizer=tokenizer_json(WORDS[::-1]))
    with pytest.raises(UserError, match="vocab.txt and tokenizer.json differ"):
        load_hub_tokenizer(folder, "roformer")


# --- the package itself -----------------------------------------------------------------------------------------------

SILENT = """
import logging, socket, sys
def refuse(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = refuse
from vsim_tf.models.hub_folder import load_hub_tokenizer
from vsim_tf.models.hub_weights import read_encoder_config
assert "transformers" not in sys.modules
read_encoder_config(sys.argv[1], "bert")
load_hub_tokenizer(sys.argv[1], "bert")
assert "transformers" in sys.modules and "tensorflow" not in sys.modules
assert not logging.root.manager.disable
"""


def test_transformers_prints_nothing_and_writes_nothing(tmp_path):
    """It would: no PyTorch, `torch_dtype` is deprecated, labels that do not fit."""
    config = SIZES | {"torch_dtype": "float32", "num_labels": 3, "id2label": {"0": "a"}}
    content = tokenizer_json()
    content["truncation"] = {"direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None}
    content["padding"] |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    folder = write(tmp_path / "hub", VOCABULARY, config=config, tokenizer=content)
    environment = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(folder)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "hub"] and not list((tmp_path / "home").iterdir())


PLAIN = """
import sys
from vsim_tf.training import pretrain_inputs
from vsim_tf.models import hub_weights
from types import SimpleNamespace
options = SimpleNamespace(hub_dir="", vocab=sys.argv[1])
assert pretrain_inputs.make_tokenizer(options, "bert", []).vocab_size == int(sys.argv[2])
sys.exit(bool({"transformers", "tensorflow"} & set(sys.modules)))
"""


def test_a_plain_vocabulary_needs_no_transformers(tmp_path):
    vocab = write(tmp_path, VOCABULARY) / "vocab.txt"
    assert subprocess.run([sys.executable, "-c", PLAIN, vocab, str(len(VOCABULARY))], check=False, cwd=ROOT).returncode == 0


def test_one_file_imports_transformers():
    importing = []
    for path in sorted((ROOT / "vsim_tf").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importing += [path.name for name in names if name.split(".")[0] == "transformers"]
    assert set(importing) == {"hub_folder.py"}
