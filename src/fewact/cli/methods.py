"""``fewact methods`` and ``backbones``: what is there, with options, sizes and licences."""

import textwrap
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from fewact.cli.command import complete_methods
from fewact.cli.options import Imports
from fewact.cli.output import ListOutputFormat, print_json, print_table, text_width
from fewact.core.options import option_descriptions, option_groups

LISTED_LEVELS = ("vectors", "maps", "middle")
CARD_TITLES = {
    "summary": "",
    "paper": "paper: ",
    "package": "package: ",
    "needs": "needs: ",
    "training_needs": "needs in training, too: ",
    "flags": "",
    "error": "",
}
"""Fields of a method's card that are shown, with the words before each."""


def methods(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a method to show.", autocompletion=complete_methods),
    ] = None,
    imports: Imports = None,
    format: ListOutputFormat = "table",
) -> None:
    """List the few-shot methods, or show one with its options.

    Each option is shown with its default, its meaning and its allowed values.
    """
    cards = _methods(name)
    if format == "json":
        print_json(cards)
    elif name is None:
        columns = ("name", "paper", "needs", "flags", "summary")
        print_table(columns, [tuple(map(_cell(card), columns)) for card in cards])
    else:
        for card in cards:
            _print_card(card)


def _cell(method: dict[str, Any]) -> Callable[[str], str]:
    """Return the function from a column to the text of a method's cell."""
    shown = {
        "name": method["name"] + " (auto)" * method["auto"],
        "paper": method["paper"] or method["package"],
        "summary": method["summary"] or method["error"],
    }
    return lambda column: str(shown.get(column, method[column]))


def _print_card(method: dict[str, Any]) -> None:
    print(method["name"] + " (auto)" * method["auto"])
    for key, title in CARD_TITLES.items():
        if method[key]:
            _print_wrapped(f"{title}{method[key]}", indent=2)
    for key, option in method["options"].items():
        print(f"  --option {key}={_as_text(option['default'])}")
        _print_wrapped(f"{option['description']}{_choices(option)}", indent=6)


def _print_wrapped(text: str, indent: int) -> None:
    """Write text in lines that fit the terminal."""
    margin = " " * indent
    for line in text.splitlines():
        print(
            textwrap.fill(
                line,
                text_width(),
                initial_indent=margin,
                subsequent_indent=margin,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def backbones(format: ListOutputFormat = "table") -> None:
    """List the networks that compute features.

    The table has the shapes of their features at each level, the number of parameters and the
    licence. Below it are the weights to pass as --weights.
    """
    from fewact import networks

    cards = [
        {**asdict(networks.describe(name)), "auto": name == networks.DEFAULT_NETWORK}
        for name in networks.names()
    ]
    if format == "json":
        print_json(cards)
        return
    print_table(
        ("name", *LISTED_LEVELS, "parameters", "licence"),
        [
            (
                card["name"] + " (auto)" * card["auto"],
                *(
                    "×".join(map(str, value)) if isinstance(value, tuple) else str(value or "–")
                    for value in map(card.get, LISTED_LEVELS)
                ),
                f"{card['parameters'] / 1e6:.1f} M",
                card["licence"],
            )
            for card in cards
        ],
    )
    print()
    for card in cards:
        print(card["name"])
        _print_wrapped(f"{card['summary']}\n--weights: {card['needs']}", indent=2)


def _methods(requested: str | None) -> list[dict[str, Any]]:
    """Return the cards of one or all methods, with their options."""
    from fewact import methods
    from fewact.methods.cards import card_of

    cards = []
    names = (
        (methods.DEFAULT_METHOD if requested == "auto" else requested,)
        if requested
        else methods.names()
    )
    for card in map(card_of, names):
        options = {} if card.error else _options(methods.REGISTRY.get(card.name).Options)
        auto = {"auto": card.name == methods.DEFAULT_METHOD, "flags": card.flags}
        cards.append({**asdict(card), **auto, "options": options})
    return cards


def _options(options_type: type, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Return JSON schema and description of each option; options of a group have dotted names."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(options_type).json_schema()
    descriptions = option_descriptions(options_type)
    groups = option_groups(options_type)
    options: dict[str, dict[str, Any]] = {}
    for name, expected in schema.get("properties", {}).items():
        if name in groups:
            options |= _options(groups[name], f"{prefix}{name}.")
            continue
        expected.pop("title", None)
        options[prefix + name] = {**expected, "description": descriptions.get(name, "")}
    return options


def _choices(option: dict[str, Any]) -> str:
    return f" [{' | '.join(map(str, option['enum']))}]" if "enum" in option else ""


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_as_text, value))
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
