"""``fewact methods`` and ``fewact backbones``: what there is to choose from."""

import inspect
import re
from dataclasses import asdict
from typing import Annotated, Any

import typer

from fewact.cli.output import ListFormat, print_json, print_table

FACTS = ("name", "vectors", "maps", "middle")

Format = Annotated[ListFormat, typer.Option("--format", help="For people, or for programs.")]


def methods(format: Format = ListFormat.TABLE) -> None:
    """List the few-shot methods and the options of each."""
    found = _methods()
    if format is ListFormat.JSON:
        print_json(found)
        return
    for position, method in enumerate(found):
        print("\n" * bool(position) + method["name"] + " (auto)" * method["auto"])
        print(f"  {method['summary']}")
        for flag in ("transductive", "uses_text"):
            if method[flag]:
                print(f"  {flag.replace('_', ' ')}")
        if not method["trained"]:
            print("  needs training")
        for name, option in method["options"].items():
            print(f"  --option {name}={_as_text(option['default'])}")
            print(f"      {option['description']}{_choices(option)}")


def backbones(format: Format = ListFormat.TABLE) -> None:
    """List the networks that turn frames into features."""
    from fewact import backbones

    found = [
        {**asdict(backbones.describe(name)), "auto": name == backbones.AUTO}
        for name in backbones.names()
    ]
    if format is ListFormat.JSON:
        print_json(found)
        return
    print_table(
        (*FACTS, "parameters", "licence", "weights to pass", "what it is"),
        [
            (
                *(
                    "×".join(map(str, value)) if isinstance(value, tuple) else str(value or "–")
                    for value in map(one.get, FACTS)
                ),
                f"{one['parameters'] / 1e6:.1f} M",
                one["licence"],
                one["needs"],
                one["summary"] + " (auto)" * one["auto"],
            )
            for one in found
        ],
    )


def _methods() -> list[dict[str, Any]]:
    from pydantic import TypeAdapter

    from fewact import methods

    found = []
    for name in methods.names():
        kind = methods.REGISTRY.get(name)
        schema = TypeAdapter(kind.Options).json_schema()
        described = _described(inspect.getdoc(kind.Options) or "")
        options = {}
        for option, expected in schema.get("properties", {}).items():
            expected.pop("title", None)
            options[option] = {**expected, "description": described.get(option, "")}
        made = methods.create(name)
        found.append(
            {
                "name": name,
                "auto": name == methods.AUTO,
                "summary": (inspect.getdoc(inspect.getmodule(kind)) or "").partition("\n")[0],
                "transductive": made.transductive,
                "uses_text": made.uses_text,
                "trained": made.trained,
                "options": options,
            }
        )
    return found


def _described(docstring: str) -> dict[str, str]:
    """What a docstring's ``Args`` section says of each name."""
    section = re.split(r"\n\s*\n", docstring.partition("Args:\n")[2], maxsplit=1)[0]
    entries = re.split(r"^ {4}(?=\w+:)", section, flags=re.MULTILINE)[1:]
    pairs = (entry.split(":", 1) for entry in entries)
    return {name: " ".join(text.replace("``", '"').split()) for name, text in pairs}


def _choices(option: dict[str, Any]) -> str:
    return f" [{' | '.join(map(str, option['enum']))}]" if "enum" in option else ""


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_as_text, value))
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
