"""Option groups: what Typer sees of a command, what the command gets, how its help page looks."""

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from fewact.backbones import BackboneSpec
from fewact.cli.option_groups import Command, OptionGroup, SpecOptions, with_option_groups
from fewact.cli.options import parse_options
from fewact.core.errors import OptionError, UserError
from fewact.core.options import Flag, Spec, words_of


@dataclass(frozen=True, kw_only=True)
class Size(OptionGroup):
    heading: ClassVar[str] = "Size"

    width: Annotated[int, typer.Option(min=1, metavar="N", help="Width in pixels.")]
    height: Annotated[int, typer.Option(metavar="N", help="Height in pixels.")] = 7
    tag: Annotated[list[str] | None, typer.Option(help="Tag; can be repeated.")] = None


@with_option_groups
def paint(
    context: typer.Context,
    path: Annotated[str, typer.Argument(help="File to paint.")],
    size: Size,
    quiet: Annotated[bool, typer.Option("--quiet", help="Hide the bar.")] = False,
) -> None:
    """Paint a file."""
    from_line = [
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    print(path, size, quiet, sorted(from_line))


@pytest.fixture
def run() -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(cls=Command)(paint)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_typer_sees_the_fields_of_a_group() -> None:
    parameters = inspect.signature(paint).parameters
    assert list(parameters) == ["context", "path", "width", "height", "tag", "quiet"]
    assert parameters["width"].default is inspect.Parameter.empty
    assert parameters["height"].default == 7
    assert paint.__name__ == "paint"
    assert paint.__doc__ == "Paint a file."


def test_the_command_gets_the_group(run: Any) -> None:
    ended = run("a.png", "--width", "3", "--tag", "x", "--tag", "y")
    assert ended.exit_code == 0, ended.output
    group = Size(width=3, tag=["x", "y"])
    assert ended.stdout == f"a.png {group} False {['path', 'tag', 'width']}\n"


def test_values_of_a_group_are_checked(run: Any) -> None:
    assert "--width" in run("a.png").output
    assert run("a.png").exit_code == 2
    assert run("a.png", "--width", "0").exit_code == 2


def test_a_help_page_lists_a_group_below_its_heading(run: Any) -> None:
    lines = run("--help").stdout.splitlines()
    assert lines[0] == "Usage: paint [OPTIONS] PATH"
    places = [lines.index(f"{name}:") for name in ("Arguments", "Options", "Size")]
    assert places == sorted(places)
    assert any(line.startswith("  PATH  File to paint.") for line in lines)
    of_group = " ".join(lines[places[2] :])
    assert all(f"--{name}" in of_group for name in ("width", "height", "tag"))
    assert "--quiet" not in of_group


def test_two_options_of_one_name_are_refused() -> None:
    def command(size: Size, height: Annotated[int, typer.Option()] = 1) -> None: ...

    with pytest.raises(TypeError, match="two options named height"):
        with_option_groups(command)


def test_a_field_without_an_option_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wrong(OptionGroup):
        heading: ClassVar[str] = "Wrong"

        width: Annotated[int, "no option"] = 1

    def command(wrong: Any) -> None: ...

    command.__annotations__["wrong"] = Wrong
    with pytest.raises(TypeError, match=r"Wrong\.width needs one"):
        with_option_groups(command)


class Brush(Spec):
    """Brush.

    Args:
        colour: Colour of the brush, see ``fewact.colours``.
        size: Width of a stroke.
        soft: Soften the edges.
        kind: Kind of the hairs.
    """

    colour: Annotated[str, Flag("brush", "NAME")]
    size: Annotated[int, Field(ge=1), Flag(metavar="N")] = 3
    soft: Annotated[bool, Flag()] = False
    kind: Annotated[Literal["flat", "round"], Flag("brush-kind")] = "flat"


@with_option_groups
def draw(
    brush: Annotated[Brush | None, SpecOptions("Brush")],
    backbone: Annotated[BackboneSpec, SpecOptions("Backbone", without=("size",))],
) -> None:
    """Draw."""
    print(repr((brush, backbone.requested)))


@pytest.mark.parametrize(
    ("words", "brush"),
    [
        ((), None),
        (("--brush", "red"), Brush(colour="red")),
        (
            ("--brush", "red", "--size", "5", "--soft", "--brush-kind", "round"),
            Brush(colour="red", size=5, soft=True, kind="round"),
        ),
    ],
)
def test_the_words_of_a_spec_make_the_same_spec(words: tuple[str, ...], brush: Any) -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(cls=Command)(draw)
    ended = CliRunner().invoke(app, [*words, "--backbone", "resnet50", "--precision", "auto"])
    assert ended.stdout == f"{(brush, {'name': 'resnet50', 'precision': 'auto'})!r}\n"
    assert brush is None or tuple(words_of(brush)) == words


def test_options_of_a_spec_are_refused_by_the_spec_and_described_by_it() -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(cls=Command)(draw)
    page = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    assert "Brush: --brush NAME Colour of the brush. " in page
    assert "--size N Width of a stroke (default: 3)." in page
    for words, says in (
        (("--size", "2"), "--size: needs --brush"),
        (("--backbone", "nothing"), "unknown backbone"),
        (("--engine", "onnx", "--device", "cuda"), "runs on a CPU only"),
    ):
        with pytest.raises(UserError, match=says):
            CliRunner().invoke(app, words, catch_exceptions=False)


def test_options_are_read_as_json_or_text() -> None:
    texts = ["a=1", "b=0.5", "c=true", "d=null", "e=1,2", "f=[3]", "g=none", "h=x=y", "i-j="]
    values = parse_options([*texts, "k=x,y"])
    assert values == {
        **{"a": 1, "b": 0.5, "c": True, "d": None, "e": [1, 2], "f": [3]},
        **{"g": "none", "h": "x=y", "i_j": "", "k": "x,y"},
    }
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(OptionError):
            parse_options(wrong)
