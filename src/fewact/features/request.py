"""Feature requests: what a method needs of each video, with its text, shape and data type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import OptionError
from fewact.data.joints import parse_joints
from fewact.networks.card import Card, Level
from fewact.video.camera import Stabilise as Stabilise  # methods do not import camera

if TYPE_CHECKING:
    from fewact.features.views import Views

Floats = NDArray[np.float32]

IMAGE_HEIGHT = 64
"""Height of small images in pixels, for all frames that are not smaller than that."""

IMAGE_STRIDE = 16
"""Number of pixels that divides the sides of a small image, as the sides of a frame."""

MAX_FRAMES = 4096
"""Largest number of frames of a view: all frames of a video are in memory at once."""


@dataclass(frozen=True, order=True)
class View:
    """Frames of a video that features are computed from.

    Args:
        frames: Number of frame slots t; the card says how many input frames a slot has.
        stabilise: Whether camera motion is removed from the frames first, see
            ``fewact.video.camera.motion``.
    """

    frames: int = 8
    stabilise: Stabilise = "off"

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MAX_FRAMES:
            raise OptionError(
                "invalid number of frames",
                where="frames",
                got=str(self.frames)[:40],
                expected=f"1 to {MAX_FRAMES}",
                hint=f"{MAX_FRAMES} frames of 224 × 224 pixels take 0.6 GiB for each video."
                if self.frames > 0
                else "",
            )

    def __str__(self) -> str:
        if self.stabilise == "off":
            return str(self.frames)
        return f"{self.frames}:{self.stabilise}"


class _ViewRequest:
    """Base of the requests: each is for one view of a video."""

    view: View
    name: ClassVar[str]
    """First word of the request's text; a ``FeatureRequest`` has its level there."""

    def __str__(self) -> str:
        return f"{self.name}:{self.view}"

    @property
    def frames(self) -> int:
        """Number of frame slots t."""
        return self.view.frames

    @property
    def images(self) -> object:
        """Type of the prepared images; requests of one type share the images of equal frames."""
        return type(self)

    @property
    def uses_camera_motion(self) -> bool:
        """Whether camera motion is estimated to compute the features."""
        return self.view.stabilise != "off"

    @property
    def dtype(self) -> str:
        """Data type in which a store keeps the features."""
        return "float16"

    def reduced(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return what is kept of the features (t …) of its level."""
        return features


@dataclass(frozen=True, order=True)
class FeatureRequest(_ViewRequest):
    """Features of one level of a backbone.

    Args:
        level: ``vectors`` (t d), one pooled vector a frame; ``maps`` (t c h w), the last stage;
            ``middle`` and ``shallow`` (t c h w), the last blocks at strides 16 and 8; ``pixels``
            (t 3 h w), the resized frames themselves, uint8, without a network.
        view: Frames they are computed from.

    >>> str(FeatureRequest("middle", View(16, "auto")))
    'middle:16:auto'
    """

    level: Level
    view: View = View()

    def __str__(self) -> str:
        return f"{self.level}:{self.view}"

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's features: (t d), (t c h w) or (t 3 h w).

        Raises:
            OptionError: The backbone has no such level.
        """
        return (self.frames, *card.shape_of(self.level))

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the frames (n 3 H W) uint8 whose level is requested."""
        return clip.frames(self.view)

    @property
    def dtype(self) -> str:
        """Data type in which a store keeps the features."""
        return "uint8" if self.level == "pixels" else "float16"


@dataclass(frozen=True, order=True)
class MovingRequest(FeatureRequest):
    """Vectors (t d) of the part of the frames that moves, see ``fewact.features.request``.

    Args:
        level: The maps whose cells are averaged, each weighted by how much it changes.
        view: The frames.

    >>> str(MovingRequest(view=View(8)))
    'moving:8'
    """

    level: Level = "maps"
    name: ClassVar[str] = "moving"

    def __str__(self) -> str:
        return f"{self.name}:{self.view}"

    @property
    def images(self) -> object:
        """Type of the prepared images: the frames of any ``FeatureRequest``."""
        return FeatureRequest

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's vectors: (t d)."""
        return (self.frames, card.shape_of(self.level)[0])

    def reduced(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return the vectors (t d) of maps (t d h w)."""
        return moving_vectors(features)


@dataclass(frozen=True, order=True)
class CameraRequest(_ViewRequest):
    """Log-odds that the camera of a video moved: (1), needs no network.

    Args:
        view: Frames that the motion is estimated in.

    >>> str(CameraRequest(View(16, "auto")))
    'camera:16:auto'
    """

    view: View = View(stabilise="auto")
    name: ClassVar[str] = "camera"
    level: ClassVar[None] = None
    """No level of a backbone: the network does not run."""

    @property
    def uses_camera_motion(self) -> bool:
        """True: camera motion is estimated."""
        return True

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's log-odds: (1)."""
        return (1,)

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the log-odds (1) themselves."""
        return clip.camera_log_odds(self.view)


class _SmallImagesRequest(_ViewRequest):
    """Features of images that are smaller than the frames, see ``fewact.features.views``."""

    level: ClassVar[Level] = "shallow"

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's features: (t c h w)."""
        channels, *cells = card.shape_of(self.level)
        frame = card.input_size
        sizes = zip(cells, image_size(*frame), frame, strict=True)
        return (self.frames, channels, *(cell * image // pixels for cell, image, pixels in sizes))


@dataclass(frozen=True, order=True)
class SmallFrameRequest(_SmallImagesRequest):
    """Features of small frames.

    Args:
        view: The frames.

    >>> str(SmallFrameRequest(View(24, "auto")))
    'small-frames:24:auto'
    """

    view: View = View(24, "auto")
    name: ClassVar[str] = "small-frames"

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the small frames (n 3 h w) uint8."""
        return clip.small_frames(self.view)


@dataclass(frozen=True, order=True)
class DifferenceRequest(_SmallImagesRequest):
    """Features of small images of what changes between frames.

    Args:
        view: Frames that are compared; each has an image.

    >>> str(DifferenceRequest(View(24, "auto")))
    'differences:24:auto'
    """

    view: View = View(24, "auto")
    name: ClassVar[str] = "differences"

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the images (n 3 h w) uint8."""
        return clip.difference_images(self.view)


@dataclass(frozen=True, order=True)
class DifferenceImageRequest(_ViewRequest):
    """Images of what changes between frames, needs no network: (t h w), see ``DifferenceRequest``.

    An image has the change that ends with its frame; the first one is black.

    Args:
        view: Frames that are compared.

    >>> str(DifferenceImageRequest(View(24, "auto")))
    'difference-images:24:auto'
    """

    view: View = View(24, "auto")
    name: ClassVar[str] = "difference-images"
    level: ClassVar[None] = None
    """No level of a backbone: the network does not run."""

    @property
    def dtype(self) -> str:
        """Data type in which a store keeps the images."""
        return "uint8"

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's images: (t h w)."""
        return (self.frames, *image_size(*card.input_size))

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the images (t h w) uint8."""
        return clip.difference_images(self.view)[:, 1]


@dataclass(frozen=True, order=True)
class JointRequest(_ViewRequest):
    """Joints of the body that a clip has beside its frames, needs no network: (t d).

    A clip without joints has zeros.

    Args:
        view: The frames, at whose times the joints are.
        layout: Layout of the joints, see ``fewact.data.joints``.

    >>> str(JointRequest(View(32), "pose33:xyzc"))
    'joints:32:pose33:xyzc'
    """

    view: View = View(32)
    layout: str = "pose33:xyzc"
    name: ClassVar[str] = "joints"
    level: ClassVar[None] = None
    """No level of a backbone: the network does not run."""

    def __str__(self) -> str:
        return f"{self.name}:{self.view}:{self.layout}"

    @property
    def dtype(self) -> str:
        """Data type in which a store keeps the joints."""
        return "float32"

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's joints: (t d)."""
        return (self.frames, parse_joints(self.layout).width)

    def prepare(self, clip: "Views") -> NDArray[Any]:
        """Return the joints (t d) float32."""
        return clip.joints(self.view, self.layout)


Request = (
    FeatureRequest
    | MovingRequest
    | CameraRequest
    | SmallFrameRequest
    | DifferenceRequest
    | DifferenceImageRequest
    | JointRequest
)
"""Request that a method makes of each video."""

Features = Mapping[Request, NDArray[Any]]
"""Features of videos by request: (… t d), (… t c h w) …, all with the same leading axes."""


def image_size(height: int, width: int, side: int = IMAGE_HEIGHT) -> tuple[int, int]:
    """Return the height and width of the small images of frames with this height and width.

    ``side`` is their height, a multiple of 16; at most the height of the frames.
    """
    side = min(side, IMAGE_STRIDE * max(1, height // IMAGE_STRIDE))
    return side, IMAGE_STRIDE * max(1, round(side * width / height / IMAGE_STRIDE))


def motion_beyond_median(changes: Floats) -> Floats:
    """Return how much more each cell moves than the median cell: by the norms of their changes.

    Args:
        changes: A video's maps minus their mean over time (… t c h w).

    Returns:
        (… h w), at least 0.
    """
    length = np.sqrt(np.square(changes).sum((-4, -3)))  # (… h w)
    *leading, h, w = length.shape
    cells = np.sort(length.reshape(*leading, h * w))  # the lower median, as torch's
    median = cells[..., (h * w - 1) // 2][..., None, None]
    return np.asarray(np.maximum(length - median, 0))


def motion_weights(maps: Floats) -> Floats:
    """Return the weights of the cells of a video's maps: how much each changes over time.

    A weight is proportional to the cell's ``motion_beyond_median``; the weights of a video sum to
    1. If no cell changes more than the median cell, all weights are equal.

    Args:
        maps: (… t c h w).

    Returns:
        (… h w).
    """
    changes = maps - maps[..., :1, :, :, :]  # so that equal maps do not change by rounding
    changes -= changes.mean(-4, keepdims=True)
    moving = motion_beyond_median(changes)
    total = moving.sum((-2, -1), keepdims=True)
    even = np.full_like(moving, 1 / (maps.shape[-2] * maps.shape[-1]))
    np.divide(moving, total, out=even, where=total > 0)
    return even


def moving_vectors(maps: Floats) -> Floats:
    """Return the weighted means of a video's maps: (… t c h w) → (… t c), see motion_weights."""
    *leading, t, c, h, w = maps.shape
    weights = motion_weights(maps).reshape(*leading, 1, h * w, 1)
    return np.asarray((maps.reshape(*leading, t, c, h * w) @ weights)[..., 0])
