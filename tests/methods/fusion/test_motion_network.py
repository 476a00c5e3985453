"""Learned motion: the network, its weights, and its term of fusion."""

import math
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
import torch
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
from fewact.core import arrays
from fewact.core.errors import WeightsError
from fewact.features.request import DifferenceImageRequest, View
from fewact.features.views import difference_images, halved
from fewact.methods.fusion import motion_network as module
from fewact.methods.fusion.motion_network import (
    FRAMES,
    LENGTH,
    SIDE,
    lightened,
    motion_network,
    prepared,
)
from fewact.methods.fusion.terms import LearnedMotionTerm

TERM = LearnedMotionTerm(DifferenceImageRequest(View(24)))
CLASSES = 8


def encoded(images: torch.Tensor) -> torch.Tensor:
    """Return what the term keeps of images of videos (… t h w)."""
    return TERM.encode({TERM.view: images})


@pytest.fixture(scope="module")
def videos() -> torch.Tensor:
    """Images of differences (c 2 t h w) of two performances of each class of the other grammar."""
    return torch.stack(
        [
            torch.stack([images(render(figure_class(number, "val"), seed)) for seed in (0, 1)])
            for number in range(CLASSES)
        ]
    )


def images(frames: object) -> torch.Tensor:
    return difference_images(halved(torch.as_tensor(frames).permute(0, 3, 1, 2)))[:, 1]


def test_the_weights_are_small_and_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = files("fewact.methods.fusion").joinpath(module.WEIGHTS).read_bytes()
    assert len(content) < 3_000_000
    (tmp_path / module.WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(arrays, "files", lambda _: tmp_path)
    with pytest.raises(WeightsError, match="SHA-256"):
        motion_network.__wrapped__(torch.device("cpu"))


def test_performances_of_a_class_by_other_figures_are_near(videos: torch.Tensor) -> None:
    """Classes of a grammar that the network was not trained on."""
    first, second = encoded(videos[:, 0])[None], encoded(videos[:, 1])[None]
    found = TERM.similarity(first, second)[0].argmax(1)
    assert (found == torch.arange(CLASSES)).sum() >= CLASSES - 2  # chance 1


def test_it_is_sure_of_figures_and_not_of_backgrounds_that_move(videos: torch.Tensor) -> None:
    assert TERM.sure(encoded(videos[:, 0])).mean() > 0.6  # some of their backgrounds move, too
    torch.manual_seed(0)
    kept = torch.from_numpy(images_of((OTHER_FIGURES, 0, 1))).expand(20, -1, -1, -1)
    shown, figure = judged(middle(kept))
    with torch.inference_mode():
        sure = motion_network(torch.device("cpu"))(lightened(shown))[1].sigmoid()
    assert sure[figure == 1].mean() > sure[figure == 0].mean() + 0.5


def test_training_sees_the_images_that_the_network_reads(videos: torch.Tensor) -> None:
    own = torch.from_numpy(images_of((OTHER_FIGURES, 0, 1)))
    assert own.shape == (1, FRAMES, CELLS, CELLS)
    read = lightened(middle(own))[0]
    assert read.shape == (FRAMES, SIDE, SIDE)
    # Levels were rounded, and the root enlarges that near 0.
    torch.testing.assert_close(read**2, prepared(videos[0, 0]) ** 2, atol=0.03, rtol=0)


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
    weights = Path(str(files("fewact.methods.fusion").joinpath(module.WEIGHTS)))
    training.main([str(tmp_path / "new"), "--tune", str(weights), "--classes", "4", "--steps", "2"])
    before, found = load_file(weights), load_file(tmp_path / "new")
    assert found.keys() == before.keys()
    name = "space.0.weight"
    assert (after[name] - before[name]).abs().max() > 1e-6
    middle_way = ((after[name] + before[name].float()) / 2).half()
    torch.testing.assert_close(found[name], middle_way, atol=0, rtol=2e-3)
    assert found["figure.weight"].isfinite().all()


def test_a_flipped_video_has_the_vectors_of_the_flipped_images(videos: torch.Tensor) -> None:
    term = replace(TERM, flips=True)
    one, other = (term.encode({term.view: x}) for x in (videos[0, 0], videos[0, 0].flip(-1)))
    turned = term.horizontal_flip(one)
    torch.testing.assert_close(term.vectors(turned), term.vectors(other), atol=1e-3, rtol=0)
    assert (term.vectors(turned) - term.vectors(one)).abs().max() > 0.1
    assert torch.equal(term.horizontal_flip(turned), one)
    upright = TERM.vectors(encoded(videos[0, 0]))
    torch.testing.assert_close(upright, math.sqrt(2) * term.vectors(one)[:, : upright.shape[-1]])
    with pytest.raises(TypeError, match="not encoded"):
        TERM.horizontal_flip(encoded(videos[0, 0]))


def test_black_images_have_zeros_and_any_number_of_images_is_read(videos: torch.Tensor) -> None:
    assert not encoded(torch.zeros_like(videos[0])).any()
    for count in (1, 7, 24, 40):
        at = torch.linspace(0, 23, count).round().long()
        found = encoded(videos[0, :, at])
        assert found.shape == (2, FRAMES, LENGTH + 1)
        assert found.isfinite().all()


def test_a_video_is_encoded_alike_alone_and_among_others(videos: torch.Tensor) -> None:
    among = encoded(videos[:3, 0])
    assert torch.equal(encoded(videos[1, 0]), among[1])
