"""Few-shot methods: from features of support and query videos to logits. One file per method."""

from typing import TYPE_CHECKING, Any

from fewact.registry import Registry, make_options

if TYPE_CHECKING:
    from fewact.methods.base import Method

AUTO = "fusion"

REGISTRY: "Registry[type[Method]]" = Registry(
    "method",
    {
        "fusion": "fewact.methods.fusion:Fusion",
        "a2m2": "fewact.methods.a2m2:A2M2",
        "protonet": "fewact.methods.protonet:ProtoNet",
        "pixels": "fewact.methods.pixels:Pixels",
    },
)

register = REGISTRY.register


def names() -> tuple[str, ...]:
    """Names that ``create`` accepts, besides ``auto``."""
    return REGISTRY.names()


def create(name: str = "auto", **options: Any) -> "Method":
    """Make a method.

    Args:
        name: One of ``names()``; ``auto`` is ``fusion``, which needs no training.
        **options: Fields of the method's ``Options``.

    Raises:
        UnknownNameError: No method of this name.
        OptionError: No such option, or a value that is not accepted.

    >>> create("protonet", distance="euclidean").options.distance
    'euclidean'
    """
    name = AUTO if name == "auto" else name
    method = REGISTRY.get(name)
    return method(make_options(method.Options, options, of=f'method "{name}"'))
