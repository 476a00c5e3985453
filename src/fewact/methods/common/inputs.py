"""What methods with weights of their own are fed: vectors and class texts of a known width."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fewact.errors import OptionError, ShapeError
from fewact.features.request import FeatureRequest, Features, View
from fewact.methods.base import promoted
from fewact.shapes import check_shape


def frame_vectors(features: Features, frames: int, width: int) -> Tensor:
    """The vectors (… t d) that a method was made for, at least float32.

    Args:
        features: Of videos.
        frames: t.
        width: d.

    Raises:
        ShapeError: The vectors have another length.
    """
    vectors = features[FeatureRequest("vectors", View(frames))]
    if vectors.shape[-1] != width:
        raise ShapeError(
            "the method was made for vectors of another length",
            where='tap "vectors"',
            got=str(vectors.shape[-1]),
            expected=str(width),
            hint=f"Make the method with option vector_width={vectors.shape[-1]}.",
        )
    return vectors.to(promoted(vectors))


class ClassText(nn.Module):
    """Embeddings of class names, as wide as the vectors.

    Args:
        vector_width: Length d of the vectors.
        text_width: Length of the embeddings where a learned projection is to take them to d; None
            where they are from the space of the vectors already.
    """

    def __init__(self, vector_width: int, text_width: int | None) -> None:
        super().__init__()
        self.width = text_width or vector_width
        self.projection = (
            nn.Identity() if text_width is None else nn.Linear(text_width, vector_width)
        )

    def forward(self, text: Tensor | None, n: int, like: Tensor) -> Tensor:
        """Texts (… n d') → (… n d), of the type and on the device of ``like``.

        Raises:
            OptionError: There is no text.
            ShapeError: The embeddings have another length, or are not one for each class.
        """
        projected: Tensor = self.projection(class_text(text, n, self.width).to(like))
        return projected


def class_text(text: Tensor | None, n: int, width: int, *, hint: str = "") -> Tensor:
    """The embeddings (… n d) of class names that a method needs.

    Args:
        text: Handed in.
        n: Number of classes.
        width: d.
        hint: What to do about another length; else to set the method's option ``text_width``.

    Raises:
        OptionError: There are none.
        ShapeError: They have another length, or are not one for each class.
    """
    if text is None:
        raise OptionError(
            "the method uses the names of the classes",
            where="text",
            got="none",
            expected=f"embeddings (b {n} {width}) of the names of the support classes",
        )
    if check_shape(text, f"… {n} d", "text")["d"] != width:
        raise ShapeError(
            "the method was made for text embeddings of another length",
            where="text",
            got=str(text.shape[-1]),
            expected=str(width),
            hint=hint or f"Make the method with option text_width={text.shape[-1]}.",
        )
    return text


def of_videos(text: Tensor, labels: Tensor) -> Tensor:
    """The text of each video's class: (b n d), (b s) → (b s d)."""
    return text.gather(1, labels[..., None].expand(-1, -1, text.shape[-1]))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """First weights that depend on a seed alone, and leave the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
