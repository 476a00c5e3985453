"""Matches of two clips by several aligners: the plans of a2m2, and the page that shows them."""

from pathlib import Path

import pytest
import torch

from fewact import methods
from fewact.classifier.match import MatchedClips, match_clips
from fewact.core.errors import OptionError, UnknownNameError, VideoError
from fewact.data import Clip, Video, VideoList
from fewact.lab.evaluation import VideoFeatures
from fewact.lab.evaluation.encode import encode_list
from fewact.methods.base import FrameMatch, equal_parts
from fewact.networks import Backbone
from fewact.report.explanation import matched_page
from fewact.video.source import Clean
from tests.report.test_explanation import HOSTILE, Reader


def test_plans_are_those_of_the_method(queries: dict[str, Path], backbone: Backbone) -> None:
    paths = [queries["left"], queries["right"]]
    found = match_clips(*paths, backbone, ("emd", "diagonal"), {"alignment.time_weight": 0.0})
    assert list(found.found) == ["emd", "diagonal"]
    assert len(found.first_frames) == len(found.second_frames) == 8
    listed = VideoList("two", tuple(Video(p.stem, "", source=Clip(p)) for p in paths))
    listed = listed.processed(lambda _: Clean(), "corrected")
    for aligner, (similarity, match) in found.found.items():
        own = {"alignment.name": aligner, "alignment.time_weight": 0.0}
        method = methods.create("a2m2", **own).eval()
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
    with pytest.raises(UnknownNameError, match=r"unknown aligner.*emd"):
        match_clips(left, left, backbone, ("emb",))
    with pytest.raises(OptionError, match="chosen for each match"):
        match_clips(left, left, backbone, options={"alignment.name": "otam"})
    with pytest.raises(OptionError, match="cannot be shown along time"):
        match_clips(left, left, backbone, options={"moments.grid": 2})
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoError):
        match_clips(left, broken, backbone)


def test_the_page_is_safe_and_shows_each_weight() -> None:
    match = FrameMatch(HOSTILE, equal_parts(2), equal_parts(2), ((0.75, 0.0), (0.0, 0.25)))
    found = MatchedClips(HOSTILE, "b", {HOSTILE: (0.5, match)}, (b"\xff\xd8jpeg",))
    page = matched_page(found)
    shown = Reader(page)
    assert "script" not in shown.tags
    assert HOSTILE in shown.shown
    assert not [value for name, value in shown.attributes if name in ("src", "onerror")]
    heights = [float(v) for n, v in shown.attributes if n == "height" and float(v) < 23]
    assert heights.count(22) == 2  # the bars of both first windows
    assert shown.tags.count("path") == 2
