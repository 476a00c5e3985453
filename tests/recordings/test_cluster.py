"""A cluster finds what one machine finds."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.cli import main
from tests.classifier.conftest import render
from tests.recordings.test_many import dated


def on_a_pretend_cluster(
    work: Callable[[Any], Any], items: list[Any], *, address: str
) -> Iterator[Any]:
    """Do what ``map_on_ray`` does, in two copies of the work, the last item first."""
    assert address == "local"
    actors = [pickle.loads(pickle.dumps(work)) for _ in range(2)]
    for i, item in reversed([*enumerate(items)]):
        yield json.loads(json.dumps(actors[i % 2](json.loads(json.dumps(item)))))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::ray")
@pytest.mark.parametrize("cluster", ["pretend", "ray"])
def test_a_cluster_finds_what_one_machine_finds(
    cluster: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if cluster == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'fewact[ray]'")
    else:
        monkeypatch.setattr("fewact.cli.options.check_extra", lambda *names: None)
        monkeypatch.setattr("fewact.recordings.cluster.map_on_ray", on_a_pretend_cluster)
    clips = {name: [render(tmp_path / f"{name}.mp4", name, 0)] for name in ("left", "right")}
    FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips).save(tmp_path / "m")
    night = tmp_path / "night"
    night.mkdir()
    for name, motion in (("b", "left"), ("c", "right")):
        shutil.copy(clips[motion][0], night / f"{name}.mp4")
    dated(clips["left"][0], night / "a.mp4", "2026-03-04T05:06:07Z")
    bad = night / "bad.mp4"
    bad.write_bytes(b"no video")
    monkeypatch.chdir(tmp_path)

    def run(name: str, code: int, *more: str) -> tuple[list[str], str]:
        """Return the lines of the table and stderr."""
        out = tmp_path / name
        words = ["watch", "m", "night", "-o", name, "--format", "csv", *more]
        assert main(words) == code
        shown = capsys.readouterr()
        lines = out.read_text().splitlines()
        assert sorted(shown.out.splitlines()) == sorted(lines)
        return lines, shown.err

    alone, _ = run("alone.csv", 3)
    assert {line.partition(",")[0] for line in alone[1:]} == {f"night/{x}.mp4" for x in "abc"}
    together, said = run("together.csv", 3, "--ray", "local")
    assert together == alone
    assert f"Skipped: {bad}: " in said
    shutil.copy(clips["left"][0], bad)
    resumed, said = run("together.csv", 0, "--ray", "local")
    assert "3 of 4 recordings are finished" in said
    assert resumed == run("alone.csv", 0)[0]
    assert main(["watch", "m", str(bad), "--ray", "local"]) == 2
    assert "expected: several" in capsys.readouterr().err
