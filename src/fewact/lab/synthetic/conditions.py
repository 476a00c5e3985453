"""Conditions that people's clips are recorded in: dark, grainy, small, cut badly, and others.

Each has three degrees of severity. A condition changes single frames (``PICTURES``), changes which
frames are shown when (``TIMELINES``), or needs the full video: ``compressed`` encodes it, and
``loose`` puts other videos before and after it.

Random draws depend on a seed and on the time of a frame alone, so a condition does not depend on
the frames that a sampler chooses.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.core.array_api import check_shape
from fewact.core.errors import OptionError, ShapeError, did_you_mean
from fewact.data.videos import Video, VideoList
from fewact.lab.synthetic.simulated_cameras import seed_of
from fewact.video.cleaning.light import LUMA_WEIGHTS
from fewact.video.resizing import resized
from fewact.video.samplers import EveryNth, Floats, Ints, RGBImage, Sampler, Timeline
from fewact.video.source import Reading, Step, Transform, VideoSource

Strengths = tuple[float, float, float]
Picture = Callable[[Tensor, Floats, float, int], Tensor]
"""Frames (t 3 h w) from 0 to 1, their times (t,) from 0 to 1, the strength and a seed → frames."""

BACKGROUND_BELOW = 24 / 255
"""Brightness below which a pixel of a depth video shows nothing."""


@dataclass(frozen=True)
class Condition:
    """Condition of a video: a name of ``CONDITIONS``, and a severity from 1 to 3."""

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
    """Return the condition that a text names: ``dark:2``, or ``dark`` for the severity 2."""
    name, colon, severity = text.partition(":")
    if colon and severity not in ("1", "2", "3"):
        raise OptionError("no such severity", where=name, got=severity, expected="1, 2 or 3")
    return Condition(name, int(severity or 2))


def picture(
    frames: NDArray[np.uint8], times: Floats, condition: Condition, seed: int
) -> NDArray[np.uint8]:
    """Return frames (t h w 3) in a condition of ``PICTURES``: (t h' w' 3), uint8.

    The times (t,) are fractions of the video, 0 … 1. Frames are rounded to 8 bits as a camera does.
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
    """Return the timeline of a video in a condition of ``TIMELINES``, and the frames it shows.

    The new timeline has m frames, each with the index (m,) of the video's frame.
    """
    change, _ = TIMELINES[condition.name]
    return change(shown, condition.strength, np.random.default_rng(seed))


def compress(frames: NDArray[np.uint8], fps: float, strength: float) -> NDArray[np.uint8]:
    """Encode frames with H.264 at a low rate, and decode them.

    Args:
        frames: Frames (t h w 3), uint8, RGB; an odd last row or column is left out.
        fps: Frames per second; rounded.
        strength: Constant rate factor; 51 is the lowest quality.

    Returns:
        Frames (t h' w' 3), uint8.
    """
    t, height, width = check_shape(frames, "t h w 3", "frames").values()
    if height < 2 or width < 2:
        return frames
    frames = frames[:, : height // 2 * 2, : width // 2 * 2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        # With the tree of macroblocks, small frames are not encoded alike each time.
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
    """Little light: a gamma, a small gain, and noise that grows with the strength."""
    exposed: Tensor = 0.5 ** (strength - 1) * images**strength
    return exposed + 0.005 * strength * _noise(images, times, seed)


def _low_contrast(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    return 0.5 + strength * (images - 0.5)


def _bright(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    return strength * images + 0.1 * (strength - 1)


def _flicker(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Brightness that oscillates 3 to 12 times in the video, with a small change at each frame."""
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
    """Black bars above and below, or left and right; each is this fraction of the frame."""
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
    """Less colour; a strength above 1 is the number of steps of grey from black to white."""
    luma = (images * images.new_tensor(LUMA_WEIGHTS)[:, None, None]).sum(1, keepdim=True)
    if strength > 1:
        return ((luma * strength).round() / strength).expand_as(images)
    return images + strength * (luma - images)


def _background(images: Tensor, times: Floats, strength: float, seed: int) -> Tensor:
    """Background where a depth video shows nothing; 1: smooth, 2: fine, 3: fine and moving."""
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
    """Few frames per second, unevenly spaced; each is shown until the next."""
    count = max(1, round(strength * shown.end))
    at = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / strength
    positions = np.unique(np.append(shown.at(at), 0))
    indices = np.arange(shown.n)
    return shown, positions[np.searchsorted(positions, indices, side="right") - 1]


def _speed(shown: Timeline, strength: float, rng: np.random.Generator) -> tuple[Timeline, Ints]:
    """The action at this multiple of its speed, at the same frames per second."""
    count = max(1, round(shown.n / strength))
    times = np.arange(count) / shown.fps
    return Timeline(times, count / shown.fps), shown.at(times * strength)


def _generators(times: Floats, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, round(1e6 * float(time))]) for time in times]


def _noise(images: Tensor, times: Floats, seed: int) -> Tensor:
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
"""Conditions of single frames, with the strengths of the severities 1 to 3."""

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
"""Conditions of the time, with the strengths of the severities: frames per second, or speed."""

CONDITIONS: Mapping[str, Strengths] = {
    **{name: strengths for name, (_, strengths) in PICTURES.items()},
    **{name: strengths for name, (_, strengths) in TIMELINES.items()},
    "compressed": (40.0, 45.0, 51.0),
    "loose": (0.5, 1 / 3, 0.2),
}
"""Strengths of all conditions. ``compressed``: constant rate factor of the encoder; ``loose``:
fraction of the clip that the action fills."""


MAX_COMPRESSED = 400
"""Most frames of a video that are encoded."""


@dataclass(frozen=True)
class InCondition(Step):
    """A video is shown in a condition, at its own size.

    ``loose`` shows the ``others`` before and after the action; without any, the video itself.
    """

    condition: Condition
    seed: int = 0
    others: tuple[VideoSource, ...] = ()

    @property
    def change(self) -> str:
        """Condition and seed."""
        return f"{self.condition} {self.seed}"

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        name = self.condition.name
        if name in TIMELINES:
            return self._retimed(source, samplers, transform)
        if name in PICTURES:
            reading = source.read(samplers)
            pictures = [
                picture(frames, reading.times(number), self.condition, self.seed)
                for number, frames in enumerate(reading)
            ]
            return reading.showing(pictures, transform)
        if name == "compressed":
            return self._compressed(source, samplers, transform)
        return self._loose(source, samplers, transform)

    def _retimed(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        def of_source(sampler: Sampler) -> Sampler:
            def choose(shown: Timeline) -> Ints:
                changed, frames = timeline(self.condition, self.seed, shown)
                return frames[sampler(changed)]

            return choose

        reading = source.read(list(map(of_source, samplers)), transform=transform)
        changed, _ = timeline(self.condition, self.seed, reading.timeline)
        return replace(reading, chosen=[sampler(changed) for sampler in samplers], timeline=changed)

    def _compressed(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        reading = source.read([_spread])
        shown, frames = reading.timeline, reading.frames[0]
        frames = compress(frames, len(frames) / shown.end, self.condition.strength)
        if shown.n > len(frames):
            shown = Timeline(shown.times[reading.chosen[0]], shown.end)
        chosen = [sampler(shown) for sampler in samplers]
        reading = replace(reading, chosen=chosen, timeline=shown)
        return reading.showing([frames[indices] for indices in chosen], transform)

    def _loose(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Show the action between parts of two other videos."""
        before, after = self.others or (source, source)
        videos = (before, source, after)
        timelines = [video.read([EveryNth(1, 1)]).timeline for video in videos]
        action = timelines[1]
        padding = action.n * (1 / self.condition.strength - 1)
        early = round(padding * np.random.default_rng(self.seed).uniform(0.3, 0.7))
        counts = [early, action.n, round(padding) - early]
        joined = Timeline(np.arange(sum(counts)) / action.fps, sum(counts) / action.fps)
        # The other videos are shown from their first frame on, again and again.
        part = np.repeat(np.arange(3), counts)
        frame = np.concatenate(
            [np.arange(n) % shown.n for n, shown in zip(counts, timelines, strict=True)]
        )
        chosen = [sampler(joined) for sampler in samplers]
        needed = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
        images: dict[int, RGBImage] = {}
        size: tuple[int, int] | None = None
        for number in (1, 0, 2):
            positions = needed[part[needed] == number]
            # If no frame of the action is chosen, one is read for its size.
            shown = frame[positions] if len(positions) or number != 1 else np.zeros(1, np.int64)
            if len(shown):
                (frames,) = videos[number].read([_exactly(shown)])
                size = size or frames.shape[1:3]
                frames = frames if frames.shape[1:3] == size else resized(frames, size)
                images |= zip(positions.tolist(), frames, strict=False)
        sets = [np.stack([images[int(i)] for i in indices]) for indices in chosen]
        return Reading(sets, chosen, joined, (1, 1)).showing(sets, transform)


def _exactly(positions: Ints) -> Sampler:
    return lambda timeline: positions


def _spread(timeline: Timeline) -> Ints:
    """Choose all frames, or ``MAX_COMPRESSED`` that are evenly spread."""
    count = min(MAX_COMPRESSED, timeline.n)
    return np.arange(count) * timeline.n // count


def with_condition(
    videos: VideoList, condition: str, seed: int = 0, *, others: VideoList | None = None
) -> VideoList:
    """Return the same videos, each in a condition.

    ``loose`` shows videos of other classes before and after each video. They are of the video's
    group where possible, so that no person or recording of the queries gets into the support. A
    clip may then show several classes of an episode.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
        condition: Name and severity, see ``parse_condition``.
        seed: Seed of random draws.
        others: Videos that ``loose`` shows before and after; None for the videos of the list.
    """
    parsed = parse_condition(condition)

    def step(video: Video) -> InCondition:
        own = seed_of(seed, video.id)
        shown = _others(others or videos, video, own) if parsed.name == "loose" else ()
        return InCondition(parsed, own, shown)

    return videos.processed(step, f"condition: {parsed}")


def _others(videos: VideoList, video: Video, seed: int) -> tuple[VideoSource, ...]:
    """Draw two videos of other classes; none if there are none."""
    different = [
        candidate
        for candidate in videos.videos
        if candidate.source and candidate.label != video.label
    ]
    near = [candidate for candidate in different if candidate.group == video.group] or different
    rng = np.random.default_rng(seed)
    drawn = [near[rng.integers(len(near))].source for _ in range(2)] if near else []
    return tuple(source for source in drawn if source is not None)
