"""Groups of options of the command line.

A command takes its options in groups instead of thirty parameters. A group is a frozen dataclass;
each field has the annotation that Typer would want on the parameter:

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
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from typer.core import TyperCommand
from typer.models import ParameterInfo

from fewact.core.errors import OptionError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """Options that belong together; a subclass has one field for each.

    Args:
        heading: Heading of the group on a help page; a class attribute.
    """

    heading: ClassVar[str]


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
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))
    names = [parameter.name for parameter in parameters]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{command.__name__} has two options named {', '.join(sorted(twice))}")

    @functools.wraps(command)
    def call(**values: Any) -> T:
        made = {
            name: group(**{one.name: values.pop(one.name) for one in fields(group)})
            for name, group in groups.items()
        }
        return command(**values, **made)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def _parameters(group: type[OptionGroup]) -> list[inspect.Parameter]:
    """A keyword parameter for each field of a group, with the group's heading."""
    hints = get_type_hints(group, include_extras=True)
    found = []
    for one in fields(group):
        hint = hints[one.name]
        infos = [info for info in hint.__metadata__ if isinstance(info, ParameterInfo)]
        if len(infos) != 1:
            raise TypeError(f"{group.__name__}.{one.name} needs one typer.Option or typer.Argument")
        info = copy(infos[0])
        info.rich_help_panel = group.heading
        found.append(
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=Annotated[hint.__origin__, info],
            )
        )
    return found


class Command(TyperCommand):
    """A command whose help page lists the options of each group below a heading.

    ``fewact.cli.app`` registers each command with it.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, arguments in capitals."""
        names = [
            _argument_name(one) if one.required else f"[{_argument_name(one)}]"
            for one in self.get_params(ctx)
            if one.param_type_name == "argument"
        ]
        return ["[OPTIONS]", *names]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; an empty path is refused, because it means the current folder."""
        is_empty = "" in args
        rest = super().parse_args(ctx, args)
        values = [v if isinstance(v, list | tuple) else [v] for v in ctx.params.values()]
        if is_empty and any(one == Path() for several in values for one in several):
            raise OptionError("not a path", got="''", expected="the name of a file or folder")
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options without a group, then the groups."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is None:
                continue
            if one.param_type_name == "argument":
                help = record[1].removesuffix("[required]").rstrip()
                sections["Arguments"].append((_argument_name(one), help))
            else:
                heading = getattr(one, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())
