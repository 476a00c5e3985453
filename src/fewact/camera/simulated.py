"""A simulated camera: a window that moves inside the pictures of a real video.

The window never leaves the picture, so that no border is mirrored, repeated or filled. Where it is
depends on the moment as a part of the whole video, and on a seed: whichever frames a sampler
chooses, they were filmed on the same way.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewact.errors import OptionError, ShapeError, did_you_mean
from fewact.shapes import check_shape
from fewact.video.timeline import Floats

CHECKED_MOMENTS = 129
WAVES = 6
PICTURES_OF_A_BLUR = 5


@dataclass(frozen=True)
class Camera:
    """How far a camera moves; each video draws its own way from its seed.

    Distances are parts of the window's width and height.

    Args:
        window: Width and height of the window, as parts of the picture's, at zoom 1.
        offset: It stands up to this far beside the middle.
        scale: It is larger or smaller by up to this part.
        shake: It trembles, at most by this distance, in up to 6 smooth waves a video.
        roll: Likewise, in degrees.
        pan: From the first frame to the last it travels by up to this far, across and down.
        drift: Meanwhile it grows or shrinks by up to this part.
        eased: Whether it travels at an even speed, or starts and stops gently.
        parallax: What is seen at the bottom is displaced by this part more than in the middle, and
            at the top less, as by a floor that comes nearer.
        shutter: Part of the video during which a frame is exposed.

    Raises:
        OptionError: A value that is negative or too large.
    """

    window: float = 0.75
    offset: float = 0.0
    scale: float = 0.0
    shake: float = 0.0
    roll: float = 0.0
    pan: float = 0.0
    drift: float = 0.0
    eased: Literal["even", "eased"] = "even"
    parallax: float = 0.0
    shutter: float = 0.0

    def __post_init__(self) -> None:
        most = {"roll": 45.0, "window": 1.0, "pan": 10.0, "offset": 10.0, "shake": 10.0}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "eased":
                fits, expected = value in ("even", "eased"), "even, eased"
            else:
                limit = most.get(field.name, 0.9)
                least = 0.05 if field.name == "window" else 0.0
                fits, expected = least <= value <= limit, f"{least:g} to {limit:g}"
            if not fits:
                raise OptionError(
                    "no such camera", where=field.name, got=repr(value), expected=expected
                )


CAMERAS: Mapping[str, Camera] = {
    "fixed": Camera(),
    "framing": Camera(offset=0.15, scale=0.2),
    "shake": Camera(shake=0.03, roll=2.0),
    "pan": Camera(pan=0.15, drift=0.15),
    "hand": Camera(offset=0.1, scale=0.1, shake=0.03, roll=2.0, pan=0.15, eased="eased"),
    "rough": Camera(
        offset=0.1,
        scale=0.1,
        shake=0.05,
        roll=4.0,
        pan=0.15,
        drift=0.1,
        eased="eased",
        parallax=0.2,
        shutter=0.02,
    ),
    "sweep": Camera(offset=0.1, shake=0.03, roll=2.0, pan=0.5, drift=0.3, eased="eased"),
}
"""``fixed`` crops the middle; ``hand`` is a phone in a hand; ``rough`` adds parallax and blur to a
stronger one; ``sweep`` pans and zooms as far as the picture allows."""


def camera(name: str) -> Camera:
    """The camera of this name.

    Raises:
        OptionError: There is none.
    """
    if name not in CAMERAS:
        raise OptionError(
            "there is no such camera",
            got=repr(name),
            expected=", ".join(CAMERAS),
            hint=did_you_mean(name, CAMERAS),
        )
    return CAMERAS[name]


@dataclass(frozen=True, eq=False)
class Path:
    """Where a camera's window is at some moments.

    Args:
        x: (t,) how far its centre is right of the picture's, in pixels.
        y: (t,) likewise, down.
        size: (t,) its width and height over those at zoom 1.
        roll: (t,) how far it is turned, in radians, clockwise as seen.
    """

    x: Floats
    y: Floats
    size: Floats
    roll: Floats


def window_size(taken: Camera, height: int, width: int) -> tuple[int, int]:
    """Height and width of what a camera makes of pictures of this size, in pixels."""
    return max(1, round(taken.window * height)), max(1, round(taken.window * width))


def path(taken: Camera, seed: int, moments: Floats, height: int, width: int) -> Path:
    """The way of a camera.

    A way that would lead out of the picture is shrunk and moved as a whole until it does not.

    Args:
        taken: The camera.
        seed: Another one draws another way.
        moments: (t,) in 0 … 1, parts of the whole video.
        height: Of the pictures, in pixels.
        width: Likewise.
    """
    moments = np.asarray(moments, np.float64)
    # The whole way is looked at whatever moments are asked for: it must not depend on them.
    every = np.concatenate([np.linspace(0, 1, CHECKED_MOMENTS), moments])  # (n,)
    rng = np.random.default_rng(seed)
    away = rng.uniform(-1, 1, 2) * taken.offset  # (x, y)
    larger = 1 + rng.uniform(-1, 1) * taken.scale
    goal = rng.uniform(-1, 1, 2) * taken.pan  # (x, y)
    grows = rng.uniform(-1, 1) * taken.drift
    share = every if taken.eased == "even" else every**2 * (3 - 2 * every)
    travelled = share - 0.5  # −½ … ½
    trembles = [_waves(rng, every) for _ in range(3)]  # (n,) each
    roll = np.deg2rad(taken.roll) * trembles[2]
    sides = np.array(window_size(taken, height, width)[::-1], np.float64)  # width, height
    size = larger * (1 + grows * travelled)
    # The rectangle around the turned window, at size 1: (2 n)
    around = np.abs(np.cos(roll)) * sides[:, None] + np.abs(np.sin(roll)) * sides[::-1, None]
    whole = np.array([width, height], np.float64)[:, None]
    # Half a pixel stays free, for the middles of its outermost pixels to have neighbours.
    size = np.minimum(size, ((whole - 1) / around).min(0).clip(0.01))
    room = np.maximum(whole - 1 - around * size, 0) / 2 / (1 + taken.parallax)  # (2 n)
    moved = [
        _fit(away[i] * sides[i], (goal[i] * travelled + taken.shake * trembles[i]) * sides[i], r)
        for i, r in enumerate(room)
    ]
    asked = slice(CHECKED_MOMENTS, None)
    return Path(moved[0][asked], moved[1][asked], size[asked], roll[asked])


def _waves(rng: np.random.Generator, moments: Floats) -> Floats:
    """A smooth random function of time that reaches −1 or 1: (n,) → (n,)."""
    cycles = np.arange(1, WAVES + 1)
    strength = rng.uniform(0.5, 1, WAVES) / np.sqrt(cycles)
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    waves = (np.sin(2 * np.pi * moments[:, None] * cycles + phase) * strength).sum(1)
    found: Floats = waves / np.abs(waves[:CHECKED_MOMENTS]).max()
    return found


def _fit(stands: float, moves: Floats, room: Floats) -> Floats:
    """Where it is (n,), never more than its room (n,) from the middle."""
    checked, around = moves[:CHECKED_MOMENTS], room[:CHECKED_MOMENTS]
    apart = np.abs(checked[:, None] - checked)
    both = around[:, None] + around
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(apart > both, both / apart, 1.0).min()
    least, most = (-around - share * checked).max(), (around - share * checked).min()
    middle = (least + most) / 2
    stands = middle if least > most else float(np.clip(stands, least, most))
    # Between the moments that were checked it may be a hair further.
    found: Floats = np.clip(stands + share * moves, -room, room)
    return found


def seed_of(seed: int, name: str) -> int:
    """A video's own seed, from a common one and its name."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8])


def film(frames: NDArray[np.uint8], moments: Floats, taken: Camera, seed: int) -> NDArray[np.uint8]:
    """What a camera sees of a video.

    Args:
        frames: (t h w 3) RGB.
        moments: (t,) when they are shown, as parts of the whole video, 0 … 1.
        taken: The camera.
        seed: RandomStream its way.

    Returns:
        (t h' w' 3), as large as the window at zoom 1.

    Raises:
        ShapeError: Another shape or type, or not one moment for each frame.
        OptionError: A moment outside of 0 … 1.
    """
    from torch import from_numpy

    from fewact.camera.similarity import Similarity, view

    if frames.dtype != np.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    t, height, width = check_shape(frames, "t h w 3", "frames").values()
    moments = np.asarray(moments, np.float64)
    if moments.shape != (t,):
        raise ShapeError("not one for each frame", where="moments", got=str(moments.shape))
    if not ((moments >= 0) & (moments <= 1)).all():
        raise OptionError("not within the video", where="moments", expected="0 to 1")
    exposures = np.linspace(-0.5, 0.5, PICTURES_OF_A_BLUR) if taken.shutter else np.zeros(1)
    images = from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()  # (t 3 h w)
    seen = []
    for exposure in exposures * taken.shutter:
        way = path(taken, seed, np.clip(moments + exposure, 0, 1), height, width)
        turn = from_numpy(way.size * np.exp(1j * way.roll))
        shift = from_numpy(way.x + 1j * way.y)
        looked = Similarity(turn, shift)
        size = window_size(taken, height, width)
        seen.append(view(images, looked, size, parallax=taken.parallax)[0])
    mean = sum(seen[1:], start=seen[0]) / len(seen)
    return mean.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
