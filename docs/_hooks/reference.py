"""The reference: a page for each subpackage and module of fewact, generated from its docstrings."""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = Path(__file__).parents[2] / "src" / "fewact"
SKIPPED = {"cli", "page", "lab.autograd", "lab.charts", "lab.commands", "lab.workers"}
"""Those that have commands instead of functions, and what only the lab itself uses."""

DIVIDED = ("lab",)
"""Subpackages whose parts have a page each."""

ALSO = {
    "methods": ("base", "protocols"),
    "lab.methods": ("base", "adapters", "promises"),
    "recordings": ("watch",),
}
"""Modules with a section of their own, though the subpackage exports other names."""

INHERITED = {"classifier"}
"""Subpackages whose classes are shown with the methods of their bases."""


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
        inherited = str(name in INHERITED).lower()
        page = f"# fewact.{name}\n\n::: fewact.{name}\n"
        page += f"    options:\n      inherited_members: {inherited}\n"
        page += "".join(
            f"\n## fewact.{name}.{part}\n\n::: fewact.{name}.{part}\n    options:\n"
            "      heading_level: 3\n"
            for part in _parts(name)
        )
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    return files


_INTRODUCTION = """\
Generated from the docstrings. Import a subpackage by its name. `fewact.lab` needs
`pip install "fewact[lab]"`; nothing else needs PyTorch. The command line describes itself:
`fewact --help`, `fewact COMMAND --help`."""


def _names() -> list[str]:
    """The public subpackages, then the public modules, then the parts of those that are divided."""
    parts = [f"{name}.{part}" for name in DIVIDED for part in _public(SOURCE / name)]
    names = [name for name in _public(SOURCE) if name not in DIVIDED] + parts
    return [name for name in names if name not in SKIPPED]


def _public(folder: Path) -> list[str]:
    """The public subpackages of a folder, then its public modules."""
    packages = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    modules = sorted(path.stem for path in folder.glob("*.py"))
    return [name for name in packages + modules if not name.startswith("_")]


def _parts(name: str) -> tuple[str, ...]:
    """Modules of a subpackage that have a section of their own.

    All of them if the subpackage exports no names itself. Else those that have the name of the
    function that they export: the subpackage's page shows a module in its place, which is empty.
    """
    public = set(_public(SOURCE.joinpath(*name.split("."))))
    if not public or name in ALSO:
        return ALSO.get(name, ())
    return tuple(sorted(public & _exported(name) or (public if not _exported(name) else ())))


def _exported(name: str) -> set[str]:
    """The names in ``__all__``."""
    for node in ast.parse(_text(name)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _text(name: str) -> str:
    """The source of a module, or of a subpackage's ``__init__``."""
    path = SOURCE.joinpath(*name.split("."))
    package = path / "__init__.py"
    return (package if package.exists() else path.with_suffix(".py")).read_text(encoding="utf-8")


def _summary(name: str) -> str:
    """The first line of the module's docstring."""
    text = ast.get_docstring(ast.parse(_text(name))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
