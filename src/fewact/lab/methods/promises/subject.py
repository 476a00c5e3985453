"""Features of made-up videos and the card of the backbone that they seem to come from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewact.core.errors import ExtensionError, OptionError
from fewact.core.options import flatten_options, make_options
from fewact.features.request import CameraRequest, Request
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch, support_state
from fewact.methods import fitting
from fewact.methods.protocols import unwrapped
from fewact.networks.card import Card

COURSES_SEED, NOISE = 2000, 0.1
"""Seed of the courses of ``separable_features``, and weight of the random part of each video."""


def made_up_text(card: Card, b: int, n: int) -> Tensor:
    """Return random embeddings (b n d) of class names, as long as the card's vectors."""
    generator = torch.Generator().manual_seed(1000)
    return torch.randn(b, n, card.vectors, generator=generator, dtype=torch.float32)


def made_up_features(method: TorchMethod, card: Card, *leading: int, seed: int = 0) -> Features:
    """Return random features (… t …) for scoring and training, as non-negative as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    return {
        request: _valid(request, _random((*leading, *request.shape(card)), generator))
        for request in _requests(method, card)
    }


def separable_features(method: TorchMethod, card: Card, labels: Tensor, seed: int) -> Features:
    """Return features (… t …) of videos of classes that are easy to distinguish.

    All videos of a class show the same random course over time, with a little noise.

    Args:
        method: TorchMethod whose requests are answered.
        card: Card of the made-up backbone.
        labels: Classes (…) of the videos.
        seed: Seed of the noise.
    """
    courses, noise = (torch.Generator().manual_seed(number) for number in (COURSES_SEED, seed))
    features: dict[Request, Tensor] = {}
    for request in _requests(method, card):
        shape = request.shape(card)
        course = _random((int(labels.max()) + 1, *shape), courses)[labels]
        random = _random((*labels.shape, *shape), noise)
        features[request] = _valid(request, course + NOISE * (random - course))
    return features


def _random(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float32)


def _requests(method: TorchMethod, card: Card) -> tuple[Request, ...]:
    return tuple(dict.fromkeys((*method.requests(card), *method.training_requests(card))))


def _valid(request: Request, values: Tensor) -> Tensor:
    """Return what a request may be answered with, made from values (… t …) from 0 to 1."""
    if isinstance(request, CameraRequest):
        values = values - 0.5  # some cameras moved, others did not
    return (values * 255).to(torch.uint8) if request.dtype == "uint8" else values


WAYS, SHOTS, QUERIES, EPISODES = 3, 2, 4, 2


@dataclass(frozen=True)
class Subject:
    """A method on one backbone, with made-up features.

    Args:
        make: Returns the method, in evaluation mode, with the same weights each time.
        card: Card of the backbone.
    """

    make: Callable[[], TorchMethod]
    card: Card

    def episode(
        self,
        method: TorchMethod,
        b: int = EPISODES,
        n: int = WAYS,
        k: int = SHOTS,
        q: int = QUERIES,
    ) -> tuple[Nodes, Tensor, Nodes]:
        """Return nodes of the support (b n·k …), its labels (b n·k), and nodes of queries."""
        with torch.no_grad():
            support = method.encode(made_up_features(method, self.card, b, n * k, seed=0))
            query = method.encode(made_up_features(method, self.card, b, q, seed=1))
        return support, torch.arange(n).repeat(k).expand(b, -1), query

    def text(self, method: TorchMethod, b: int, n: int) -> Tensor | None:
        """Return embeddings (b n d) of class names, for a method that uses them."""
        return made_up_text(self.card, b, n) if method.uses_text else None

    def batch(self, method: TorchMethod) -> TrainingBatch:
        """Return training episodes."""
        support, query = (
            made_up_features(method, self.card, EPISODES, 6, seed=seed) for seed in (0, 1)
        )
        labels = torch.arange(WAYS).repeat(2).expand(EPISODES, -1)
        text = self.text(method, EPISODES, WAYS)
        return TrainingBatch(support, labels, query, labels, WAYS, text)


def make(method: type[Any], card: Card, options: Mapping[str, Any]) -> TorchMethod:
    """Return a method that fits a backbone, in evaluation mode; over arrays in an adapter."""
    values = {**fitting(method, card, options=options), **options}
    return _made(method, make_options(method.Options, values, of="the method"))


def _made(method: type[Any], options: Any) -> TorchMethod:
    return on_tensors(method(options)).float().eval()


def accepts(method: TorchMethod, card: Card) -> bool:
    """Return whether the method has what it needs of the backbone."""
    requests = method.requests(card)
    if not isinstance(requests, tuple | list):
        raise ExtensionError(
            "requests returns no tuple",
            got=type(requests).__name__,
            expected="a tuple of feature requests",
            hint="A tuple of one needs a comma at its end: (request,).",
        )
    try:
        for request in requests:
            request.shape(card)
    except OptionError:
        return False
    return True


def scores(
    subject: Subject,
    method: TorchMethod,
    support: Nodes,
    labels: Tensor,
    query: Nodes,
    n: int = WAYS,
    text: Tensor | None = None,
) -> Tensor:
    """Return logits (b q n); the text defaults to the names of classes 0 … n−1."""
    if text is None and method.uses_text:
        like = next(value for value in support.values() if value.is_floating_point())
        text = made_up_text(subject.card, len(labels), n).to(like)
    with torch.no_grad():
        return method.score(support_state(method, support, labels, n, text), query)


def take(nodes: Nodes, which: slice | Tensor) -> Nodes:
    """Return some videos of nodes (b v …)."""
    return {name: value[:, which] for name, value in nodes.items()}


def other_option(method: TorchMethod, name: str) -> TorchMethod | None:
    """Return the method with another valid value of an option, if one is found."""
    values = flatten_options(method.options)
    for value in _other_values(type(method.options), name, values[name]):
        try:
            options = make_options(type(method.options), {**values, name: value}, of="method")
        except OptionError:
            continue
        if options != method.options:
            return _made(unwrapped(method), options)
    return None


def _other_values(options: type, name: str, value: Any) -> Iterator[Any]:
    from pydantic import TypeAdapter

    schema = TypeAdapter(options).json_schema()
    for part in name.split("."):
        schema = schema.get("properties", {}).get(part, {})
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (type(value)(number) for number in (value / 2, value + 1, value * 0.75))
    elif value is None:
        yield from (0.5, 1)
    yield from schema.get("enum", ())
