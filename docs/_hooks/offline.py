"""Fail the build if a page would load a script, a style, a font or an image from another host."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon|manifest))[^>]*?"
    r"\bhref=[\"']?(?:https?:)?//[^\"'\s>]+",
    re.IGNORECASE,
)
IMPORTED = re.compile(r"(?:@import\s*|url\()\s*[\"']?(?:https?:)?//[^\"')\s]+", re.IGNORECASE)


def on_post_build(config: MkDocsConfig) -> None:
    """Search every page and stylesheet of the built site."""
    site = Path(config.site_dir)
    found = [
        f"{path.relative_to(site)}: {match[0]}"
        for pattern, suffix in ((LOADED, "*.html"), (IMPORTED, "*.css"))
        for path in sorted(site.rglob(suffix))
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("requests to other hosts:\n" + "\n".join(found))
