"""Precomputed features: vectors that were computed elsewhere, without a backbone of fewact."""

from collections.abc import Iterable

from fewact.backbones.card import Card
from fewact.backbones.devices import Device, resolve_device
from fewact.core.errors import DataError, OptionError
from fewact.data.clips import FeatureClip
from fewact.features.request import FeatureRequest, Request, View

PRECOMPUTED = "precomputed"
"""Name on the card of precomputed features; no backbone has this name."""


class Precomputed:
    """Size of precomputed features, in the place of a backbone.

    Args:
        frames: Number t of vectors of a clip.
        width: Length d of a vector.
        device: Device of the method that reads them, as in ``fewact.backbones.create``.

    Raises:
        OptionError: A number is not positive, or there is no such device.

    >>> Precomputed(8, 75).card.vectors
    75
    """

    def __init__(self, frames: int, width: int, device: Device = "auto") -> None:
        for name, value in (("frames", frames), ("width", width)):
            if value < 1:
                raise OptionError(
                    "the number is not positive", where=name, got=repr(value), expected="at least 1"
                )
        self.frames = frames
        self.device = resolve_device(device)
        self.card = precomputed_card(PRECOMPUTED, width)

    def check(self, clip: FeatureClip) -> None:
        """Refuse features of another size.

        Raises:
            DataError: The clip's vectors are not (t d).
        """
        if clip.vectors.shape != (self.frames, self.card.vectors):
            frames, width = clip.vectors.shape
            raise DataError(
                "wrong number or length of the feature vectors",
                where=clip.name,
                got=f"{frames} vectors of length {width}",
                expected=f"{self.frames} vectors of length {self.card.vectors}",
                hint="Compute them in the same way as the features of the training clips.",
            )

    def check_requests(self, requests: Iterable[Request]) -> None:
        """Refuse requests other than vectors of this number of frames.

        Raises:
            OptionError: Another level or number of frames is requested.
        """
        check_vectors(requests, self.frames, "features")


def precomputed_card(
    name: str, width: int, *, sha256: str = "", trained_on: tuple[str, ...] = ()
) -> Card:
    """Return the card of precomputed features, whose only level is ``vectors``.

    Args:
        name: Name of the features' source.
        width: Length d of a vector.
        sha256: SHA-256 of the features, where the source has a fixed set of them.
        trained_on: Data sets that the network behind the features was trained on.
    """
    return Card(
        name=name,
        input_size=(0, 0),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=width,
        maps=None,
        middle=None,
        shallow=None,
        parameters=0,
        licence="",
        weights="",
        weights_sha256=sha256,
        trained_on=trained_on,
    )


def check_vectors(requests: Iterable[Request], frames: int, where: str) -> None:
    """Refuse requests other than vectors of a number of frames.

    Args:
        requests: Requests of a method.
        frames: Number t of vectors of a clip.
        where: Name of the features' source, for the error.

    Raises:
        OptionError: Another level or number of frames is requested.
    """
    for request in requests:
        if request != FeatureRequest("vectors", View(frames)):
            raise OptionError(
                "does not hold the features that the method requests",
                where=where,
                got=f"{request}",
                expected=f"vectors:{frames}",
                hint=f"Choose a method that takes vectors, with option frames={frames}"
                f"{' and stabilise=off' if request.uses_camera_motion else ''}.",
            )
