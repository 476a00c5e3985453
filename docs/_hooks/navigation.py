"""Pages of methods in the order of the registry, of decisions in that of their index."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

FILLED = ("Methods", "Decisions")
"""Sections of the navigation; their pages are in the folder of the same name."""

LINK = re.compile(r"\]\(([\w-]+\.md)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the sections ``Methods`` and ``Decisions`` of the navigation."""
    assert config.nav is not None
    for section in config.nav:
        for title in FILLED if isinstance(section, dict) else ():
            if title in section:
                section[title] = _pages(Path(config.docs_dir) / title.lower())
    return config


def _pages(folder: Path) -> list[str]:
    """Return the pages of a folder, the index first."""
    named = LINK.findall((folder / "index.md").read_text(encoding="utf-8"))
    if folder.name == "methods":
        named = [f"{name}.md" for name in _methods()]
    others = sorted(path.name for path in folder.glob("*.md"))
    return [f"{folder.name}/{name}" for name in dict.fromkeys(["index.md", *named, *others])]


def _methods() -> tuple[str, ...]:
    from fewact import methods

    return tuple(name for name in methods.names() if not methods.REGISTRY.package_of(name))
