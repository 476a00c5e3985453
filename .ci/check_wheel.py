"""Check an installed fewact: its solver and its command. Usage: check_wheel.py FORM.

FORM is ``compiled`` or ``pure``: whether the transport solver must be the compiled one.
"""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import torch

import fewact
from fewact.align._emd import native
from fewact.align._products import native as products
from fewact.video.camera import _native as camera


def check(holds: bool, message: str) -> None:
    """End with a message if something does not hold."""
    if not holds:
        sys.exit(message)


def compiled_solvers() -> list[str]:
    """Return the instruction sets of the compiled solver; none if it is not installed."""
    try:
        return list(native.instruction_sets())
    except OSError:
        return []


def compiled_products() -> bool:
    """Return whether the compiled products of nodes are installed."""
    try:
        products.library()
    except OSError:
        return False
    return True


def main(form: str) -> None:
    """Check the package that this interpreter imports."""
    source = Path(__file__).parents[1] / "src"
    check(source not in Path(fewact.__file__).parents, "this is the source folder, not an install")
    files = [file.name for file in distribution("fewact").files or ()]
    check("py.typed" in files, "py.typed is missing")
    check(not any(name.endswith((".h", ".cpp")) for name in files), "C++ sources are installed")
    solvers = compiled_solvers()
    check(bool(solvers) is (form == "compiled"), f"compiled solvers: {solvers or 'none'}")
    compiled = camera.library() is not None
    check(compiled is (form == "compiled"), f"compiled registration of frames: {compiled}")
    # Products are written for GCC and Clang; the solver of Windows has one instruction set.
    expected = form == "compiled" and sys.platform != "win32"
    check(compiled_products() is expected, f"compiled products: {not expected}")
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(50, 14, 14, generator=generator, dtype=torch.float64)
    weights = torch.full((50, 14), 1 / 14, dtype=torch.float64)
    value = fewact.align.emd(cost, weights, weights).value.sum().item()
    best = fewact.align.emd(cost).value.sum().item()  # equal weights: an assignment
    check(abs(value - best) < 1e-9, f"the solver's value is {value}, expected {best}")
    engine = fewact.networks.create(device="cpu").card.engine
    check(engine == "onnx", f"the default network's engine is {engine}: its graphs are missing")
    script = Path(sys.executable).with_name("fewact.exe" if sys.platform == "win32" else "fewact")
    printed = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    check(printed.stdout.split() == ["fewact", fewact.__version__], printed.stdout)
    print(f"fewact {fewact.__version__}, {form}: {', '.join(solvers) or 'solver in PyTorch'}")


if __name__ == "__main__":
    if sys.argv[1:] not in (["compiled"], ["pure"]):
        sys.exit(__doc__)
    main(sys.argv[1])
