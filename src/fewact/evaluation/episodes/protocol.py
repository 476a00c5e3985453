"""Size and number of episodes."""

from typing import Annotated

from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.core.options import refusing
from fewact.data.videos import GroupScope

LARGEST_SEED = 2**63 - 1


@refusing("Protocol")
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Protocol:
    """Size and number of episodes. The defaults are the most common ones in papers.

    Args:
        ways: Number of classes of an episode.
        shots: Number of support videos of each class.
        queries: Number of query videos of each class.
        count: Number of episodes.
        seed: Seed of the draw.
        groups: Separation of support and query by recording or person. ``within-class``: each shot
            of a class is from another of its groups, and the queries are from the remaining groups.
            ``shared``: the same groups for all classes, so that a person in the support of one
            class is in the query of none. ``none``: no separation.

    Raises:
        OptionError: A value is invalid.
    """

    ways: Annotated[int, Field(ge=2)] = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    count: PositiveInt = 10_000
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    groups: GroupScope = "none"
