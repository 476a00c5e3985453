"""Recipe files of the package, and custom ones."""

import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fewact.core.bounded import KIB, FileType
from fewact.core.errors import RecipeError, UnknownNameError, did_you_mean, invalid_value
from fewact.core.paths import user_path
from fewact.training.recipe import Recipe

SHIPPED = "recipes"
# A parser of TOML needs time that grows with the square of the depth of a name.
RECIPE = FileType("recipe", RecipeError, 64 * KIB)


def names() -> tuple[str, ...]:
    """Return the names of the package's recipes."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _shipped()))


def text_of(name: str) -> str:
    """Return the text of one of the package's recipes, with its comments.

    Raises:
        UnknownNameError: The name is unknown.
    """
    for file in _shipped():
        if file.name == f"{name}.toml":
            return file.read_text(encoding="utf-8")
    near = [one for one in names() if one.startswith(name.partition("-")[0] + "-")]
    listed = f"one of: {', '.join(near)}" if near else "a name that `fewact recipes` lists"
    raise UnknownNameError(
        "unknown recipe",
        got=repr(name),
        expected=listed if name.endswith(".toml") else f"a .toml file, or {listed}",
        hint=did_you_mean(name, names()),
    )


def read(recipe: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe.

    A recipe with ``extends = "NAME"`` contains only its differences from that recipe: tables are
    merged, lists and values are replaced; options of another method or backbone are not inherited.

    Args:
        recipe: Recipe: a name of ``names()``, a .toml file, or the recipe.json of a run.
        changes: Changed values by dotted name, such as ``stages.1.lr`` for the second stage.

    Raises:
        UnknownNameError: The name is unknown.
        RecipeError: The file is not a valid recipe; the message names the invalid value.
    """
    content = _load(str(recipe), ())
    for key, value in (changes or {}).items():
        _change(content, key, value)
    return parse(content, str(recipe))


def parse(content: Mapping[str, Any], where: str) -> Recipe:
    """Return a recipe from the content of its file.

    Args:
        content: Parsed content of the file.
        where: Name of the recipe, for error messages.

    Raises:
        RecipeError: The content is not a valid recipe.
    """
    try:
        return Recipe.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        # A misspelt name comes before the value that is missing because of it.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        tag = 2 if first["loc"][:1] == ("stages",) else None  # `classify` or `episodes`
        parts = [str(part) for i, part in enumerate(first["loc"]) if i != tag]
        path = ".".join(parts)
        fault, expected = invalid_value(first["msg"])
        unknown = first["type"] == "extra_forbidden"
        raise RecipeError(
            fault,
            where=f"{where}, {path}" if path else where,
            got=repr(first["input"]) if not isinstance(first["input"], dict) else "",
            expected=expected,
            hint=did_you_mean(parts[-1], _names()) if unknown else "",
        ) from None


def _names() -> set[str]:
    """Return the names of all values that a recipe can have."""
    schema = Recipe.model_json_schema()
    parts = (schema, *schema["$defs"].values())
    return {name for part in parts for name in part.get("properties", ())}


def _load(recipe: str, above: tuple[str, ...]) -> dict[str, Any]:
    """Return the content of a file merged into the content of the recipe that it extends."""
    if recipe in above:
        raise RecipeError("circular extends", where=" → ".join(above))
    path = user_path(recipe, RecipeError)
    if path.suffix == ".json":
        return _table(RECIPE.json(path), recipe)
    own = path.suffix == ".toml"
    content = RECIPE.toml(path) if own else tomllib.loads(text_of(recipe))
    base = content.pop("extends", None)
    if base is None:
        return content
    if own and str(base).endswith(".toml"):
        base = path.parent / str(base)
    return _merge(_load(str(base), (*above, recipe)), content)


def _table(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RecipeError("not a recipe", where=where)
    return content


def _merge(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            same = value.get("name", old.get("name")) == old.get("name")
            value = _merge(old, value) if same else value
        merged[key] = value
    return merged


def _change(content: dict[str, Any], key: str, value: Any) -> None:
    """Set one value by its dotted name."""
    at: Any = content
    *path, last = key.split(".")
    try:
        for part in path:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        if isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise RecipeError("the recipe has no such value", got=key) from None


def _shipped() -> list[Traversable]:
    folder = files("fewact.training") / SHIPPED
    return [file for file in folder.iterdir() if file.name.endswith(".toml")]
