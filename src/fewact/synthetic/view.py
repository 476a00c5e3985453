"""View of a scene: camera path, appearance of objects, background and noise."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.core.random import NamedDraws
from fewact.synthetic.appearance import (
    Appearance,
    Color,
    Image,
    draw_appearance,
    draw_background,
    draw_occluder_colors,
)
from fewact.synthetic.pair import SceneObject
from fewact.synthetic.presets import Preset
from fewact.synthetic.raster import (
    Camera,
    add_noise,
    paint_background,
    paint_object,
    paint_occluder,
)
from fewact.synthetic.scene import Scene

SCENERY = 1.5
"""Side of the background, in frame sides."""

NOISE = (2.0, 10.0)
"""Range of the noise amplitude, of 255."""


@dataclass(frozen=True)
class View:
    """Parameters to paint any frame of a video.

    Args:
        draws: Draws of the video.
        scene: State of all objects.
        preset: Preset with the camera motion.
        frames: Number of frames of the video.
        size: Side of a frame, in pixels.
        background: Background image (s s 3).
        appearances: Appearance of each object, by the object's name.
        occluder_colors: Colors of the occluder.
    """

    draws: NamedDraws
    scene: Scene
    preset: Preset
    frames: int
    size: int
    background: Image
    appearances: dict[str, Appearance]
    occluder_colors: tuple[Color, Color]

    def paint(self, positions: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Paint frames (h h 3), RGB."""
        image = np.empty((self.size, self.size, 3), dtype=np.float32)
        noise = self.draws.uniform("noise", *NOISE)
        for frame in positions:
            camera = self._camera(frame)
            paint_background(image, self.background, camera)
            self._paint(image, self.scene.hidden, frame, camera)
            occluder, scale = self.scene.occluder, camera.zoom * self.size
            at = camera.pixels(self.size, occluder.x, occluder.y)
            half = scale * occluder.width, scale * occluder.height
            paint_occluder(image, self.occluder_colors, at, half)
            for item in self.scene.objects:
                self._paint(image, item, frame, camera)
            add_noise(image, self.draws.octets(f"noise {frame}", self.size**2), noise)
            yield (image.clip(0, 255) + np.float32(0.5)).astype(np.uint8)

    def _paint(self, image: Image, item: SceneObject, frame: int, camera: Camera) -> None:
        paint_object(
            image,
            self.appearances[item.name],
            at=camera.pixels(self.size, float(item.x[frame]), float(item.y[frame])),
            radius=float(item.radius[frame]) * camera.zoom * self.size,
            turns=float(item.angle[frame]),
            alpha=float(item.alpha[frame]),
        )

    def _camera(self, frame: int) -> Camera:
        """Return the camera at a frame; its path is centered on the middle of the video."""
        draws = self.draws.of("camera")
        progress = frame / (self.frames - 1) - 0.5
        angle = math.tau * draws.uniform("direction")
        pan = progress * draws.uniform("pan", *self.preset.pan)
        shake = draws.uniform("shake", *self.preset.shake)
        x, y = (
            sum(draws.uniform(f"{axis} {near}", -shake, shake) for near in (frame, frame + 1)) / 2
            for axis in ("x", "y")
        )
        doublings = progress * draws.uniform("zoom", *self.preset.zoom)
        return Camera(x + pan * math.cos(angle), y + pan * math.sin(angle), 2.0**doublings)


def draw_view(
    draws: NamedDraws, common: NamedDraws, scene: Scene, preset: Preset, frames: int, size: int
) -> View:
    """Draw the view of a video.

    Args:
        draws: Draws of the video.
        common: Draws shared by all videos of the class.
        scene: State of all objects.
        preset: Preset with the camera motion and the bias.
        frames: Number of frames of the video.
        size: Side of a frame, in pixels.
    """
    biased = draws.chance("biased", preset.bias)
    objects = (scene.hidden, *scene.objects)
    appearances = {
        item.name: draw_appearance((common if biased and item.acts else draws).of(item.name))
        for item in objects
    }
    side = math.ceil(SCENERY * size / 2) * 2
    backdrop = draw_background((common if biased else draws).of("background"), side)
    return View(
        draws, scene, preset, frames, size, backdrop, appearances, draw_occluder_colors(draws)
    )
