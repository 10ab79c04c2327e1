"""Token embeddings from co-occurrence, and tags of neighbours, by hand and on toy videos."""

import numpy as np
import pytest
import toys
from scipy import sparse

from benchmarks import neighbour_tags, token_start
from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.hub_weights import TOKEN_EMBEDDINGS, load_pretrained, read_encoder_config
from vsim_tf.records.example import Example
from vsim_tf.text.tokenizers import Tokenizer


def test_tokens_are_counted_next_to_tags_and_pairs():
    """Once a video, however often a title has them."""
    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "天", "地"])
    videos = RawVideos(["a", "b"], ["天地天地", "天"], np.zeros((2, 1)), [[7], [7, 8]])
    counted = token_start.counts(tokenizer, videos).toarray()
    contexts = sorted(map(str, [("tag", 7), ("tag", 8), (5, 6), (6, 5)]))
    assert contexts == ["('tag', 7)", "('tag', 8)", "(5, 6)", "(6, 5)"]
    np.testing.assert_array_equal(counted[5], [2, 1, 1, 1])
    np.testing.assert_array_equal(counted[6], [1, 0, 1, 1])
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


@pytest.fixture
def data(tmp_path):
    for name in ("pointwise", "pairwise", "test_a"):
        (tmp_path / "data" / name).mkdir(parents=True)
    toys.write_records(tmp_path / "data/pointwise/a.tfrecords", toys.random_videos(300))
    (tmp_path / "data/tag_list.txt").write_text("3\n10\n")
    return tmp_path / "data"


def test_the_folder_is_one_for_an_encoder(data, tmp_path):
    token_start.main(str(data), str(tmp_path / "bert"), str(toys.DIM))
    config = EncoderConfig(**read_encoder_config(tmp_path / "bert", "bert"))
    assert config.hidden_size == 128 and (tmp_path / "bert/vocab.txt").read_text().count("\n") == config.vocab_size
    encoder = TransformerEncoder(config, pooler=True)
    encoder.build(None)
    load_pretrained(encoder, tmp_path / "bert")
    assert 0.015 < encoder.named_weights()[TOKEN_EMBEDDINGS].read().std() < 0.025


def test_videos_have_the_tags_of_their_neighbours(data, tmp_path):
    neighbour_tags.main(str(data), str(tmp_path / "more"), str(toys.DIM))
    before, after = (
        sample_raw_videos([str(path)], toys.DIM)
        for path in (data / "pointwise/a.tfrecords", tmp_path / "more/pointwise/pointwise.tfrecords")
    )
    assert after.ids == before.ids and not (tmp_path / "more/test_a").exists()
    nearest = neighbour_tags.neighbours(before, np.array([3, 10]))
    for row, tags in enumerate(after.tags):
        own, of_neighbours = before.tags[row], {tag for video in nearest[row] for tag in before.tags[video]}
        assert row not in nearest[row] and set(tags) == {*own, *of_neighbours}


def test_a_tag_is_added_once():
    examples = [Example() for _ in range(3)]
    for example, tags in zip(examples, [[1, 2], [2, 3], [3]], strict=True):
        neighbour_tags.tags(example).extend(tags)
    records = neighbour_tags.with_neighbours_tags(examples, np.array([[1, 2], [0, 2], [0, 1]]))
    found = [list(neighbour_tags.tags(Example.FromString(record))) for record in records]
    assert found == [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
