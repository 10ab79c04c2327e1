"""Titles that try tokenizers, and a vocabulary for them."""

from vsim_tf.text.tokenizers import Tokenizer, build_vocab

TITLES = [
    "",
    " \t ",
    "北京天安门广场的升旗仪式",
    "我们非常喜欢iPhone13 Pro Max，100%好用！",
    "C++ 编程入门：a.b-c_d #1",
    "今天天气真好😀😀👍🏽❤️ok",
    "CAFÉ naïve Ελλάς ΣΑΣ Straße İstanbul",
    "𠀀𠀁𪚥 龘靐 㐀 豈 鿿",
    "한국어 カタカナ ﾊﾝｶｸ ＦＵＬＬ１２",
    "零\u200b宽 \ufeff控\x00制\x07符\u3000空\u00a0格\r\n换行",
    "标题里的[MASK]和[SEP]以及[mask]",
    "很长" * 40,
    "a" * 101 + " " + "b" * 100,
    "\ufffd坏\ufffd",
]


def vocabulary(kind: str) -> list[str]:
    pieces = ["café", "iphone", "##13", "pro", "max", "c++", "##str", "100", "很长", "天安门", "[", "ß"]
    return list(dict.fromkeys(build_vocab([*TITLES[:8], *TITLES[:8]], kind) + pieces))


def ids_of(tokenizer: Tokenizer) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokenizer.vocabulary)}
