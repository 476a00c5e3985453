"""What stands in a backbone's place where features are made elsewhere: it hands them on."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from fewact.backbones.card import Card
from fewact.backbones.precision import resolve_device
from fewact.data.features import FeatureClip
from fewact.errors import DataError, OptionError, VideoError
from fewact.features.request import FeatureRequest, Request, View

PRECOMPUTED = "given"
"""The name on the card, which no registered backbone has."""


class Precomputed:
    """Hands on vectors that were made elsewhere: of any network, of skeletons, sound or flow.

    Args:
        frames: Vectors of a clip t.
        width: Length d of a vector.
        device: As for ``fewact.backbones.create``.

    Raises:
        OptionError: A number that is not positive, or no such device.

    >>> Given(8, 75).card.vectors
    75
    """

    def __init__(self, frames: int, width: int, device: str = "auto") -> None:
        for name, value in (("frames", frames), ("width", width)):
            if value < 1:
                raise OptionError("is not accepted", where=name, got=repr(value), expected="1 up")
        self.frames = frames
        self.device = resolve_device(device)
        self.card = precomputed_card(PRECOMPUTED, width)

    def check(self, clip: FeatureClip) -> None:
        """Refuse features of other sizes.

        Raises:
            DataError: The clip's vectors are not (t d).
        """
        if clip.vectors.shape != (self.frames, self.card.vectors):
            frames, width = clip.vectors.shape
            raise DataError(
                "features of another number or length of vectors",
                where=clip.name,
                got=f"{frames} vectors of length {width}",
                expected=f"{self.frames} vectors of length {self.card.vectors}",
                hint="Make them as those were made that are taught.",
            )

    def check_requests(self, requests: Iterable[Request]) -> None:
        """Refuse what a method asks for and features of frames do not have.

        Raises:
            OptionError: It asks for maps or pixels, or for another number of frames.
        """
        check_vectors(requests, self.frames, "features")

    def features(self, clip: FeatureClip, requests: Iterable[Request]) -> dict[Request, Tensor]:
        """A clip's vectors (t d), float32, on the device, for each tap.

        Raises:
            VideoError: There are numbers that are not finite in float32.
        """
        with np.errstate(over="ignore"):  # what overflows is found below
            vectors = torch.from_numpy(clip.vectors.astype(np.float32))  # (t d)
        if not vectors.isfinite().all():
            raise VideoError(clip.name, "there are numbers that are not finite")
        return dict.fromkeys(requests, vectors.to(self.device))


def precomputed_card(
    name: str, width: int, *, sha256: str = "", trained_on: tuple[str, ...] = ()
) -> Card:
    """The card of features that were made elsewhere: there are vectors alone.

    Args:
        name: Of what stands in the backbone's place.
        width: Length d of a vector.
        sha256: Of the features, where these are all that there are.
        trained_on: Data sets that the network behind them has seen.
    """
    return Card(
        name=name,
        input_size=(0, 0),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=width,
        maps=None,
        middle=None,
        parameters=0,
        licence="",
        weights="",
        weights_sha256=sha256,
        trained_on=trained_on,
    )


def check_vectors(requests: Iterable[Request], frames: int, where: str) -> None:
    """Refuse all taps but vectors of so many frames.

    Args:
        requests: What a method asks for.
        frames: Vectors of a clip t.
        where: What holds the vectors.

    Raises:
        OptionError: There is another tap.
    """
    for request in requests:
        if request != FeatureRequest("vectors", View(frames)):
            raise OptionError(
                "does not hold what the method asks for",
                where=where,
                got=f"{request}",
                expected=f"vectors:{frames}",
                hint=f"Choose a method that takes vectors, with option frames={frames}"
                f"{' and stabilise=off' if request.uses_camera_motion else ''}.",
            )
