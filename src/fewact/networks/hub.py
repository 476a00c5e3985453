"""The Hugging Face hub, through its own client, which is an optional package."""

import importlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fewact.core.errors import UserError

T = TypeVar("T")

INSTALL = "Run: pip install huggingface_hub"

LONGEST_HUB_NAME = 96
"""Most characters in the name of an owner or of a repository."""


def is_repository(text: str) -> bool:
    """Return whether a text has the form of a repository's name, ``owner/name[@revision]``.

    >>> is_repository("owner/name@v1.0"), is_repository("my-model"), is_repository("a/b/c")
    (True, False, False)
    """
    name, _, _ = text.partition("@")
    parts = name.split("/")
    return len(parts) == 2 and all(
        len(part) <= LONGEST_HUB_NAME and re.fullmatch(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*", part)
        for part in parts
    )


@contextmanager
def hub_client(refusal: type[UserError], where: str, expected: str = "") -> Iterator[Any]:
    """Yield the client ``huggingface_hub``; turn its errors into a refusal of one line.

    The client's messages about each attempt are not shown.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        raise refusal(
            "the hub needs the package huggingface_hub", where=where, hint=INSTALL
        ) from None
    for name in ("constants", "errors"):  # the client has them only once they are imported
        importlib.import_module(f"huggingface_hub.{name}")
    # Imported first: on import it sets the level of the client's messages.
    messages = importlib.import_module("huggingface_hub.utils.logging")
    level = messages.get_verbosity()
    messages.set_verbosity(logging.ERROR)
    try:
        yield hub
    except UserError:
        raise
    except Exception as error:  # a wrong answer of a hub makes the client fail anywhere
        what, hint = _reason(hub, error)
        unreachable = isinstance(error, hub.errors.LocalEntryNotFoundError)
        cause = (unreachable and error.__cause__) or error  # its own line only repeats the hint
        raise refusal(
            what, where=where, got=_first_line(cause), expected=expected, hint=hint
        ) from error
    finally:
        messages.set_verbosity(level)


def check_answers(hub: Any) -> None:
    """Check that the hub answers within the client's limit for the first answer.

    The client itself waits without end, or tries again for half a minute.
    """
    limit = hub.constants.HF_HUB_ETAG_TIMEOUT
    hub.utils.get_session().head(hub.constants.ENDPOINT, timeout=limit)


def download(hub: Any, fetch: Callable[[bool], T]) -> T:
    """Download from the hub; if it does not answer, read what was downloaded before.

    ``fetch`` gets the client's ``local_files_only``. If nothing was downloaded before, the client's
    error is raised, with the reason why the hub did not answer as its cause.
    """
    try:
        check_answers(hub)
    except Exception as error:  # which one depends on the client's HTTP library
        try:
            return fetch(True)
        except hub.errors.LocalEntryNotFoundError as missing:
            raise missing from error
    return fetch(False)


def _reason(hub: Any, error: Exception) -> tuple[str, str]:
    errors = hub.errors
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return "the hub has no such repository, or it is private", "Private ones need HF_TOKEN."
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "the hub cannot be reached, and nothing was downloaded before", "Try again online."
    if isinstance(error, errors.EntryNotFoundError):
        return "the repository has no such file", ""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return "the hub refuses access", "Log in with `hf auth login`, or set HF_TOKEN."
    if isinstance(error, AssertionError | AttributeError | LookupError | TypeError):
        return "the hub's answer is not valid", ""
    return "the hub has no such repository, or cannot be reached", ""


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.removeprefix("Got: ")[:200]  # the client's word for the error below its own
