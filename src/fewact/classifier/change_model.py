"""Change a saved model in place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.history import editing


@contextmanager
def change_model(
    folder: str | Path,
    change: str,
    *,
    device: str = "auto",
    engine: str = "auto",
    weights: str | Path | None = None,
) -> Iterator[FewShotClassifier]:
    """Load a model, and save it when the block ends without an error.

    Other editors of the same model wait meanwhile, so that no change is lost. ``history.undo``
    takes the change back.

    Args:
        folder: Folder of the model.
        change: The change, in a few words, for the list of former versions.
        device: As for ``FewShotClassifier.load``.
        engine: As for ``FewShotClassifier.load``.
        weights: As for ``FewShotClassifier.load``.

    Yields:
        The classifier to change.

    Raises:
        ModelError: There is no model, or it cannot be loaded or saved.
    """
    with editing(folder):
        classifier = FewShotClassifier.load(folder, device, weights, engine=engine)
        yield classifier
        classifier.save(folder, thumbnails=classifier.has_thumbnails, change=change)
