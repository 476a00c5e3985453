"""``--quality``: what a word for the time sets, and what it does not replace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.slow
def test_the_quality_sets_options_that_others_replace(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    few = ("teach", clips, "-o", tmp_path / "model", "--max-per-class", "1", "--overwrite")
    for given, frames, of_motion, size in (
        (("--quality", "best", "--backbone", "auto", "--option", "frames=5"), 5, 48, 192),
        (("--quality", "best", "--option", "motion_frames=6"), 8, 6, 192),
        (("--quality", "fast"), 5, 32, 160),
        (("--quality", "fast", "--size", "96"), 5, 32, 96),
    ):
        assert run(*few, *given).code == 0
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        assert config["method"]["options"]["frames"] == frames
        assert config["method"]["options"]["motion_frames"] == of_motion
        assert config["backbone"]["card"]["input_size"] == [size, size]
        name = config["backbone"]["spec"]["name"]
        assert (name == "efficientnet-lite0-lite1") == ("best" in given)
    assert "frames of 96 pixels" in run("info", tmp_path / "model").out
    assert "frames of 96 pixels" in (tmp_path / "model" / "README.md").read_text()
    video = next(clips.rglob("*.mp4"))
    assert run("predict", tmp_path / "model", video).code == 0  # frames of the model's size
    ended = run(*few, "--quality", "fast", "--option", 'weights={"moments": 1}')
    options = json.loads((tmp_path / "model" / "config.json").read_text())["method"]["options"]
    assert (ended.code, options["weights.moments"], options["weights.motion"]) == (0, 1, 0.5)
    for other in (("--backbone", "efficientnet-lite0"), ("--weights", "random")):
        ended = run(*few, *other, "--quality", "best")
        assert ended.code == 2
        assert "this quality has a backbone of its own" in ended.err
    ended = run(*few, "--method", "protonet", "--quality", "best")
    assert ended.code == 2
    assert "only the default method has qualities" in ended.err
