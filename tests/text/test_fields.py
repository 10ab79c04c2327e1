import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.text.fields import MODES, Fields, encode_fields, kept_lengths
from vsim_tf.text.special_tokens import SPECIAL_TOKENS
from vsim_tf.text.tokenizers import Tokenizer

TOKENIZER = Tokenizer([*SPECIAL_TOKENS, *"天地人a", "##a"])
PAD, UNK, CLS, SEP, MASK = range(5)
天, 地, 人, A, INNER = range(5, 10)
LENGTHS = st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=8)
TEXTS = st.text("天地人a ", max_size=12)


def one_token_after_the_other(title, ocr, asr, room):
    """The original's loop, as docs/facts_rank8.md 3 says it."""
    while title + ocr + asr > room:
        if title > ocr and title > asr:
            title -= 1
        elif asr > ocr and asr >= title:
            asr -= 1
        else:
            ocr -= 1
    return [title, ocr, asr]


@given(LENGTHS, st.integers(0, 130))
def test_kept_lengths_are_those_of_the_loop(lengths, room):
    expected = [one_token_after_the_other(*row, room) for row in lengths]
    assert kept_lengths(np.array(lengths), room).tolist() == expected


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ((500, 400, 300), (84, 84, 84)),  # 252 // 3
        ((20, 400, 300), (20, 116, 116)),  # (252 - 20) // 2
        ((20, 30, 300), (20, 30, 202)),  # 252 - 20 - 30
        ((19, 400, 300), (19, 116, 117)),  # 233 = 2·116 + 1: the ASR keeps one more than the OCR
        ((400, 300, 3), (125, 124, 3)),  # 249 = 2·124 + 1: the title keeps one more
        ((100, 100, 52), (100, 100, 52)),
        ((100, 100, 53), (100, 99, 53)),
    ],
)
def test_room_of_256_positions(lengths, kept):
    assert kept_lengths(np.array([lengths]), 252).tolist() == [list(kept)]


def test_an_empty_field_keeps_its_separator():
    ids, mask = encode_fields(TOKENIZER, [Fields("天a", "", "aa"), Fields("", "", "")], 9)
    assert ids.tolist() == [[CLS, 天, A, SEP, SEP, A, INNER, SEP, PAD], [CLS, SEP, SEP, SEP] + 5 * [PAD]]
    assert mask.tolist() == [[1] * 8 + [0], [1] * 4 + [0] * 5]
    assert ids.dtype == mask.dtype == np.int32


def test_three_long_fields_share_the_room():
    ids, _ = encode_fields(TOKENIZER, [Fields("天" * 9, "地" * 9, "人" * 9)], 9)  # 5 = 3·1 + 2
    assert ids.tolist() == [[CLS, 天, 天, SEP, 地, SEP, 人, 人, SEP]]


def test_modes_of_one_text():
    fields = [Fields("天a", "地a", "a")]
    assert encode_fields(TOKENIZER, fields, 5, "title")[0].tolist() == [[CLS, 天, A, SEP, PAD]]
    # nothing in between: "aa" is one word
    assert encode_fields(TOKENIZER, fields, 5, "ocr_asr")[0].tolist() == [[CLS, 地, A, INNER, SEP]]
    assert encode_fields(TOKENIZER, fields, 4, "ocr_asr")[0].tolist() == [[CLS, 地, A, SEP]]


@given(st.lists(st.builds(Fields, TEXTS, TEXTS, TEXTS), min_size=1, max_size=4), st.integers(4, 20), st.sampled_from(MODES))
def test_a_batch_is_its_videos_one_by_one(fields, length, mode):
    ids, mask = encode_fields(TOKENIZER, fields, length, mode)
    alone = [encode_fields(TOKENIZER, [texts], length, mode) for texts in fields]
    np.testing.assert_array_equal(ids, np.concatenate([row for row, _ in alone]))
    np.testing.assert_array_equal(mask, np.concatenate([row for _, row in alone]))
    assert ids.shape == mask.shape == (len(fields), length) and ((ids != PAD) == mask).all()


def test_no_video_is_an_empty_batch():
    assert [array.shape for mode in MODES for array in encode_fields(TOKENIZER, [], 8, mode)] == [(0, 8)] * 6


def test_refusals():
    with pytest.raises(UserError, match=r"text length 3: at least 4 is needed, for \[CLS\] \[SEP\] \[SEP\] \[SEP\]"):
        encode_fields(TOKENIZER, [], 3)
    with pytest.raises(UserError, match="text length 1: at least 2"):
        encode_fields(TOKENIZER, [], 1, "ocr_asr")
    with pytest.raises(UserError, match="text mode 'ocr'; accepted are title, title_ocr_asr, ocr_asr"):
        encode_fields(TOKENIZER, [], 9, "ocr")
