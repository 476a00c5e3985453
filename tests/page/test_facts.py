"""The types of the page: of its state in Python, JSON and JavaScript, and of its code."""

import shutil
import subprocess
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints

import pytest
from typing_extensions import is_typeddict

from fewact.page import facts
from fewact.page.requests import STATIC

TYPES = Path(str(STATIC)) / "types.d.ts"
NAMES = {str: "string", int: "number", float: "number", bool: "boolean", NoneType: "null"}


def typescript(hint: Any) -> str:
    """Return a type of Python as one of TypeScript."""
    if is_typeddict(hint):
        return str(hint.__name__)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return " | ".join(map(typescript, arguments))
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin is list:
        return f"{typescript(arguments[0])}[]"
    if origin is dict:
        return f"Record<string, {typescript(arguments[1])}>"
    return NAMES[hint]


def declarations() -> str:
    """Return the types of ``fewact.page.facts`` as a file of TypeScript."""
    parts = ["// Written from fewact.page.facts by tests/page/test_facts.py.\n"]
    for value in vars(facts).values():
        if not is_typeddict(value) or value.__module__ != facts.__name__:
            continue
        fields = []
        for name, hint in get_type_hints(value, include_extras=True).items():
            optional = name not in value.__required_keys__
            plain = get_args(hint)[0] if get_origin(hint) is NotRequired else hint
            fields.append(f"  {name}{'?' if optional else ''}: {typescript(plain)};\n")
        parts.append(f"\nexport interface {value.__name__} {{\n{''.join(fields)}}}\n")
    return "".join(parts)


def test_the_types_of_the_code_are_those_of_the_server() -> None:
    assert TYPES.read_text(encoding="utf-8") == declarations(), (
        f"write it again: python -m tests.page.test_facts > {TYPES}"
    )


@pytest.mark.slow
def test_the_code_of_the_page_has_no_type_errors() -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("there is no tsc: apt-get install node-typescript")
    scripts = sorted(str(path) for path in TYPES.parent.glob("*.js"))
    options = "--noEmit --allowJs --checkJs --target es2022 --module es2022 --moduleResolution node"
    found = subprocess.run(
        [compiler, *options.split(), "--lib", "es2022,dom,dom.iterable", *scripts],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")
    assert all(Path(path).read_text().startswith("// @ts-check\n") for path in scripts)


if __name__ == "__main__":
    print(declarations(), end="")
