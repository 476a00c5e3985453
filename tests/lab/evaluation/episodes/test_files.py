"""Files of episodes: round trip, edited files, failed writes."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import EpisodeError, OutputError
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw, load, save
from tests.lab.evaluation.episodes.made_up import videos_of
from tests.refused import refused


@pytest.fixture
def episodes() -> EpisodeSet:
    return draw(videos_of(), Protocol(ways=3, shots=2, queries=2, count=6, seed=9))


def test_save_and_load(episodes: EpisodeSet, tmp_path: Path) -> None:
    path = save(episodes, tmp_path / "new" / "e.json")
    back = load(path)
    assert (back.protocol, back.list_name, back.list_digest, back.digest) == (
        episodes.protocol,
        "made up",
        videos_of().digest,
        episodes.digest,
    )
    np.testing.assert_array_equal(back.support, episodes.support)
    np.testing.assert_array_equal(back.query, episodes.query)
    assert back.query.dtype == np.int32
    assert path.read_bytes() == save(back, tmp_path / "again.json").read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["e.json"]


def swap(content: dict[str, Any]) -> None:
    row = content["query"][0]
    row[0], row[1] = row[1], row[0]


@pytest.mark.parametrize(
    "edit",
    [
        swap,
        lambda c: c["protocol"].update(seed=8),
        lambda c: c.update(list_sha256="0" * 64),
        lambda c: c["support"].pop(),
        lambda c: c["support"][0].append(1),
        lambda c: c["query"].__setitem__(0, [0.5] * 6),
        lambda c: c["query"][0].__setitem__(0, -1),
        lambda c: c.update(version=2),
        lambda c: c.pop("sha256"),
        lambda c: c.update(more=1),
        lambda c: c["protocol"].update(shots=0),
    ],
)
def test_an_edited_file_is_refused(
    episodes: EpisodeSet, tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    path = save(episodes, tmp_path / "e.json")
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(EpisodeError, match=re.escape(str(path))):
        load(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "not json", "\x00", "[" * 100_000])
def test_files_without_episodes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(EpisodeError, match="not a file of episodes"):
        load(path)


def test_a_binary_file_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_bytes(b"\xff\xfe\x80")
    with refused(EpisodeError, where="e.json", got="bytes that are not text in UTF-8"):
        load(tmp_path / "e.json")
    with refused(EpisodeError, where="missing.json"):
        load(tmp_path / "missing.json")


def test_a_failed_write_keeps_the_old_file(
    episodes: EpisodeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.json"
    path.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused(OutputError, where="e.json"):
        save(episodes, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
