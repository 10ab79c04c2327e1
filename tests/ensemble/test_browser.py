"""The page in a real browser: light and dark, and no wider than a narrow screen."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ensemble_members import PAIRS, random_members

from vsim_tf.ensemble.page.blocks import Card, Gallery, Page, Section, ShownVideo, Table
from vsim_tf.ensemble.page.pairs import pair_results, pair_sections
from vsim_tf.ensemble.page.render import page_html
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.features.pictures import decode_picture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]
NARROW = 380
MEASURE = """<!DOCTYPE html><body><iframe id="page" srcdoc="{page}" style="width: {width}px; height: 900px; border: 0"></iframe>
<script>page.onload = () => {{
  const found = page.contentDocument.documentElement;
  const small = [...found.querySelectorAll("figure svg text")].map((text) => text.getBoundingClientRect().height);
  document.body.innerHTML = `<p>width ${{found.scrollWidth}} loads ${{performance.getEntriesByType("resource").length}}` +
    ` least ${{Math.floor(Math.min(...small.filter((height) => height)))}}</p>`;
}}</script>"""


@pytest.fixture(scope="module")
def page() -> str:
    """Sections on pairs, and a table with a long name and long titles."""
    members, _ = random_members(3)
    names = ["a_model_with_quite_a_long_name", "uniter", "mix_nextvlad_roformer"]
    of_models = {name: [member] for name, member in zip(names, members, strict=True)}
    ensemble = ensemble_run(of_models, dict.fromkeys(names, 1 / 3), PAIRS, keep_means=True)
    results = pair_results(ensemble, PAIRS, {"method": "sum", "normalize": False, "center": False})
    table = Table(
        ("model", "a column of some width", "and more", "other"), [("a_name_of_some_length" * 2, "0.5", "0.1234", "100%")]
    )
    card = Card([(ShownVideo("8" * 19, "长" * 80), "w" * 90), (ShownVideo("9" * 19, "w" * 150), "note")])
    return page_html(Page("Report", [Section("A table", [table, Gallery([card])]), *pair_sections(results, [])]))


def run(folder: Path, text: str, *options: str) -> str:
    """Opens a page in a browser that has a home of its own; returns what it prints."""
    (folder / "page.html").write_text(text, encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--hide-scrollbars", f"--user-data-dir={folder / 'home'}", *options, f"file://{folder / 'page.html'}",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def background(folder: Path, text: str, *options: str) -> float:
    """Mean brightness of the page's margin, 0 to 255."""
    run(folder, text, f"--screenshot={folder / 'page.png'}", "--window-size=900,900", *options)
    pixels = decode_picture((folder / "page.png").read_bytes(), "page.png")
    assert pixels.shape == (900, 900, 3)
    assert np.ptp(pixels) > 150  # something stands on it
    return float(pixels[:, :8].mean())


def test_light_and_dark(page, tmp_path):
    assert background(tmp_path, page) > 240
    assert background(tmp_path, page, "--force-dark-mode", "--blink-settings=preferredColorScheme=0") < 40


def test_a_narrow_screen_is_wide_enough(page, tmp_path):
    """Only tables and large drawings are scrolled, each by itself; letters in drawings stay at least 9 pixels high."""
    found = run(tmp_path, MEASURE.format(page=html.escape(page), width=NARROW), "--dump-dom")
    width, loads, least = map(int, re.search(r"width (\d+) loads (\d+) least (\d+)", found).groups())
    assert width == NARROW
    assert loads == 0
    assert least >= 9
