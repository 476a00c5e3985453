"""Text encoders by name. Importing this module loads no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewact.core.registry import Registry

if TYPE_CHECKING:
    from fewact.backbones.text.encoder import TextEncoder
    from fewact.backbones.text.networks import TextNetwork

_NETWORKS: "Registry[type[TextNetwork]]" = Registry(
    "text encoder",
    {
        "minilm": "fewact.backbones.text.networks:SentenceText",
        "clip": "fewact.backbones.text.networks:ClipText",
        "siglip": "fewact.backbones.text.networks:SiglipText",
    },
)


def create_text(
    name: str = "minilm", *, weights: str | Path = "default", device: str = "auto"
) -> "TextEncoder":
    """Create a text encoder; the text encoder of a backbone is its attribute ``text``.

    Args:
        name: One of ``text_names()``: ``minilm`` is a small sentence encoder, whose weights come
            with the extra "text"; ``clip`` and ``siglip`` are the text encoders of these models.
        weights: ``default``; ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
            The tokenizer must be in the same folder.
        device: As for ``create``.

    Raises:
        UnknownNameError: There is no text encoder of this name.
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
        OptionError: The device is unknown.
    """
    from fewact.backbones.precision import resolve_device
    from fewact.backbones.text.encoder import build

    network = _NETWORKS.get(name)
    return build(network, name, weights=weights, device=resolve_device(device))


def text_names() -> tuple[str, ...]:
    """Return the names of all text encoders.

    >>> text_names()
    ('minilm', 'clip', 'siglip')
    """
    return _NETWORKS.names()
