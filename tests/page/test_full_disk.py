"""The server on a disk that is full: each change is refused or kept, and nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz._mount import missing, small_disk
from tests.page.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
PAGE = 4096
NO_RESERVE = "import fewact.page.folder as f; f.RESERVED = 0; "
"""The disks here are smaller than what uploads leave free."""


def test_a_full_disk_refuses_changes_and_loses_nothing(
    serve_apart: Callable[..., Server], clip: bytes, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 64 * PAGE) as resize:
        server = serve_apart(disk / "model", NO_RESERVE)
        (first,) = server.upload(clip, "label=wave")[1]["ids"]
        kept, names, statuses = {first}, {"wave"}, set()
        for level in range(10):
            used = sum(-(-one.stat().st_size // PAGE) for one in disk.rglob("*") if one.is_file())
            resize(PAGE * (used + level // 2))
            status, answer = server.upload(clip, "label=wave")
            kept |= set(answer.get("ids", ()))
            statuses.add(status)
            status, _ = server.post("/api/classes", name=f"action {level}")
            names |= {f"action {level}"} if status == 200 else set()
            statuses.add(status)
            state = server.state()
            assert (set(state["clips"]), set(state["classes"])) == (kept, names)
            assert not [one for one in disk.rglob("*") if one.name.endswith(".new")]
        assert statuses == {200, 201, 507}
        server.kill()
        resize(64 << 20)
        server = serve_apart(disk / "model")
        assert server.upload(clip, "label=wave")[0] == 507  # a gigabyte stays free
        state = server.state()
        assert (set(state["clips"]), set(state["classes"])) == (kept, names)
        assert all(server.request("GET", f"/media/{id}")[2] == clip for id in kept)
        server.kill()


def test_a_model_file_that_does_not_fit_on_the_disk_is_not_called_damaged(
    serve_apart: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 64 * PAGE):
        server = serve_apart(disk / "model", NO_RESERVE)
        status, _, answer = server.request("POST", "/api/import", bytes(100 * PAGE))
        assert status == 507
        assert json.loads(answer)["error"]["what"] == "the disk is nearly full"
        assert not [one for one in disk.rglob("*") if one.name.endswith(".new")]
        server.kill()
