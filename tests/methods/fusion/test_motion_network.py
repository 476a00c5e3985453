"""Learned motion: the network, its weights, and its term of fusion."""

import math
import sys
import warnings
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from benchmarks.training import motion_network as training
from benchmarks.training.figures import figure_class, render
from benchmarks.training.motion_network import (
    CELLS,
    KINDS,
    OTHER_FIGURES,
    TUNING,
    images_of,
    judged,
    middle,
)
from fewact.core.errors import WeightsError
from fewact.features.request import DifferenceImageRequest, View
from fewact.features.views import difference_images, halved
from fewact.lab.networks import motion
from fewact.methods.fusion import motion_network as module
from fewact.methods.fusion.motion_network import FRAMES, LENGTH, SIDE, prepared, raw_vectors
from fewact.methods.fusion.terms import LearnedMotionTerm
from tests.methods.made_up import assert_close

GRAPH = Path(str(files("fewact.methods.fusion").joinpath(module.GRAPH)))
TERM = LearnedMotionTerm(DifferenceImageRequest(View(24)))
CLASSES = 8


def encoded(images: NDArray[Any]) -> NDArray[Any]:
    """Return what the term keeps of images of videos (… t h w)."""
    return TERM.encode({TERM.view: images})


@pytest.fixture(scope="module")
def videos() -> NDArray[Any]:
    """Images of differences (c 2 t h w) of two performances of each class of the other grammar."""
    return np.stack(
        [
            np.stack([images(render(figure_class(number, "val"), seed)) for seed in (0, 1)])
            for number in range(CLASSES)
        ]
    )


def images(frames: NDArray[Any]) -> NDArray[Any]:
    return difference_images(halved(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))))[:, 1]


def test_the_weights_are_small_and_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = GRAPH.read_bytes()
    assert len(content) < 3_000_000
    (tmp_path / module.GRAPH).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(module, "files", lambda _: tmp_path)
    with pytest.raises(WeightsError):
        module.graph()


def test_the_graph_computes_what_the_network_does(videos: NDArray[Any]) -> None:
    network = motion.motion_network(GRAPH)
    read = np.stack([prepared(videos[0, 0]), prepared(videos[1, 1])])
    with torch.inference_mode():
        vectors, figure = (x.numpy() for x in network(torch.from_numpy(read)))
    found, sure = module.motion_vectors(videos[0, 0], flips=False)
    assert_close(raw_vectors(videos[1, 1]), vectors[1])
    unit = motion.unit_deviations(torch.from_numpy(vectors[:1])).numpy()
    assert_close(found, unit)
    assert sure == pytest.approx(1 / (1 + math.exp(-figure[0])), abs=1e-5)
    both, _ = module.motion_vectors(videos[0, 0], flips=True)
    assert_close(both[:1], found)


@pytest.mark.slow
def test_the_script_writes_the_graph_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / ".ci"))
    import motion_graph

    monkeypatch.setattr(module, "__file__", str(tmp_path / "motion_network.py"))
    monkeypatch.setattr(sys, "argv", ["", str(GRAPH)])
    with warnings.catch_warnings(action="ignore"):  # of the exporter
        motion_graph.main()
    again = motion.motion_network(tmp_path / module.GRAPH).state_dict()
    own = motion.motion_network(GRAPH).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in own.items())


def test_performances_of_a_class_by_other_figures_are_near(videos: NDArray[Any]) -> None:
    """Classes of a grammar that the network was not trained on."""
    first, second = encoded(videos[:, 0])[None], encoded(videos[:, 1])[None]
    found = TERM.similarity(first, second)[0].argmax(1)
    assert (found == np.arange(CLASSES)).sum() >= CLASSES - 2  # chance 1


def test_it_is_sure_of_figures_and_not_of_backgrounds_that_move(videos: NDArray[Any]) -> None:
    assert TERM.sure(encoded(videos[:, 0])).mean() > 0.6  # some of their backgrounds move, too
    torch.manual_seed(0)
    kept = torch.from_numpy(images_of((OTHER_FIGURES, 0, 1))).expand(20, -1, -1, -1)
    shown, figure = judged(middle(kept))
    with torch.inference_mode():
        sure = motion.motion_network(GRAPH)(motion.lightened(shown))[1].sigmoid()
    assert sure[figure == 1].mean() > sure[figure == 0].mean() + 0.5


def test_training_sees_the_images_that_the_network_reads(videos: NDArray[Any]) -> None:
    own = torch.from_numpy(images_of((OTHER_FIGURES, 0, 1)))
    assert own.shape == (1, FRAMES, CELLS, CELLS)
    read = motion.lightened(middle(own))[0].numpy()
    assert read.shape == (FRAMES, SIDE, SIDE)
    # Levels were rounded, and the root enlarges that near 0.
    assert_close(read**2, prepared(videos[0, 0]) ** 2, atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", TUNING.kinds)
def test_each_kind_of_rendered_videos_is_drawn_by_number(kind: str) -> None:
    render = KINDS[kind].render
    video = render(3, 1)
    assert video.shape == (FRAMES, 112, 112, 3)
    assert (video[0] != video[12]).any()
    assert (render(3, 1) == video).all()
    assert (render(3, 2) != video).any()
    assert (render(4, 1) != video).any()


@pytest.mark.slow
def test_tuned_weights_are_half_of_the_way_from_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered(kind: str, classes: int, clips: int, _: int) -> torch.Tensor:
        each = [torch.from_numpy(images_of((kind, number, clips))) for number in range(classes)]
        return torch.stack(each)

    monkeypatch.setattr(training, "rendered", rendered)
    monkeypatch.setattr(training, "HEAD_BATCHES", 5)
    monkeypatch.setattr(training, "TUNING", replace(TUNING, kinds=("small figures", "clothes")))
    accuracy = partial(training.accuracy, episodes=1)
    monkeypatch.setattr(training, "accuracy", accuracy)
    after: dict[str, torch.Tensor] = {}
    averaged = training.averaged

    def noted(network: torch.nn.Module, before: dict[str, torch.Tensor], part: float) -> None:
        after.update({name: value.clone() for name, value in network.state_dict().items()})
        averaged(network, before, part)

    monkeypatch.setattr(training, "averaged", noted)
    training.main([str(tmp_path / "new"), "--tune", str(GRAPH), "--classes", "4", "--steps", "2"])
    before, found = motion.motion_network(GRAPH).state_dict(), load_file(tmp_path / "new")
    assert found.keys() == before.keys()
    name = "space.0.weight"
    assert (after[name] - before[name]).abs().max() > 1e-6
    middle_way = ((after[name] + before[name].float()) / 2).half()
    torch.testing.assert_close(found[name], middle_way, atol=0, rtol=2e-3)
    assert found["figure.weight"].isfinite().all()


def test_a_flipped_video_has_the_vectors_of_the_flipped_images(videos: NDArray[Any]) -> None:
    term = replace(TERM, flips=True)
    one, other = (term.encode({term.view: x}) for x in (videos[0, 0], videos[0, 0][..., ::-1]))
    turned = term.horizontal_flip(one)
    assert_close(term.vectors(turned), term.vectors(other), atol=1e-3, rtol=0)
    assert np.abs(term.vectors(turned) - term.vectors(one)).max() > 0.1
    assert np.array_equal(term.horizontal_flip(turned), one)
    upright = TERM.vectors(encoded(videos[0, 0]))
    assert_close(upright, math.sqrt(2) * term.vectors(one)[:, : upright.shape[-1]])
    with pytest.raises(TypeError, match="not encoded"):
        TERM.horizontal_flip(encoded(videos[0, 0]))


def test_black_images_have_zeros_and_any_number_of_images_is_read(videos: NDArray[Any]) -> None:
    assert not encoded(np.zeros_like(videos[0])).any()
    for count in (1, 7, 24, 40):
        at = np.linspace(0, 23, count).round().astype(int)
        found = encoded(videos[0][:, at])
        assert found.shape == (2, FRAMES, LENGTH + 1)
        assert np.isfinite(found).all()


def test_a_video_is_encoded_alike_alone_and_among_others(videos: NDArray[Any]) -> None:
    among = encoded(videos[:3, 0])
    assert np.array_equal(encoded(videos[1, 0]), among[1])
