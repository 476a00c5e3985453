"""``fewact embed``, and ``fewact evaluate --store`` on its stores."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fewact import methods
from fewact.core.bounded import size_text
from fewact.features.store import Store
from fewact.lab.store import Job

Run = Callable[..., Any]
FRAMES = ("--option", "frames=2")
PLAIN = ("--precision", "float32")
FEW = ("--ways", 2, "--count", 20, "--format", "json")


def tree(folder: Path) -> dict[str, bytes]:
    """Bytes of all shards, and the videos of each set and list."""
    files = (path for path in folder.rglob("*.*") if path.suffix != ".sqlite")
    index = Store(folder).index
    videos = index.rows("SELECT list, id, fingerprint, error FROM videos ORDER BY list, id")
    listed = {f"{name}/{id}": repr(facts).encode() for name, id, *facts in videos}
    listed |= {one.digest: " ".join(one).encode() for one in Store(folder).sets()}
    return listed | {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def table(clips: Path, tmp_path: Path) -> Path:
    """The clips as a table; it can be read although its clips are deleted."""
    moved = shutil.copytree(clips, tmp_path / "clips")
    rows = [f"{p},{p.parent.name}" for p in sorted(moved.glob("*/*.mp4"))]
    path = tmp_path / "table.csv"
    path.write_text("path,label\n" + "\n".join(rows) + "\n")
    return path


def test_stored_features_give_the_same_results_as_videos(
    run: Run, table: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    embedded = run("embed", table, "-o", store, "--method", "protonet", *FRAMES, *PLAIN)
    assert embedded.code == 0
    size = 6 * 2 * 1280 * 2
    assert f"vectors:2 of efficientnet-lite0 in float32 by onnx: {size_text(size)} to write" in (
        embedded.err
    )
    assert "Embedded: 6, already stored: 0, skipped: 0" in embedded.out
    call = ("evaluate", "protonet", "--data", table, *FRAMES, *FEW)
    stored = run(*call, "--store", store)
    assert stored.code == 0
    direct = json.loads(run(*call, *PLAIN).out)
    document = json.loads(stored.out)
    assert document["per_episode"] == direct["per_episode"]
    assert f"--store {store}" in document["command"]
    for clip in sorted(tmp_path.glob("clips/*/*.mp4"))[1:]:
        clip.unlink()
    moved = shutil.move(store, tmp_path / "elsewhere")
    offline = run(*call, "--store", moved)
    assert json.loads(offline.out)["setup"] == document["setup"]
    assert json.loads(offline.out)["per_episode"] == document["per_episode"]


def test_a_method_of_a_file(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))
    file = tmp_path / "mine.py"
    file.write_text("from fewact.methods.protonet import ProtoNet\nclass Mine(ProtoNet): pass\n")
    call = ("embed", table, "-o", tmp_path / "store", "--method", "Mine", "--import", file)
    ended = run(*call, *FRAMES, *PLAIN)
    assert ended.code == 0
    assert "vectors:2 of efficientnet-lite0" in ended.err
    words = f"METHOD --import {file} --data {table} --store {tmp_path / 'store'}"
    assert ended.out.endswith(f"Next: fewact evaluate {words}\n")


def test_the_next_command_finds_the_list_of_a_benchmark(
    run: Run, table: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos" / "HorseRace"
    folder.mkdir(parents=True)
    for number, clip in enumerate(sorted(tmp_path.glob("clips/*/*.mp4"))[:2], 1):
        shutil.copy(clip, folder / f"v_HorseRace_g0{number}_c01.mp4")
    where = ("--root", folder.parent, "--allow-missing")
    call = ("embed", "ucf101_arn", *where, "-o", tmp_path / "store")
    ended = run(*call, "--features", "vectors:2", *PLAIN)
    words = (*where, "--store", tmp_path / "store")
    expected = f"METHOD --data ucf101_arn {' '.join(map(str, words))}"
    assert ended.out.endswith(f"Next: fewact evaluate {expected}\n")


def test_the_same_command_finds_what_is_stored(run: Run, table: Path, tmp_path: Path) -> None:
    call = ("embed", table, "-o", tmp_path / "store", "--features", "vectors:2", *PLAIN)
    assert run(*call).code == 0
    before = tree(tmp_path / "store")
    again = run(*call)
    assert "0 bytes to write" in again.err
    assert "Embedded: 0, already stored: 6, skipped: 0" in again.out
    assert tree(tmp_path / "store") == before


def test_bad_videos_are_listed_and_skipped(
    run: Run, table: Path, broken: Path, tmp_path: Path
) -> None:
    shutil.copy(broken / "text.mp4", tmp_path / "clips" / "growing" / "bad.mp4")
    call = (
        "embed",
        tmp_path / "clips",
        "-o",
        tmp_path / "store",
        "--features",
        "vectors:2",
        *PLAIN,
    )
    ended = run(*call)
    assert ended.code == 3
    assert "Skipped: growing/bad.mp4: " in ended.err
    assert "Embedded: 6, already stored: 0, skipped: 1" in ended.out
    call = ("evaluate", "protonet", "--data", tmp_path / "clips", "--store", tmp_path / "store")
    refused = run(*call, *FRAMES, *FEW)
    assert refused.code == 2
    assert " of 7 videos that the episodes need" in refused.err
    assert "growing/bad.mp4 (" in refused.err
    assert f"fewact embed {tmp_path / 'clips'} --backbone efficientnet-lite0" in refused.err
    allowed = run(*call, *FRAMES, *FEW, "--allow-missing")
    assert allowed.code == 0
    assert "videos not in the store: 1 of 7" in json.loads(allowed.out)["flags"]


@pytest.mark.slow
def test_all_parts_together_equal_one_run(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Job.__init__.__kwdefaults__, "block", 1)
    call = ("embed", table, "--features", "vectors:2", *PLAIN)
    run(*call, "-o", tmp_path / "complete")
    for part in ("3/3", "1/3", "1/3", "2/3"):
        ended = run(*call, "-o", tmp_path / "store", "--shard", part)
        assert ended.code == 0
        assert "2 videos of table" in ended.err
    assert tree(tmp_path / "store") == tree(tmp_path / "complete")


@pytest.mark.slow
def test_nodes_are_stored_and_used(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    options = ("--option", "frames=2", "--option", "moments.lengths=1,2")
    call = ("embed", table, "-o", store, "--method", "a2m2", *options, *PLAIN)
    assert run(*call).code == 0
    evaluate = ("evaluate", "a2m2", "--data", table, "--store", store, *options, *FEW)
    right = run(*evaluate)
    assert right.code == 0
    assert run(*call, "--nodes").code == 0
    monkeypatch.setattr("fewact.lab.methods.a2m2.A2M2.encode", None)
    assert run(*evaluate).out == right.out
    assert sorted(str(one.facts["kind"]) for one in Store(store).sets()) == ["features", "nodes"]


def test_a_disk_without_enough_space_is_refused(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(free=30_719)
    monkeypatch.setattr("fewact.lab.commands.embed.shutil.disk_usage", lambda _: full)
    call = ("embed", table, "-o", tmp_path / "store", "--features", "vectors:2", *PLAIN)
    refused = run(*call)
    assert refused.code == 2
    assert "not enough free space (got 30.0 KiB); expected: 30.0 KiB" in refused.err
    full.free += 1
    monkeypatch.setattr("fewact.lab.store.embedding._Run.embed", lambda *_: None)
    assert run(*call).code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "0/4"), "I from 1 to N"),
        (("--shard", "5/4"), "5/4"),
        (("--shard", "a"), "3/64"),
        (("--features", "maps:0"), "LEVEL:FRAMES"),
        (("--features", "depth"), "vectors, maps, middle, shallow, pixels"),
        (("--features", "maps", "--nodes"), "--method"),
        (("--features", "maps", "--option", "frames=2"), "one method"),
        (("--method", "protonett"), "protonet"),
    ],
)
def test_wrong_options_are_errors_of_the_user(
    run: Run, table: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    ended = run("embed", table, "-o", tmp_path / "store", *options)
    assert ended.code == 2
    assert message in ended.err
    assert not (tmp_path / "store" / "sets").exists()


def test_a_folder_with_other_files_is_refused(run: Run, table: Path, tmp_path: Path) -> None:
    ended = run("embed", table, "-o", tmp_path)
    assert ended.code == 2
    assert "contains other files" in ended.err
    ended = run("evaluate", "protonet", "--data", table, "--store", tmp_path)
    assert ended.code == 2
    assert "not a feature store" in ended.err


def test_a_missing_ray_is_named(run: Run, table: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray"):
        pytest.skip("Ray is installed")
    ended = run(
        "embed", table, "-o", tmp_path / "store", "--features", "vectors:2", "--ray", "local"
    )
    assert ended.code == 2
    assert "fewact[ray]" in ended.err
