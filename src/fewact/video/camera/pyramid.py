"""Grey images of a clip in several sizes, which its frames are registered on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor
from torch.nn import functional

from fewact.video.camera.registration import Keypoints, detect_keypoints

FINEST, COARSEST, LEVELS = 112, 10, 4
"""Most rows and columns of the images of the finest level, fewest that are reached by halving, and
number of levels; each has half of the rows and columns of the one before."""


@dataclass(frozen=True, eq=False)
class Level:
    """Pyramid level: grey images (t h w) and the width of their pixels over its height."""

    images: Tensor
    pixel: float

    @property
    def rows(self) -> int:
        """Number of rows of an image."""
        return self.images.shape[1]

    def reference(self) -> Keypoints:
        """Return the keypoints of the middle image, repeated for each of the t images."""
        t = len(self.images)
        return detect_keypoints(self.images[[t // 2]], self.pixel).repeated(t)


class Pyramid:
    """Grey images of a clip in several sizes, each of mean 0 and standard deviation 1.

    Args:
        grey: Luma (t h w) of the frames.
        pixel: Returns the width of a pixel of images (t h w) over its height.
    """

    def __init__(self, grey: Tensor, pixel: Callable[[Tensor], float]) -> None:
        self._pixel = pixel
        self._grey = _pooled(grey, (min(FINEST, grey.shape[1]), min(FINEST, grey.shape[2])))
        self.fine = self._level(self._grey)

    @cached_property
    def levels(self) -> list[Level]:
        """Levels, fine to coarse; most static cameras need the first one alone."""
        found, grey = [self.fine], self._grey
        for _ in range(LEVELS - 1):
            grey = _pooled(grey, (_half(grey.shape[1]), _half(grey.shape[2])))
            found.append(self._level(grey))
        return found

    def _level(self, grey: Tensor) -> Level:
        centred = grey - grey.mean((1, 2), keepdim=True)
        # torch's deviation takes ten times as long.
        variance = centred.square().sum((1, 2), keepdim=True) / max(1, grey[0].numel() - 1)
        images = centred / variance.sqrt().clamp_min(1.0)
        return Level(images, self._pixel(images))


def _half(side: int) -> int:
    """Return the number of rows or columns of the next level."""
    return max(min(side, COARSEST), side // 2)


def _pooled(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images (t h w) of a size, in which each pixel is the mean of those that it covers.

    Sums of slices halve a side with the values of torch's pooling, in a fifth of its time.
    """
    if images.shape[1:] != (2 * size[0], 2 * size[1]):
        return functional.adaptive_avg_pool2d(images[:, None], size)[:, 0]
    upper, lower = images[:, ::2], images[:, 1::2]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4
