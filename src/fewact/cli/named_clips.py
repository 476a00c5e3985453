"""Clips to predict, as arguments name them: videos, or the rows of a file of features."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fewact.core.errors import OptionError

if TYPE_CHECKING:
    from fewact.data import AnyClip


def named_clips(arguments: Sequence[str], dataset: str | None = None) -> Sequence["AnyClip"]:
    """Return the clips, or the rows of features, that the arguments name.

    Args:
        arguments: Video files, folders and patterns, or one file of features.
        dataset: Dataset of the rows; None for all.

    Raises:
        DataError: The clips are not there, or the features cannot be read.
        OptionError: There is more than one file of features, or a dataset without one.
    """
    from fewact.data import Clip, expand_paths, is_features, read_features

    files = [name for name in arguments if is_features(name)]
    if files and len(arguments) > 1:
        raise OptionError("only one file of features at a time", got=", ".join(arguments))
    if files:
        return read_features(files[0], dataset=dataset)
    if dataset is not None:
        raise OptionError("needs a file of features", where="--dataset", got=dataset)
    return [Clip(path) for path in expand_paths(arguments)]
