"""A tiny BERT whose token embeddings start from co-occurrence: python -m benchmarks.token_start DATA_DIR OUTPUT_DIR FRAME_SIZE

Tokens of DATA_DIR/vocab.txt, or of the titles, are counted next to the tags, the categories and the pairs of neighbouring tokens
of the training videos whose titles have them. A truncated SVD of positive pointwise mutual information gives the embeddings U·√Σ
(Levy et al. 2015), scaled to the standard deviation of random ones. Tokens that no title has, and all other weights, are random.
The folder is one for `--bert_dir`.
"""

import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer

from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.lazy import keras
from vsim_tf.models.hub_weights import SIZES as SIZE_KEYS
from vsim_tf.models.hub_weights import TOKEN_EMBEDDINGS
from vsim_tf.models.weight_files import H5_FILE
from vsim_tf.presets.sizes import SIZES
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.text.tokenizers import Tokenizer, build_vocab, load_tokenizer

TINY = {path.removeprefix("encoder."): value for path, value in SIZES["tiny"].items() if path.startswith("encoder.")}


def main(data_dir: str, output_dir: str, frame_embedding_size: str) -> None:
    data, output = Path(data_dir), Path(output_dir)
    vocabulary = data / "vocab.txt"
    videos = sample_raw_videos(expand_pattern(str(data / "pointwise" / "*.tfrecords")), int(frame_embedding_size))
    tokenizer = load_tokenizer(vocabulary, "bert") if vocabulary.exists() else Tokenizer(build_vocab(videos.titles, "bert"))
    config = EncoderConfig(kind="bert", vocab_size=tokenizer.vocab_size, **TINY)
    keras.utils.set_random_seed(0)
    encoder = TransformerEncoder(config, pooler=True)
    encoder.build(None)
    weights = {name: np.array(weight.read()) for name, weight in encoder.named_weights().items()}
    information = positive_information(counts(tokenizer, videos))
    seen = np.flatnonzero(information.sum(axis=1))
    found = embeddings(information[seen], config.hidden_size)
    weights[TOKEN_EMBEDDINGS][seen, : found.shape[1]] = found * config.initializer_range / found.std()
    write(output, config, weights)
    tokenizer.save(output)
    print(f"{output}: {len(seen):,} of {tokenizer.vocab_size:,} token embeddings from {information.shape[1]:,} contexts")


def counts(tokenizer: Tokenizer, videos: RawVideos) -> sparse.csr_array:
    """In how many videos a token is in the title, with each context, `[tokens, contexts]`."""
    titles = [tokenizer.token_ids(title) for title in videos.titles]
    by_token = CountVectorizer(analyzer=list, vocabulary=range(tokenizer.vocab_size), binary=True)
    of_tokens = by_token.transform(titles)
    of_contexts = CountVectorizer(analyzer=contexts, binary=True).fit_transform(zip(titles, videos.tags, strict=True))
    return sparse.csr_array(of_tokens.T @ of_contexts)


def contexts(video: tuple[Sequence[int], Sequence[int]]) -> list[str]:
    """What the tokens of a title are next to: its tags and pairs of neighbours."""
    title, tags = video
    return [f"tag {tag}" for tag in tags] + [f"{first} {second}" for first, second in pairwise(title)]


def positive_information(counted: sparse.csr_array) -> sparse.csr_array:
    """max(0, log p(token, context) / (p(token) p(context))) of a table of counts."""
    entries = counted.tocoo()
    total, of_token, of_context = counted.sum(), counted.sum(axis=1), counted.sum(axis=0)
    values = np.log(entries.data * total / (of_token[entries.row] * of_context[entries.col]))
    positive = sparse.csr_array((np.maximum(values, 0), (entries.row, entries.col)), shape=counted.shape)
    positive.eliminate_zeros()
    return positive


def embeddings(information: sparse.csr_array, dim: int) -> np.ndarray:
    """U·√Σ of the first singular values, `[tokens, dim or fewer]`: there are no more than tokens."""
    svd = TruncatedSVD(dim, random_state=0)
    return svd.fit_transform(information) / np.sqrt(svd.singular_values_)


def write(folder: Path, config: EncoderConfig, weights: dict[str, np.ndarray]) -> None:
    """A Hugging Face folder in the layout of transformers' TensorFlow models."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / H5_FILE, "w") as file:
        for name, value in weights.items():
            file[f"bert/bert/{name}:0"] = value
    sizes = {key: getattr(config, name) for key, name in SIZE_KEYS.items()}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])
