"""Options of specs: what a command gets, how its help page looks, and what a shell completes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from fewact.cli.command import Command, SpecOptions, with_specs
from fewact.core.errors import OptionError, UnknownNameError, UserError
from fewact.core.options import Flag, Spec, words_of
from fewact.networks import BackboneSpec


class Size(Spec):
    """Size.

    Args:
        width: Width in pixels.
        height: Height in pixels.
    """

    width: Annotated[int, Field(ge=1), Flag(metavar="N")]
    height: Annotated[int, Flag(metavar="N")] = 7


@with_specs
def paint(
    path: Annotated[str, typer.Argument(help="File to paint.")],
    size: Annotated[dict[str, Any], SpecOptions("Size", Size, without=("height",))],
    tag: Annotated[list[str] | None, typer.Option(help="Tag.", rich_help_panel="Label")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Hide the bar.")] = False,
) -> None:
    """Paint a file."""
    print(path, size, tag, quiet)


@pytest.fixture
def run() -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(cls=Command)(paint)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_the_command_gets_what_was_requested_of_a_spec(run: Any) -> None:
    ended = run("a.png", "--width", "3", "--tag", "x", "--tag", "y")
    assert ended.stdout == "a.png {'width': 3} ['x', 'y'] False\n"
    assert run("a.png", "--width", "0").exit_code == 2
    assert run("a.png", "--height", "3").exit_code == 2


def test_a_help_page_lists_options_below_their_headings(run: Any) -> None:
    lines = run("--help").stdout.splitlines()
    assert lines[0] == "Usage: paint [OPTIONS] PATH"
    heads = ("Arguments", "Options", "Size", "Label")
    assert [line for line in lines if line.endswith(":")] == [f"{head}:" for head in heads]
    assert any(line.startswith("  PATH  File to paint.") for line in lines)
    of_size = " ".join(lines[lines.index("Size:") : lines.index("Label:")])
    assert "--width" in of_size
    assert "--quiet" not in of_size


def test_two_options_of_one_name_are_refused() -> None:
    def command(
        size: Annotated[Size, SpecOptions("Size")], height: Annotated[int, typer.Option()] = 1
    ) -> None: ...

    with pytest.raises(TypeError, match="two options named height"):
        with_specs(command)


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


@with_specs
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
    errors: tuple[tuple[tuple[str, ...], type[UserError], str], ...] = (
        (("--size", "2"), OptionError, "--size"),
        (("--backbone", "nothing"), UnknownNameError, ""),
        (("--precision", "int8", "--device", "cuda"), OptionError, "precision"),
    )
    for words, error, where in errors:
        with pytest.raises(error) as refused:
            CliRunner().invoke(app, words, catch_exceptions=False)
        assert refused.value.where == where


MAIN = """
import sys
from fewact.cli import main
try:
    main([])
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fewact predict --to", {"--top"}),
        ("fewact re", {"review", "report", "remove", "rename", "recipes"}),
        ("fewact methods fu", {"fusion", "fusion_joints", "fusion_vectors"}),
        ("fewact teach clips --method pro", {"protonet"}),
        ("fewact evaluate ota", {"otam"}),
        ("fewact teach clips --backbone mob", {"mobilenet-v2"}),
        ("fewact leaderboard ssv2-f", {"ssv2-full_otam", "ssv2-full_trx"}),
        ("fewact teach clips --quality b", {"best"}),
    ],
)
def test_names_are_completed_without_torch(line: str, expected: set[str]) -> None:
    environment = os.environ | {
        "_FEWACT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'fewact'\n" + MAIN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert set(done.stdout.split()) == expected, done.stderr
    assert done.stderr.split()[-1] == "False"


class Frame(Spec):
    """Frame.

    Args:
        names: Names below the picture.
    """

    names: Annotated[tuple[str, ...], Flag("with", "NAME")] = ()


@dataclass(frozen=True)
class Picture:
    """Options of a spec and others, together."""

    frame: Annotated[Frame, SpecOptions("Frame")]
    quiet: Annotated[bool, typer.Option("--quiet")] = False


def test_the_fields_of_a_dataclass_are_options_and_a_tuple_is_a_repeated_option() -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command()
    @with_specs
    def hang(picture: Picture, height: Annotated[int, typer.Option()] = 1) -> None:
        print(picture, height)

    for words, picture in (
        ((), Picture(Frame())),
        (("--with", "a", "--quiet", "--with", "b"), Picture(Frame(names=("a", "b")), quiet=True)),
    ):
        ended = CliRunner().invoke(app, [*words, "--height", "2"])
        assert ended.stdout == f"{picture} 2\n"
