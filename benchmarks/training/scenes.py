"""Scenes of rendered videos: rooms, what wanders in them, cameras, and how they are recorded."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.training.figures import SUPERSAMPLING, Floats, draw_background
from fewact.video.samplers import RGBImage

SIZE, FRAMES = 112, 24
"""Height and width of a frame in pixels, and number of frames."""

SIDE = SUPERSAMPLING * SIZE

Fill = tuple[int, ...]
Paint = Callable[[ImageDraw.ImageDraw, int, Floats], Floats]
"""Draws what moves in a frame, of a number, shifted by (2); returns how far it has moved (2). Both
are fractions of the frame."""


def composed(
    rng: np.random.Generator,
    paint: Paint,
    path: Floats,
    *,
    depth: bool = False,
    textured: float = 0.6,
) -> RGBImage:
    """Return frames (t h w 3) of what moves before a background, as they are recorded.

    Args:
        rng: Source of random numbers.
        paint: Painter of what moves.
        path: Offsets (t 2) of the frames, as fractions of the frame.
        depth: Whether brightness is depth.
        textured: Probability that what moves has a texture.
    """
    room = _room(rng, depth=depth)
    margin = (room.width - SIDE) // 2
    texture = None
    if not depth and rng.random() < textured:
        texture = _texture(rng) * rng.uniform(20, 90)
    things = _wandering(rng)
    record, frames = _recorder(rng), []
    for i, offset in enumerate(path):
        shift = np.clip(offset, -0.15, 0.15)
        left, top = (margin - shift * SIDE).round().astype(int)
        image = room.crop((left, top, left + SIDE, top + SIDE))
        draw = ImageDraw.Draw(image)
        for places, radii, fill in things:
            centre = (places[i] + shift) * SIDE
            draw.ellipse((*(centre - radii * SIDE), *(centre + radii * SIDE)), fill=fill)
        before = np.asarray(image).copy()
        moved = paint(draw, i, shift)
        if texture is not None:
            after = np.asarray(image)
            x, y = (np.asarray(moved) * SIDE).round().astype(int)
            worn = (after + np.roll(texture, (y, x), (0, 1))[..., None]).clip(0, 255)
            changed = (after != before).any(2)[..., None]
            image = Image.fromarray(np.where(changed, worn, after).astype(np.uint8))
        frames.append(record(image.reduce(SUPERSAMPLING)))
    return np.stack(frames)


def camera_path(rng: np.random.Generator, *, drift: float = 0.004) -> Floats:
    """Return offsets (t 2) of the frames of a camera that shakes, pans or drifts."""
    path = np.zeros((FRAMES, 2))
    if rng.random() < 0.5:
        path += rng.normal(0, rng.uniform(0, 0.008), (FRAMES, 2))
    if rng.random() < 0.3:
        path += np.linspace(-0.5, 0.5, FRAMES)[:, None] * rng.normal(0, 0.06, 2)
    if rng.random() < 0.2:
        path += np.cumsum(rng.normal(0, drift, (FRAMES, 2)), 0)
    return path


def change(at: Floats, form: str, times: float = 1) -> Floats:
    """Return how far a change has come (t) at times (t) from 0 to 1.

    Args:
        at: Times.
        form: Form of the change: ``there``, ``from``, ``back`` (there and back), or ``cycles``.
        times: Number of cycles.
    """
    if form in ("there", "from"):
        smooth = at * at * (3 - 2 * at)
        return np.asarray(smooth if form == "there" else 1 - smooth)
    turns = times if form == "cycles" else 1
    return np.asarray((1 - np.cos(2 * np.pi * turns * at)) / 2)


def eased(keys: Floats, at: Floats, times: Floats, hold: float) -> Floats:
    """Return values (t d) at times (t) between key values (k d), which are reached smoothly.

    Args:
        keys: Key values.
        at: Times of the values.
        times: Times (k) of the key values.
        hold: Fraction of the time between two key values in which nothing changes.
    """
    x = np.interp(at, times, np.arange(len(keys)))
    k = np.floor(x).clip(0, len(keys) - 2).astype(int)
    part = np.clip((x - k - hold / 2) / (1 - hold), 0, 1)
    part = (part * part * (3 - 2 * part))[:, None]
    return np.asarray(keys[k] * (1 - part) + keys[k + 1] * part)


def key_times(lengths: Floats, start: float, end: float) -> Floats:
    """Return times (k + 1) from start to end whose distances are as lengths (k)."""
    return np.asarray(start + (end - start) * np.append(0, np.cumsum(lengths)) / lengths.sum())


def _room(rng: np.random.Generator, *, depth: bool) -> Image.Image:
    """Return a background, wider than a frame, with things in every second room."""
    room = draw_background(rng, SIDE + 2 * (SIDE // 6), depth=depth)
    if not depth and rng.random() < 0.5:
        draw = ImageDraw.Draw(room)
        for _ in range(int(rng.integers(3, 12))):
            x, y = rng.uniform(0, room.width, 2)
            w, h = rng.uniform(0.02, 0.3, 2) * SIDE
            fill = tuple(rng.integers(0, 256, 3).tolist())
            draw.rectangle((x, y, x + w, y + h), fill=fill)
    return room


def _texture(rng: np.random.Generator) -> Floats:
    """Return a texture (h w) between −1 and 1."""
    texture = np.zeros((SIDE, SIDE), np.float32)
    for cells in (4, 10, 24):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
        grown = np.asarray(noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
        texture += (grown / 127.5 - 1) * rng.uniform(0, 1)
    return np.asarray(texture / max(np.abs(texture).max(), 1e-3))


def _wandering(rng: np.random.Generator) -> list[tuple[Floats, Floats, Fill]]:
    """Return small things that move on their own: places (t 2), radii (2) and colours."""
    things: list[tuple[Floats, Floats, Fill]] = []
    for _ in range(0 if rng.random() > 0.25 else int(rng.integers(1, 3))):
        knots = rng.uniform(-0.15, 1.15, 2) + np.cumsum(rng.normal(0, 0.12, (5, 2)), 0)
        at = np.linspace(0, 4, FRAMES)
        places = np.stack([np.interp(at, np.arange(5), knot) for knot in knots.T], 1)
        radii = rng.uniform(0.02, 0.08, 2)
        things.append((places, radii, tuple(rng.integers(0, 256, 3).tolist())))
    return things


def _recorder(rng: np.random.Generator) -> Callable[[Image.Image], RGBImage]:
    """Return how frames are recorded: light, noise, flicker, and a codec's blocks."""
    form = rng.choice(4, p=(0.35, 0.2, 0.25, 0.2))
    gain, grain, quality = 1.0, 0.0, 0
    if form == 1:
        gain, grain = rng.uniform(0.08, 0.4), rng.uniform(1, 6)
    if form == 2:
        grain = rng.uniform(3, 18)
    if form == 3:
        quality = int(rng.integers(15, 60))
    if rng.random() < 0.2:
        quality = int(rng.integers(25, 70))
    flicker = rng.uniform(0, 0.05) if rng.random() < 0.2 else 0.0

    def record(image: Image.Image) -> RGBImage:
        values = np.asarray(image, np.float32) * gain * (1 + flicker * rng.normal())
        if grain:
            values = values + rng.normal(0, grain, values.shape[:2])[..., None]
        pixels = values.clip(0, 255).astype(np.uint8)
        if quality:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)
            pixels = np.asarray(Image.open(file))
        return pixels

    return record
