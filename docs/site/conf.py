"""How Sphinx makes a site of the Markdown files of the whole repository; scripts/docs runs it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rerankd

project = "rerankd"
author = "the rerankd authors"
project_copyright = "the rerankd authors, Apache-2.0"
version = release = rerankd.__version__

root_doc = "docs/index"
# The whole repository is the source folder, so that links on the forge and on the site are the same.
include_patterns = [
    "*.md",
    "clients/**.md",
    "deploy/**.md",
    "docs/**.md",
    "examples/**.md",
    "scripts/train_default/README.md",
    "src/rerankd/artifacts/bundled/*/MODEL_CARD.md",
    "tests/**.md",
]
exclude_patterns = [".*", "**/node_modules", "**/target", "clients/java/target", "build", "dist"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "repository_pages",
]

# Anchors as the forge makes them of headings.
myst_heading_anchors = 4

nitpicky = True
# Types whose own documentation is elsewhere: of libraries, of the generated messages (docs/api.md), and of
# modules that are nobody's business. No build asks the network for them.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|typing|grpc|google|pathlib|datetime|asyncio|enum|os)\..*"),
    ("py:.*", r"(.*\.)?(FeedbackEvent|RecordFeedbackResponse|rerank_service_pb2)(\..*)?"),
    ("py:.*", r"rerankd\.v1\..*|rerankd\.training\.v1alpha\..*"),
    ("py:.*", r"rerankd\.client\._.*"),
]

# Docstrings put names between single backticks, as Markdown does.
default_role = "literal"
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"rerankd {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
# The start page is in docs/ like the others; who opens the folder is sent there.
templates_path = ["templates"]
html_additional_pages = {"index": "start_page.html"}
# Output of commands is not to be pasted.
copybutton_exclude = ".linenos, .gp, .go"
