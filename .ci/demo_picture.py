"""Write docs/demo.svg, the picture of what `make demo` prints: `python .ci/demo_picture.py`."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"
WIDTH = 92  # characters of a line


def main() -> None:
    """Run the demo in a temporary folder, and write the picture of what it prints."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fewact", "demo", "--quiet"]
        environment = {**os.environ, "COLUMNS": str(WIDTH)}
        printed = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    PICTURE.write_text(picture(printed), encoding="utf-8")


def picture(printed: str) -> str:
    """Return an SVG of a terminal with a text; it loads no font from another host."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    console.print(Text(printed.strip()))
    svg = console.export_svg(title="fewact demo", unique_id="demo")
    return "\n".join(
        line.rstrip() for line in re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).splitlines()
    )


if __name__ == "__main__":
    main()
