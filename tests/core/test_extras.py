"""Packages that only a part of fewact needs: where one is missing, or cannot be loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from fewact.core.errors import ExtraError
from fewact.core.extras import check_extra, import_lab, is_lab


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that are found first; torch is not loaded yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_missing_packages_of_an_extra_are_named_and_none_is_imported() -> None:
    check_extra("reading a file", "any", "json", "this")
    assert "this" not in sys.modules
    with pytest.raises(ExtraError) as refused:
        check_extra("reading a file", "any", "missing_one", "json", "missing_two")
    assert refused.value.extra == "any"
    assert refused.value.what == 'reading a file needs pip install "fewact[any]"'
    assert refused.value.got == "no missing_one, missing_two"


def test_the_lab_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert import_lab("a method", "fewact.lab.methods.base").TorchMethod
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraError) as refused:
        import_lab("a method", "fewact.lab.methods.base")
    assert (refused.value.extra, refused.value.got) == ("lab", "no torch")


@pytest.mark.parametrize(
    "fault",
    [
        "raise ImportError('a symbol is undefined')",
        "raise OSError('libtorch.so: cannot open shared object file')",
        "import a_package_that_is_missing",
    ],
)
def test_a_package_that_cannot_be_loaded(packages: Path, fault: str) -> None:
    (packages / "torch.py").write_text("")
    (packages / "needs_torch.py").write_text(fault)
    with pytest.raises(ExtraError) as refused:
        import_lab("a method", "needs_torch")
    assert refused.value.extra == "lab"
    assert refused.value.got
    assert isinstance(refused.value.__cause__, ImportError | OSError)


def test_a_module_of_fewact_that_is_missing_is_our_fault(packages: Path) -> None:
    (packages / "torch.py").write_text("")
    (packages / "needs_fewact.py").write_text("import fewact.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        import_lab("a method", "needs_fewact")


def test_modules_of_the_lab_are_known_by_name() -> None:
    assert [is_lab(name) for name in ("fewact.lab", "fewact.lab.methods", "fewact.label")] == [
        True,
        True,
        False,
    ]


def test_a_package_that_fails_while_a_module_of_the_lab_is_imported(packages: Path) -> None:
    (packages / "torch.py").write_text("raise OSError('libtorch.so')")
    code = (
        "from fewact.core.extras import fault_of_lab\n"
        "try:\n"
        "    import fewact.lab.methods.base\n"
        "except OSError as error:\n"
        "    fault = fault_of_lab('evaluate', error)\n"
        "assert (fault.extra, fault.got) == ('lab', 'libtorch.so')\n"
        "try:\n"
        "    import torch\n"
        "except OSError as error:\n"
        "    assert fault_of_lab('evaluate', error) is None\n"
    )
    subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(packages)!r})\n" + code],
        check=True,
    )
