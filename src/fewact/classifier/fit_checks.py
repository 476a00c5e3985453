"""Checks of nodes, in a saved model and of new clips, and of their scores."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from fewact.classifier.examples import Examples, Nodes
from fewact.core.errors import DataError, ModelError, UserError
from fewact.core.shapes import all_finite

HINT = "Teach again from the clips."


@contextmanager
def checked_fit(examples: Examples) -> Iterator[None]:
    """Turn what a method raises on nodes of other methods into one error.

    Raises:
        ModelError: The method cannot use the nodes.
    """
    try:
        yield
    except (RuntimeError, IndexError, KeyError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise ModelError(
            "the training clips in the model do not fit its method",
            got=f"nodes of shapes {_shapes(examples.nodes)}"[:300],
            hint=HINT,
        ) from error


def check_shapes(examples: Examples, nodes: Nodes) -> None:
    """Check that a clip has nodes of the shapes of the training clips.

    Raises:
        ModelError: It has others.
    """
    found, stored = _shapes(nodes), _shapes(examples.nodes)
    if found != stored:
        raise ModelError(
            "the training clips in the model do not fit its method and backbone",
            got=f"nodes of shapes {stored}"[:300],
            expected=str(found)[:300],
            hint=HINT,
        )


def check_finite_nodes(nodes: Nodes, title: str) -> None:
    """Refuse a clip whose encoding is not finite.

    Args:
        nodes: Nodes of the clip.
        title: Title of the clip.

    Raises:
        DataError: A node is not finite.
    """
    for name, value in nodes.items():
        if not all_finite(value):
            raise DataError(
                f'the clip is encoded to numbers that are not finite, in node "{name}"',
                where=title,
                expected="finite numbers",
                hint="Check its features and the method; `fewact check-method` says more.",
            )


def check_finite_scores(scores: Tensor, titles: Sequence[str]) -> None:
    """Refuse clips whose scores are not finite.

    Args:
        scores: Scores (h …) of h clips.
        titles: Title of each clip.

    Raises:
        DataError: A score is not finite; the message names the first such clip.
    """
    finite = scores.isfinite().flatten(1).all(1).tolist()
    if not all(finite):
        first = finite.index(False)
        found = scores[first].flatten()
        raise DataError(
            "the scores of the clip are not finite numbers",
            where=titles[first],
            got=f"{found[~found.isfinite()][0].item()}",
            expected="finite numbers",
            hint="Check its features and the method; `fewact check-method` says more.",
        )


def _shapes(nodes: Nodes) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape[1:]) for name, value in nodes.items()}
