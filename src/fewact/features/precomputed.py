"""Size and card of precomputed features, in the place of a backbone."""

from collections.abc import Iterable

import numpy as np

from fewact.core.errors import DataError, OptionError, VideoError
from fewact.data.clips import UNUSABLE_FEATURES, USABLE_FEATURES, FeatureClip, usable_features
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.networks.card import Card, Device, check_device_name

PRECOMPUTED = "precomputed"
"""Name on the card of precomputed features; no backbone has this name."""


class Precomputed:
    """Size of precomputed features, in the place of a backbone.

    Args:
        frames: Number t of vectors of a clip.
        width: Length d of a vector.
        device: Device of the method that reads them, as in ``fewact.networks.create``.
        joints: Layout of the joints in a vector, see ``fewact.data.joints``; empty without joints.

    Raises:
        OptionError: A number is not positive, or there is no such device.

    >>> Precomputed(8, 75).card.vectors
    75
    """

    def __init__(self, frames: int, width: int, device: Device = "auto", joints: str = "") -> None:
        for name, value in (("frames", frames), ("width", width)):
            if value < 1:
                raise OptionError(
                    "the number is not positive", where=name, got=repr(value), expected="at least 1"
                )
        check_device_name(device)
        self.frames = frames
        self.device = "cpu" if device == "auto" else device
        self.card = precomputed_card(PRECOMPUTED, width, joints=joints)

    def check(self, clip: FeatureClip) -> None:
        """Refuse features of another size."""
        if clip.vectors.shape != (self.frames, self.card.vectors):
            frames, width = clip.vectors.shape
            raise DataError(
                "wrong number or length of the feature vectors",
                where=clip.name,
                got=f"{frames} vectors of length {width}",
                expected=f"{self.frames} vectors of length {self.card.vectors}",
                hint="Compute them in the same way as the features of the training clips.",
            )
        if clip.joints != self.card.joints:
            raise DataError(
                "other joints than in the training clips",
                where=clip.name,
                got=clip.joints or "no layout of joints",
                expected=self.card.joints or "no layout of joints",
            )

    def features(self, clip: FeatureClip, requests: Iterable[Request]) -> Features | VideoError:
        """Return the vectors (t d) float32 of a clip; an error if they cannot be used."""
        with np.errstate(over="ignore"):  # what overflows is reported
            vectors = clip.vectors.astype(np.float32)
        if usable_features(vectors[None]).all():
            return dict.fromkeys(requests, vectors)
        return VideoError(clip.name, UNUSABLE_FEATURES, expected=USABLE_FEATURES)

    def check_requests(self, requests: Iterable[Request]) -> None:
        """Refuse requests other than vectors of this number of frames."""
        check_vectors(requests, self.frames, "features")


def precomputed_card(
    name: str,
    width: int,
    *,
    sha256: str = "",
    trained_on: tuple[str, ...] = (),
    joints: str = "",
) -> Card:
    """Return the card of precomputed features, whose only level is ``vectors`` of length d.

    ``sha256`` identifies the features, if the source has a fixed set of them; ``joints`` is the
    layout of the joints in a vector.
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
        joints=joints,
    )


def check_vectors(requests: Iterable[Request], frames: int, where: str) -> None:
    """Refuse requests other than vectors of a number of frames; ``where`` names the source."""
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
