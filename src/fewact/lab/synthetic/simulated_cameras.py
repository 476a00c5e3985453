"""Simulated cameras: a crop that moves inside the frames of a real video.

The crop never leaves the frame, so no border is padded. Its position depends on a seed and on the
time as a fraction of the video. So a video has one camera path, whichever frames a sampler chooses.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import OptionError, ShapeError, did_you_mean
from fewact.data.videos import VideoList
from fewact.video.camera.registration import Similarity, warp
from fewact.video.resizing import channels_last, planes
from fewact.video.samplers import Floats, Sampler
from fewact.video.source import Reading, Step, Transform, VideoSource

CHECKED_TIMES = 129
WAVES = 6
EXPOSURES = 5


@dataclass(frozen=True)
class SimulatedCamera:
    """Range of camera motion; each video draws its own path from its seed.

    Distances are fractions of the crop's width and height.

    Args:
        crop: Width and height of the crop at zoom 1, as fractions of the frame's.
        offset: Largest distance of the crop's mean position from the frame center.
        scale: Largest relative change of the crop's size, constant over the video.
        shake: Amplitude of camera shake, a sum of 6 smooth waves per video.
        roll: Amplitude of rotation, in degrees, of the same form.
        pan: Largest distance travelled from the first frame to the last, horizontally and
            vertically.
        drift: Largest relative change of the crop's size from the first frame to the last.
        pan_speed: Speed of the pan: ``even``, or ``eased``, which starts and stops gently.
        parallax: Relative increase of the shift at the bottom of the frame, and decrease at the
            top, as for a floor that comes nearer.
        shutter: Exposure time of a frame, as a fraction of the video.
    """

    crop: float = 0.75
    offset: float = 0.0
    scale: float = 0.0
    shake: float = 0.0
    roll: float = 0.0
    pan: float = 0.0
    drift: float = 0.0
    pan_speed: Literal["even", "eased"] = "even"
    parallax: float = 0.0
    shutter: float = 0.0

    def __post_init__(self) -> None:
        limits = {"roll": 45.0, "crop": 1.0, "pan": 10.0, "offset": 10.0, "shake": 10.0}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "pan_speed":
                valid, expected = value in ("even", "eased"), "even, eased"
            else:
                largest = limits.get(field.name, 0.9)
                smallest = 0.05 if field.name == "crop" else 0.0
                valid, expected = smallest <= value <= largest, f"{smallest:g} to {largest:g}"
            if not valid:
                raise OptionError(
                    "value out of range", where=field.name, got=repr(value), expected=expected
                )


CAMERAS: Mapping[str, SimulatedCamera] = {
    "fixed": SimulatedCamera(),
    "framing": SimulatedCamera(offset=0.15, scale=0.2),
    "shake": SimulatedCamera(shake=0.03, roll=2.0),
    "pan": SimulatedCamera(pan=0.15, drift=0.15),
    "hand": SimulatedCamera(
        offset=0.1, scale=0.1, shake=0.03, roll=2.0, pan=0.15, pan_speed="eased"
    ),
    "rough": SimulatedCamera(
        offset=0.1,
        scale=0.1,
        shake=0.05,
        roll=4.0,
        pan=0.15,
        drift=0.1,
        pan_speed="eased",
        parallax=0.2,
        shutter=0.02,
    ),
    "sweep": SimulatedCamera(
        offset=0.1, shake=0.03, roll=2.0, pan=0.5, drift=0.3, pan_speed="eased"
    ),
}
"""``fixed`` crops the center; ``hand`` is a hand-held phone; ``rough`` shakes more and adds
parallax and motion blur; ``sweep`` pans and zooms as far as the frame allows."""


def simulated_camera(name: str) -> SimulatedCamera:
    """Return the simulated camera of this name."""
    if name not in CAMERAS:
        raise OptionError(
            "unknown camera",
            got=repr(name),
            expected=", ".join(CAMERAS),
            hint=did_you_mean(name, CAMERAS),
        )
    return CAMERAS[name]


CameraPath = tuple[NDArray[np.complex128], NDArray[np.complex128]]
"""Similarities (t) from positions in the crop to positions in the frame, both from their centers, x
to the right and y down: linear parts and shifts, see ``fewact.video.camera.registration``."""


def crop_size(camera: SimulatedCamera, height: int, width: int) -> tuple[int, int]:
    """Return the height and width of a camera's frames of a video with this height and width."""
    return max(1, round(camera.crop * height)), max(1, round(camera.crop * width))


def camera_path(
    camera: SimulatedCamera, seed: int, times: Floats, height: int, width: int
) -> CameraPath:
    """Draw the path of a camera at times (t,), fractions of the video, in frames of this size.

    A path that would leave the frame is shrunk and shifted to fit.
    """
    times = np.asarray(times, np.float64)
    # The entire path is checked, so that it does not depend on the requested times.
    checked_times = np.concatenate([np.linspace(0, 1, CHECKED_TIMES), times])  # (n,)
    rng = np.random.default_rng(seed)
    offset = rng.uniform(-1, 1, 2) * camera.offset  # (x, y)
    scale = 1 + rng.uniform(-1, 1) * camera.scale
    pan = rng.uniform(-1, 1, 2) * camera.pan  # (x, y)
    drift = rng.uniform(-1, 1) * camera.drift
    progress = (
        checked_times if camera.pan_speed == "even" else checked_times**2 * (3 - 2 * checked_times)
    )
    travelled = progress - 0.5  # −½ … ½
    shakes = [_waves(rng, checked_times) for _ in range(3)]  # (n,) each
    roll = np.deg2rad(camera.roll) * shakes[2]
    sides = np.array(crop_size(camera, height, width)[::-1], np.float64)  # width, height
    size = scale * (1 + drift * travelled)
    # Bounding box of the rotated crop at size 1: (2 n)
    box = np.abs(np.cos(roll)) * sides[:, None] + np.abs(np.sin(roll)) * sides[::-1, None]
    frame = np.array([width, height], np.float64)[:, None]
    # Half a pixel is kept free, so that the centers of the outermost pixels have neighbours.
    size = np.minimum(size, ((frame - 1) / box).min(0).clip(0.01))
    margin = np.maximum(frame - 1 - box * size, 0) / 2 / (1 + camera.parallax)  # (2 n)
    positions = [
        _fit(offset[i] * sides[i], (pan[i] * travelled + camera.shake * shakes[i]) * sides[i], m)
        for i, m in enumerate(margin)
    ]
    x, y, size, roll = (values[CHECKED_TIMES:] for values in (*positions, size, roll))
    return size * np.exp(1j * roll), x + 1j * y


def _waves(rng: np.random.Generator, times: Floats) -> Floats:
    """Draw a smooth random function of time that reaches −1 or 1: (n,) → (n,)."""
    cycles = np.arange(1, WAVES + 1)
    strength = rng.uniform(0.5, 1, WAVES) / np.sqrt(cycles)
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    waves = (np.sin(2 * np.pi * times[:, None] * cycles + phase) * strength).sum(1)
    normalised: Floats = waves / np.abs(waves[:CHECKED_TIMES]).max()
    return normalised


def _fit(offset: float, path: Floats, margin: Floats) -> Floats:
    """Return positions (n,), at most the margin (n,) away from the frame center."""
    checked, limit = path[:CHECKED_TIMES], margin[:CHECKED_TIMES]
    distance = np.abs(checked[:, None] - checked)
    pair_limit = limit[:, None] + limit
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(distance > pair_limit, pair_limit / distance, 1.0).min()
    low, high = (-limit - factor * checked).max(), (limit - factor * checked).min()
    middle = (low + high) / 2
    offset = middle if low > high else float(np.clip(offset, low, high))
    # Between the checked times the path may exceed the margin slightly.
    positions: Floats = np.clip(offset + factor * path, -margin, margin)
    return positions


def seed_of(seed: int, name: str) -> int:
    """Return a video's own seed from a common seed and the video's name."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8])


def record(
    frames: NDArray[np.uint8], times: Floats, camera: SimulatedCamera, seed: int
) -> NDArray[np.uint8]:
    """Record a video with a simulated camera.

    Args:
        frames: Frames (t h w 3), uint8, RGB.
        times: Times (t,) of the frames as fractions of the video, 0 … 1.
        camera: Simulated camera.
        seed: Seed of the camera's path.

    Returns:
        Frames (t h' w' 3), uint8, of the size of the crop at zoom 1.
    """
    if frames.dtype != np.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    t, height, width = check_shape(frames, "t h w 3", "frames").values()
    times = np.asarray(times, np.float64)
    if times.shape != (t,):
        raise ShapeError("not one time for each frame", where="times", got=str(times.shape))
    if not ((times >= 0) & (times <= 1)).all():
        raise OptionError("outside the video", where="times", expected="0 to 1")
    exposures = np.linspace(-0.5, 0.5, EXPOSURES) if camera.shutter else np.zeros(1)
    images = planes(frames).astype(np.float32, order="C")  # (t 3 h w)
    size = crop_size(camera, height, width)
    exposed = []
    for exposure in exposures * camera.shutter:
        path = camera_path(camera, seed, np.clip(times + exposure, 0, 1), height, width)
        exposed.append(warp(images, Similarity(*path), size, parallax=camera.parallax)[0])
    mean = sum(exposed[1:], start=exposed[0]) / len(exposed)
    levels = np.rint(mean, out=mean).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(channels_last(levels))


@dataclass(frozen=True)
class Recorded(Step):
    """A video is recorded with a simulated camera, at its own size, on the path of a seed."""

    camera: SimulatedCamera
    seed: int = 0

    @property
    def change(self) -> str:
        """Camera and seed."""
        return f"{self.camera!r} {self.seed}"

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        reading = source.read(samplers)
        recorded = [
            record(frames, reading.times(number), self.camera, self.seed)
            for number, frames in enumerate(reading)
        ]
        return reading.showing(recorded, transform)


def with_simulated_camera(videos: VideoList, name: str, seed: int = 0) -> VideoList:
    """Return the same videos, each recorded with a camera of ``CAMERAS`` on another path.

    The digest of the list, and so its episodes, stay the same.
    """
    camera = simulated_camera(name)
    return videos.processed(
        lambda video: Recorded(camera, seed_of(seed, video.id)), f"camera: {name}"
    )
