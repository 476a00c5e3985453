"""Tables of methods and of their options.

``<!-- options: METHOD -->`` becomes what a method needs, its flags and its options,
``<!-- methods -->`` the list of all.
They are made from the cards and the ``Options`` of the methods, so that they cannot go stale.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

PLACEHOLDER = re.compile(r"^<!-- options: (\w+) -->$", re.MULTILINE)
METHODS = "<!-- methods -->"
SECTION = re.compile(r"^(?:Args|Attributes):\n", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+)(?: \([^)]*\))?:", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholders of a page."""
    if METHODS in markdown:
        markdown = markdown.replace(METHODS, methods_table())
    return PLACEHOLDER.sub(lambda found: options_table(found[1]), markdown)


def methods_table() -> str:
    """Return the cards of all methods as a Markdown table."""
    from fewact import methods
    from fewact.methods.cards import card_of

    rows = [
        f"| [`{card.name}`]({card.name}.md)"
        f"{' (default, `auto`)' * (name == methods.DEFAULT_METHOD)} "
        f"| {card.paper} | {card.needs} | {card.flags} | {card.summary} |"
        for name, card in ((name, card_of(name)) for name in methods.names())
        if not card.package
    ]
    return "| method | paper | needs | flags | |\n|---|---|---|---|---|\n" + "\n".join(rows)


def options_table(method: str) -> str:
    """Return what a method needs, its flags, and its options as a Markdown table.

    Args:
        method: Name of a registered method.
    """
    from fewact import methods
    from fewact.methods.cards import card_of

    card = card_of(method)
    more = f"; in training, too: {card.training_needs}" if card.training_needs else ""
    facts = f"Needs: {card.needs}{more}. Flags: {card.flags or 'none'}."
    rows = "\n".join(
        f"| {' | '.join(row)} |" for row in _rows(methods.REGISTRY.get(method).Options)
    )
    return f"{facts}\n\n| option | default | values | meaning |\n|---|---|---|---|\n{rows}"


def _rows(options: type, prefix: str = "") -> list[tuple[str, str, str, str]]:
    described = _described(options)
    hints = get_type_hints(options, include_extras=True)
    rows = []
    for name, default in _defaults(options):
        hint = hints[name]
        if hasattr(hint, "model_fields"):  # a group of options
            rows += _rows(hint, f"{prefix}{name}.")
            continue
        rows.append(
            (
                f"`{prefix}{name}`",
                "required" if default is MISSING else f"`{_text(default)}`",
                _values(hint),
                described.get(name, ""),
            )
        )
    return rows


def _defaults(options: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and default of each option of a dataclass, or of a group, which is a model."""
    if not is_dataclass(options):
        yield from ((name, field.default) for name, field in options.model_fields.items())
        return
    for field in fields(options):
        yield (
            field.name,
            field.default if field.default_factory is MISSING else field.default_factory(),
        )


def _described(options: type) -> dict[str, str]:
    """What the docstring says of each option."""
    parts = SECTION.split(inspect.getdoc(options) or "", maxsplit=1)
    if len(parts) < 2:
        return {}
    pieces = ENTRY.split(re.split(r"\n\s*\n(?! )", parts[1], maxsplit=1)[0])[1:]
    pairs = zip(pieces[::2], pieces[1::2], strict=True)
    return {
        name: " ".join(text.split()).replace("``", "`").replace("|", "\\|") for name, text in pairs
    }


def _values(hint: Any) -> str:
    """What an option takes, in words."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *bounds = get_args(hint)
        limits = [
            f"{sign} {getattr(bound, name)}"
            for constraint in bounds
            for bound in (constraint, *getattr(constraint, "metadata", ()))
            for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
            if getattr(bound, name, None) is not None
        ]
        return ", ".join([_values(inner), *dict.fromkeys(limits)])
    if origin is Literal:
        return ", ".join(f"`{_text(value)}`" for value in get_args(hint))
    if origin in (Union, UnionType):
        return " or ".join("none" if one is NoneType else _values(one) for one in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return f"list of numbers: {', '.join(hint._fields)}"
    if origin is tuple:
        return f"list of {_values(get_args(hint)[0])}"
    return {int: "integer", float: "number", bool: "`true`, `false`", str: "text"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def _text(value: object) -> str:
    """A value as the command line takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
