"""Result of an aligner."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Alignment:
    """How two sets of parts were matched, and at what cost.

    Args:
        value: (…) cost of the match: smaller is nearer.
        plan: (… m m') how the parts were matched: a flow, a soft path, an assignment. None with
            ``plan=False``.
    """

    value: Tensor
    plan: Tensor | None
