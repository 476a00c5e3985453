"""The pages of decisions in the order of their index; pages that it does not name come last."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

LINK = re.compile(r"\]\(([\w-]+\.md)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the section ``Decisions`` of the navigation."""
    folder = Path(config.docs_dir) / "decisions"
    named = LINK.findall((folder / "index.md").read_text(encoding="utf-8"))
    others = sorted(path.name for path in folder.glob("*.md"))
    pages = [f"decisions/{name}" for name in dict.fromkeys(["index.md", *named, *others])]
    assert config.nav is not None
    for section in config.nav:
        if isinstance(section, dict) and "Decisions" in section:
            section["Decisions"] = pages
    return config
