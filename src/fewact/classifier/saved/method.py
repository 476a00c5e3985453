"""The method of a saved model: its name and options in config.json, its parameters in the state."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fewact import methods
from fewact.classifier.saved.config import SavedMethod
from fewact.core.errors import ModelError, UnknownNameError, UserError, warn
from fewact.evaluation.checkpoint import IMPORT, registered
from fewact.evaluation.identity import package_of
from fewact.methods.base import Method


def saved_method(method: Method) -> SavedMethod:
    """Return the name and options of a method.

    Raises:
        ModelError: It is not a registered method.
    """
    name, options = registered(method, ModelError)
    return SavedMethod(
        name=name, package=package_of(method), options=options, trained=method.trained
    )


def create_method(saved: SavedMethod, parameters: Mapping[str, Tensor], where: str) -> Method:
    """Return a saved method with its parameters; warn if its code is not that of the model.

    Raises:
        ModelError: There is no such method, or it has other options or parameters.
    """
    method = _create(saved, where)
    try:
        method.load_state_dict(dict(parameters))
    except RuntimeError as error:
        raise _refusal(saved, error, where) from error
    method.trained = saved.trained
    package = package_of(method)
    if saved.package and saved.package != package:
        warn(
            f"{where}: the code of the method {saved.name} is not that with which the model was "
            f"taught (got {package or 'no file'}; expected: {saved.package}). Its answers may be "
            "wrong: teach again.",
        )
    return method


def parameter_bytes(saved: SavedMethod, where: str) -> int:
    """Return the size of the parameters of a saved method; no memory is allocated for them.

    Raises:
        ModelError: There is no such method, or it has other options.
    """
    with torch.device("meta"):
        parameters = _create(saved, where).state_dict()
    return sum(value.nbytes for value in parameters.values())


def _create(saved: SavedMethod, where: str) -> Method:
    try:
        return methods.create(saved.name, **saved.options)
    except (UserError, RuntimeError) as error:
        raise _refusal(saved, error, where) from error


def _refusal(saved: SavedMethod, error: Exception, where: str) -> ModelError:
    what = f"the method {saved.name} cannot be built"
    if isinstance(error, UnknownNameError):
        return ModelError(
            f"{what}: {error.what}",
            where=where,
            expected=error.expected,
            hint=f"{error.hint} {IMPORT}".lstrip(),
        )
    return ModelError(f"{what}: {' '.join(str(error).split())}", where=where)
