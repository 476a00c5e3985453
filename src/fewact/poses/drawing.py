"""Joints drawn on frames, for the eye."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fewact.data.joints import parse_joints

BONES: Final[Mapping[str, tuple[tuple[int, ...], ...]]] = {
    "pose33": (
        (7, 3, 2, 1, 0, 4, 5, 6, 8),
        (9, 10),
        (21, 15, 13, 11, 12, 14, 16, 22),
        (15, 17, 19, 15),
        (16, 18, 20, 16),
        (11, 23, 25, 27, 29, 31, 27),
        (12, 24, 26, 28, 30, 32, 28),
        (23, 24),
    ),
    "coco17": ((3, 1, 0, 2, 4), (9, 7, 5, 6, 8, 10), (15, 13, 11, 12, 14, 16), (5, 11), (6, 12)),
}
"""Chains of connected joints. Of other skeletons the joints alone are drawn."""

FIRST, SECOND, MIDDLE = (255, 138, 0), (0, 217, 231), (255, 255, 255)
"""Colours of the side whose joints come first, of the other one, and of joints of both."""

DRAWN_CONFIDENCE = 0.3
"""Smallest confidence of a joint that is drawn."""

SHEET_COLUMNS, SHEET_FRAMES = 4, 12
SHEET_HEIGHT = 270
"""Height of a frame on a sheet, in pixels."""


def drawn(frame: NDArray[np.uint8], joints: NDArray[np.float32], layout: str) -> Image.Image:
    """Return a frame with its joints: one side of the body in orange, the other in blue.

    Args:
        frame: RGB frame (h w 3).
        joints: Joints (d), in heights of the frame; zeros without a body.
        layout: Layout of the joints.
    """
    image = Image.fromarray(frame)
    parsed = parse_joints(layout)
    places = joints[np.array(parsed.coordinates)[:, :2]] * image.height  # (j 2)
    sure = [
        joints[c] >= DRAWN_CONFIDENCE if c >= 0 else bool(place.any())
        for c, place in zip(parsed.confidences, places, strict=True)
    ]
    draw = ImageDraw.Draw(image)
    thick = max(1, round(image.height / 135))
    points = [(float(x), float(y)) for x, y in places]
    for chain in BONES.get(layout.partition(":")[0], ()):
        for a, b in pairwise(chain):
            if sure[a] and sure[b]:
                draw.line((points[a], points[b]), _colour((a, b), parsed.mirror), thick)
    for i, (x, y) in enumerate(points):
        if sure[i]:
            corners = (x - thick, y - thick, x + thick, y + thick)
            draw.ellipse(corners, _colour((i,), parsed.mirror))
    return image


def _colour(joints: Iterable[int], mirror: Sequence[int]) -> tuple[int, int, int]:
    """Return the colour of a joint or bone."""
    sides = {(mirror[i] > i) - (mirror[i] < i) for i in joints}
    return {1: FIRST, -1: SECOND}.get(sides.pop(), MIDDLE) if len(sides) == 1 else MIDDLE


def sheet(images: Sequence[Image.Image]) -> Image.Image:
    """Return a sheet of images of one size, row by row."""
    width = max(1, round(images[0].width * SHEET_HEIGHT / images[0].height))
    rows = -(-len(images) // SHEET_COLUMNS)
    columns = min(SHEET_COLUMNS, len(images))
    page = Image.new("RGB", (columns * width, rows * SHEET_HEIGHT))
    for i, image in enumerate(images):
        row, column = divmod(i, SHEET_COLUMNS)
        small = image.resize((width, SHEET_HEIGHT))
        page.paste(small, (column * width, row * SHEET_HEIGHT))
    return page
