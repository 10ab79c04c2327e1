"""The words of the field stand in code and documents, not our own for the same things."""

import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTEAD = {  # a pattern of what is not written: what is
    r"word (table|embedding)s?": "token embeddings",
    r"(masked )?word heads?": "MLM head",
    r"masked words?|word masking": "masked tokens",
    r"numbers per video": "embedding dimension",
    r"(numbers|values) per frame": "feature dimension",
    r"(of|to|at|have|has) length 1\b": "unit norm",
    r"\bhalves\b|\b(shorter|longer) half\b": "length-sorted sub-batches",
    r"\b(first|second) sides?\b": "pair elements",
    r"people's (scores?|similarity)": "human similarity scores",
    r"scored pairs?": "labelled pairs",
    r"\bonce for nothing\b|\bstep for nothing\b": "warm-up step",
    r"\bgo(es)? on (from|with|where|when)\b": "resumes",
    r"\banew\b": "regenerated, retrained",
    r"numbers? that (is|are) none|\bis no number\b": "NaN or inf",
    r"whole numbers?": "integer",
    r"\bmend(ed|s)?\b": "fixed",
    r"\bbeside\b": "compared with, next to",
    r"(^|[.:] )What (is|are|stands|stand)\b": "the noun itself",
}
"""Patterns are looked for in any case, but for the last one."""
TEXTS = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
DOCUMENTS = [path for path in TEXTS if path.endswith((".md", ".svg"))]
SOURCES = [path for path in TEXTS if path.endswith(".py") and path != "tests/test_glossary.py"]


def prose(path: str) -> list[tuple[int, str]]:
    """Lines of a document, or comments and strings of a source file, with their numbers."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path in DOCUMENTS:
        return list(enumerate(text.splitlines(), 1))
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type in kinds]
    return [(token.start[0] + i, line) for token in tokens for i, line in enumerate(token.string.splitlines())]


def found(path: str) -> list[str]:
    """What is to be written otherwise."""
    return [
        f"{path}:{number}: {match[0].strip()!r}; write {instead}"
        for number, line in prose(path)
        for pattern, instead in INSTEAD.items()
        if (match := re.search(pattern, line.strip(" #\"'*-|"), 0 if pattern.startswith("(^") else re.IGNORECASE))
    ]


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES])
def test_the_words_of_the_field(path):
    assert found(path) == []


def test_a_wrong_word_is_found():
    text = "Two videos side by side; what is there goes on"
    assert not any(re.search(pattern, text) for pattern in (r"\b(both|first|second|two) sides\b", r"(^|[.:] )What (is|are)"))
    assert re.search(r"\bgo(es)? on (from|with)\b", "the run goes on from step 3")
