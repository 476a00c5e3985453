"""Rendering of a scene: appearance of objects, background, camera path and noise."""

import colorsys
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fewact.core.random import NamedDraws
from fewact.synthetic.classes import Preset
from fewact.synthetic.scene import Scene, SceneObject

Image = NDArray[np.float32]
"""Image (h w 3) or (h w), 0 … 255."""

OUTLINES = ("disc", "square", "triangle", "diamond", "cross", "hexagon")
PATTERNS = ("half", "stripe", "dot")
BACKGROUNDS = ("plain", "slope", "cloudy", "speckled", "striped", "chequered")

Color = tuple[float, float, float]
"""Red, green, blue, 0 … 255."""


Appearance = tuple[str, str, tuple[Color, Color]]
"""Outline and pattern of an object, and the colors of both; all patterns show rotation."""


def draw_appearance(draws: NamedDraws) -> Appearance:
    """Draw the appearance of an object."""
    bright, dark = _color(draws, "bright", 1.0, 0.65, 1.0), _color(draws, "dark", 1.0, 0.1, 0.45)
    colors = (bright, dark) if draws.chance("inside out", 0.5) else (dark, bright)
    return draws.choice("outline", OUTLINES), draws.choice("pattern", PATTERNS), colors


def draw_background(draws: NamedDraws, side: int) -> Image:
    """Draw a background (side side 3): a texture between two colors of similar brightness."""
    level = draws.choice("level", (0.15, 0.4, 0.65))
    first = np.asarray(_color(draws, "first", 0.4, level, level + 0.2), dtype=np.float32)
    second = np.asarray(_color(draws, "second", 0.4, level, level + 0.2), dtype=np.float32)
    mixing = _TEXTURES[draws.choice("kind", BACKGROUNDS)](draws, side)
    mixed: Image = first + mixing[..., None] * (second - first)
    return mixed


def _color(
    draws: NamedDraws, name: str, strength: float, darkest: float, brightest: float
) -> Color:
    hue, saturation = draws.uniform(f"{name} hue"), strength * draws.uniform(f"{name} pure", 0.4)
    rgb = colorsys.hsv_to_rgb(hue, saturation, draws.uniform(f"{name} value", darkest, brightest))
    red, green, blue = (round(255 * part) for part in rgb)
    return float(red), float(green), float(blue)


def _plain(draws: NamedDraws, side: int) -> Image:
    return np.zeros((side, side), dtype=np.float32)


def _slope(draws: NamedDraws, side: int) -> Image:
    ramp = np.arange(side, dtype=np.float32) / side
    across, down = draws.uniform("across", -1, 1), draws.uniform("down", -1, 1)
    slope = across * ramp[None] + down * ramp[:, None]
    return np.asarray((slope - slope.min()) / (slope.max() - slope.min() + 1e-3))


def _noise(draws: NamedDraws, side: int, cells: int) -> Image:
    """Return random values on a grid of cells, bilinearly interpolated."""
    octets = draws.octets("grid", (cells + 1) ** 2)
    grid = octets.reshape(cells + 1, cells + 1).astype(np.float32) / 255
    position = np.arange(side, dtype=np.float32) * cells / side
    low = position.astype(np.int64)
    fraction = position - low.astype(np.float32)
    rows = grid[low] + fraction[:, None] * (grid[low + 1] - grid[low])
    return np.asarray(rows[:, low] + fraction * (rows[:, low + 1] - rows[:, low]))


def _wave(draws: NamedDraws, side: int, name: str) -> Image:
    """Return stripes with soft edges in a random direction."""
    ramp = np.arange(side, dtype=np.float32) / side
    times = draws.uniform(f"{name} times", 4, 10)
    across = draws.uniform(f"{name} across", -1, 1)
    position = times * (across * ramp[None] + (1 - abs(across)) * ramp[:, None])
    saw = np.abs(position - np.floor(position) - np.float32(0.5)) * 4 - 1
    return np.asarray(np.clip(saw * 3, -1, 1))


_TEXTURES: dict[str, Callable[[NamedDraws, int], Image]] = {
    "plain": _plain,
    "slope": _slope,
    "cloudy": lambda draws, side: _noise(draws, side, 4 + draws.below("cells", 4)),
    "speckled": lambda draws, side: _noise(draws, side, 14 + draws.below("cells", 12)),
    "striped": lambda draws, side: 0.5 + 0.5 * _wave(draws, side, "stripes"),
    "chequered": lambda draws, side: (
        0.5 + 0.5 * _wave(draws, side, "stripes") * _wave(draws, side, "others")
    ),
}


GRID = 64
"""Positions are rounded to 1/GRID pixel, so that the last bit of a sine changes no pixel."""

REACH = 1.2
"""Largest distance of an outline from its center, in radii."""


Camera = tuple[float, float, float]
"""Center of a frame to the right of the scene's center and below it, in frame sides; its zoom."""


def _pixels(camera: Camera, size: int, x: float, y: float) -> tuple[float, float]:
    """Return the pixel position of a scene position, for frames with this side."""
    right, below, zoom = camera
    return (
        _rounded(((x - 0.5 - right) * zoom + 0.5) * size),
        _rounded(((y - 0.5 - below) * zoom + 0.5) * size),
    )


def _rounded(value: float) -> float:
    return math.floor(value * GRID + 0.5) / GRID


def paint_background(image: Image, background: Image, camera: Camera) -> None:
    """Paint the visible part of a background (s s 3), centered on the scene, on a frame (h h 3)."""
    size, side = len(image), len(background)
    right, below, zoom = camera
    zoom = math.floor(zoom * 4096 + 0.5) / 4096
    steps = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) / np.float32(zoom)
    (rows, down), (columns, across) = (
        _between(steps + np.float32(side / 2 - 0.5 + _rounded(shift * size)), side)
        for shift in (below, right)
    )
    if not (down.any() or across.any()):
        image[:] = background[rows[:, None], columns]
        return
    strip = background[rows]
    strip += down[:, None, None] * (background[rows + 1] - strip)  # (h s 3)
    image[:] = strip[:, columns]
    image += across[:, None] * (strip[:, columns + 1] - image)


def _between(position: NDArray[np.float32], side: int) -> tuple[NDArray[np.int64], Image]:
    """Return the pixel before each position, and the fraction of the way to the next."""
    position = np.clip(position, 0, side - 1.001)
    before = np.floor(position)
    return before.astype(np.int64), position - before


def paint_object(
    image: Image,
    appearance: Appearance,
    at: tuple[float, float],
    radius: float,
    turns: float,
    alpha: float,
) -> None:
    """Paint an object.

    Args:
        image: Frame (h h 3), painted on.
        appearance: Appearance of the object.
        at: Center, in pixels from the left and the top.
        radius: Radius, in pixels.
        turns: Clockwise rotation, in turns.
        alpha: Opacity, 0 … 1.
    """
    x, y = at
    radius = max(_rounded(radius), 1.0)
    alpha = math.floor(alpha * 4096 + 0.5) / 4096
    box = [max(math.floor(middle - REACH * radius - 1), 0) for middle in (y, x)]
    end = [max(math.ceil(middle + REACH * radius + 1), 0) for middle in (y, x)]
    part = image[box[0] : end[0], box[1] : end[1]]
    if alpha == 0 or not part.size:
        return
    cos, sin = (
        math.floor(ratio(math.tau * turns) * 4096 + 0.5) / 4096 / radius
        for ratio in (math.cos, math.sin)
    )
    down = (np.arange(box[0], box[0] + part.shape[0], dtype=np.float32) + np.float32(0.5 - y))[
        :, None
    ]
    over = np.arange(box[1], box[1] + part.shape[1], dtype=np.float32) + np.float32(0.5 - x)
    along, across = over * cos + down * sin, down * cos - over * sin  # (h w), in radii
    outline, pattern, colors = appearance
    cover = _inside(_OUTLINES[outline](along, across), radius)
    patterned = _inside(_PATTERNS[pattern](along, across), radius)[..., None]
    first, second = (np.asarray(color, dtype=np.float32) for color in colors)
    part += (cover * alpha)[..., None] * (first + patterned * (second - first) - part)


def paint_occluder(
    image: Image,
    colors: tuple[Color, Color],
    at: tuple[float, float],
    half: tuple[float, float],
) -> None:
    """Paint an occluder with vertical stripes on a frame (h h 3).

    Its center and half of its width and height are pixels from the left and the top.
    """
    size = len(image)
    (over, wide), (down, high) = (
        (np.arange(size, dtype=np.float32) + np.float32(0.5 - middle), _rounded(length))
        for middle, length in zip(at, half, strict=True)
    )
    cover = _inside(np.abs(over) - wide, 1.0) * _inside(np.abs(down) - high, 1.0)[:, None]
    position = over * (2 / wide)
    stripes = _inside(np.abs(position - np.floor(position) - 0.5) - 0.25, wide / 2)[:, None]
    first, second = (np.asarray(color, dtype=np.float32) for color in colors)
    image += cover[..., None] * (first + stripes * (second - first) - image)


def add_noise(image: Image, octets: NDArray[np.uint8], strength: float) -> None:
    """Add grey noise of random bytes (h²,) to a frame (h h 3), with this amplitude."""
    noise = (octets & 15).astype(np.float32) + (octets >> 4) - np.float32(15)
    image += (noise * np.float32(strength / 15)).reshape(*image.shape[:2], 1)


def _inside(distance: Image, scale: float) -> Image:
    """Return the coverage of each pixel from the signed distance of its center."""
    coverage: Image = np.clip(np.float32(0.5) - distance * np.float32(scale), 0, 1)
    return coverage


def _cross(x: Image, y: Image) -> Image:
    x, y = np.abs(x), np.abs(y)
    bar = np.maximum(x - np.float32(1.1), y - np.float32(0.4))
    post = np.maximum(y - np.float32(1.1), x - np.float32(0.4))
    return np.asarray(np.minimum(bar, post))


_OUTLINES: dict[str, Callable[[Image, Image], Image]] = {
    "disc": lambda x, y: np.sqrt(x * x + y * y) - 1,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) - np.float32(0.84),
    "triangle": lambda x, y: np.maximum(
        y - np.float32(0.6),
        np.float32(0.8660254) * np.abs(x) - np.float32(0.5) * y - np.float32(0.6),
    ),
    "diamond": lambda x, y: (np.abs(x) + np.abs(y) - np.float32(1.2)) * np.float32(0.7071068),
    "cross": _cross,
    "hexagon": lambda x, y: (
        np.maximum(np.abs(x), np.float32(0.5) * np.abs(x) + np.float32(0.8660254) * np.abs(y))
        - np.float32(0.95)
    ),
}
"""Signed distance to an outline of radius about 1; negative inside."""

_PATTERNS: dict[str, Callable[[Image, Image], Image]] = {
    "half": lambda x, y: x,
    "stripe": lambda x, y: np.maximum(np.abs(y) - np.float32(0.3), x - np.float32(0.5)),
    "dot": lambda x, y: (
        np.sqrt((x - np.float32(0.45)) * (x - np.float32(0.45)) + y * y) - np.float32(0.4)
    ),
}
"""Signed distance to the pattern on an object; negative inside."""


SCENERY = 1.5
"""Side of the background, in frame sides."""

NOISE_RANGE = (2.0, 10.0)
"""Range of the noise amplitude, of 255."""


def paint_frames(
    positions: Sequence[int],
    scene: Scene,
    preset: Preset,
    size: int,
    draws: NamedDraws,
    *,
    common: NamedDraws,
) -> NDArray[np.uint8]:
    """Paint frames of a video.

    Args:
        positions: Positions (t) of the frames.
        scene: State of all objects.
        preset: Preset with the camera motion and the bias.
        size: Side of a frame, in pixels.
        draws: Draws of the video.
        common: Draws shared by all videos of the class.

    Returns:
        Frames (t size size 3), uint8, RGB.
    """
    biased = draws.chance("biased", preset.bias)
    appearances = {
        item.name: draw_appearance((common if biased and item.acts else draws).of(item.name))
        for item in (scene.hidden, *scene.objects)
    }
    side = math.ceil(SCENERY * size / 2) * 2
    background = draw_background((common if biased else draws).of("background"), side)
    stripes = _color(draws, "wall", 0.5, 0.3, 0.6), _color(draws, "stripes", 0.5, 0.4, 0.7)
    noise = draws.uniform("noise", *NOISE_RANGE)
    image = np.empty((size, size, 3), dtype=np.float32)

    def paint(item: SceneObject, frame: int, camera: Camera) -> None:
        paint_object(
            image,
            appearances[item.name],
            at=_pixels(camera, size, float(item.x[frame]), float(item.y[frame])),
            radius=float(item.radius[frame]) * camera[-1] * size,
            turns=float(item.angle[frame]),
            alpha=float(item.alpha[frame]),
        )

    painted = np.empty((len(positions), size, size, 3), dtype=np.uint8)
    for row, frame in enumerate(positions):
        camera = _camera(draws.of("camera"), preset, frame / (len(scene.hidden.x) - 1) - 0.5, frame)
        paint_background(image, background, camera)
        paint(scene.hidden, frame, camera)
        occluder, scale = scene.occluder, camera[-1] * size
        at = _pixels(camera, size, occluder.x, occluder.y)
        paint_occluder(image, stripes, at, (scale * occluder.width, scale * occluder.height))
        for item in scene.objects:
            paint(item, frame, camera)
        add_noise(image, draws.octets(f"noise {frame}", size**2), noise)
        painted[row] = image.clip(0, 255) + np.float32(0.5)
    return painted


BAR_WIDTH = 0.45
"""Half of the width of an object in noise, in halves of its length: a bar shows its rotation."""


def noise_frames(
    positions: Sequence[int], scene: Scene, preset: Preset, size: int, draws: NamedDraws
) -> NDArray[np.uint8]:
    """Return frames (t size size 3) of noise, in which only changes in time show the objects.

    A cell in an object gets a new random value in each frame, the others keep theirs.
    So the cells of a frame are independent, and black or white with probability ½, whatever the
    objects do: a new value and a kept value are independent of the other cells.
    """
    grid = math.ceil(size / preset.cell)
    centers = (np.arange(grid) + 0.5) * preset.cell / size
    cells = np.empty((max(positions) + 1, grid, grid), dtype=np.uint8)
    for frame in range(len(cells)):
        octets = draws.octets(f"cells {frame}", grid**2).reshape(grid, grid)
        previous = octets & 1 if not frame else cells[frame - 1]
        opacity = _opacity(scene, preset, frame, centers)
        cells[frame] = np.where(octets >> 1 < 128 * opacity, octets & 1, previous)
    requested = cells[list(positions)]  # (t g g)
    pixels = requested.repeat(preset.cell, 1).repeat(preset.cell, 2)[:, :size, :size]
    return np.repeat(pixels[..., None] * np.uint8(255), 3, -1)


def _opacity(
    scene: Scene, preset: Preset, frame: int, centers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the opacity of the objects that the class moves in each cell (g g), 0 … 1."""
    opacity = np.zeros((len(centers), len(centers)))
    behind = scene.occluder
    occluded = (np.abs(centers - behind.x) < behind.width) & (
        np.abs(centers - behind.y) < behind.height
    )[:, None]
    for item in (scene.hidden, *scene.objects):
        if not item.acts or not _moves(item, frame):
            continue
        x, y, radius = (
            math.floor(float(track[frame]) * 4096 + 0.5) / 4096
            for track in (item.x, item.y, item.radius)
        )
        across, down = centers - x, (centers - y)[:, None]
        cos, sin = (
            math.floor(ratio(math.tau * item.angle[frame]) * 4096 + 0.5) / 4096
            for ratio in (math.cos, math.sin)
        )
        length = preset.scale * radius
        inside = (np.abs(across * cos + down * sin) < length) & (
            np.abs(down * cos - across * sin) < BAR_WIDTH * length
        )
        if item is scene.hidden:
            inside &= ~occluded
        opacity = np.maximum(opacity, inside * item.alpha[frame])
    return opacity


def _moves(item: SceneObject, frame: int) -> bool:
    """Return whether an object differs from what it was in the frame before."""
    tracks = (item.x, item.y, item.radius, item.angle, item.alpha)
    return frame > 0 and any(track[frame] != track[frame - 1] for track in tracks)


def _camera(draws: NamedDraws, preset: Preset, progress: float, frame: int) -> Camera:
    """Return the camera at a frame; its path is centered on the middle of the video."""
    angle = math.tau * draws.uniform("direction")
    pan = progress * draws.uniform("pan", *preset.pan)
    shake = draws.uniform("shake", *preset.shake)
    x, y = (
        sum(draws.uniform(f"{axis} {near}", -shake, shake) for near in (frame, frame + 1)) / 2
        for axis in ("x", "y")
    )
    doublings = progress * draws.uniform("zoom", *preset.zoom)
    return x + pan * math.cos(angle), y + pan * math.sin(angle), 2.0**doublings
