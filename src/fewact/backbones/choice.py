"""Choice of a backbone: the arguments by which every process creates the same one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fewact import backbones

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone


@dataclass(frozen=True)
class BackboneChoice:
    """Arguments of ``backbones.create``.

    Args:
        name: Name of the backbone.
        weights: Weights; processes of other machines read them too.
        device: Device to run on.
        precision: Precision.
        engine: Inference engine.
        options: Options of this backbone, and how frames are chosen and resized.
    """

    name: str
    weights: str
    device: str
    precision: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def create(self) -> "Backbone":
        """Build the network and load its weights."""
        return backbones.create(
            self.name,
            weights=self.weights,
            device=self.device,
            precision=self.precision,
            engine=self.engine,
            **self.options,
        )
