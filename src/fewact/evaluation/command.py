"""Command that computes a result, recorded in its file."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewact.core.spec import Spec
from fewact.evaluation.config import EvaluationConfig

FLAGS: dict[str, dict[str, str]] = {
    "data": {"source": "data"},
    "episodes": {"file": "episodes"},
    "backbone": {"name": "backbone"},
    "text": {"encoder": "text-encoder", "weights": "text-weights"},
    "camera": {"name": "camera", "on": "camera-on"},
    "condition": {"name": "condition", "on": "condition-on"},
    "reading": {},
}
"""Names of command line options that differ from the names of the fields."""


def command_of(config: EvaluationConfig, imported: Path | None = None) -> str:
    """Return the command line for a configuration; empty if the command line has no such option.

    Options that do not change the result (output, threads) and defaults are left out.

    Args:
        config: Specuration.
        imported: Python file that defines the method; None for a registered method.

    >>> from fewact.evaluation.config import DataConfig
    >>> data = DataConfig(source="clips", groups="none")
    >>> command_of(EvaluationConfig(method="a2m2", data=data, options={"lengths": [1, 2]}))
    'fewact evaluate a2m2 --data clips --groups none --option lengths=1,2'
    """
    if config.backbone.options or isinstance(config.text.prompts, tuple):
        return ""
    words = ["fewact", "evaluate", config.method]
    words += [] if imported is None else ["--import", _from_here(imported)]
    words += _flags("data", config.data, ("source",))
    words += [word for source in config.modalities for word in ("--with", source)]
    if config.modality_weights != "support":
        words += ["--with-weights", config.modality_weights]
    words += _flags("episodes", config.episodes, ("file",))
    words += _flags("episodes", config.episodes, ("ways", "shots", "queries", "count", "seed"))
    words += _flags("data", config.data, ("groups", "split", "dataset"))
    for name, value in config.options.items():
        words += ["--option", f"{name}={option_text(value)}"]
    names = ("store", "root", "splits", "availability", "allow_missing")
    words += _flags("data", config.data, names)
    words += ["--allow-leak"] if config.allow_leak else []
    words += _flags(
        "backbone",
        config.backbone,
        ("name", "weights", "device", "precision", "engine", "resize", "sampler", "size"),
    )
    words += _flags("text", config.text, ("encoder", "weights", "prompts"))
    if config.camera is not None:
        words += _flags("camera", config.camera, ("name", "on"))
    if config.condition is not None:
        words += _flags("condition", config.condition, ("name", "on"))
    words += _flags("reading", config.reading, ("trim", "correct"))
    return shlex.join(words)


def flag_of(group: str, name: str) -> str:
    """Return the command line option for a field of a part of the configuration.

    >>> flag_of("text", "encoder"), flag_of("data", "allow_missing")
    ('--text-encoder', '--allow-missing')
    """
    return f"--{FLAGS[group].get(name, name.replace('_', '-'))}"


def option_text(value: Any) -> str:
    """Return the text of an option's value, which the command line reads as the same value.

    >>> option_text([1, 2]), option_text("paper"), option_text("2"), option_text(True)
    ('1,2', 'paper', '"2"', 'true')
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if _is_json(value) else value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text[1:-1] if isinstance(value, list | tuple) and len(value) > 1 else text


def _from_here(file: Path) -> str:
    """Return a path relative to the working directory, if the file is in it."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _is_json(text: str) -> bool:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            json.loads(candidate)
        except ValueError:
            continue
        return True
    return False


def _flags(group: str, config: Spec, names: tuple[str, ...]) -> list[str]:
    return [word for name in names for word in _flag(group, config, name)]


def _default(config: Spec, name: str) -> Any:
    return type(config).model_fields[name].default


def _flag(group: str, config: Spec, name: str) -> Iterator[str]:
    value = getattr(config, name)
    # In place of what is not set of a backbone or a text, that of a trained method is used.
    as_trained = group in ("backbone", "text") and name not in config.requested
    if as_trained or (group not in ("backbone", "text") and value == _default(config, name)):
        return
    yield flag_of(group, name)
    if value is not True:
        yield str(value)
