"""What Sphinx has to know of a site whose source folder is a whole repository."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from pathlib import Path
from typing import Any

from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

_TOCTREE = re.compile(r"```\{toctree\}\n.*?```", re.DOTALL)
_REMAINING = """
```{{toctree}}
:hidden:
:caption: More

{entries}
```
"""


class LinksToFolders(SphinxPostTransform):
    """Links a folder's README where it is a page, and leaves the bare text of a link to any other folder.

    A link to a file is a download; a folder is nothing that a page could link to.
    """

    # Before the resolver of MyST, which warns of what it does not know.
    default_priority = 5

    def run(self, **_: Any) -> None:
        """Called by Sphinx for each page."""
        for node in list(self.document.findall(pending_xref)):
            if node["reftype"] != "myst" or node["refdomain"] or node["reftarget"].startswith("#"):
                continue
            page = node["refdoc"]
            folder = posixpath.normpath(posixpath.join(posixpath.dirname(page), node["reftarget"]))
            if not (Path(self.app.srcdir) / folder).is_dir():
                continue
            text = node[0].deepcopy()
            readme = posixpath.join(folder, "README")
            known = readme in self.env.found_docs
            node.replace_self(make_refnode(self.app.builder, page, readme, None, [text]) if known else text)


def complete_start_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Leaves out patterns that match no page, and lists what no entry matches: every page is reached."""
    if name != app.config.root_doc:
        return
    folder = posixpath.dirname(name)
    listed = {name}

    def matching(block: re.Match[str]) -> str:
        kept = []
        for line in block.group().splitlines():
            entry = line.rpartition("<")[2].rstrip(">")
            found = fnmatch.filter(app.env.found_docs, posixpath.normpath(posixpath.join(folder, entry)))
            listed.update(found)
            if found or "*" not in line:
                kept.append(line)
        return "\n".join(kept)

    source[0] = _TOCTREE.sub(matching, source[0])
    remaining = sorted(app.env.found_docs - listed)
    if remaining:
        entries = (posixpath.relpath(page, folder) for page in remaining)
        source[0] += _REMAINING.format(entries="\n".join(entries))


class AttributeTexts:
    """Docstrings of attributes as they are: Napoleon takes what stands before a colon in them for a type."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}

    def keep(
        self, _app: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]
    ) -> None:
        """Before Napoleon."""
        if what in ("attribute", "data", "property"):
            self._texts[name] = list(lines)

    def restore(
        self, _app: Sphinx, _what: str, name: str, _object: object, _options: object, lines: list[str]
    ) -> None:
        """After it."""
        lines[:] = self._texts.pop(name, lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_post_transform(LinksToFolders)
    app.connect("source-read", complete_start_page)
    texts = AttributeTexts()
    # Napoleon's own place is 500.
    app.connect("autodoc-process-docstring", texts.keep, priority=400)
    app.connect("autodoc-process-docstring", texts.restore, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
