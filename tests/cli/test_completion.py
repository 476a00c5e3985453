"""What the shell completes, in a process as the shell starts it."""

import os
import subprocess
import sys

import pytest

MAIN = """
import sys
from fewact.cli import main
try:
    main([])
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fewact predict --to", {"--top"}),
        ("fewact re", {"review", "report", "remove", "rename", "recipes"}),
        ("fewact methods fu", {"fusion"}),
        ("fewact teach clips --method pro", {"protonet"}),
        ("fewact evaluate ota", {"otam"}),
        ("fewact teach clips --backbone mob", {"mobilenet-v2"}),
        ("fewact leaderboard ssv2-f", {"ssv2-full_otam", "ssv2-full_trx"}),
        ("fewact teach clips --quality b", {"best"}),
    ],
)
def test_names_are_completed_without_torch(line: str, expected: set[str]) -> None:
    environment = os.environ | {
        "_FEWACT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'fewact'\n" + MAIN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert set(done.stdout.split()) == expected, done.stderr
    assert done.stderr.split()[-1] == "False"
