"""The examples run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE, SHORTEST = EXAMPLES / "new_method.py", EXAMPLES / "shortest_method.py"


@pytest.mark.slow
def test_a_custom_method_is_trained_and_compared_with_two_others(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLE, tmp_path / "run", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *results, first, second, _ = done.stdout.splitlines()
    assert [line.split()[0] for line in results] == ["best-frame", "otam", "protonet"]
    assert first.startswith("best-frame − otam: ")
    assert second.startswith("best-frame − protonet: ")
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_the_custom_method_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100


@pytest.mark.slow
def test_the_shortest_method_is_evaluated() -> None:
    command = [sys.executable, SHORTEST]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"nearest-mean: \d+\.\d ± \d+\.\d\n", done.stdout)


def test_the_shortest_method_has_fewer_than_30_lines() -> None:
    assert len(SHORTEST.read_text(encoding="utf-8").splitlines()) < 30
