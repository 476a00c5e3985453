"""The reference: a page for each subpackage and module of fewact, generated from its docstrings."""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = Path(__file__).parents[2] / "src" / "fewact"
SKIPPED = {"cli", "pytest_plugin", "recipes"}
"""``cli`` has commands instead of functions, ``recipes`` holds data."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the reference at the end of the navigation."""
    assert config.nav is not None
    pages = [f"reference/{name}.md" for name in _names()]
    config.nav.append({"Reference": ["reference/index.md", *pages]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the pages; they exist during the build only."""
    names = _names()
    rows = "".join(f"| [`fewact.{name}`]({name}.md) | {_summary(name)} |\n" for name in names)
    index = f"# Reference\n\n{_INTRODUCTION}\n\n| module | purpose |\n|---|---|\n{rows}"
    files.append(File.generated(config, "reference/index.md", content=index))
    for name in names:
        page = f"# fewact.{name}\n\n::: fewact.{name}\n"
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    return files


_INTRODUCTION = """\
Generated from the docstrings. Import a subpackage by its name; `import fewact` alone loads no
torch. The command line describes itself: `fewact --help`, `fewact COMMAND --help`."""


def _names() -> list[str]:
    """The public subpackages, then the public modules."""
    packages = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    modules = sorted(path.stem for path in SOURCE.glob("*.py"))
    return [name for name in packages + modules if not name.startswith("_") and name not in SKIPPED]


def _summary(name: str) -> str:
    """The first line of the module's docstring."""
    path = SOURCE / name / "__init__.py"
    path = path if path.exists() else SOURCE / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
