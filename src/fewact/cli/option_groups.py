"""Groups of options of the command line.

A command takes its options in groups instead of thirty parameters. Most groups are made from the
fields of a spec: their names, types, defaults, and their descriptions in its docstring:

    @with_option_groups
    def match(backbone: Annotated[BackboneSpec, SpecOptions("Backbone")]) -> None: ...

The command gets the spec. A parameter of type ``dict[str, Any]`` gets the values that were
requested, by field, to make a spec together with other arguments:

    videos: Annotated[dict[str, Any], SpecOptions("Data", DataSpec, without=("source",))]

Options that no spec has are in a frozen dataclass; each field has the annotation that Typer would
want on the parameter:

    @dataclass(frozen=True, kw_only=True)
    class BackboneOptions(OptionGroup):
        heading: ClassVar[str] = "Backbone"
        device: Annotated[str, typer.Option(help="Device to run on.")] = "auto"

    @with_option_groups
    def embed(data: Annotated[str, typer.Argument()], backbone: BackboneOptions) -> None: ...

On the command line the fields are ordinary options of ``fewact embed``; its help page lists them
below the heading of the group, see ``Command``.
"""

import functools
import inspect
import re
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

import typer
from annotated_types import Ge
from typer.core import TyperCommand
from typer.models import ParameterInfo

from fewact.cli import completion
from fewact.core.errors import OptionError
from fewact.core.options import Flag, Spec, flag_of, flags, option_descriptions

T = TypeVar("T")

COMPLETIONS = {"backbone": completion.backbones}
"""Functions that complete values in a shell, by option."""


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """Options that belong together; a subclass has one field for each.

    Args:
        heading: Heading of the group on a help page; a class attribute.
    """

    heading: ClassVar[str]


@dataclass(frozen=True)
class SpecOptions:
    """Group of options that is made from the fields of a spec.

    Args:
        heading: Heading of the group on a help page.
        spec: Type of the spec; None for the annotated type.
        without: Fields that are no options of the command.
    """

    heading: str
    spec: type[Spec] | None = None
    without: tuple[str, ...] = ()

    def parameters(self, spec: type[Spec]) -> list[inspect.Parameter]:
        """Return a keyword parameter for each field; its value is None if nothing was requested."""
        descriptions = option_descriptions(spec)
        return [
            _option(spec, name, flag, descriptions[name], self.heading)
            for name, flag in flags(spec).items()
            if name not in self.without
        ]

    def requested(self, spec: type[Spec], values: dict[str, Any]) -> dict[str, Any]:
        """Take the requested values of a spec's fields out of those of all parameters."""
        taken = {
            name: values.pop(_parameter_name(flag))
            for name, flag in flags(spec).items()
            if name not in self.without
        }
        return {
            name: value for name, value in taken.items() if value is not None and value is not False
        }

    def value(self, spec: type[Spec], values: dict[str, Any]) -> Spec | None:
        """Return the requested spec; None if nothing was requested of one with a required field.

        Raises:
            OptionError: A value is invalid, or the required field was not requested.
        """
        requested = self.requested(spec, values)
        missing = [
            n for n, f in spec.model_fields.items() if f.is_required() and n not in requested
        ]
        if missing and requested:
            name, value = next(iter(requested.items()))
            raise OptionError(
                f"needs {flag_of(spec, missing[0])}", where=flag_of(spec, name), got=str(value)
            )
        if missing:
            return None
        built = spec(**requested)
        if isinstance(built, Checked):
            built.check()
        return built


@runtime_checkable
class Checked(Protocol):
    """Spec with checks of several fields together, which need no torch."""

    def check(self) -> None:
        """Refuse values that do not fit each other."""


def _parameter_name(flag: Flag) -> str:
    return flag.name.replace("-", "_")


def _option(
    spec: type[Spec], name: str, flag: Flag, description: str, heading: str
) -> inspect.Parameter:
    """Return the parameter of an option; the spec checks its value."""
    field = spec.model_fields[name]
    kinds = [
        kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind != NoneType
    ]
    type_: Any = next((kind for kind in kinds if kind in (bool, int, Path)), str)
    if get_origin(field.annotation) is None and isinstance(field.annotation, type):
        type_ = field.annotation
    choice = next((k for k in (field.annotation, *kinds) if get_origin(k) is Literal), None)
    if choice is not None and flag.metavar != "NAME":
        type_ = choice
    # Python's names are not words of the command line.
    text = re.sub(r",? see fewact(\.\w+)+", "", description.replace('"', ""))
    if isinstance(field.default, str | int) and field.default not in ("", False):
        text = f"{text.removesuffix('.')} (default: {field.default})."
    minimum = next((mark.ge for mark in field.metadata if isinstance(mark, Ge)), None)
    option = typer.Option(
        f"--{flag.name}",
        help=text,
        metavar=flag.metavar or None,
        min=minimum,  # type: ignore[arg-type]  # of integers
        rich_help_panel=heading,
        autocompletion=COMPLETIONS.get(flag.name),
    )
    return inspect.Parameter(
        _parameter_name(flag),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if type_ is bool else None,
        annotation=Annotated[type_ if type_ is bool else type_ | None, option],
    )


def with_option_groups(command: Callable[..., T]) -> Callable[..., T]:
    """Give Typer a signature in which each group is replaced by its fields.

    Args:
        command: Function whose parameters are Typer's own or of a subclass of ``OptionGroup``.

    Returns:
        The command with the flat signature. A call builds the groups from the flat values.

    Raises:
        TypeError: Two options of the command have the same name.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, OptionGroup)
    }
    specs = {
        name: spec_options for name, hint in hints.items() if (spec_options := _spec_options(hint))
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        elif name in specs:
            options, spec, _ = specs[name]
            parameters += options.parameters(spec)
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))
    names = [parameter.name for parameter in parameters]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{command.__name__} has two options named {', '.join(sorted(twice))}")

    @functools.wraps(command)
    def call(**values: Any) -> T:
        arguments: dict[str, Any] = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        for name, (options, spec, as_spec) in specs.items():
            arguments[name] = (options.value if as_spec else options.requested)(spec, values)
        return command(**values, **arguments)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _spec_options(hint: Any) -> tuple[SpecOptions, type[Spec], bool] | None:
    """Return the options of a parameter, their spec, and whether the parameter is the spec."""
    options = next(
        (x for x in getattr(hint, "__metadata__", ()) if isinstance(x, SpecOptions)), None
    )
    if options is None:
        return None
    if options.spec is not None:
        return options, options.spec, False
    annotated = hint.__origin__
    spec = next(
        t for t in (annotated, *get_args(annotated)) if isinstance(t, type) and t != NoneType
    )
    return options, spec, True


def _parameters(group: type[OptionGroup]) -> list[inspect.Parameter]:
    """A keyword parameter for each field of a group, with the group's heading."""
    hints = get_type_hints(group, include_extras=True)
    parameters = []
    for field in fields(group):
        hint = hints[field.name]
        infos = [info for info in hint.__metadata__ if isinstance(info, ParameterInfo)]
        if len(infos) != 1:
            raise TypeError(
                f"{group.__name__}.{field.name} needs one typer.Option or typer.Argument"
            )
        info = copy(infos[0])
        info.rich_help_panel = group.heading
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=Annotated[hint.__origin__, info],
            )
        )
    return parameters


class Command(TyperCommand):
    """A command whose help page lists the options of each group below a heading.

    ``fewact.cli.app`` registers each command with it.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, arguments in capitals."""
        names = [
            _argument_name(parameter) if parameter.required else f"[{_argument_name(parameter)}]"
            for parameter in self.get_params(ctx)
            if parameter.param_type_name == "argument"
        ]
        return ["[OPTIONS]", *names]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; an empty path is refused, because it means the current folder."""
        is_empty = "" in args
        remaining = super().parse_args(ctx, args)
        values = [v if isinstance(v, list | tuple) else [v] for v in ctx.params.values()]
        if is_empty and any(item == Path() for items in values for item in items):
            raise OptionError("not a path", got="''", expected="the name of a file or folder")
        return remaining

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options without a group, then the groups."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                help = record[1].removesuffix("[required]").rstrip()
                sections["Arguments"].append((_argument_name(parameter), help))
            else:
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())
