"""What commands share: outputs are checked before the work, and no file is replaced unasked."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import networks
from fewact.cli.app import COMMANDS, LazyCommands
from fewact.cli.options import parse_options
from fewact.core.errors import OptionError
from fewact.lab.networks.export import missing_packages
from fewact.video import EveryNth, read_frames, write_video
from tests.cli.conftest import REFUSES_TORCH, run_all
from tests.lab.commands.test_train import RECIPE

Run = Callable[..., Any]

SMALL = ("--ways", "2", "--shots", "1", "--queries", "1", "--count", "20")
WRITERS: dict[str, tuple[str, ...]] = {
    "report of a model": ("report", "{model}", "-o", "{new}.md"),
    "report of results": ("report", "{result}", "-o", "{new}.html"),
    "explain": ("explain", "{model}", "{clip}", "-o", "{new}.html"),
    "match": ("match", "{clip}", "{clip}", "--aligner", "otam", "-o", "{new}.html"),
    "map": ("map", "{model}", "-o", "{new}.html"),
    "watch": ("watch", "{model}", "{clip}", "-o", "{new}.csv"),
    "watch with a video": ("watch", "{model}", "{clip}", "--video", "{new}.mp4"),
    "find": ("find", "{index}", "{clip}", "--again", "1", "-o", "{new}.csv"),
    "suggest": ("suggest", "{index}", "{clip}", "--again", "1", "-o", "{new}.json"),
    "discover": ("discover", "{index}", "-o", "{new}.boris"),
    "budget": ("budget", "{events}", "-o", "{new}.svg"),
    "export of a model": ("export", "{model}", "--file", "{new}.safetensors"),
    "export of a network": ("export", "{model}", "--onnx", "{new}.onnx"),
    "episodes": ("episodes", "{features}", *SMALL, "-o", "{new}.json"),
    "confusion": ("confusion", "{result}", "-o", "{new}.svg"),
    "stability": ("stability", "{result}", "-o", "{new}.svg"),
    "data check": ("data", "check", "ucf101", "{clips}", "-o", "{new}.json"),
}
NEEDED = {
    "map": importlib.util.find_spec("sklearn") is None,
    "export of a network": bool(missing_packages()),
}
"""Whether the packages of an extra are missing, by command."""


@pytest.fixture(scope="module")
def inputs(model: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    from fewact.cli import main

    folder = tmp_path_factory.mktemp("inputs")
    values = np.random.default_rng(0).standard_normal((30, 4, 16)).astype(np.float16)
    np.savez(folder / "mine.npz", features=values)
    lines = [f"{i}\tclass {i % 6}" for i in range(30)]
    (folder / "mine.tsv").write_text("clip\tclass\n" + "\n".join(lines) + "\n")
    features, result = folder / "mine.npz", folder / "r.json"
    call = ("evaluate", "protonet", "--data", str(features), *SMALL, "-o", str(result))
    assert main(list(call)) == 0
    clip = next(clips.rglob("*.mp4"))
    assert main(["index", str(clip), "-o", str(folder / "index"), "--quiet"]) == 0
    events = folder / "e.csv"
    events.write_text(f"video,label,start,end\n{clip},wave,0,1\n")
    return {
        "events": events,
        **{"model": model, "clips": clips, "clip": clip},
        **{"index": folder / "index", "features": features, "result": result, "folder": folder},
    }


def of_the_user(command: str, inputs: dict[str, object], folder: Path) -> tuple[list[str], Path]:
    """Return the words of a command, and its output, which exists."""
    words = [one.format(**inputs, new=folder / "new") for one in WRITERS[command]]
    file = Path(words[-1])
    folder.mkdir(exist_ok=True)
    file.write_bytes(b"of the user")
    return words, file


@pytest.mark.slow
def test_files_are_kept_and_torch_is_not_imported(
    inputs: dict[str, object], tmp_path: Path
) -> None:
    commands = [command for command in WRITERS if not NEEDED.get(command)]
    cases = [of_the_user(command, inputs, tmp_path / command) for command in commands]
    hint = "Replace it with --overwrite, or choose another file."
    for (_, file), ended in zip(
        cases, run_all([words for words, _ in cases], REFUSES_TORCH), strict=True
    ):
        assert ended.err == f"Error: {file}: the file exists already. {hint}\n"
        assert (ended.code, ended.out) == (2, "")
        assert file.read_bytes() == b"of the user"
        assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "export of a network" else [])
        for name in WRITERS
    ],
)
def test_a_file_is_replaced_with_overwrite(
    run: Run, command: str, inputs: dict[str, object], tmp_path: Path
) -> None:
    if NEEDED.get(command):
        pytest.skip("packages of an extra are not installed")
    words, file = of_the_user(command, inputs, tmp_path)
    ended = run(*words, "--overwrite")
    assert ended.code in ((0,) if command != "data check" else (3,)), ended.err
    assert file.read_bytes() != b"of the user"
    assert list(tmp_path.iterdir()) == [file]


def test_every_command_that_writes_a_file_has_the_option() -> None:
    commands: list[tuple[str, Any]] = list(LazyCommands().items())
    commands += [(f"data {name}", one) for name, one in LazyCommands()["data"].commands.items()]
    writers = {words[0] if words[0] != "data" else "data check" for words in WRITERS.values()}
    found = set()
    for name, command in commands:
        options = {opt: one for one in command.params for opt in one.opts}
        names = ["--output", "--file", "--onnx", *(["--video"] if "--fps" not in options else [])]
        outputs = [options[name] for name in names if name in options]
        if any(one.metavar in ("FILE", "PATH") for one in outputs):
            found.add(name)
            assert options["--overwrite"].help == "Replace an existing file."
    assert found == writers | {"evaluate"}
    assert len(found) <= sum(map(len, COMMANDS.values()))


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "{kept}", "-o", "{kept}"),
        ("stability", "{kept}", "-o", "{kept}"),
        ("confusion", "{kept}", "-o", "{kept}"),
        ("explain", "{model}", "{kept}", "-o", "{kept}"),
        ("match", "{clip}", "{kept}", "-o", "{kept}"),
        ("watch", "{model}", "{kept}", "-o", "{kept}"),
        ("watch", "{model}", "{kept}", "--video", "{kept}"),
        ("episodes", "{kept}", "-o", "{kept}"),
        ("evaluate", "otam", "--data", "{kept}", "-o", "{kept}"),
        ("evaluate", "otam", "--data", "{features}", "--episodes", "{kept}", "-o", "{kept}"),
        ("data", "check", "ucf101", "{clips}", "--splits", "{kept}", "-o", "{kept}"),
    ],
)
def test_an_input_is_not_replaced_whatever_was_requested(
    run: Run, arguments: tuple[str, ...], inputs: dict[str, object], tmp_path: Path
) -> None:
    ends = {"report": "md", "stability": "svg", "confusion": "svg", "watch": "csv"}
    end = "mp4" if "--video" in arguments else ends.get(arguments[0], "html")
    kept = tmp_path / f"kept.{end}"
    kept.write_bytes(b"of the user")
    ended = run(*(one.format(**inputs, kept=kept) for one in arguments), "--overwrite")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"Error: {kept}: the input would be replaced. Choose another name.\n"
    assert kept.read_bytes() == b"of the user"


def test_two_outputs_are_two_files(run: Run, model: Path, tmp_path: Path) -> None:
    ended = run("export", model, "--file", tmp_path / "a", "--onnx", tmp_path / "b" / ".." / "a")
    assert ended.code == 2
    assert "another output has this name, too" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_keeps_the_file(
    run: Run, model: Path, clips: Path, broken: Path, tmp_path: Path
) -> None:
    frames = read_frames(next(clips.rglob("*.mp4")), EveryNth(1))
    wide = write_video(tmp_path / "wide.mkv", np.tile(frames, (1, 1, 180, 1)), 10, "ffv1")
    events, drawn, chart = (tmp_path / name for name in ("e.csv", "d.mp4", "c.svg"))
    for file in (events, drawn, chart):
        file.write_bytes(b"of the user")
    outputs = ("-o", events, "--video", drawn, "--overwrite")
    for source in (broken / "text.mp4", wide):
        assert run("watch", model, source, *outputs).code == 2
    assert run("stability", broken / "text.mp4", "-o", chart, "--overwrite").code == 2
    for file in (events, drawn, chart):
        assert file.read_bytes() == b"of the user"


def test_a_link_to_a_file_is_that_file(run: Run, inputs: dict[str, object], tmp_path: Path) -> None:
    words = ("stability", inputs["result"], "-o", tmp_path / "link.svg")
    (tmp_path / "link.svg").symlink_to("new.svg")
    assert run(*words).code == 0
    written = (tmp_path / "new.svg").read_bytes()
    assert "the file exists already" in run(*words).err
    (tmp_path / "new.svg").write_bytes(b"of the user")
    assert run(*words, "--overwrite").code == 0
    assert (tmp_path / "new.svg").read_bytes() == written
    assert (tmp_path / "link.svg").is_symlink()


def test_a_file_in_the_home_folder(
    run: Run, inputs: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell does not expand ``~`` in ``--output=~/new.svg``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for words in (("stability", inputs["result"]), ("episodes", inputs["features"], *SMALL)):
        output = ["--output=~/new.svg"] if words[0] == "stability" else ["-o", "~/e.json"]
        assert run(*words, *output).code == 0
        assert "the file exists already" in run(*words, *output).err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["e.json", "new.svg"]


@pytest.mark.parametrize("command", [*WRITERS, "evaluate"])
def test_an_option_is_not_the_name_of_a_file(
    run: Run, command: str, inputs: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(inputs["folder"]))
    words = WRITERS.get(command, ("evaluate", "otam", "--data", "{features}", "-o", "r"))
    if NEEDED.get(command):
        pytest.skip("packages of an extra are not installed")
    before = sorted(Path().iterdir())
    ended = run(*(one.format(**inputs, new="new") for one in words[:-1]), "--overwrite")
    assert (ended.code, ended.out) == (2, "")
    assert "the name of a file is missing (got '--overwrite'); expected: --" in ended.err
    assert sorted(Path().iterdir()) == before


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


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="paths of Linux")


MAKERS: dict[str, tuple[str, ...]] = {
    "teach": ("teach", "{features}"),
    "teach from clips": ("teach", "{clips}"),
    "embed": ("embed", "{clips}"),
    "episodes": ("episodes", "{features}", "--ways", "2"),
    "evaluate": ("evaluate", "protonet", "--data", "{features}", "--ways", "2"),
    "sweep": ("evaluate", "protonet", "--data", "{features}", "--sweep", "temperature=1,2"),
    "train": ("train", "{recipe}", "--data", "{features}", "--device", "cpu"),
    "render": ("data", "render", "motions", "--videos", "1"),
    "check": ("data", "check", "hmdb51", "{clips}"),
    "demo": ("demo",),
}


PLACES = ("{file}/x", "{file}/x/y", "/dev/null/x", "/dev/full", "/proc/x", "x" * 256)


@pytest.fixture(scope="module")
def sources(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sources")
    values = np.random.default_rng(0).standard_normal((30, 4, 16)).astype(np.float16)
    np.savez(folder / "mine.npz", features=values)
    splits = ("train", "val", "test")
    lines = [f"{i}\tclass {i % 6}\t{splits[i % 6 // 2]}" for i in range(30)]
    (folder / "mine.tsv").write_text("clip\tclass\tsplit\n" + "\n".join(lines) + "\n")
    (folder / "mine.toml").write_text(RECIPE)
    (folder / "file").write_text("of the user")
    return {
        "clips": str(clips),
        "features": str(folder / "mine.npz"),
        "recipe": str(folder / "mine.toml"),
        "file": str(folder / "file"),
    }


@ON_LINUX
@pytest.mark.parametrize("command", MAKERS)
def test_a_bad_output_is_known_before_the_work(
    run: Run, sources: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(networks, "create", work)
    arguments = [one.format(**sources) for one in MAKERS[command]]
    for place in (one.format(**sources) for one in PLACES):
        ended = run(*arguments, "-o", place)
        assert ended.code == 2, ended.err
        (line,) = ended.err.splitlines()
        assert line.startswith("Error: ")
        assert place.split("/x")[0][:60] in line  # a longer name is cut off
        assert not ended.out
    assert Path(sources["file"]).read_text() == "of the user"


@pytest.mark.slow
@ON_LINUX
@pytest.mark.parametrize(
    "command",
    ["episodes", *(pytest.param(c, marks=pytest.mark.slow) for c in ("teach", "evaluate"))],
)
def test_a_limit_of_file_sizes_is_one_message(
    command: str, sources: dict[str, str], tmp_path: Path
) -> None:
    arguments = [one.format(**sources) for one in MAKERS[command]]
    limited = "import resource, sys; sys.dont_write_bytecode = True; "  # no cut files of bytecode
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    limited += "from fewact.cli import main; sys.exit(main())"
    call = [sys.executable, "-c", limited, *arguments, "-o", str(tmp_path / "out")]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "cannot be written: file too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files in ([], ["out.progress"])
