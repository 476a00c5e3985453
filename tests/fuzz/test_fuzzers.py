"""A few cases of each fuzzer, with fixed seeds."""

import sys

import pytest

from tests.fuzz import (
    documents,
    files,
    full,
    inputs,
    kills,
    poses,
    power,
    promises,
    tables,
    transport,
    videos,
)
from tests.fuzz.__main__ import fuzzers
from tests.fuzz.runner import Runner

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a fork server")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """One server of processes, and one run of each command that nothing disturbs."""
    return Runner(tmp_path_factory.mktemp("runner"))


def test_the_command_runs_each_fuzzer_and_nothing_else() -> None:
    tested = (
        documents,
        files,
        full,
        inputs,
        kills,
        poses,
        power,
        promises,
        tables,
        transport,
        videos,
    )
    assert {f"tests.fuzz.{name}" for name in fuzzers()} == {one.__name__ for one in tested}


def test_promises_with_other_options() -> None:
    report = promises.run(seed=18, seconds=None, count=40)
    assert not report.defects
    assert report.cases == 40


def test_tables_are_read_right_or_refused() -> None:
    report = tables.run(seed=18, count=500)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "refused")) > 100


@pytest.mark.slow
def test_ten_thousand_tables_are_read_right_or_refused() -> None:
    report = tables.run(seed=19, count=10_000)
    assert not report.defects
    assert report.cases == 10_000


def test_documents_are_read_right_or_refused() -> None:
    report = documents.run(seed=18, count=300)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "read whole", "refused")) > 30


@pytest.mark.slow
def test_ten_thousand_documents_are_read_right_or_refused() -> None:
    report = documents.run(seed=19, count=10_000)
    assert not report.defects
    assert report.cases == 10_000


@pytest.mark.slow
def test_files_of_poses_are_read_right_or_refused() -> None:
    report = poses.run(seed=18, count=200)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "read whole", "refused")) > 20


@pytest.mark.slow
def test_damaged_videos() -> None:
    report = videos.run(seed=18, count=300)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "read with a warning", "refused")) > 20


@pytest.mark.slow
def test_hostile_files() -> None:
    report = files.run(seed=18, count=60)
    assert not report.defects
    assert min(report.outcomes[name] for name in ("read", "refused")) > 5


@pytest.mark.slow
def test_hostile_inputs() -> None:
    report = inputs.run(seed=18, count=60)
    assert not report.defects
    assert report.outcomes["hub: read"] + report.outcomes["hub: refused"] == 10


@pytest.mark.slow
@pytest.mark.skipif(bool(transport.missing()), reason=transport.missing())
def test_the_solver_under_the_sanitizers() -> None:
    report = transport.run(seed=1, seconds=None, count=1)
    assert not report.defects
    assert report.cases == transport.PROBLEMS


@needs_linux
@pytest.mark.slow
def test_killed_commands_continue_to_the_same_bytes(runner: Runner) -> None:
    report = kills.run(seed=1, seconds=None, count=11, runner=runner)
    assert not report.defects
    assert sum(n for name, n in report.outcomes.items() if name.endswith("kills")) >= 5


@needs_linux
@pytest.mark.slow
def test_nothing_is_believed_after_a_power_loss_that_is_not_whole(runner: Runner) -> None:
    report = power.run(seed=1, seconds=None, count=14, runner=runner)
    assert not report.defects
    assert report.cases == 14


@needs_linux
@pytest.mark.slow
def test_no_former_version_of_a_model_is_lost_with_the_power(runner: Runner) -> None:
    report = power.run(seed=2, seconds=None, count=10, names=("add",), runner=runner)
    assert not report.defects
    assert report.outcomes["add: whole"] == 10


@needs_linux
@pytest.mark.slow
def test_full_disks_lose_nothing_and_leave_nothing(runner: Runner) -> None:
    report = full.run(seed=1, seconds=None, count=30, names=("save", "export"), runner=runner)
    assert not report.defects
    assert sum(n for name, n in report.outcomes.items() if name.endswith("quota, refused")) >= 5
