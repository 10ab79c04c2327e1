"""Settings of the documentation site: python -m sphinx --builder=html --conf-dir=docs . build/site"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import vsim_tf

project, release, html_title = "vsim_tf", vsim_tf.__version__, f"vsim_tf {vsim_tf.__version__}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"

# The source folder is the repository, so that links between its documents are the same on the site.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "benchmarks/README.md", "examples/README.md"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "misc.highlighting_failure"]  # headings that skip a level; Pygments knows no CSV

default_role = "code"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
