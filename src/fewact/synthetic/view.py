"""How a video is filmed: the camera's way, what things look like, and the noise."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.random import NamedDraws
from fewact.synthetic.looks import (
    Colour,
    Look,
    Picture,
    draw_background,
    draw_look,
    draw_wall,
)
from fewact.synthetic.pair import Thing
from fewact.synthetic.presets import Preset
from fewact.synthetic.raster import (
    Camera,
    add_noise,
    paint_background,
    paint_thing,
    paint_wall,
)
from fewact.synthetic.scene import Scene

SCENERY = 1.5
"""Side of the background, in picture sides."""

NOISE = (2.0, 10.0)
"""Largest value of a video's noise, of 255."""


@dataclass(frozen=True)
class View:
    """What is needed to paint any frame of a video.

    Args:
        draws: For this video.
        scene: Where everything is.
        preset: How the camera moves.
        frames: How many the video has.
        size: Side of a frame, in pixels.
        background: (s s 3).
        looks: By name of thing.
        wall: Colours of the occluder.
    """

    draws: NamedDraws
    scene: Scene
    preset: Preset
    frames: int
    size: int
    background: Picture
    looks: dict[str, Look]
    wall: tuple[Colour, Colour]

    def paint(self, wanted: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Paint some frames (h h 3), RGB."""
        picture = np.empty((self.size, self.size, 3), dtype=np.float32)
        noise = self.draws.uniform("noise", *NOISE)
        for frame in wanted:
            camera = self._camera(frame)
            paint_background(picture, self.background, camera)
            self._paint(picture, self.scene.guest, frame, camera)
            wall, scale = self.scene.occluder, camera.zoom * self.size
            at, half = camera.pixels(self.size, wall.x, wall.y), (wall.width, wall.height)
            paint_wall(picture, self.wall, at, (scale * half[0], scale * half[1]))
            for thing in self.scene.things:
                self._paint(picture, thing, frame, camera)
            add_noise(picture, self.draws.octets(f"noise {frame}", self.size**2), noise)
            yield (picture.clip(0, 255) + np.float32(0.5)).astype(np.uint8)

    def _paint(self, picture: Picture, thing: Thing, frame: int, camera: Camera) -> None:
        paint_thing(
            picture,
            self.looks[thing.name],
            at=camera.pixels(self.size, float(thing.x[frame]), float(thing.y[frame])),
            radius=float(thing.radius[frame]) * camera.zoom * self.size,
            turns=float(thing.angle[frame]),
            alpha=float(thing.alpha[frame]),
        )

    def _camera(self, frame: int) -> Camera:
        """Half of its way lies before the middle of the video, half behind."""
        draws = self.draws.of("camera")
        way = frame / (self.frames - 1) - 0.5
        angle = math.tau * draws.uniform("direction")
        pan = way * draws.uniform("pan", *self.preset.pan)
        shake = draws.uniform("shake", *self.preset.shake)
        x, y = (
            sum(draws.uniform(f"{axis} {near}", -shake, shake) for near in (frame, frame + 1)) / 2
            for axis in ("x", "y")
        )
        doubled = way * draws.uniform("zoom", *self.preset.zoom)
        return Camera(x + pan * math.cos(angle), y + pan * math.sin(angle), 2.0**doubled)


def draw_view(
    draws: NamedDraws, common: NamedDraws, scene: Scene, preset: Preset, frames: int, size: int
) -> View:
    """Draw how a video is filmed.

    Args:
        draws: For this video.
        common: For all videos of its class.
        scene: Where everything is.
        preset: How much it is made harder.
        frames: How many the video has.
        size: Side of a frame, in pixels.
    """
    biased = draws.chance("biased", preset.bias)
    things = (scene.guest, *scene.things)
    looks = {
        thing.name: draw_look((common if biased and thing.acts else draws).of(thing.name))
        for thing in things
    }
    side = math.ceil(SCENERY * size / 2) * 2
    backdrop = draw_background((common if biased else draws).of("background"), side)
    return View(draws, scene, preset, frames, size, backdrop, looks, draw_wall(draws))
