"""A few cases of each fuzzer, with fixed seeds."""

import pytest

from tests.fuzz import transport, videos


def test_damaged_videos() -> None:
    report = videos.run(seed=18, count=300)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "read with a warning", "refused")) > 20


@pytest.mark.slow
@pytest.mark.skipif(bool(transport.missing()), reason=transport.missing())
def test_the_solver_under_the_sanitizers() -> None:
    report = transport.run(seed=1, seconds=None, count=1)
    assert not report.defects
    assert report.cases == transport.PROBLEMS
