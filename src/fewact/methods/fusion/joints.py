"""Fusion of skeletons and landmarks alone, see ``body``; ours."""

from pydantic import PositiveInt

from fewact.core.errors import OptionError
from fewact.data.joints import parse_joints
from fewact.features.request import FeatureRequest, Request, View
from fewact.methods.common.options import options_dataclass
from fewact.methods.fusion.body import JointTerms
from fewact.methods.fusion.decided import DecidedKernel
from fewact.methods.fusion.vectors import VectorWeights
from fewact.networks.card import Card


@options_dataclass
class FusionJointsOptions:
    """Options of ``fusion_joints``.

    Args:
        frames: Number of frames.
        joints: Layout of the joints in vectors, such as ``kinect20:xyz``; must be set. A file of
            features names it in an array ``joints``.
        weights: Group of options: weights of the parts.
    """

    frames: PositiveInt = 8
    joints: str = ""
    weights: VectorWeights = VectorWeights()


class FusionJoints(DecidedKernel[FusionJointsOptions]):
    """Class score: mean similarity to the support minus the intra-class similarity."""

    Options = FusionJointsOptions

    def __init__(self, options: FusionJointsOptions) -> None:
        request = FeatureRequest("vectors", View(options.frames))
        weights = options.weights.appearance, options.weights.motion
        super().__init__(options, JointTerms(request, options.joints, weights))

    def requests(self, card: Card) -> tuple[Request, ...]:
        layout = self.options.joints
        width = parse_joints(layout).width if layout else 0
        if width != card.vectors:
            raise OptionError(
                "the vectors are not those of the joints",
                where=f"joints={layout}",
                got=f"{card.vectors} numbers in a frame",
                expected=str(width) if layout else "a layout of joints, such as kinect20:xyz",
            )
        return super().requests(card)
