"""The compiled transport solver, under the address and undefined-behaviour sanitizers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fuzz.report import Report, cases

SCRIPT = Path(__file__).parents[1] / "native" / "fuzz.py"
COMPILER = os.environ.get("CXX", "c++")
PROBLEMS = 2000
"""Problems of a case; the library is compiled once a case, in about 20 seconds."""


def missing() -> str:
    """Why the sanitizers cannot run here; empty if they can."""
    if sys.platform != "linux":
        return "the sanitizers are preloaded, which needs Linux"
    if shutil.which(COMPILER) is None:
        return f"there is no C++ compiler: {COMPILER}"
    return ""


def run(seed: int, seconds: float | None, count: int | None) -> Report:
    report = Report()
    if reason := missing():
        report.outcomes[f"skipped: {reason}"] += 1
        return report
    for number in cases(seconds, count):
        options = ["--problems", str(PROBLEMS), "--seed", str(seed + number), "--sanitize"]
        done = subprocess.run(
            [sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False
        )
        report.outcomes["proved optimal" if done.returncode == 0 else "failed"] += PROBLEMS
        if done.returncode:
            text = (done.stdout + done.stderr).strip().splitlines()
            told = next((line for line in text if "ERROR" in line or "error" in line), text[-1])
            report.defects.append(f"seed {seed + number}: {told}")
    return report
