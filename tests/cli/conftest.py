"""Small rendered clips, a model taught with them, and commands run in this process."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fewact.cli import main
from fewact.synthetic import motions
from fewact.video import write_video
from tests.cli import features

MOTIONS = {
    "growing": "slides left, then grows",
    "moving left": "slides left, then rises",
    "turning": "hops, then turns clockwise",
}
"""Classes of the clips, and the class of the synthetic benchmark that is rendered for each."""

CLASSES = tuple(MOTIONS)
SHOTS = 2


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def refused(ended: Ran, *messages: str) -> None:
    """Check for an error of the user: one message, no traceback, nothing on stdout."""
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err
    assert not ended.out
    for text in messages:
        assert text in ended.err


REFUSES_TORCH = """
import importlib.machinery, sys
class Refuses:
    def find_spec(self, name, *_):
        return importlib.machinery.ModuleSpec(name, self) if name == "torch" else None
    def create_module(self, spec): raise SystemExit("torch is imported")
    def exec_module(self, module): ...
sys.meta_path.insert(0, Refuses())
"""
"""Where torch is installed, a command that imports it ends with code 0."""

RUN_ALL = """
import contextlib, io, json, sys
from fewact.cli import main
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def run_all(commands: Sequence[Sequence[object]], before: str = "") -> list[Ran]:
    """Run commands one after the other in a process, after other code."""
    done = subprocess.run(
        [sys.executable, "-c", before + RUN_ALL],
        input=json.dumps([list(map(str, arguments)) for arguments in commands]),
        capture_output=True,
        text=True,
        check=True,
    )
    return [Ran(*json.loads(line)) for line in done.stdout.splitlines()]


MAIN = "import sys; from fewact.cli import main; sys.exit(main())"


def started(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command as the shell would; return its output and exit code."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


def write_clip(path: Path, action: str, index: int) -> Path:
    benchmark = motions(videos=index + 1, frames=48, size=96)
    video = [one for one in benchmark.videos.videos if one.label == MOTIONS[action]][index]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, benchmark.render(video.id, range(0, 48, 6)), 4)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes with two clips each."""
    folder = tmp_path_factory.mktemp("clips")
    for action in CLASSES:
        for index in range(SHOTS):
            write_clip(folder / action / f"{index + 1}.mp4", action, index)
    return folder


@pytest.fixture(scope="session")
def model(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is fast to teach and to use."""
    folder = tmp_path_factory.mktemp("models") / "model"
    options = ["--method", "protonet", "--option", "frames=2", "--precision", "float32"]
    assert main(["teach", str(clips), "-o", str(folder), *options]) == 0
    return folder


@pytest.fixture(scope="session")
def broken(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with names of videos that cannot be read, one for each reason."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "text.mp4").write_text("not a video\n" * 50)
    (folder / "empty.mp4").touch()
    whole = (clips / CLASSES[0] / "1.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    with av.open(str(folder / "sound.mp4"), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return folder


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """Nine labelled clips, three of each class, of two data sets."""
    table = "clip\tclass\tgroup\tdataset\n"
    for i in range(9):
        table += f"t{i}\t{features.ACTIONS[i % 3]}\ts{i // 3}\t{'one' if i < 6 else 'two'}\n"
    return features.write(tmp_path / "training.npz", table, count=9)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return features.write(
        tmp_path / "new.npz", "clip\n" + "".join(f"{name}\n" for name in features.NEW)
    )


@pytest.fixture
def model_of_features(run: Callable[..., Ran], training: Path, tmp_path: Path) -> Path:
    """A model taught from six rows."""
    assert run("teach", training, "--dataset", "one", "-o", tmp_path / "model").code == 0
    return tmp_path / "model"
