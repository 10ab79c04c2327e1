"""What comments cite is there: sections of docs/facts.md, rows of docs/fidelity.md; and nothing outside of the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("*.py"), *ROOT.glob("vsim_tf/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
FACTS, FIDELITY = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("facts.md", "fidelity.md"))
CITED_FACTS = re.compile(r"docs/facts\.md ((?:\d\.\d(?:, | and )?)+)")


def numbers(pattern: re.Pattern, text: str) -> set[str]:
    return {number for match in pattern.finditer(text) for number in re.findall(r"[\d.]*\d", match[1])}


def test_every_fact_that_is_cited_is_a_section():
    sections = set(re.findall(r"^## (\d\.\d) ", FACTS, re.MULTILINE))
    cited = {number for path in SOURCES for number in numbers(CITED_FACTS, path.read_text(encoding="utf-8"))}
    assert len(cited) > 8
    assert cited <= sections
    assert sections <= cited, "a section that no comment needs"


def test_no_fact_is_cited_without_its_document():
    loose = re.compile(r"\bfacts \d")
    assert not [path.name for path in SOURCES if loose.search(path.read_text(encoding="utf-8"))]


def test_every_quirk_that_is_cited_is_a_row():
    rows = set(re.findall(r"^\| (\d+) \|", FIDELITY, re.MULTILINE))
    package = [path for path in SOURCES if "tests" not in path.parts]
    texts = {path.name: path.read_text(encoding="utf-8") for path in package} | {"facts.md": FACTS}
    cited = {name: numbers(re.compile(r"\bquirks? ((?:\d+(?:, | and | to )?)+)"), text) for name, text in texts.items()}
    assert len(set().union(*cited.values())) > 15
    assert not {name: found - rows for name, found in cited.items() if found - rows}


def test_the_package_names_no_folder_outside_of_the_repository():
    outside = re.compile(r"""["']shared["'/]|/tmp/|\bparents\[1\]\.parent|\.\./""")
    package = [*ROOT.glob("vsim_tf/**/*.py"), *ROOT.glob("*.py"), *ROOT.glob("*.sh")]
    assert not [path.name for path in package if outside.search(path.read_text(encoding="utf-8"))]
