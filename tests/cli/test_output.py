"""The progress bar is shown on a terminal only."""

import os
import re
import subprocess
import sys

import pytest

from fewact.cli.output import progress

CODE = (
    "from fewact.cli.output import progress\n"
    "with progress('Teaching') as show:\n"
    "    for done in range(1, 4):\n"
    "        show(done, 3)\n"
    "        print('result', done)\n"
)


def on_a_terminal(**environment: str) -> tuple[str, str]:
    """Return what a process writes to stdout, a pipe, and to stderr, a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    variables = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=True,
        env={**variables, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # Linux reports the closed end of a terminal as an error.
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return done.stdout, shown.decode()


def test_the_bar_is_on_the_terminal_and_results_are_in_the_pipe() -> None:
    results, shown = on_a_terminal()
    assert results == "result 1\nresult 2\nresult 3\n"
    assert "Teaching" in shown
    assert "3/3" in shown
    assert re.search(r"\x1b\[[\d;]*3\d", shown), "coloured"


def test_no_color_is_honoured() -> None:
    _, shown = on_a_terminal(NO_COLOR="1")
    assert "3/3" in shown
    assert not re.search(r"\x1b\[[\d;]*3\d", shown)


def test_no_bar_if_stderr_is_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Teaching") as show:
        show(1, 1)
    assert capsys.readouterr() == ("", "")


def test_no_bar_with_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("Teaching", quiet=True) as show:
        show(1, 1)
    assert capsys.readouterr() == ("", "")
