"""Recurring movements are found without any label."""

import pytest

from fewact.recordings import discover
from fewact.recordings.index import Archive


@pytest.mark.slow
def test_movements_that_recur_are_groups(archive: Archive) -> None:
    groups = discover.discover(archive, archive.recordings(), length=1.0)
    assert groups
    assert all(len(group) >= discover.SMALLEST_GROUP for group in groups)
    starts = [segment.start for group in groups for segment in group]
    assert len(starts) == len(set(starts))
