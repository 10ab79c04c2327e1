"""Token embeddings from co-occurrence, by hand and on toy videos."""

import numpy as np
import toys
from scipy import sparse

from benchmarks import token_start
from vsim_tf.evaluation.raw_videos import RawVideos
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.hub_weights import TOKEN_EMBEDDINGS, load_pretrained, read_encoder_config
from vsim_tf.text.tokenizers import Tokenizer


def test_tokens_are_counted_next_to_tags_and_pairs():
    """Once a video, however often a title has them."""
    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "天", "地"])
    videos = RawVideos(["a", "b"], ["天地天地", "天"], np.zeros((2, 1)), [[7], [7, 8]])
    counted = token_start.counts(tokenizer, videos).toarray()
    # contexts in order: 5 6, 6 5, tag 7, tag 8
    np.testing.assert_array_equal(counted[5], [1, 1, 2, 1])
    np.testing.assert_array_equal(counted[6], [1, 1, 1, 0])
    assert not counted[:5].any()


def test_positive_information_of_a_table():
    """Of [[2, 0], [1, 1]]: p(0, 0) = 1/2, p(0) = 1/2, p(context 0) = 3/4, so log 4/3; p(1, 1) = 1/4, so log 2; log 2/3 is cut."""
    found = token_start.positive_information(sparse.csr_array(np.array([[2.0, 0.0], [1.0, 1.0]])))
    np.testing.assert_allclose(found.toarray(), [[np.log(4 / 3), 0], [0, np.log(2)]])
    assert found.nnz == 2


def test_embeddings_are_scaled_by_the_root_of_singular_values():
    """Of a diagonal matrix: U·√Σ has √9 and √4."""
    found = token_start.embeddings(sparse.csr_array(np.diag([9.0, 4.0, 1.0])), 2)
    np.testing.assert_allclose(np.abs(found), [[3, 0], [0, 2], [0, 0]], atol=1e-6)


def test_the_folder_is_one_for_an_encoder(tmp_path):
    (tmp_path / "data/pointwise").mkdir(parents=True)
    toys.write_records(tmp_path / "data/pointwise/a.tfrecords", toys.random_videos(300))
    token_start.main(str(tmp_path / "data"), str(tmp_path / "bert"), str(toys.DIM))
    config = EncoderConfig(**read_encoder_config(tmp_path / "bert", "bert"))
    assert config.hidden_size == 128 and (tmp_path / "bert/vocab.txt").read_text().count("\n") == config.vocab_size
    encoder = TransformerEncoder(config, pooler=True)
    encoder.build(None)
    load_pretrained(encoder, tmp_path / "bert")
    assert 0.015 < encoder.named_weights()[TOKEN_EMBEDDINGS].read().std() < 0.025
