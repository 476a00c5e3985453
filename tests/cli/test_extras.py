"""Packages of extras are looked for before the work begins."""

import sys
from pathlib import Path

import pytest

from fewact.cli import main


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["serve"], "uvicorn", "web"),
        (["train", "no recipe", "-o", "run"], "lightning_fabric", "train"),
        (["embed", ".", "-o", "store", "--ray", "local"], "ray", "ray"),
    ],
)
def test_a_missing_extra_is_named_first(
    arguments: list[str],
    module: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert f"needs {module}" in message
    assert f"pip install 'fewact[{extra}]'" in message
    assert list(tmp_path.iterdir()) == []
