"""Conditions that people's clips are recorded in: dark, grainy, small, cut badly, and others.

Each has three degrees of severity. A condition changes the pictures of a video (``PICTURES``), or
which of its frames are shown when (``TIMELINES``), or needs the whole video: ``compressed`` encodes
it, and ``loose`` (see ``fewact.synthetic.processing``) puts other videos before and after it.

What is drawn at random depends on a seed and on the time of a frame alone: all frames of a video,
whichever a sampler chooses, are in the same condition.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.core.errors import OptionError, ShapeError, did_you_mean
from fewact.core.shapes import check_shape
from fewact.video.camera.measured import LUMA
from fewact.video.timeline import Floats, Ints, Timeline

Strengths = tuple[float, float, float]
Picture = Callable[[Tensor, Floats, float, int], Tensor]
"""Frames (t 3 h w) from 0 to 1, their times (t,) from 0 to 1, the strength and a seed → frames."""

BACKGROUND_BELOW = 24 / 255
"""Brightness below which a pixel of a depth video shows nothing."""


@dataclass(frozen=True)
class Condition:
    """Condition of a video.

    Args:
        name: Name, see ``CONDITIONS``.
        severity: Severity, 1 to 3.

    Raises:
        OptionError: The name is unknown, or the severity is not 1, 2 or 3.
    """

    name: str
    severity: int = 2

    def __post_init__(self) -> None:
        if self.name not in CONDITIONS:
            raise OptionError(
                "unknown condition",
                got=repr(self.name),
                expected=", ".join(CONDITIONS),
                hint=did_you_mean(self.name, CONDITIONS),
            )
        if self.severity not in (1, 2, 3):
            raise OptionError(
                "no such severity", where=self.name, got=str(self.severity), expected="1, 2 or 3"
            )

    def __str__(self) -> str:
        return f"{self.name}:{self.severity}"

    @property
    def strength(self) -> float:
        """Value of the condition at this severity, see ``CONDITIONS``."""
        return CONDITIONS[self.name][self.severity - 1]


def parse_condition(text: str) -> Condition:
    """Return the condition that a text names: ``dark:2``, or ``dark`` for the severity 2.

    Raises:
        OptionError: There is no such condition or severity.
    """
    name, colon, severity = text.partition(":")
    if colon and severity not in ("1", "2", "3"):
        raise OptionError("no such severity", where=name, got=severity, expected="1, 2 or 3")
    return Condition(name, int(severity or 2))


def picture(
    frames: NDArray[np.uint8], times: Floats, condition: Condition, seed: int
) -> NDArray[np.uint8]:
    """Return frames as they look in a condition of the pictures.

    Args:
        frames: Frames (t h w 3), uint8, RGB.
        times: Times (t,) of the frames as fractions of the video, 0 … 1.
        condition: A condition of ``PICTURES``.
        seed: Seed of the video.

    Returns:
        Frames (t h' w' 3), uint8, rounded to 8 bits as a camera does.

    Raises:
        ShapeError: The frames have another shape or type.
    """
    if frames.dtype != np.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    check_shape(frames, "t h w 3", "frames")
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    change, _ = PICTURES[condition.name]
    changed = change(images, times, condition.strength, seed).clamp(0, 1)
    rounded: NDArray[np.uint8] = (
        (255 * changed).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    )
    return rounded


def timeline(condition: Condition, seed: int, shown: Timeline) -> tuple[Timeline, Ints]:
    """Return the timeline of a video in a condition of the time, and the frames it shows.

    Args:
        condition: A condition of ``TIMELINES``.
        seed: Seed of the video.
        shown: Timeline of the video.

    Returns:
        The new timeline of m frames, and for each the index (m,) of the video's frame.
    """
    change, _ = TIMELINES[condition.name]
    return change(shown, condition.strength, np.random.default_rng(seed))


def compress(frames: NDArray[np.uint8], fps: float, strength: float) -> NDArray[np.uint8]:
    """Encode frames with H.264 at a low rate, and decode them.

    Args:
        frames: Frames (t h w 3), uint8, RGB; of odd sizes the last row or column is left out.
        fps: Frames per second; rounded.
        strength: Constant rate factor; 51 is the worst picture.

    Returns:
        Frames (t h' w' 3), uint8.
    """
    t, height, width = check_shape(frames, "t h w 3", "frames").values()
    if height < 2 or width < 2:
        return frames
    frames = frames[:, : height // 2 * 2, : width // 2 * 2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        # With the tree of macroblocks, small pictures are not encoded alike each time.
        options = {
            "crf": f"{strength:g}",
            "preset": "veryfast",
            "x264-params": "mbtree=0:threads=1",
        }
        stream = container.add_stream("libx264", max(1, round(fps)), options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as encoded:
        decoded = [image.to_ndarray(format="rgb24") for image in encoded.decode(video=0)]
    if len(decoded) != t:
        raise RuntimeError(f"{t} frames were encoded, {len(decoded)} decoded")
    return np.stack(decoded)


def _dark(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Little light: a gamma, a small gain, and noise that is as strong as the picture is dark."""
    exposed: Tensor = 0.5 ** (strength - 1) * images**strength
    return exposed + 0.005 * strength * _noise(images, times, seed)


def _low_contrast(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    return 0.5 + strength * (images - 0.5)


def _bright(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    return strength * images + 0.1 * (strength - 1)


def _flicker(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Light that goes up and down some times in the video, and a little at each frame."""
    rng = np.random.default_rng(seed)
    cycles, phase = rng.uniform(3, 12), rng.uniform(0, 2 * np.pi)
    gain = 1 + strength * np.sin(2 * np.pi * cycles * times + phase)  # (t,)
    offsets = [generator.uniform(-1, 1) for generator in _generators(times, seed)]
    gain = gain * (1 + strength / 3 * np.array(offsets))
    return images * torch.from_numpy(gain).to(images)[:, None, None, None]


def _blur(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    sigma = strength * images.shape[-2]
    reach = min(int(np.ceil(3 * sigma)), images.shape[-1] - 1, images.shape[-2] - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = (-0.5 * (offsets / sigma).square()).exp()
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    padded = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, kernel[:, :, None], groups=3)
    return functional.conv2d(rows, kernel[..., None], groups=3)


def _grain(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    return images + strength * _noise(images, times, seed)


def _small(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    height, width = images.shape[-2:]
    scale = min(1.0, strength / height)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    return functional.interpolate(images, size, mode="bilinear", antialias=True)


def _letterbox(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Black bars above and below, or at the sides, of the strength times the picture each."""
    height, width = images.shape[-2:]
    if np.random.default_rng(seed).random() < 0.5:
        bar = round(strength * height)
        return functional.pad(images, (0, 0, bar, bar))
    bar = round(strength * width)
    return functional.pad(images, (bar, bar, 0, 0))


def _cropped(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    height, width = images.shape[-2:]
    rows, columns = max(1, round(strength * height)), max(1, round(strength * width))
    top, first_column = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    return images[..., top : top + rows, first_column : first_column + columns]


def _flipped(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """1: left and right exchanged, 2: a quarter turn, 3: upside down."""
    if strength == 1:
        return images.flip(-1)
    return images.rot90(1 if strength == 2 else 2, (-2, -1))


def _grey(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Less color; beyond 1 none, in few steps of grey."""
    luma = (images * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    if strength > 1:
        return ((luma * strength).round() / strength).expand_as(images)
    return images + strength * (luma - images)


def _background(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Another background where a depth video shows nothing: smooth, fine, and fine and moving."""
    height, width = images.shape[-2:]
    rng = np.random.default_rng(seed)
    cells = 4 if strength == 1 else 16
    texture = torch.from_numpy(rng.uniform(0, 0.6, (1, 3, cells, 2 * cells))).to(images)
    wide = functional.interpolate(texture, (height, 2 * width), mode="bicubic").clamp(0, 1)
    speed = rng.uniform(0.3, 0.8) * width if strength == 3 else 0.0
    shifts = [int(speed * time) % width for time in times]
    behind = torch.cat([wide[..., s : s + width] for s in shifts])
    return torch.where(images.amax(1, keepdim=True) < BACKGROUND_BELOW, behind, images)


def _low_rate(shown: Timeline, strength: float, rng: np.random.Generator) -> tuple[Timeline, Ints]:
    """A picture only some times a second, at uneven distances: each is shown until the next."""
    count = max(1, round(strength * shown.end))
    at = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / strength
    positions = np.unique(np.append(shown.at(at), 0))
    indices = np.arange(shown.n)
    return shown, positions[np.searchsorted(positions, indices, side="right") - 1]


def _speed(shown: Timeline, strength: float, rng: np.random.Generator) -> tuple[Timeline, Ints]:
    """The action so many times as fast, at the same frames per second."""
    count = max(1, round(shown.n / strength))
    times = np.arange(count) / shown.fps
    return Timeline(times, count / shown.fps), shown.at(times * strength)


def _generators(times: Floats, seed: int) -> list[np.random.Generator]:
    """Return a generator for each frame, that depends on its time."""
    return [np.random.default_rng([seed, round(1e6 * float(time))]) for time in times]


def _noise(images: Tensor, times: Floats, seed: int) -> Tensor:
    """Return normal noise of the shape of the images."""
    noise = [
        generator.standard_normal(images.shape[1:], np.float32)
        for generator in _generators(times, seed)
    ]
    return torch.from_numpy(np.stack(noise)).to(images)


PICTURES: Mapping[str, tuple[Picture, Strengths]] = {
    "dark": (_dark, (1.8, 2.4, 3.0)),
    "low-contrast": (_low_contrast, (0.5, 0.3, 0.15)),
    "bright": (_bright, (1.5, 2.2, 3.2)),
    "flicker": (_flicker, (0.15, 0.3, 0.5)),
    "blur": (_blur, (0.01, 0.02, 0.04)),
    "grain": (_grain, (0.06, 0.12, 0.24)),
    "small": (_small, (160.0, 100.0, 64.0)),
    "letterbox": (_letterbox, (0.1, 0.2, 0.35)),
    "cropped": (_cropped, (0.85, 0.7, 0.55)),
    "flipped": (_flipped, (1.0, 2.0, 3.0)),
    "grey": (_grey, (0.5, 1.0, 7.0)),
    "background": (_background, (1.0, 2.0, 3.0)),
}
"""Conditions of the pictures, with the strengths of the severities 1 to 3."""

TIMELINES: Mapping[
    str,
    tuple[
        Callable[[Timeline, float, np.random.Generator], tuple[Timeline, Ints]],
        Strengths,
    ],
] = {
    "low-rate": (_low_rate, (10.0, 7.5, 5.0)),
    "fast": (_speed, (1.25, 1.5, 2.0)),
    "slow": (_speed, (0.8, 0.65, 0.5)),
}
"""Conditions of the time, with the strengths of the severities: pictures a second, or speed."""

CONDITIONS: Mapping[str, Strengths] = {
    **{name: strengths for name, (_, strengths) in PICTURES.items()},
    **{name: strengths for name, (_, strengths) in TIMELINES.items()},
    "compressed": (40.0, 45.0, 51.0),
    "loose": (0.5, 1 / 3, 0.2),
}
"""Strengths of all conditions: of ``compressed`` the constant rate factor of the encoder, of
``loose`` the fraction of the clip that the action fills."""
