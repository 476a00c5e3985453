"""``fewact methods`` and ``fewact backbones``: all names, and options with descriptions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from fewact import methods, networks
from fewact.cli.options import parse_options
from fewact.core.options import flatten_options, option_names

Run = Callable[..., Any]


@pytest.mark.slow
def test_every_option_of_every_method(run: Run) -> None:
    listed = {one["name"]: one for one in json.loads(run("methods", "--format", "json").out)}
    assert tuple(listed) == methods.names()
    assert [name for name, one in listed.items() if one["auto"]] == [methods.DEFAULT_METHOD]
    for name, one in listed.items():
        shown = run("methods", name).out
        assert max(map(cell_len, shown.splitlines())) <= 100
        made = methods.create(name)
        defaults = flatten_options(made.options)
        assert set(one["options"]) == set(defaults) == set(option_names(type(made.options)))
        for flag in ("transductive", "uses_text", "trained"):
            assert one[flag] == getattr(made, flag)
        assert one["summary"]
        for option, default in defaults.items():
            assert one["options"][option]["default"] == default
            assert one["options"][option]["description"], f"{name} does not describe {option}"
            assert f"--option {option}=" in shown
        lines = [line.partition("--option ")[2] for line in shown.splitlines()]
        passed = parse_options([line for line in lines if line])
        assert methods.create(name, **passed).options == made.options


def test_one_method_is_shown(run: Run) -> None:
    shown = run("methods", "otam").out
    assert shown.startswith("otam\n")
    assert "OTAM, CVPR 2020" in shown
    assert run("methods", "auto").out.startswith(f"{methods.DEFAULT_METHOD} (auto)\n")
    assert [one["name"] for one in json.loads(run("methods", "otam", "--format", "json").out)] == [
        "otam"
    ]
    ended = run("methods", "otma")
    assert ended.code == 2
    assert 'Did you mean "otam"?' in ended.err


def test_a_method_of_a_file_is_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))
    file = tmp_path / "mine.py"
    file.write_text(
        "from fewact import methods\nfrom fewact.methods.protonet import ProtoNet\n\n\n"
        "@methods.register('mine')\nclass Mine(ProtoNet):\n    'Nearest of mine.'\n"
    )
    shown = run("methods", "mine", "--import", file).out
    assert shown.startswith("mine\n  Nearest of mine.\n")
    assert "--option frames=8" in shown


def test_choices_are_shown(run: Run) -> None:
    assert "[cross | self | uniform]" in run("methods", "a2m2").out


def test_the_table_has_a_row_for_each_method(run: Run) -> None:
    header, *lines = run("methods").out.splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert len(lines) <= 3 * len(methods.names())
    rows = [line for line in lines if not line.startswith(" ")]
    assert header.split() == ["name", "paper", "needs", "flags", "summary"]
    for name, row in zip(methods.names(), rows, strict=True):
        assert row.split()[0] == name
    (molo,) = (row for row in rows if row.startswith("molo "))
    assert "MoLo, CVPR" in molo
    assert "maps, or" in molo
    assert "MoLo: frames that match a global token" in molo
    after = lines[lines.index(molo) + 1]
    assert {"2023", "vectors", "training"} <= set(after.split())
    assert "needs in training, too: pixels" in run("methods", "molo").out


def test_backbones(run: Run) -> None:
    listed = json.loads(run("backbones", "--format", "json").out)
    assert tuple(one["name"] for one in listed) == networks.names()
    assert [one["name"] for one in listed if one["auto"]] == [networks.DEFAULT_NETWORK]
    table, below = run("backbones").out.split("\n\n")
    header, *rows = table.splitlines()
    assert header.startswith("name")
    for one, row in zip(listed, rows, strict=True):
        assert row.startswith(one["name"])
        assert "×".join(map(str, one["maps"])) in row
        assert row.endswith(one["licence"])
        assert "None" not in row
        assert f"{one['name']}\n  {one['summary'][:40]}" in below
    assert max(map(len, (*rows, *below.splitlines()))) <= 100
