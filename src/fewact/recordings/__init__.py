"""Recordings: actions in long videos, found, searched, grouped, scored and counted.

Its parts are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.recordings.formats import Event
    from fewact.recordings.people import predict_regions
    from fewact.recordings.stream import Stream, StreamState

_MODULES = {
    "Event": "formats",
    "Stream": "stream",
    "StreamState": "stream",
    "predict_regions": "people",
}

__all__ = ["Event", "Stream", "StreamState", "predict_regions"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.recordings.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
