"""Errors of a saved model that cannot be read."""

from fewact.core.errors import ModelError

HINT = "Copy the folder again, or teach again."
"""Hint for a damaged model."""


class NewerModelError(ModelError):
    """A newer version of fewact wrote the model: it may be in order, but cannot be read here."""


class LostModelError(ModelError):
    """The model is damaged, or an older version of fewact wrote it: teach again from the clips."""


class DamagedModelError(LostModelError):
    """A file of the model is missing, was damaged or edited, or does not fit the others."""
