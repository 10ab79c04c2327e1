"""Names of BERT's and RoFormer's weights in PyTorch and in tf_model.h5."""

import re

from vsim_tf.models.weight_files import Naming

IGNORED = re.compile(
    r"(?:^|/)(?:cls|mlm___cls|nsp___cls)[./]"  # heads of the masked-LM and next-sentence tasks, but for what has a name here
    r"|(?:^|\.)embeddings\.(?:position_ids|token_type_ids)$"  # counters that PyTorch once saved
)
_TORCH_PREFIX = re.compile(r"^(?:bert|roformer)\.")
_PARTS = ("embeddings", "embeddings_project", "encoder", "pooler")
_TORCH_HEAD, _H5_HEAD = "cls.predictions.", "mlm___cls/"
_H5_NAME = re.compile(rf"(?:^|/)(?:((?:{'|'.join(_PARTS)})/.*?)|{_H5_HEAD}(predictions/.*?))(?::0)?$")


def torch_name(source: str) -> tuple[str | None, bool]:
    """The TensorFlow name of a PyTorch weight, and whether it is transposed; None for what the encoder and MLM head lack."""
    *path, last = _TORCH_PREFIX.sub("", source).split(".")
    of_encoder = path and path[0] in _PARTS and not IGNORED.search(source)
    if not of_encoder and not source.startswith(_TORCH_HEAD):
        return None, False
    if (*path, last) == ("cls", "predictions", "decoder", "bias"):  # PyTorch's second name of the bias per token
        path.pop()
    owner, transpose = path[-1], False
    if owner == "LayerNorm":
        last = {"weight": "gamma", "bias": "beta"}.get(last, last)
    elif last == "weight" and owner in ("position_embeddings", "token_type_embeddings", "embed_positions"):
        last = "embeddings"
    elif last == "weight" and owner != "word_embeddings":
        last, transpose = "kernel", True
    return re.sub(r"/layer/(\d+)/", r"/layer_._\1/", "/".join((*path, last))), transpose


def h5_name(source: str) -> str | None:
    """The TensorFlow name of a dataset's path; None for what the encoder and MLM head lack."""
    match = _H5_NAME.search(source)
    if not match:
        return None
    return f"cls/{match[2]}" if match[2] else match[1].replace("word_embeddings/embeddings", "word_embeddings/weight")


NAMING = Naming(torch_name, h5_name)
