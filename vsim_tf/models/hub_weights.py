"""Weights of the Hugging Face hub: fills a text encoder, and an MLM head, from a local folder, completely or not at all.

`vsim_tf.models.weight_files` reads the weights and `vsim_tf.models.hub_folder` the configuration; here both become an
encoder's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_json_object
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.bert_names import IGNORED, NAMING
from vsim_tf.models.hub_config import config_file, require_fixed, require_types
from vsim_tf.models.hub_folder import read_config
from vsim_tf.models.weight_files import Tensor, open_weights, weights_file
from vsim_tf.models.weight_filling import LoadReport, NamedLayer, NamedWeight, fill
from vsim_tf.types import PathLike

SINUSOIDS, TOKEN_EMBEDDINGS = "encoder/embed_positions/embeddings", "embeddings/word_embeddings/weight"
MLM_DECODER = "cls/predictions/decoder/kernel"
POOLER, HEAD = "pooler/", "cls/"
"""Beginnings of the names of weights that a model may do without."""

SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_positions",
}
"""Keys that config.json must have, with their names in `EncoderConfig`."""

_DEFAULTED = {
    "type_vocab_size": "type_vocab_size",
    "hidden_dropout_prob": "hidden_dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "layer_norm_eps": "layer_norm_eps",
    "initializer_range": "initializer_range",
}
_DEFAULTED_ROFORMER = {"embedding_size": "embedding_size", "rotary_value": "rotary_value"}
"""Keys that config.json may leave out, with their names in `EncoderConfig`; the defaults are those of transformers."""

_FIXED = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False, "configuration_files": None}
"""What the encoder computes; a folder that asks for anything else is refused. So are other files in the place of config.json."""

NO_POOLER = (
    ". This model reads BERT's pooler, and the file was saved without one (add_pooling_layer=False, or a masked language model):"
    " save it with the pooler of the BERT that it was trained from, or choose a model that reads none"
    " (uniter, uniter_asl, mix_nextvlad_roformer)"
)
NO_HEAD = (
    ". This model's MLM head starts from the file's own, and the file was saved without one: save it as a masked language model"
    " (AutoModelForMaskedLM), or start from random weights"
)


def read_encoder_config(folder: PathLike, kind: str) -> dict[str, Any]:
    """The arguments of `EncoderConfig` that a Hugging Face folder's config.json holds.

    Args:
        folder: a local folder with config.json.
        kind: "bert" or "roformer"; the file's `model_type` must be the same.

    Raises:
        UserError: no such file, not JSON, a key missing or of the wrong type, another model type, an activation
            or kind of positions that the encoder does not compute, or a value that transformers refuses.
    """
    path = config_file(folder)
    names = SIZES | _DEFAULTED | (_DEFAULTED_ROFORMER if kind == "roformer" else {})
    _check_config(path, read_json_object(path), kind, names)
    read = read_config(folder)
    config = {"kind": kind} | {name: getattr(read, key) for key, name in names.items()}
    try:
        EncoderConfig(**config)
    except UserError as error:  # sizes that do not go together
        raise UserError(f"{path}: {error}") from None
    return config


def load_pretrained(encoder: NamedLayer, folder: PathLike, mlm_head: NamedLayer | None = None) -> LoadReport:
    """Fill a text encoder, and an MLM head if one is given, with the weights of a Hugging Face folder.

    Every weight of both must be in the file and every tensor of the file must have a place in them. Exceptions: other heads of
    the pre-training tasks and saved position counters are ignored, so is a pooler that the encoder does not have; RoFormer's
    table of sinusoids may be missing, as it is computed; where the file has no decoder matrix of the MLM head, that is the token
    embeddings, as BERT ties them. Nothing is set unless everything fits. float16, bfloat16 and float64 become float32.

    Args:
        encoder: a built encoder.
        folder: has model.safetensors (preferred), shards of it with their index, or tf_model.h5.
        mlm_head: a built head; None: the file's is ignored.

    Raises:
        UserError: no weights file, a damaged one, or one that does not fit; names the file and the tensors.
    """
    path = weights_file(Path(folder))
    weights = {**encoder.named_weights(), **(mlm_head.named_weights() if mlm_head else {})}
    absent = tuple(part for part in (POOLER, HEAD) if not any(name.startswith(part) for name in weights))
    with open_weights(path, NAMING) as tensors:
        tensors = _with_decoder(tensors, weights) if mlm_head else tensors
        return fill("encoder", weights, path, tensors, lambda tensor: _ignored(tensor, absent), [SINUSOIDS], _advice)


def _check_config(path: Path, values: Mapping[str, Any], kind: str, names: Mapping[str, str]) -> None:
    """Refuse what transformers passes over: it has defaults for missing sizes, and ignores keys that it does not know."""
    if values.get("model_type") != kind:
        raise UserError(f"{path}: model_type is {values.get('model_type')!r}, {kind!r} is needed here")
    require_fixed(path, values, _FIXED)
    require_types(path, values, names, EncoderConfig, SIZES)


def _with_decoder(tensors: list[Tensor], weights: Mapping[str, NamedWeight]) -> list[Tensor]:
    """The tensors, with the decoder of an MLM head from the token embeddings where the file has none of its own.

    For a head that is tied it is the other way round: the file's decoder is one more copy of the token embeddings.
    """
    if MLM_DECODER not in weights:
        return [tensor.transposed(TOKEN_EMBEDDINGS) if tensor.name == MLM_DECODER else tensor for tensor in tensors]
    named = {tensor.name: tensor for tensor in tensors}
    if MLM_DECODER in named or TOKEN_EMBEDDINGS not in named:
        return tensors
    return [*tensors, named[TOKEN_EMBEDDINGS].transposed(MLM_DECODER)]


def _ignored(tensor: Tensor, absent: tuple[str, ...]) -> bool:
    """Whether a tensor without a weight is of a head or pooler that the model does without, or a saved counter."""
    return tensor.name.startswith(absent) if tensor.name else IGNORED.search(tensor.source) is not None


def _advice(missing: list[str]) -> str:
    """How to get a file with what is missing, where that is a whole part."""
    parts = {POOLER: NO_POOLER, HEAD: NO_HEAD}
    return next((text for part, text in parts.items() if missing and all(name.startswith(part) for name in missing)), "")
