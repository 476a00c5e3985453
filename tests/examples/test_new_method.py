"""The example of the documents does what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewact.video import write_video

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_method.py"


@pytest.mark.slow
def test_a_method_of_ones_own_teaches_and_predicts(tmp_path: Path) -> None:
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


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100
