"""What every aligner returns."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Alignment:
    """How two sets of parts were matched, and at what cost.

    Args:
        value: (…) cost of the match: smaller is nearer.
        plan: (… m m') how much of each part went to which: a flow, a soft path, an assignment.
            None where ``plan=False`` was asked.
    """

    value: Tensor
    plan: Tensor | None
