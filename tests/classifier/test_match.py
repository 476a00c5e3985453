"""Matches of two clips by several aligners: the plans of a2m2."""

from pathlib import Path

import pytest
import torch

from fewact.classifier.match import match_clips
from fewact.core.errors import OptionError, UnknownNameError, VideoError
from fewact.data import Clip, Video, VideoList
from fewact.lab import methods
from fewact.lab.evaluation import VideoFeatures
from fewact.lab.evaluation.encode import encode_list
from fewact.networks import Backbone
from fewact.video.source import Clean


def test_plans_are_those_of_the_method(queries: dict[str, Path], backbone: Backbone) -> None:
    paths = [queries["left"], queries["right"]]
    found = match_clips(*paths, backbone, ("emd", "diagonal"), {"alignment.time_weight": 0.0})
    assert list(found.found) == ["emd", "diagonal"]
    assert len(found.first_frames) == len(found.second_frames) == 8
    listed = VideoList("two", tuple(Video(p.stem, "", source=Clip(p)) for p in paths))
    listed = listed.processed(lambda _: Clean(), "corrected")
    for aligner, (similarity, match) in found.found.items():
        own = {"alignment.name": aligner, "alignment.time_weight": 0.0}
        method = methods.create("a2m2", **own)
        nodes = encode_list(method, VideoFeatures(listed, backbone), listed).tensors["nodes"]
        expected = method.match(nodes[0], nodes[1])
        assert expected.plan is not None
        assert similarity == pytest.approx(1 - expected.value.item(), abs=1e-4)
        plan = torch.tensor(match.plan)
        torch.testing.assert_close(plan, expected.plan / expected.plan.sum(), rtol=0, atol=1e-3)
    assert torch.equal(plan > 0, torch.eye(14, dtype=torch.bool))


def test_equal_clips_match_themselves(queries: dict[str, Path], backbone: Backbone) -> None:
    similarity, match = match_clips(queries["left"], queries["left"], backbone).found["emd"]
    assert similarity == pytest.approx(1, abs=1e-4)
    assert torch.tensor(match.plan).argmax(1).tolist() == list(range(14))


def test_bad_input(queries: dict[str, Path], backbone: Backbone, tmp_path: Path) -> None:
    left = queries["left"]
    with pytest.raises(UnknownNameError):
        match_clips(left, left, backbone, ("emb",))
    with pytest.raises(OptionError):
        match_clips(left, left, backbone, options={"alignment.name": "otam"})
    with pytest.raises(OptionError):
        match_clips(left, left, backbone, options={"moments.grid": 2})
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoError):
        match_clips(left, broken, backbone)
