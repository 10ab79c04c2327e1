"""What comments cite is there: sections of facts, rows of quirks; and nothing outside of the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("*.py"), *ROOT.glob("vsim_tf/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
PACKAGE = [path for path in SOURCES if "tests" not in path.parts]
FACTS, FIDELITY = (
    {end: (ROOT / f"docs/{name}{end}.md").read_text(encoding="utf-8") for end in ("", "_rank1", "_rank8")}
    for name in ("facts", "fidelity")
)
"""Documents by the end of their names: the 4th place has none."""
QUIRKS = {"": r"(?<!rank-\d )\bquirks?", "_rank1": r"[Rr]ank-1 quirks?", "_rank8": r"[Rr]ank-8 quirks?"}
"""How comments call a row."""


def numbers(pattern: str, text: str) -> set[str]:
    """Of a pattern, then numbers such as "3", "4.3, 5" and "2 to 4"."""
    found = re.finditer(rf"{pattern} ((?:\d+(?:\.\d)?(?:, | and | to )?)+)", text)
    return {number for match in found for number in re.findall(r"[\d.]*\d", match[1])}


@pytest.mark.parametrize("system", FACTS)
def test_every_fact_that_is_cited_is_a_section(system):
    sections = set(re.findall(r"^##+ (\d+(?:\.\d)?) ", FACTS[system], re.MULTILINE))
    cited = set().union(*(numbers(rf"docs/facts{system}\.md", path.read_text(encoding="utf-8")) for path in SOURCES))
    assert len(cited) > 8
    assert cited <= sections
    assert system or sections <= cited, "a section that no comment needs"


def test_no_fact_is_cited_without_its_document():
    loose = re.compile(r"\bfacts \d")
    assert not [path.name for path in SOURCES if loose.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("system", FIDELITY)
def test_every_quirk_that_is_cited_is_a_row(system):
    rows = set(re.findall(r"^\| (\d+) \|", FIDELITY[system], re.MULTILINE))
    cited = {str(path): numbers(QUIRKS[system], path.read_text(encoding="utf-8")) for path in PACKAGE}
    cited["facts"] = numbers(r"\bquirks?", FACTS[system])
    assert len(set().union(*cited.values())) > 10
    assert not {name: found - rows for name, found in cited.items() if found - rows}


GOLDEN = {path.stem.removeprefix("golden_public_") for path in ROOT.glob("tests/golden/golden_public_*.json")}


def test_every_golden_file_of_the_8th_place_that_is_named_is_there():
    named = set(re.findall(r"(?<!large )golden\[(\w+)\]", FIDELITY["_rank8"])) - {"x"}
    assert len(named) > 5
    assert named <= GOLDEN


def test_the_package_names_no_folder_outside_of_the_repository():
    outside = re.compile(r"""["']shared["'/]|/tmp/|\bparents\[1\]\.parent|\.\./""")
    package = [*ROOT.glob("vsim_tf/**/*.py"), *ROOT.glob("*.py"), *ROOT.glob("*.sh")]
    assert not [path.name for path in package if outside.search(path.read_text(encoding="utf-8"))]
