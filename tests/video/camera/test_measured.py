"""The luma of frames is the same on every processor."""

import numpy as np
import torch

from fewact.video.cleaning.light import grey_of


def test_luma_is_the_nearest_float_of_an_integer_of_thousandths() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 3, 37, 53), dtype=np.uint8)
    thousandths = np.einsum("tchw,c->thw", frames.astype(np.int64), [299, 587, 114])
    expected = torch.from_numpy(thousandths).float() / 1000
    assert torch.equal(grey_of(torch.from_numpy(frames)), expected)
