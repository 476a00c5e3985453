"""Commands whose options are made from specs, and which show them in groups on their help pages.

The fields of a spec are options. The spec gives their names, types, defaults and checks, and its
docstring their descriptions:

    @with_specs
    def match(backbone: Annotated[BackboneSpec, SpecOptions("Backbone")]) -> None: ...

The command gets the spec. A parameter of type ``dict[str, Any]`` gets the values that were
requested, by field, to make a spec together with other arguments:

    videos: Annotated[dict[str, Any], SpecOptions("Data", DataSpec, without=("source",))]

Options that no spec has are parameters as Typer has them; ``rich_help_panel`` is their heading.
A parameter whose type is a dataclass gets options of both types together, one for each field:

    @dataclass(frozen=True)
    class Shown:
        confusion: Annotated[bool, typer.Option("--confusion", help="Show the confused pairs.")]
        quiet: Quiet = False

    @with_specs
    def evaluate(shown: Shown) -> None: ...
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from keyword import iskeyword
from operator import methodcaller
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer
from annotated_types import Ge
from typer.core import TyperCommand

from fewact.core.errors import OptionError
from fewact.core.options import Flag, Spec, flag_of, flags, option_descriptions

T = TypeVar("T")


@dataclass(frozen=True)
class SpecOptions:
    """Options that are made from the fields of a spec.

    Args:
        heading: Heading of the options on a help page.
        spec: Type of the spec; None for the annotated type.
        without: Fields that are no options of the command.
        only: Fields that are; all others by default.
        texts: Descriptions that replace those of the spec, by field.
    """

    heading: str
    spec: type[Spec] | None = None
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    def flags(self, spec: type[Spec]) -> dict[str, Flag]:
        """Return the options by field."""
        return {
            name: flag
            for name, flag in flags(spec).items()
            if name not in self.without and name in (self.only or (name,))
        }

    def parameters(self, spec: type[Spec]) -> list[inspect.Parameter]:
        """Return a keyword parameter for each field; its value is None if nothing was requested."""
        descriptions = {**_descriptions(spec), **self.texts}
        return [
            _option(spec, name, flag, descriptions[name], self.heading)
            for name, flag in self.flags(spec).items()
        ]

    def value(self, spec: type[Spec], values: dict[str, Any]) -> Spec | dict[str, Any] | None:
        """Take the values of the fields out of the values of all parameters.

        Returns:
            The requested values if this has a spec, or the spec; None if nothing was requested of
            a spec with a required field.
        """
        taken = {name: values.pop(_parameter_name(f)) for name, f in self.flags(spec).items()}
        requested = {n: v for n, v in taken.items() if v is not None and v is not False and v != []}
        required = [name for name, f in spec.model_fields.items() if f.is_required()]
        if any(name not in taken for name in required):  # the command knows it
            return requested
        if missing := [name for name in required if name not in requested]:
            for name, value in requested.items():
                what = f"needs {flag_of(spec, missing[0])}"
                raise OptionError(what, where=flag_of(spec, name), got=str(value))
            return None
        built = spec(**requested)
        built.check()
        return built if self.spec is None else requested


def _descriptions(spec: type[Spec]) -> dict[str, str]:
    """Return the descriptions of the fields with their defaults, without Python's names."""
    texts: dict[str, str] = {}
    for name, text in option_descriptions(spec).items():
        texts[name] = re.sub(r",? see fewact(\.\w+)+", "", text.replace('"', ""))
        default = spec.model_fields[name].default
        if isinstance(default, str | int) and default not in ("", False):
            texts[name] = f"{texts[name].removesuffix('.')} (default: {default})."
    return texts


def _parameter_name(flag: Flag) -> str:
    name = flag.name.replace("-", "_")
    return f"{name}_" if iskeyword(name) else name


def _option(
    spec: type[Spec], name: str, flag: Flag, description: str, heading: str
) -> inspect.Parameter:
    """Return the parameter of an option; the spec checks its value."""
    field = spec.model_fields[name]
    types = [t for t in (get_args(field.annotation) or (field.annotation,)) if t != NoneType]
    type_: Any = next((t for t in types if t in (bool, int, Path)), str)
    if get_origin(field.annotation) is None and isinstance(field.annotation, type):
        type_ = field.annotation
    choice = next((t for t in (field.annotation, *types) if get_origin(t) is Literal), None)
    if choice is not None and flag.metavar != "NAME":
        type_ = choice
    if get_origin(field.annotation) is tuple:
        type_, description = list[str], f"{description} Can be repeated."
    option = typer.Option(
        f"--{flag.name}",
        help=description,
        metavar=flag.metavar or None,
        min=next((mark.ge for mark in field.metadata if isinstance(mark, Ge)), None),  # type: ignore[arg-type]  # of integers
        rich_help_panel=heading,
        autocompletion=complete_backbones if flag.name == "backbone" else None,
    )
    return inspect.Parameter(
        _parameter_name(flag),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if type_ is bool else None,
        annotation=Annotated[type_ if type_ is bool else type_ | None, option],
    )


def with_specs(command: Callable[..., T]) -> Callable[..., T]:
    """Give Typer a signature in which each spec is replaced by its options.

    A call builds the specs from their values.
    """
    parameters, arguments = _expanded(command)
    names = [parameter.name for parameter in parameters]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{command.__name__} has two options named {', '.join(sorted(twice))}")

    @functools.wraps(command)
    def call(**values: Any) -> T:
        return command(**arguments(values))

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


Values = dict[str, Any]
"""Values of options or arguments by name."""


def _expanded(
    called: Callable[..., Any],
) -> tuple[list[inspect.Parameter], Callable[[Values], Values]]:
    """Return the options of a command or dataclass, and a function from their values to arguments.

    The function takes the values that it uses out of the dictionary.
    """
    hints = get_type_hints(called, include_extras=True)
    parameters: list[inspect.Parameter] = []
    arguments: dict[str, Callable[[Values], Any]] = {}
    for name, parameter in inspect.signature(called).parameters.items():
        hint = hints[name]
        metadata = getattr(hint, "__metadata__", ())
        options = next((mark for mark in metadata if isinstance(mark, SpecOptions)), None)
        if isinstance(hint, type) and is_dataclass(hint):
            of_group, group_arguments = _expanded(hint)
            parameters += of_group
            arguments[name] = functools.partial(_group, hint, group_arguments)
        elif options is not None:
            types = (options.spec, hint.__origin__, *get_args(hint.__origin__))
            spec = next(t for t in types if isinstance(t, type) and issubclass(t, Spec))
            parameters += options.parameters(spec)
            arguments[name] = functools.partial(options.value, spec)
        else:
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hint, kind=keyword))
            arguments[name] = methodcaller("pop", name)
    return parameters, lambda values: {name: take(values) for name, take in arguments.items()}


def _group(group: Callable[..., Any], arguments: Callable[[Values], Values], values: Values) -> Any:
    return group(**arguments(values))


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


def complete_methods(incomplete: str) -> list[str]:
    """Return the methods whose names begin so, for the shell; no method is imported."""
    from fewact import methods

    return _beginning(incomplete, methods.names())


def complete_backbones(incomplete: str) -> list[str]:
    """Return the backbones whose names begin so."""
    from fewact import networks

    return _beginning(incomplete, (networks.DEFAULT_NETWORK, *networks.names()))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
