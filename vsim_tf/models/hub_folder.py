"""Hugging Face folders as `transformers` reads them. No other file imports it, and this one only where there is such a folder.

transformers reads the configuration, and all that decides BERT's token ids: vocabulary, added and special tokens. What it would
read as something else without a word is read by `vsim_tf.text`, and given to it or compared with what it reads.
RoFormer's tokenizer is `vsim_tf.text` alone: `RoFormerTokenizer.from_pretrained` of transformers 5 ignores the words of the
vocabulary, and cleans a title up before it cuts it.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.models.hub_config import config_file
from vsim_tf.text.special_tokens import SPECIAL_TOKENS
from vsim_tf.text.tokenizers import Normalization, Tokenizer, tokenizer_of, vocabulary_files
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is looked for on the hub, and no code of a folder runs."""


def read_config(folder: PathLike) -> "PretrainedConfig":
    """The configuration in a folder's config.json, of the class that its `model_type` names.

    It has defaults for keys that the file lacks, and does not check sizes: callers know which keys they need.

    Raises:
        UserError: transformers does not know the type of model, or refuses a value.
    """
    with _transformers(config_file(folder)) as transformers:
        config: PretrainedConfig = transformers.AutoConfig.from_pretrained(folder, **_LOCAL)
        return config


def load_hub_tokenizer(folder: PathLike, kind: str) -> Tokenizer:
    """The tokenizer of a Hugging Face folder.

    Args:
        folder: has vocab.txt, tokenizer.json or both; tokenizer_config.json, special_tokens_map.json, added_tokens.json
            are optional.
        kind: "bert" or "roformer".

    Raises:
        UserError: files that `load_tokenizer` refuses, vocab.txt and tokenizer.json that differ, or a BERT's tokenizer to
            which tokens were added or which has other special tokens.
    """
    readings = [tokenizer_of(file, kind) for file in vocabulary_files(Path(folder))]
    if any(_decides(reading) != _decides(readings[0]) for reading in readings):
        raise UserError(
            f"{folder}: vocab.txt and tokenizer.json differ, in their tokens or in how text is normalised: remove the one that"
            " the weights were not trained with, or set do_lower_case and strip_accents in tokenizer_config.json"
        )
    if kind == Tokenizer.kind:
        _require_same_as_transformers(readings[0], Path(folder))
    return readings[0]


def _decides(tokenizer: Tokenizer) -> tuple[tuple[str, ...], Normalization | None]:
    """All that a tokenizer's ids depend on. The normalizer in a RoFormer's tokenizer.json is not that of its training."""
    lower, strip, chinese = tokenizer.normalization
    normalization = Normalization(lower, lower if strip is None else strip, chinese)
    return tokenizer.vocabulary, normalization if tokenizer.kind == Tokenizer.kind else None


def _require_same_as_transformers(tokenizer: Tokenizer, folder: Path) -> None:
    ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
    # The vocabulary is given: transformers would take a byte order mark for a part of its first token, and drop blanks. So are
    # the options: it would take its defaults where only tokenizer.json has them.
    options = tokenizer.normalization._asdict()
    with _transformers(folder) as transformers:
        theirs = transformers.BertTokenizer.from_pretrained(folder, vocab=ids, **options, **_LOCAL)
    if added := [token for token in theirs.added_tokens_encoder if token not in SPECIAL_TOKENS]:
        raise UserError(
            f"{folder}: tokens were added to the vocabulary, {count_and_first(added)}; titles would be cut without them:"
            " give the folder as it was before they were added"
        )
    special = theirs.pad_token, theirs.unk_token, theirs.cls_token, theirs.sep_token, theirs.mask_token
    if special != SPECIAL_TOKENS:
        raise UserError(f"{folder}: special tokens are {' '.join(map(str, special))}; {' '.join(SPECIAL_TOKENS)} are needed")
    if theirs.get_vocab() != ids:
        raise UserError(f"{folder}: transformers reads another vocabulary than vocab.txt or tokenizer.json holds")


@contextmanager
def _transformers(path: Path) -> Iterator[ModuleType]:
    """The package, silent; what it raises inside the block becomes a `UserError` of one line that names the path."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            import transformers

            yield transformers
    except Exception as error:  # anything at all, as it checks little of what it reads
        raise UserError(f"{path}: transformers cannot read it: {' '.join(str(error).split())}") from error
    finally:
        logging.disable(disabled)
