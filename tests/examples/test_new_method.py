"""The examples run."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewact.video import write_video

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE, SHORTEST = EXAMPLES / "new_method.py", EXAMPLES / "shortest_method.py"


@pytest.mark.slow
def test_a_custom_method_is_fitted_and_predicts(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for label, colour in [("red", (220, 30, 30)), ("blue", (30, 30, 220))]:
        for name in ("a", "b", "new"):
            frames = np.tile(np.array(colour, np.uint8), (12, 48, 64, 1))
            frames = frames - noise.integers(0, 30, frames.shape, dtype=np.uint8)
            folder = tmp_path / ("new" if name == "new" else f"taught/{label}")
            folder.mkdir(parents=True, exist_ok=True)
            write_video(folder / f"{label}-{name}.mp4", frames, fps=12)
    for label in ("red", "blue"):
        command = [sys.executable, EXAMPLE, tmp_path / "taught", tmp_path / f"new/{label}-new.mp4"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"{label} ")


def test_the_custom_method_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100


@pytest.mark.slow
def test_the_shortest_method_prints_a_table() -> None:
    command = [sys.executable, SHORTEST, "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nearest-mean" in done.stdout
    assert "5-way 1-shot" in done.stdout


def test_the_shortest_method_has_fewer_than_30_lines_of_code() -> None:
    tree = ast.parse(SHORTEST.read_text(encoding="utf-8"))
    statements = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node) is not None
    }
    assert len(statements - docstrings) < 30
