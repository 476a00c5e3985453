"""Change a saved model in place, or load it for work with what it stores."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.saved import model_folder
from fewact.classifier.saved.deferred_backbone import deferred_backbone
from fewact.classifier.saved.history import editing
from fewact.core.errors import ModelError
from fewact.core.paths import user_path


def change_model(
    folder: str | Path,
    change: str,
    *,
    device: str = "auto",
    engine: str = "auto",
    weights: str | Path | None = None,
) -> AbstractContextManager[FewShotClassifier]:
    """Load a model, and save it when the block ends without an error.

    Other editors of the same model wait meanwhile, so that no change is lost. ``history.undo``
    takes the change back.

    Args:
        folder: Folder of the model.
        change: The change, in a few words, for the list of former versions.
        device: As for ``FewShotClassifier.load``.
        engine: As for ``FewShotClassifier.load``.
        weights: As for ``FewShotClassifier.load``.

    Returns:
        Context with the classifier to change.

    Raises:
        ModelError: There is no model, or it cannot be loaded or saved.
    """
    load = partial(FewShotClassifier.load, folder, device, weights, engine=engine)
    return _saved_at_the_end(folder, change, load)


@contextmanager
def _saved_at_the_end(
    folder: str | Path, change: str, load: Callable[[], FewShotClassifier]
) -> Iterator[FewShotClassifier]:
    with editing(folder):
        classifier = load()
        yield classifier
        classifier.save(folder, thumbnails=classifier.has_thumbnails, change=change)


def load_stored(folder: str | Path) -> FewShotClassifier:
    """Load a model for work with the features that it stores; its network is not built.

    Args:
        folder: Folder of the model.

    Raises:
        ModelError: There is no model, or it cannot be loaded.
    """
    saved = model_folder.read_config(user_path(folder, ModelError)).backbone
    return FewShotClassifier.load(folder, backbone=deferred_backbone(saved, str(folder)))


def correct_model(
    folder: str | Path, change: str, *, weights: str | Path | None = None
) -> AbstractContextManager[FewShotClassifier]:
    """Load a model for corrections that read no video, and save it; see ``change_model``.

    The network is built only where a new class name is embedded, or if its weights have moved: so
    corrections take little time, and need neither the weights nor the device of the network.

    Args:
        folder: Folder of the model.
        change: The change, in a few words, for the list of former versions.
        weights: New location of the backbone's weights; None if they have not moved.

    Returns:
        Context with the classifier to correct.

    Raises:
        ModelError: There is no model, or it cannot be loaded or saved.
    """
    if weights is not None:
        return change_model(folder, change, weights=weights)
    return _saved_at_the_end(folder, change, partial(load_stored, folder))
