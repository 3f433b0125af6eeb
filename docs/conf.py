"""The configuration of the documentation's site; `make docs` builds it with Sphinx."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from pygments.lexers.javascript import JavascriptLexer
from pygments.lexers.special import TextLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/deblock/customer-risk"

project = "customer-risk"
author = "Deblock"
copyright = "Deblock, Apache-2.0"  # noqa: A001  Sphinx's name
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["examples/second-bank/**", "**/.ipynb_checkpoints"]
html_theme = "furo"
html_title = "customer-risk"
html_theme_options: dict[str, Any] = {
    "source_repository": f"{REPOSITORY}/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_sphinx = False
pygments_style = "default"
default_role = "code"  # docstrings write code between single backquotes
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
myst_heading_anchors = 6
myst_enable_extensions: set[str] = set()
nitpicky = False  # annotations name types of libraries whose documentation is on other sites


class RepositoryLinks(SphinxTransform):
    """Point links to files and folders outside docs/ to the repository; warn if there is no such path."""

    default_priority = 5
    _kinds: ClassVar = (addnodes.download_reference, addnodes.pending_xref)

    def apply(self, **_kwargs: Any) -> None:
        """Replace each link whose target is not a page."""
        for link in [node for kind in self._kinds for node in self.document.findall(kind)]:
            if link.get("reftype") != "myst":
                continue
            target, _, anchor = link["reftarget"].partition("#")
            if link.get("refdomain") == "doc":
                if not target.startswith(("/", "..")):  # a page of this site
                    continue
                anchor = link.get("reftargetid") or ""
                path = (ROOT / "docs" / f"{target}.md").resolve()
            elif not target:  # an anchor on the same page
                continue
            else:
                path = self._resolve(target)
            if not path.exists() or not path.is_relative_to(ROOT):
                logging.getLogger(__name__).warning("no such file or folder: %s", target, location=link)
                link.replace_self(link.children)
                continue
            kind = "tree" if path.is_dir() else "blob"
            url = f"{REPOSITORY}/{kind}/main/{path.relative_to(ROOT)}" + (f"#{anchor}" if anchor else "")
            link.replace_self(nodes.reference("", "", *link.children, refuri=url, internal=False))

    def _resolve(self, target: str) -> Path:
        """Return the path that a link names. The home page includes README.md, whose links begin at the root."""
        path = (ROOT / "docs" / self.env.docname).parent / target
        if self.env.docname == "index" and not path.exists():
            path = ROOT / target
        return path.resolve()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform, and lexers for languages that Pygments doesn't know."""
    app.add_transform(RepositoryLinks)
    app.add_lexer("jsonc", JavascriptLexer)
    app.add_lexer("mermaid", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
