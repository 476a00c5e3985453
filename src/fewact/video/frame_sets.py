"""Frames that several samplers chose from one video."""

from collections.abc import Iterable

from fewact.video.timeline import Array


class FrameSets(list[Array]):
    """Frames of one video: one array (t h w 3), or (t …) of transformed frames, for each sampler.

    Args:
        sets: Frames of each sampler.
        size: Height and width of the video's frames as displayed, before they were transformed.
        quantiser: How coarsely the file stores its frames, see ``fewact.video.quantiser``: the
            median of those that were read; None if it is not known.
    """

    def __init__(
        self, sets: Iterable[Array], size: tuple[int, int], quantiser: float | None = None
    ) -> None:
        super().__init__(sets)
        self.size, self.quantiser = size, quantiser

    @property
    def aspect(self) -> float:
        """Width over height of the video's frames as displayed."""
        height, width = self.size
        return width / height
