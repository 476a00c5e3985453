"""Budgets of the house: a change that needs more edits the number here, and says why."""

import ast
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest

from tests.cli.conftest import clips, model  # noqa: F401 - fixtures

SOURCE = Path(__file__).parents[1] / "src" / "fewact"
WINGS = ("recordings", "page", "lab")

LINES = {"core": 44_500, "recordings": 14_000, "page": 3_610, "lab": 23_750, "tests": 67_700}
STATIC_LINES = 2_700
METHOD_MEMBERS = 10
COMMAND_LINES = 60
COMMAND_PARAMETERS = 20
INSTALLED_MIB = 350
PREDICT_FILES = 86
PREDICT_ROOMS = 10


def lines_of(files: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def test_lines_of_each_part() -> None:
    lines: Counter[str] = Counter()
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0]
        lines[room if room in WINGS else "core"] += lines_of([path])
    lines["tests"] = lines_of(list(Path(__file__).parent.rglob("*.py")))
    assert {part: count for part, count in lines.items() if count > LINES[part]} == {}


def test_lines_of_the_page_in_the_browser() -> None:
    static = [
        path
        for path in (SOURCE / "page" / "static").iterdir()
        if path.suffix in (".js", ".css", ".html", ".ts")
    ]
    assert lines_of(static) <= STATIC_LINES


def test_members_of_the_contract_of_methods() -> None:
    tree = ast.parse((SOURCE / "methods" / "base.py").read_text(encoding="utf-8"))
    (contract,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Method")
    members = [
        node
        for node in contract.body
        if isinstance(node, ast.FunctionDef | ast.AnnAssign | ast.Assign)
        and not getattr(node, "name", "").startswith("__")
    ]
    assert len(members) <= METHOD_MEMBERS


def commands() -> dict[str, ast.FunctionDef]:
    """Return the function of each command of the command line."""
    from fewact.cli.app import COMMANDS

    found = {}
    for group in COMMANDS.values():
        for name, (target, _) in group.items():
            module, _, function = target.partition(":")
            tree = ast.parse(
                (SOURCE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
            )
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name == function:
                    found[name] = node
    return found


def test_a_command_parses_calls_and_prints() -> None:
    long = {}
    for name, node in commands().items():
        body = node.body[1:] if ast.get_docstring(node) else node.body
        code = node.end_lineno - body[0].lineno + 1 if node.end_lineno else 0
        if (
            code > COMMAND_LINES
            or len(node.args.args) + len(node.args.kwonlyargs) > COMMAND_PARAMETERS
        ):
            long[name] = code
    assert long == {}


def test_no_command_imports_another() -> None:
    from fewact.cli.app import COMMANDS

    modules = {
        f"fewact.{target.partition(':')[0]}"
        for group in COMMANDS.values()
        for target, _ in group.values()
    }
    imports = {
        (module, node.module)
        for module in modules
        for node in ast.walk(
            ast.parse(
                (SOURCE.parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
            )
        )
        if isinstance(node, ast.ImportFrom) and node.module in modules - {module}
    }
    assert imports == set()


def needed_by(package: str, seen: set[str]) -> set[str]:
    """Return the packages that a package needs without its extras, itself included."""
    name = re.sub(r"[-_.]+", "-", package).lower()
    if name in seen:
        return seen
    seen.add(name)
    for line in requires(name) or ():
        requirement, _, marker = line.partition(";")
        other = re.match(r"[\w.-]+", requirement)
        if other and "extra" not in marker:
            try:
                distribution(other[0])
            except PackageNotFoundError:  # of another system or Python
                continue
            needed_by(other[0], seen)
    return seen


def test_size_and_packages_of_the_installed_core() -> None:
    packages = needed_by("fewact", set())
    size = sum(
        path.stat().st_size
        for package in packages - {"fewact"}
        for file in distribution(package).files or ()
        if (path := Path(str(distribution(package).locate_file(file)))).is_file()
        and path.suffix != ".pyc"
    )
    assert "torch" not in packages
    assert size <= INSTALLED_MIB * 2**20


WALK = """
import sys, threading
source, files = sys.argv[1], set()
def trace(frame, event, _):
    file = frame.f_code.co_filename
    if event == "call" and file.startswith(source) and not frame.f_code.co_name.startswith("<"):
        files.add(file)
threading.setprofile(trace)
from fewact.cli.app import main
sys.setprofile(trace)
try:
    main(sys.argv[2:])
except SystemExit:
    pass
sys.setprofile(None)
print("\\n".join(sorted(files)), file=sys.stderr)
print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.slow
def test_files_that_one_predict_executes(clips: Path, model: Path) -> None:  # noqa: F811
    clip = next(clips.rglob("*.mp4"))
    command = [sys.executable, "-c", WALK, f"{SOURCE}/", "predict", str(model), str(clip)]
    walked = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()
    files = [Path(line).relative_to(SOURCE) for line in walked if line.startswith(str(SOURCE))]
    rooms = {path.parts[0] for path in files if len(path.parts) > 1}
    assert walked[-1] == "False"  # torch is not imported
    assert len(files) <= PREDICT_FILES
    assert len(rooms) <= PREDICT_ROOMS
    assert not rooms & set(WINGS)
