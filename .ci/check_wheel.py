"""Check an installed fewact without its lab: what is compiled, and that it teaches and predicts.

Usage: check_wheel.py FORM. FORM is ``compiled`` or ``pure``: whether the libraries must be there.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import fewact
from fewact.align import _emd as solver
from fewact.align.costs import products_library
from fewact.synthetic import motions
from fewact.synthetic.benchmark import FPS
from fewact.video import write_video
from fewact.video.camera import _native as camera

SCRIPT = Path(sys.executable).with_name("fewact.exe" if sys.platform == "win32" else "fewact")
CLASSES, TAUGHT, NEW = 3, 2, 2


def check(holds: bool, message: str) -> None:
    """End with a message if something does not hold."""
    if not holds:
        sys.exit(message)


def is_compiled(library: Callable[[], object]) -> bool:
    """Return whether a library is installed, and can be loaded."""
    try:
        return library() is not None
    except OSError:
        return False


def check_files(form: str) -> None:
    """Check what is installed."""
    source = Path(__file__).parents[1] / "src"
    check(source not in Path(fewact.__file__).parents, "this is the source folder, not an install")
    check(find_spec("torch") is None, "PyTorch is installed: what runs may need it")
    files = [file.name for file in distribution("fewact").files or ()]
    check("py.typed" in files, "py.typed is missing")
    check(not any(name.endswith((".h", ".cpp")) for name in files), "C++ sources are installed")
    expected = dict.fromkeys(("solver", "products", "frames"), form == "compiled")
    # Products are written for GCC and Clang.
    expected["products"] &= sys.platform != "win32"
    libraries = (solver.library, products_library, camera.library)
    compiled = dict(zip(expected, map(is_compiled, libraries), strict=True))
    check(compiled == expected, f"compiled: {compiled}, expected: {expected}")


def check_solver() -> None:
    """Check that a transport problem with equal weights is an assignment."""
    cost, weights = np.random.default_rng(0).random((50, 14, 14)), np.full((50, 14), 1 / 14)
    apart = fewact.align.emd(cost, weights, weights).value - fewact.align.hungarian(cost).value
    check(float(np.abs(apart).max()) < 1e-9, f"the solver's values differ by {apart}")


def run(*words: object, status: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command of fewact, and check its exit code."""
    done = subprocess.run([SCRIPT, *map(str, words)], capture_output=True, text=True)
    check(done.returncode == status, f"{words}: exit code {done.returncode}\n{done.stderr}")
    return done


def check_commands(folder: Path) -> None:
    """Teach rendered clips, predict others, and name what the lab has."""
    printed = run("--version").stdout
    check(printed.split() == ["fewact", fewact.__version__], printed)
    benchmark = motions(videos=TAUGHT + NEW)
    labels = list(dict.fromkeys(video.label for video in benchmark.videos.videos))[:CLASSES]
    for label in labels:
        videos = [video for video in benchmark.videos.videos if video.label == label]
        for number, video in enumerate(videos):
            path = folder / ("taught" if number < TAUGHT else "new") / label / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, benchmark.render(video.id), FPS)
    run("teach", folder / "taught", "-o", folder / "model")
    found = json.loads(run("predict", folder / "model", folder / "new", "--format", "json").stdout)
    answers = {one["path"]: one["best"] for one in found["predictions"]}
    check(len(answers) == CLASSES * NEW, f"{len(answers)} predictions")
    wrong = {path: best for path, best in answers.items() if Path(path).parent.name != best}
    check(not wrong, f"wrong: {wrong}")
    refused = run("teach", folder / "taught", "-o", folder / "x", "--method", "trx", status=2)
    check("fewact[lab]" in refused.stderr, refused.stderr)


def main(form: str) -> None:
    """Check the package that this interpreter imports."""
    check_files(form)
    check_solver()
    engine = fewact.networks.create(device="cpu").card.engine
    check(engine == "onnx", f"the default network's engine is {engine}: its graphs are missing")
    with tempfile.TemporaryDirectory() as folder:
        check_commands(Path(folder))
    print(f"fewact {fewact.__version__}, {form}: teaches and predicts without PyTorch")


if __name__ == "__main__":
    if sys.argv[1:] not in (["compiled"], ["pure"]):
        sys.exit(__doc__)
    main(sys.argv[1])
