"""Feature requests in the key of a store and on the command line."""

from dataclasses import asdict
from typing import Any, cast, get_args

from pydantic import TypeAdapter

from fewact.core.errors import OptionError
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    JointRequest,
    Request,
    SmallFrameRequest,
    Stabilise,
    View,
)
from fewact.networks.card import Card, Level

PIPELINE = 2
"""Version of reading, sampling and resizing frames; it increases when features change by more
than rounding."""

CAMERA_PIPELINE = 7
"""Version of camera motion estimation and stabilisation; it increases likewise."""

SMALL_PIPELINE = 8
"""Version of small frames and images of differences; it increases likewise."""


def request_facts(request: Request) -> dict[str, Any]:
    """Return what identifies a request in a store's key."""
    versions = [PIPELINE]
    if request.uses_camera_motion:
        versions.append(CAMERA_PIPELINE)
    if isinstance(request, SmallFrameRequest | DifferenceRequest | DifferenceImageRequest):
        versions.append(SMALL_PIPELINE)
    return {
        "request": type(request).__name__,
        **asdict(request),
        "pipeline": versions if len(versions) > 1 else PIPELINE,
    }


def request_from_facts(facts: dict[str, Any]) -> Request:
    """Return the request that ``request_facts`` was made from."""
    types: dict[str, type[Request]] = {kind.__name__: kind for kind in get_args(Request)}
    fields = {k: v for k, v in facts.items() if k not in ("request", "pipeline")}
    return TypeAdapter(types[facts["request"]]).validate_python(fields)


def parse_request(text: str, card: Card) -> Request:
    """Parse a request such as ``middle:16:auto`` or ``camera:16``.

    Args:
        text: Level, number of frames (default: 8) and stabilisation (default: off), separated by
            colons.
        card: Card of the backbone.

    Raises:
        OptionError: The text is not of this form, or the backbone has no such level.
    """
    level, *options = text.split(":")
    layout = ":".join(options[1:])
    if level == JointRequest.name and layout:
        options = options[:1]
    frames, mode, *further = [*options, *("8", "")[len(options) :]]
    modes = get_args(Stabilise)
    number = frames.isdecimal() and int(frames) > 0
    if further or not number or (len(options) > 1 and mode not in modes):
        raise OptionError(
            "invalid feature request",
            got=repr(text),
            expected=f"LEVEL, LEVEL:FRAMES or LEVEL:FRAMES:STABILISE with {', '.join(modes)}",
        )
    fields: dict[str, Any] = {"frames": int(frames)}
    if mode:
        fields["stabilise"] = mode
    named = {kind.name: kind for kind in get_args(Request) if kind is not FeatureRequest}
    if level == CameraRequest.name:
        fields = {"stabilise": "auto"} | fields
    view = View(**fields)
    if level == JointRequest.name:
        joints = JointRequest(view, layout) if layout else JointRequest(view)
        joints.shape(card)
        return joints
    request = (
        named[level](view=view) if level in named else FeatureRequest(cast("Level", level), view)
    )
    if request.level is not None:
        card.shape_of(request.level)
    return request
