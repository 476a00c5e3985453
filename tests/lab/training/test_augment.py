"""Augmentations: which suit which data, and what they do to pixels."""

import pytest
import torch

from fewact.core.random import RandomStream
from fewact.lab.training.augment import apply, draw_crop, flips
from fewact.lab.training.recipe import Augment


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("ssv2-full_otam", False),
        ("ssv2-small_cmn", False),
        ("motions-1-plain", False),
        ("motions-1-misaligned", False),
        ("kinetics100_alibaba", True),
        ("ucf101_arn", True),
        ("hmdb51_arn", True),
        ("my clips", False),
        ("ucf", False),
    ],
)
def test_where_sides_mean_something_nothing_is_mirrored(name: str, mirrored: bool) -> None:
    assert flips("auto", name) is mirrored
    assert flips("always", name)
    assert not flips("never", name)


def crop(*values: float) -> torch.Tensor:
    usual = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    return torch.tensor([[*values, *usual[len(values) :]]], dtype=torch.float32)


def pictures(seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(256, (1, 3, 3, 8, 8), generator=draw, dtype=torch.uint8)


def test_nothing_drawn_changes_nothing() -> None:
    frames = pictures()
    torch.testing.assert_close(apply(frames, crop(), (8, 8)), frames.float(), atol=1e-2, rtol=0)


def test_a_crop_is_the_part_of_the_picture() -> None:
    frames = pictures()
    found = apply(frames, crop(0.25, 0.5, 0.5, 0.25), (2, 4))  # left, top, width, height
    torch.testing.assert_close(found, frames[..., 4:6, 2:6].float(), atol=1e-2, rtol=0)


def test_a_mirrored_crop() -> None:
    frames = pictures()
    found = apply(frames, crop(0.25, 0.5, 0.5, 0.25, 1.0), (2, 4))
    torch.testing.assert_close(found, frames[..., 4:6, 2:6].flip(-1).float(), atol=1e-2, rtol=0)


def test_positions_are_not_rounded_inside_autocast() -> None:
    frames, part = pictures(), crop(0.1, 0.2, 0.61, 0.53, 1.0, 1.1, 1.2, 0.7)
    outside = apply(frames, part, (8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apply(frames, part, (8, 8)), outside)


def test_colours() -> None:
    frames = (pictures() // 2).to(torch.uint8)
    brighter = apply(frames, crop(0, 0, 1, 1, 0, 1.5), (8, 8))
    torch.testing.assert_close(brighter, 1.5 * frames.float(), atol=2e-2, rtol=0)
    grey = apply(frames, crop(0, 0, 1, 1, 0, 1, 1, 0), (8, 8))
    torch.testing.assert_close(grey[:, :, 0], grey[:, :, 2])
    flat = apply(frames, crop(0, 0, 1, 1, 0, 1, 0, 1), (8, 8))
    assert float(flat.std()) < 1e-3
    assert apply(frames, crop(0, 0, 1, 1, 0, 9), (8, 8)).max() == 255


@pytest.mark.parametrize(("channel", "luma"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_the_grey_of_a_pure_colour_is_its_luma(channel: int, luma: float) -> None:
    frames = torch.zeros(1, 2, 3, 4, 4, dtype=torch.uint8)
    frames[:, :, channel] = 200
    grey = apply(frames, crop(0, 0, 1, 1, 0, 1, 1, 0), (4, 4))
    torch.testing.assert_close(grey, torch.full_like(grey, 200 * luma))


def test_videos_are_augmented_each_by_itself() -> None:
    frames = torch.cat([pictures(0), pictures(1)])
    crops = torch.cat([crop(0.25, 0.5, 0.5, 0.25), crop()])
    both = apply(frames, crops, (4, 4))
    for i in range(2):
        torch.testing.assert_close(
            both[i : i + 1], apply(frames[i : i + 1], crops[i : i + 1], (4, 4))
        )


def test_what_is_drawn_stays_inside_the_picture_and_depends_on_the_video_alone() -> None:
    augment = Augment(area=(0.3, 1.0), aspect=(0.5, 2.0), brightness=0.4)
    rows = torch.stack([draw_crop(augment, RandomStream("test", i), flip=True) for i in range(300)])
    left, top, width, height, mirrored, brightness, contrast, _ = rows.unbind(1)
    assert rows[:, :2].min() >= 0
    assert (left + width).max() <= 1.0001
    assert (top + height).max() <= 1.0001
    assert 0.15 < float((width * height).min()) < 0.4
    assert 0.4 < float(mirrored.mean()) < 0.6
    assert float(brightness.min()) < 0.7 < 1.3 < float(brightness.max())
    assert contrast.eq(1).all()
    assert torch.equal(rows[7], draw_crop(augment, RandomStream("test", 7), flip=True))
    assert not draw_crop(augment, RandomStream("test", 7), flip=False)[4]
