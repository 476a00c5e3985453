"""Clips as phones record them: read as they were, upright, at their own times."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import read_index
from benchmarks.phone import Phone, write
from fewact.data import Clip
from fewact.video import Segments, probe
from fewact.video.cleaning.framing import resized


@pytest.mark.slow
def test_clips_are_upright_whether_they_are_stored_so_or_sideways(
    assets: Path, tmp_path: Path
) -> None:
    video = read_index(assets)["utd5_rgb"].videos[0]
    source = Clip(assets / video.id)
    original = source.read([Segments(3)])
    size = original.frames[0].shape[1:3]
    rotations = set()
    for seed in range(3):
        path = tmp_path / f"{seed}.mp4"
        write(source, path, Phone(lines=720), seed)
        info, reading = probe(path), Clip(path).read([Segments(3)])
        rotations.add(info.rotation)
        assert info.height == 720
        assert 45 < info.fps < 60
        assert info.duration == pytest.approx(original.timeline.end, abs=0.1)
        shown = resized(reading.frames[0], size).astype(float)
        upright, turned = (
            np.abs(shown - frames).mean()
            for frames in (original.frames[0], original.frames[0][:, ::-1, ::-1])
        )
        assert upright < turned / 2
    assert len(rotations) == 2
