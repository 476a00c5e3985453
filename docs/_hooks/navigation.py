"""Pages of methods in the order of the registry."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the section ``Methods`` of the navigation."""
    assert config.nav is not None
    for section in config.nav:
        if isinstance(section, dict) and "Methods" in section:
            section["Methods"] = _pages(Path(config.docs_dir) / "methods")
    return config


def _pages(folder: Path) -> list[str]:
    """Return the pages of the folder: the index, the methods, and what is no method."""
    from fewact import methods

    registered = [f"{name}.md" for name in methods.names() if not methods.REGISTRY.package_of(name)]
    rest = sorted(path.name for path in folder.glob("*.md"))
    return [f"methods/{name}" for name in dict.fromkeys(["index.md", *registered, *rest])]
