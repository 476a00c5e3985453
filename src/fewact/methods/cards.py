"""Cards of the methods: what a list, a page and a user need to know of each."""

import ast
import inspect
from dataclasses import dataclass
from importlib.resources import files
from typing import Protocol, runtime_checkable

from fewact import methods
from fewact.core.errors import ExtensionError, ExtraError, OptionError
from fewact.features.request import Request
from fewact.methods.protocols import unwrapped
from fewact.networks.card import Card


@runtime_checkable
class Published(Protocol):
    """A method that says where it comes from."""

    paper: str
    """Paper or other source, in a few words."""


@runtime_checkable
class Trains(Protocol):
    """A method that trains on features."""

    def training_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that its losses need."""


@dataclass(frozen=True)
class MethodCard:
    """Facts of a method with its default options.

    Args:
        name: Registry name.
        summary: One line.
        paper: Paper or other source.
        package: Package and version of a method that is not fewact's own; empty otherwise.
        needs: Feature levels in scoring, such as ``maps, or vectors`` where a backbone without maps
            will do; the extra of fewact, if it is not installed.
        training_needs: Further levels that its training losses need.
        trained: False if it must be trained first.
        uses_text: Whether it uses the names of the classes.
        transductive: Whether a query's logits depend on the other queries.
        error: Why the method cannot be loaded; empty if it can.
    """

    name: str
    summary: str = ""
    paper: str = ""
    package: str = ""
    needs: str = ""
    training_needs: str = ""
    trained: bool = True
    uses_text: bool = False
    transductive: bool = False
    error: str = ""

    @property
    def flags(self) -> str:
        """Properties to know before use, separated by commas."""
        flags = {
            "needs training": not self.trained,
            "uses text": self.uses_text,
            "transductive": self.transductive,
        }
        return ", ".join(flag for flag, holds in flags.items() if holds)


def card_of(name: str) -> MethodCard:
    """Return the card of a method, with the error if the method cannot be loaded.

    Raises:
        UnknownNameError: There is no method of this name.
    """
    package = methods.REGISTRY.package_of(name)
    try:
        method = methods.create(name)
    except ExtraError as error:
        return MethodCard(
            name, _summary_in_source(name), needs=f"fewact[{error.extra}]", error=str(error)
        )
    except ExtensionError as error:
        return MethodCard(name, package=package, error=str(error))
    with_maps, without, of_joints = (_levels(name, card) for card in CARDS)
    needs = with_maps or of_joints
    alone = without and without != needs
    return MethodCard(
        name=name,
        summary=(inspect.getdoc(inspect.getmodule(unwrapped(method))) or method.__doc__ or "")
        .strip()
        .partition("\n")[0],
        paper=method.paper if isinstance(method, Published) else "",
        package=package,
        needs=", ".join(needs) + (f", or {', '.join(without)}" if alone else ""),
        training_needs=", ".join(
            level for level in _levels(name, CARDS[0], training=True) if level not in with_maps
        ),
        trained=method.trained,
        uses_text=method.uses_text,
        transductive=method.transductive,
    )


def _summary_in_source(name: str) -> str:
    """Return the first line about a method whose module cannot be imported."""
    module = methods.REGISTRY.module_of(name)
    if not module:
        return ""
    _, *folders, file = module.split(".")
    source = files("fewact").joinpath(*folders, f"{file}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _levels(name: str, card: Card, *, training: bool = False) -> tuple[str, ...]:
    """Return the levels that a method requests; none if it refuses the backbone."""
    try:
        method = methods.create(name, card)
        requests = method.requests(card)
        if training and isinstance(method, Trains):
            requests = method.training_requests(card)
        for request in requests:
            request.shape(card)
    except OptionError:
        return ()
    levels: dict[str, None] = {}
    for request in requests:
        if request.level is not None:
            levels[request.level] = None
        if request.uses_camera_motion:
            levels["camera motion"] = None
    return tuple(levels)


def made_up_card(*, maps: bool = True, joints: str = "") -> Card:
    """Return the card of a made-up backbone, with maps or with vectors alone, such as joints."""
    maps = maps and not joints
    return Card(
        name="made-up",
        input_size=(16, 16),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=12,
        maps=(10, 3, 3) if maps else None,
        middle=(6, 8, 8) if maps else None,
        shallow=(5, 16, 16) if maps else None,
        parameters=0,
        licence="none",
        weights="none",
        weights_sha256="",
        trained_on=(),
        joints=joints,
    )


CARDS = made_up_card(), made_up_card(maps=False), made_up_card(joints="4(0-1,2-3):xyc")
"""Backbones with maps, with vectors alone, and vectors of joints."""
