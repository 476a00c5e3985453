"""What an episode is made of."""

from typing import Annotated

from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.data.videos import GroupScope

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Protocol:
    """What an episode is made of, and how many there are; the field's usual numbers by default.

    Args:
        ways: Classes of an episode.
        shots: Support videos of a class.
        queries: Query videos of a class.
        count: Number of episodes.
        seed: Another one draws other episodes.
        groups: How support and query are kept apart by recording or person. ``within-class``: the
            shots of a class come from as many of its groups, its queries from its other groups.
            ``shared``: the same for all classes at once, so that a person who is in the support of
            one class is in the query of none.
    """

    ways: Annotated[int, Field(ge=2)] = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    count: PositiveInt = 10_000
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    groups: GroupScope = "none"
