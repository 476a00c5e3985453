"""The journal on the disk: torn lines, full disks, long files; and one server at a time."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from fewact.core.errors import ModelError, OutputError
from fewact.page.folder import JOURNAL_FILE, Journal, PageFolder
from fewact.page.state import ActionChanged, ClipsAdded, PageClip, StepUndone, new_id
from tests.fuzz._mount import missing, small_disk
from tests.page.conftest import Server


def add(journal: Journal, name: str) -> None:
    journal.append(ActionChanged(id=new_id(), what="add_class", name=name))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two actions."""
    journal = Journal(tmp_path / "journal.jsonl")
    add(journal, "wave")
    add(journal, "throw")
    return tmp_path / "journal.jsonl"


def test_what_is_appended_is_read_again_and_an_id_is_used_once(path: Path) -> None:
    journal = Journal(path)
    entry = ActionChanged(id="1", what="rename", name="wave", to="hello")
    assert journal.append(entry)
    again = Journal(path)
    assert again.state == journal.state
    assert again.state.classes == ("hello", "throw")
    assert (again.entry("1"), again.entry("2")) == (entry, None)
    size = path.stat().st_size
    assert not again.append(ActionChanged(id="2", what="rename", name="jump", to="hop"))
    assert path.stat().st_size == size  # what changes nothing is not written


def test_a_last_line_that_is_cut_anywhere_is_ignored_and_replaced(path: Path) -> None:
    whole = path.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for content in (
        *(whole[:end] for end in range(begin, len(whole))),
        whole[:begin] + bytes(len(whole) - begin),  # after a power loss
        whole[:-9] + b"x" + whole[-8:],
    ):
        path.write_bytes(content)
        journal = Journal(path)
        assert journal.state.classes == ("wave",)
        add(journal, "throw")
        assert Journal(path).state.classes == ("wave", "throw")
        assert path.read_bytes().count(b"\n") == 3


def test_any_other_damage_is_refused(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for content in (
        b"",
        b"{}\n",
        first[:-5],
        second + third,
        first + second[:20] + b"0" + second[21:] + third,
        first + second[1:] + third,
        first + first + third,
        first.replace(b'"version":5', b'"version":9') + second,
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            Journal(path)
        assert path.read_bytes() == content
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError):
        Journal(path)


@pytest.mark.parametrize("fault", ["write", "fsync"])
def test_an_entry_that_cannot_be_written_leaves_the_journal_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    journal = Journal(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if fault == "fsync":
            patch.setattr("fewact.page.folder.os.fsync", fail)
        else:
            patch.setattr(Path, "open", fail)
        with pytest.raises(OutputError, match="no space left"):
            add(journal, "jump")
    assert (journal.state.classes, path.read_bytes()) == (("wave", "throw"), before)
    add(journal, "jump")
    assert Journal(path).state.classes == ("wave", "throw", "jump")


def test_a_long_journal_becomes_short_and_its_latest_steps_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.folder.MOST_ENTRIES", 40)
    monkeypatch.setattr("fewact.page.folder.MOST_LATEST", 20)
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    clips = {
        f"{i:016x}": PageClip(file=f"{i:016x}.mp4", name="我.mp4", label="0") for i in range(9)
    }
    journal.append(ClipsAdded(id=new_id(), clips=clips))
    for number in range(1, 100):
        journal.append(
            ActionChanged(id=new_id(), what="rename", name=str(number - 1), to=str(number))
        )
    assert path.read_bytes().count(b"\n") <= 41
    again = Journal(path)
    assert again.state == journal.state
    assert {clip.label for clip in again.state.clips.values()} == {"99"}
    count = len(again.state.steps)
    assert count >= 20
    for number in reversed(range(99 - count, 99)):
        again.append(StepUndone(id=new_id(), step=again.state.last_step))
        assert again.state.classes == (str(number),)


def test_a_journal_stays_readable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewact.page.folder.JOURNAL_FILE", replace(JOURNAL_FILE, ceiling=1000))
    journal = Journal(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="too large"):
        add(journal, "x" * 1000)
    assert path.read_bytes() == before


def test_one_server_of_a_model_at_a_time(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path / "model")
    lock = folder.path / "lock" / "serve"
    with pytest.raises(ModelError):
        PageFolder(tmp_path / "model")
    folder.close()
    assert lock.is_file()  # another server may have opened it
    again = PageFolder(tmp_path / "model")
    folder.close()
    with pytest.raises(ModelError):
        PageFolder(tmp_path / "model")
    again.close()


MOMENTS = int(os.environ.get("FEWACT_KILLS", "2"))
"""Number of moments at which a process is killed, each within one and a half times the time that a
new server needs to take over the folder and to teach a correction."""


MOST_CLIPS = 12


OTHER = {"wave": "throw", "throw": "wave"}


def children_of(pid: int) -> list[int]:
    """Return the processes of decoder and worker (Linux)."""
    with suppress(OSError):
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for one in tasks for child in (one / "children").read_text().split()]
    return []


def strike(server: Server, target: str, moment: float) -> int:
    """Kill the server, or one of its children, after so many seconds; return which process."""
    time.sleep(moment)
    children = children_of(server.process.pid)
    pid = server.process.pid if target == "server" or not children else children[-1]
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def correct(server: Server, kept: dict[str, str]) -> None:
    """Give a clip another label, and wait until it is taught."""
    id = next(iter(kept))
    kept[id] = OTHER[kept[id]]
    assert server.post("/api/clips/label", ids=[id], label=kept[id])[0] == 200
    server.post("/api/teach")
    server.wait(lambda state: state["changes"] == 0 and state["clips"][id]["model_label"])


def work(server: Server, clip: bytes, kept: dict[str, str], struck: Callable[[], bool]) -> str:
    """Upload, teach and correct until something is killed; note what was acknowledged.

    Returns:
        Id of the clip whose correction may have been kept without an answer.
    """
    asked = ""
    with suppress(OSError, HTTPException, ValueError, AssertionError):
        while not struck():
            if len(kept) < MOST_CLIPS:
                status, answer = server.upload(clip, "label=wave&name=wave.mp4")
                if status == 201:
                    kept[answer["ids"][0]] = "wave"
            server.post("/api/teach")
            server.wait(lambda state: state["changes"] == 0 or struck())
            asked = next(iter(kept))
            label = OTHER[kept[asked]]
            if server.post("/api/clips/label", ids=[asked], label=label)[0] == 200:
                kept[asked], asked = label, ""
    return asked


def opened(state: Any) -> bool:
    """Whether the server has taken over what is in the folder."""
    waits = ("waiting", "running")
    return not any(job["kind"] == "open" and job["state"] in waits for job in state["jobs"])


@pytest.mark.slow
@pytest.mark.assets
def test_nothing_that_was_kept_or_taught_is_lost(
    serve_apart: Callable[..., Server], assets: Path
) -> None:
    folder = assets / "clips" / "utd5_rgb"
    clips = {
        name: [path.read_bytes() for path in sorted((folder / action).glob("*_s1_t*.mp4"))[:2]]
        for name, action in (("wave", "a03_wave"), ("throw", "a05_throw"))
    }
    noise = random.Random(MOMENTS)
    server, kept = serve_apart(), {}
    for label, contents in clips.items():
        for content in contents:
            kept[server.upload(content, f"label={label}&name={label}.mp4")[1]["ids"][0]] = label
    correct(server, kept)
    server.kill()
    begun = time.monotonic()
    server = serve_apart(server.model)
    correct(server, kept)
    longest = 1.5 * (time.monotonic() - begun)
    taught, times_taught = dict(kept), 0
    for i in range(MOMENTS):
        target = noise.choice(["server", "child"])
        case = i, target, noise.uniform(0, longest)
        with ThreadPoolExecutor() as pool:
            killer = pool.submit(strike, server, *case[1:])
            asked = work(server, clips["wave"][0], kept, killer.done)
        if killer.result() == server.process.pid:
            server.process.wait()
        if server.process.poll() is not None or i == MOMENTS - 1:
            server.kill()
            server = serve_apart(server.model)
        state = server.wait(opened)
        found = {id: clip["label"] for id, clip in state["clips"].items() if not clip["binned"]}
        if asked:
            assert found[asked] in (kept[asked], OTHER[kept[asked]]), case
            kept[asked] = found[asked]
        assert {id: found.get(id) for id in kept} == kept, case
        now = {
            id: clip["model_label"] for id, clip in state["clips"].items() if clip["model_label"]
        }
        assert taught.keys() <= now.keys(), case
        assert not (taught and state["model"] is None), (case, state["jobs"])
        times_taught += now != taught
        taught = now
        for id in kept:
            assert server.request("GET", f"/media/{id}")[0] == 200
    server.post("/api/teach")
    state = server.wait(lambda state: state["changes"] == 0)
    assert state["model"]["classes"] == ["throw", "wave"]
    names = {path.name for path in (server.model / "page").iterdir()}
    assert not [name for name in names if name.endswith(".new")]
    print(f"{MOMENTS} kills within {longest:.0f} s; {times_taught} times the model was another one")


DISK_PAGE = 4096


NO_RESERVE = "import fewact.page.folder as f; f.RESERVED = 0; "
"""The disks here are smaller than what uploads leave free."""


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_full_disk_refuses_changes_and_loses_nothing(
    serve_apart: Callable[..., Server], clip: bytes, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 64 * DISK_PAGE) as resize:
        server = serve_apart(disk / "model", NO_RESERVE)
        (first,) = server.upload(clip, "label=wave")[1]["ids"]
        kept, names, statuses = {first}, {"wave"}, set()
        for level in range(10):
            used = sum(
                -(-one.stat().st_size // DISK_PAGE) for one in disk.rglob("*") if one.is_file()
            )
            resize(DISK_PAGE * (used + level // 2))
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


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_model_file_that_does_not_fit_on_the_disk_is_not_called_damaged(
    serve_apart: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 64 * DISK_PAGE):
        server = serve_apart(disk / "model", NO_RESERVE)
        status, _, answer = server.request("POST", "/api/import", bytes(100 * DISK_PAGE))
        assert status == 507
        assert json.loads(answer)["error"]["what"] == "the disk is nearly full"
        assert not [one for one in disk.rglob("*") if one.name.endswith(".new")]
        server.kill()
