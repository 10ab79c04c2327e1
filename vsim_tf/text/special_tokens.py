"""Special tokens of BERT, and the forms in which they surround a title."""

SPECIAL_TOKENS = PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"

FORMS: dict[str, tuple[str, ...]] = {"single": (CLS,), "pair": (CLS, SEP)}
"""The tokens before the title, by form. A [SEP] follows it in both. A pair has an empty text before the title."""


def shortest_text(form: str) -> int:
    """Tokens of an empty title in a form: what stands before it, and the [SEP] behind it."""
    return len(FORMS[form]) + 1
