"""Checks that the nodes in a saved model are those of its method and backbone."""

from collections.abc import Iterator
from contextlib import contextmanager

from fewact.classifier.examples import Examples, Nodes
from fewact.classifier.orientation import ORIENTATIONS
from fewact.errors import ModelError, UserError

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
    stored.pop(ORIENTATIONS, None)
    if found != stored:
        raise ModelError(
            "the training clips in the model do not fit its method and backbone",
            got=f"nodes of shapes {stored}"[:300],
            expected=str(found)[:300],
            hint=HINT,
        )


def _shapes(nodes: Nodes) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape[1:]) for name, value in nodes.items()}
