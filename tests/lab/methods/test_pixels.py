"""The control without a network."""

import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.methods.cards import made_up_card

REQUEST = FeatureRequest("pixels", View(8))


def clip(direction: int, colour: float) -> torch.Tensor:
    """A bar that moves to the left or the right in front of an even background."""
    frames = torch.full((8, 3, 28, 28), 20.0)
    for i in range(8):
        at = 3 * i if direction > 0 else 21 - 3 * i
        frames[i, :, :, at : at + 5] = colour
    return frames.to(torch.uint8)


def test_needs_pixels_alone() -> None:
    assert methods.create("pixels").requests(made_up_card(maps=False)) == (REQUEST,)


def test_tells_directions_apart_whatever_the_brightness() -> None:
    method = methods.create("pixels")
    support = method.encode({REQUEST: torch.stack([clip(1, 255), clip(-1, 120)])[None]})
    query = method.encode({REQUEST: torch.stack([clip(1, 90), clip(-1, 230)])[None]})
    logits = method.score(method.support(support, torch.tensor([[0, 1]]), 2), query)
    assert logits[0].argmax(1).tolist() == [0, 1]
    assert (logits <= 1e-6).all()


def test_the_clips_mean_is_taken_away() -> None:
    method = methods.create("pixels")
    frames = method.encode({REQUEST: clip(1, 255)})["frames"]
    assert frames.shape == (8, 49)


@pytest.mark.parametrize("frames", [5, 8])
def test_a_static_clip_has_no_motion(frames: int) -> None:
    method = methods.create("pixels", frames=frames)
    image = torch.randint(256, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    still = image.to(torch.uint8).expand(frames, -1, -1, -1)
    request = FeatureRequest("pixels", View(frames))
    assert not method.encode({request: still})["frames"].any()
