"""The core where PyTorch is missing or broken, and where nothing is compiled."""

import json
from pathlib import Path
from typing import Any

import pytest

from fewact.cli import main
from tests.cli.conftest import Ran, refused, run_all

NOT_OF_THE_CORE = (
    *("torch", "array_api_compat", "lightning_fabric", "transformers", "huggingface_hub"),
    *("matplotlib", "onnx", "onnxscript", "sklearn", "scipy", "pandas", "h5py", "openpyxl"),
)
"""Packages that ``pip install fewact`` does not bring."""

MISSING = f"import sys; sys.modules |= dict.fromkeys({NOT_OF_THE_CORE})\n"
BROKEN = "raise OSError('libtorch_cpu.so: cannot open shared object file')\n"
NOT_COMPILED = """
from fewact.core import machine
def load_library(name, folders, *, version):
    raise FileNotFoundError(f"{name} is not built")
machine.load_library = load_library
"""

CORE = """
teach {clips} -o model --quality fast
teach {clips} -o prototypes --method protonet --option frames=2
predict model {clip}
predict model {clip} --format json --timing
predict model {clip} --regions
predict prototypes {clip}
watch model {clip} -o events.csv
agree events.csv events.csv
budget events.csv -o budget.svg
index {clip} {other} -o index
find index {clip} --again 1
suggest index {clip} --again 1 -o suggested.csv
discover index -o groups.csv
test model {clips}
review model
explain model {clip} -o explanation.html
report model -o model.html
report events.csv -o events.md
export model --file model.safetensors
import model.safetensors imported
add imported hopping {other}
rename imported hopping leaping
move imported 1 leaping
remove imported leaping
undo imported
info imported
methods trx
backbones
doctor --format json
demo --clips {clips} -o demo
"""
"""Commands of a practitioner, in an order in which each has what it needs."""

OF_THE_LAB = """
teach {clips} -o refused --method trx
teach {clips} -o refused --backbone resnet50
teach {clips} -o refused --engine torch
predict {lab_model} {clip}
rename {lab_model} growing grown
export model --onnx model.onnx
map model -o map.html
match {clip} {clip} -o match.html
report {result} -o results.html
train a2m2-clips-lite0 --data {clips} -o run
evaluate protonet --data {clips}
episodes {clips} -o episodes.json
embed {clips} -o store
data list
compare {result} {result}
check-method protonet
recipes
leaderboard
"""

FIRST = """
teach {clips} -o model --method protonet --option frames=2
predict model {clip}
doctor --format json
"""

FEW = """
teach {clips} -o model --quality fast
predict model {clip} {other} --format json
watch model {clip} -o events.json
index {clip} {other} -o index
find index {clip} --again 1 -o found.json
doctor --format json
"""
"""Commands that run each sort of computation: networks, alignment, cameras and searches."""

BROKEN_LAB = """
teach {clips} -o refused --method trx
predict model {clip} --engine torch
evaluate protonet --data {clips}
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that each process, and its children, finds first."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.chdir(tmp_path)
    return modules


@pytest.fixture(scope="module")
def lab_model(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose method is the lab's."""
    folder = tmp_path_factory.mktemp("lab") / "model"
    assert main(["teach", str(clips), "-o", str(folder), "--method", "a2m2"]) == 0
    return folder


def words_of(commands: str, clips: Path, folder: Path, **paths: Path) -> list[list[str]]:
    paths |= {"clips": clips, "result": folder / "result.json"}
    paths["result"].write_text("{}")
    paths["clip"], paths["other"] = (clips / name / "1.mp4" for name in ("growing", "turning"))
    return [
        [word.format(**paths) for word in line.split()] for line in commands.split("\n") if line
    ]


def check_core(commands: list[list[str]], ended: list[Ran]) -> None:
    for words, one in zip(commands, ended, strict=True):
        assert one.code == 0, (words, one)
        assert "Traceback" not in one.err


@pytest.mark.slow
def test_every_command_where_torch_is_missing(
    start: Path, clips: Path, lab_model: Path, tmp_path: Path
) -> None:
    (start / "sitecustomize.py").write_text(MISSING)
    core, lab = (
        words_of(commands, clips, tmp_path, lab_model=lab_model) for commands in (CORE, OF_THE_LAB)
    )
    ended = run_all(core + lab)
    check_core(core, ended[: len(core)])
    for words, one in zip(lab, ended[len(core) :], strict=True):
        refused(one, 'pip install "fewact[lab]"')
        assert one.err.count("\n") == 1, (words, one)
    (about_trx,) = (one.out for words, one in zip(core, ended, strict=False) if words[-1] == "trx")
    assert "TRX: each tuple" in about_trx
    assert "fewact[lab]" in about_trx
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
def test_a_broken_torch_beside_a_working_core(start: Path, clips: Path, tmp_path: Path) -> None:
    (start / "torch").mkdir()
    (start / "torch" / "__init__.py").write_text(BROKEN)
    core = words_of(FIRST, clips, tmp_path)
    lab = words_of(BROKEN_LAB, clips, tmp_path)
    ended = run_all(core + lab)
    check_core(core, ended[: len(core)])
    for one in ended[len(core) :]:
        refused(one, 'pip install "fewact[lab]"', "libtorch_cpu.so")
    lab_facts = json.loads(ended[len(core) - 1].out)["lab"]
    assert not lab_facts["works"]
    assert "libtorch_cpu.so" in lab_facts["why"]


@pytest.mark.slow
def test_answers_where_nothing_is_compiled(clips: Path, tmp_path: Path) -> None:
    """NumPy computes the same, slower."""
    answers, engines = [], []
    for name, before in (("compiled", ""), ("numpy", NOT_COMPILED)):
        folder = tmp_path / name
        folder.mkdir()
        commands = words_of(FEW, clips, folder)
        ended = run_all(commands, f"{before}import os; os.chdir({str(folder)!r})\n")
        check_core(commands, ended)
        facts = json.loads(ended[-1].out)
        engines.append((facts["transport"]["engine"] == "numpy", facts["camera"]["engine"]))
        predicted = json.loads(ended[1].out)["predictions"]
        watched, found = (
            json.loads((folder / f).read_text()) for f in ("events.json", "found.json")
        )
        answers.append([predicted, watched, found])
    assert engines[1] == (True, "numpy")
    assert_close(*answers)


def assert_close(first: Any, second: Any) -> None:
    """Compare values of JSON; numbers may differ by rounding."""
    if isinstance(first, dict):
        assert list(first) == list(second)
        first, second = list(first.values()), list(second.values())
    if isinstance(first, list):
        for left, right in zip(first, second, strict=True):
            assert_close(left, right)
    elif isinstance(first, float):
        assert second == pytest.approx(first, abs=2e-3)
    else:
        assert first == second


@pytest.mark.slow
def test_the_page_with_a_broken_torch(start: Path, clips: Path, tmp_path: Path) -> None:
    from tests.page.conftest import Server

    (start / "torch").mkdir()
    (start / "torch" / "__init__.py").write_text(BROKEN)
    server = Server(tmp_path / "model")
    try:
        for label in ("growing", "turning"):
            content = (clips / label / "1.mp4").read_bytes()
            assert server.upload(content, f"name=1.mp4&label={label}")[0] == 201
        assert server.post("/api/teach")[0] == 202
        state = server.wait(lambda state: state["jobs"][0]["state"] in ("done", "failed"))
        assert state["model"]
    finally:
        server.kill()
