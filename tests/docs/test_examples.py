"""Examples of the documentation: Python blocks run on rendered clips, commands and options exist.

A block after a line ``<!-- not run: REASON -->`` is not executed; its imports are checked.
"""

import ast
import importlib
import importlib.util
import json
import os
import pydoc
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

import fewact
from fewact import methods
from fewact.classifier.windows import FASTEST
from fewact.cli.app import LazyCommands, app, main
from fewact.lab.training import read as read_recipe
from fewact.video import write_video

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for folder in ("docs", "docs/guides", "docs/methods", "docs/results", "docs/decisions")
    for path in sorted((ROOT / folder).glob("*.md"))
] + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
BLOCK = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n)?"
    r"(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
RULE = re.compile(r"\|[ :|-]+\|")
COLOURS = {"wave": (250, 120, 120), "clap": (120, 120, 250), "jump": (120, 250, 140)}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[tuple[str, bool]]:
    """The code blocks of a page in a language, and whether each is to be run."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found["language"] == language:
            lines = found["text"].splitlines()
            text = "\n".join(line.removeprefix(found["indent"]) for line in lines)
            yield text, found["skip"] is None


def with_python(run: bool) -> list[Path]:
    return [page for page in PAGES if any(is_run is run for _, is_run in blocks(page, "python"))]


def marked(pages: Sequence[Path]) -> list[Any]:
    """Pages that read clips are tested in the slow tier."""
    encodes = [any("clips/" in text for text, _ in blocks(page, "python")) for page in pages]
    return [
        pytest.param(page, marks=[pytest.mark.slow] if slow else [])
        for page, slow in zip(pages, encodes, strict=True)
    ]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    names = {"wave": ("a.mp4", "b.mov"), "clap": ("c.avi", "e.mp4")}
    files = [(f"clips/{label}/{name}", label) for label in names for name in names[label]]
    loose = [
        ("new.mp4", "wave"),
        ("jump1.mp4", "jump"),
        ("walking.mp4", "jump"),
        ("x.mp4", "clap"),
        ("y.mp4", "wave"),
    ]
    loose += [("standing.mp4", "jump"), ("more/a.mp4", "jump")]
    noise = np.random.default_rng(0)
    for name, label in files + loose:
        frames = np.tile(np.array(COLOURS[label], np.uint8), (36, 48, 64, 1))
        frames = frames - noise.integers(0, 30, frames.shape, dtype=np.uint8)
        frames[:, :, :20] //= 8  # contrast, as a recording has
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(folder / name, frames, fps=12)
    return folder


@pytest.mark.parametrize("page", marked(with_python(True)), ids=name_of)
def test_the_python_examples_of_a_page_run(
    page: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clips)
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))
    names: dict[str, Any] = {"__name__": "example"}
    for text, run in blocks(page, "python"):
        if run:
            exec(compile(text, name_of(page), "exec"), names)
            for expression, value in stated(text):
                assert eval(expression, names) == value, expression


@pytest.mark.slow
def test_the_method_of_the_guide_is_taught_and_predicts(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = next(blocks(ROOT / "docs/guides/new-method.md", "python"))
    file, model, registered = tmp_path / "near.py", tmp_path / "model", methods.REGISTRY._entries
    file.write_text(text)

    def run(*arguments: object) -> str:
        monkeypatch.setattr(methods.REGISTRY, "_entries", dict(registered))
        assert main([str(one) for one in arguments]) == 0
        return capsys.readouterr().out

    assert "promises kept" in run("check-method", file)
    imported = "--import", file
    run("teach", clips / "clips", "--method", "nearest-mean", *imported, "-o", model)
    out = run("predict", model, clips / "new.mp4", "--format", "json", *imported)
    assert json.loads(out)["predictions"][0]["label"] == "wave"


@pytest.mark.slow
def test_the_one_shot_protocol_of_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs/guides/evaluate.md"
    (text,) = (text for text, _ in blocks(page, "python") if "exemplars" in text)
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    Path("nturgb+d_rgb").mkdir()
    for a, c in product((1, 7, 13), (1, 2, 3)):  # camera 3 recorded the exemplars
        name = f"S001C00{c}P008R001A{a:03}_rgb.mp4"
        write_video(Path("nturgb+d_rgb", name), pixels // a, fps=4)
    exec(text.replace('split="test"', 'split="test", allow_missing=True'), {})
    plain = ("--trim", "off", "--false-alarms", "1")
    fast = ("--method", "protonet", "--option", "frames=2")
    assert main(["teach", "exemplars.csv", "-o", "one-shot", *fast, *plain]) == 0
    capsys.readouterr()
    assert main(["test", "one-shot", "queries.csv", *plain[2:], "--format", "json"]) == 0
    tested = json.loads(capsys.readouterr().out)
    assert (tested["clips"], tested["accuracy"]) == (6, 100.0)


def stated(text: str) -> Iterator[tuple[str, Any]]:
    """Expressions of a block with the values that a comment states; measured ones may differ."""
    for line in text.splitlines():
        expression, _, comment = line.partition("  # ")
        try:
            value = ast.literal_eval(comment)
            is_expression = isinstance(ast.parse(expression).body[0], ast.Expr)
        except (SyntaxError, ValueError, IndexError):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        if is_expression and not any(isinstance(one, float) for one in values):
            yield expression, value


def test_stated_values_are_found() -> None:
    block = "x = 1  # 2\na.b  # ['wave']\nf(x)  # seconds\np, q  # 'wave', 0.93\nx  # (0, 1)"
    assert list(stated(block)) == [("a.b", ["wave"]), ("x", (0, 1))]


@pytest.mark.parametrize("page", with_python(False), ids=name_of)
def test_the_names_of_examples_that_are_not_run_exist(page: Path) -> None:
    for text, _ in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                for one in node.names:
                    assert hasattr(module, one.name), f"{node.module}.{one.name}"
            chain = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else []
            if chain[:1] == ["fewact"] and all(name.isidentifier() for name in chain):
                attrgetter(".".join(chain[1:]))(fewact)


def commands(page: Path) -> Iterator[list[str]]:
    """Every ``fewact`` command of a page, in a block of commands or in the text, in words."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block, _ in blocks(page, "sh") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`(fewact [^`]+)`(?!`)", BLOCK.sub("", text))
    for line in lines:
        line = line.partition(" #")[0].strip()
        if line.startswith("fewact "):
            yield shlex.split(line.replace("…", ""))[1:]
        elif " fewact " in line:  # torchrun
            yield shlex.split(line.partition(" fewact ")[2])


def test_what_pages_name_exists(options: dict[str, dict[str, list[str]]]) -> None:
    """Names of the package, commands and options, options of methods, benchmarks, files, links."""
    faults = [
        f"{name_of(page)}: {fault}"
        for page in PAGES
        for check in (names, command_options, method_options, files, links, tables)
        for fault in check(page, options)
    ]
    assert not faults, "\n".join(faults)


Options = dict[str, dict[str, list[str]]]
"""The options of each method, each with the values that it is limited to, if any."""


def names(page: Path, _: Options) -> Iterator[str]:
    """Names of the package in the text that do not exist."""
    for name in re.findall(r"`(fewact(?:\.\w+)+)", page.read_text(encoding="utf-8")):
        if pydoc.locate(name) is None:
            yield name


def command_options(page: Path, _: Options) -> Iterator[str]:
    """Commands and their options that do not exist."""
    for words in commands(page):
        command: Any = typer.main.get_command(app)
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            if words[0].isupper():  # "fewact COMMAND --help"
                break
            if words[0] not in command.commands:
                yield f"fewact {words[0]}"
                break
            command, words = command.commands[words[0]], words[1:]
        if hasattr(command, "commands"):
            continue
        existing = {"--help", "-"}  # "-" is the standard input
        for option in command.params:
            existing |= {*option.opts, *option.secondary_opts}
        for word in words:
            if word.startswith("-") and word.partition("=")[0] not in existing:
                yield f"{words}: {word}"


@pytest.fixture(scope="module")
def options() -> dict[str, dict[str, list[str]]]:
    """The options of each method, each with the values that it is limited to, if any."""
    spec = importlib.util.spec_from_file_location("options", ROOT / "docs/_hooks/options.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    row = re.compile(r"^\| `([\w.]+)` \|[^|]*\|([^|]*)\|", re.MULTILINE)
    return {
        method: {
            name: re.findall(r"`([^`]*)`", values)
            for name, values in row.findall(hook.options_table(method))
        }
        for method in methods.names()
    }


def method_options(page: Path, options: Options) -> Iterator[str]:
    """Options of methods that do not exist: of that of a command, elsewhere of any method."""
    text = page.read_text(encoding="utf-8")
    for option, value in re.findall(r"--option ([a-z][\w.]*)=(\w+)", text):
        having = [own[option] for own in options.values() if option in own]
        if not any(value in values or not values for values in having):
            yield f"{option}={value}"
    for words in commands(page):
        if words[:1] == ["evaluate"] and len(words) > 1 and words[1] in options:
            for word, value in pairwise(words):
                parts = {"--option": [value], "--sweep": value.split()}.get(word, [])
                for part in parts:
                    if part.partition("=")[0] not in options[words[1]]:
                        yield part


def files(page: Path, _: Options) -> Iterator[str]:
    """Benchmarks, recipes and files of the repository that do not exist."""
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"`?(?:python -m |`)(benchmarks\.[\w.]+\w)", text):
        if not importlib.util.find_spec(module) and "commit" not in text.partition(module)[2][:40]:
            yield module
    for file in re.findall(r"((?:benchmarks|examples|tests|src)/[\w/]+\.\w+)", text):
        if "NAME" not in file and not (ROOT / file).exists():
            yield file
    for words in commands(page):
        if words[:1] == ["train"] and len(words) > 1 and words[1][0].islower():
            read_recipe(words[1])


def test_the_number_of_frames_that_are_watched_in_a_second_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "guides" / "long-recordings.md").read_text(encoding="utf-8")
    (video,) = (one for one in LazyCommands()["watch"].params if one.name == "video")
    for text, places in ((page, 2), (str(getattr(video, "help", "")), 1)):
        words = " ".join(text.split())
        stated = re.findall(r"at most (\S+) (?:frames )?a second", words, re.IGNORECASE)
        assert stated == places * [f"{FASTEST:g}"]


def test_the_guide_for_contributors_names_every_subpackage_and_module() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "fewact").glob("*/__init__.py"):
        assert f"| `{path.parent.name}/`" in text, path.parent.name
    for path in (ROOT / "src" / "fewact").glob("[!_]*.py"):
        if not path.read_text(encoding="utf-8").startswith('"""Empty'):
            assert f"`{path.name}`" in text, path.name


def links(page: Path, _: Options) -> Iterator[str]:
    """Relative links to no file; the site's own check does not see the pages beside it."""
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", BLOCK.sub("", page.read_text("utf-8"))):
        elsewhere = link.startswith(("http:", "https:")) or "reference/" in link
        if not elsewhere and not Path(os.path.normpath(page.parent / link)).exists():
            yield link


def tables(page: Path, _: Options) -> Iterator[str]:
    """Rows of tables without a head, which are shown as plain text."""
    lines = [
        "",
        *(line.strip() for line in BLOCK.sub("", page.read_text("utf-8")).splitlines()),
        "",
    ]
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|") and not before.startswith("|") and not RULE.fullmatch(after):
            yield line
