"""Entries by name: imported on first use, found by their class, and refused with a guess."""

import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path

import pytest

from fewact.core.errors import ExtensionError, ExtraError, UnknownNameError
from fewact.core.registry import Registry


@pytest.fixture
def registry() -> Registry[type]:
    entries = {"counter": "collections:Counter", "ordered": "collections:OrderedDict", "list": list}
    return Registry("container", {**entries, "lab": "fewact.lab.methods.trx:TRX"}, group="a.group")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package that is installed, with three entries; one has a name that is taken."""
    info = tmp_path / "some_containers-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-containers\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[a.group]\nset = builtins:set\nbroken = a_module_that_is_missing:X\nlist = builtins:set\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_entry_is_imported_when_it_is_used() -> None:
    code = (
        "import sys\n"
        "from fewact.core.registry import Registry\n"
        "registry = Registry('module', {'a': 'wave:open'})\n"
        "assert registry.names() == ('a',) and registry.module_of('a') == 'wave'\n"
        "assert 'wave' not in sys.modules\n"
        "assert registry.get('a') is sys.modules['wave'].open and registry.module_of('a') == ''\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_entry_and_its_name(registry: Registry[type]) -> None:
    assert registry.name_of(Counter) == "counter"
    assert registry.get("counter") is Counter
    assert [registry.name_of(entry) for entry in (OrderedDict, list, dict)] == [
        "ordered",
        "list",
        None,
    ]
    registry.register("dict")(dict)
    assert registry.names()[-1] == "dict"
    assert registry.get("dict") is dict


def test_an_unknown_name_and_a_name_that_is_taken(registry: Registry[type]) -> None:
    with pytest.raises(UnknownNameError) as refused:
        registry.get("conter")
    assert refused.value.got == "'conter'"
    assert refused.value.expected == ", ".join(registry.names())
    assert '"counter"' in refused.value.hint
    with pytest.raises(UnknownNameError) as taken:
        registry.register("list")
    assert taken.value.got == "'list'"


def test_an_entry_of_the_lab_without_torch(
    registry: Registry[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraError) as refused:
        registry.get("lab")
    assert refused.value.extra == "lab"


@pytest.mark.usefixtures("package")
def test_entries_of_other_packages(registry: Registry[type]) -> None:
    assert registry.names() == ("counter", "ordered", "list", "lab", "set", "broken")
    assert registry.get("set") is set
    assert registry.get("list") is list
    assert [registry.package_of(name) for name in ("set", "list")] == ["some-containers 1.2", ""]
    with pytest.raises(ExtensionError) as refused:
        registry.get("broken")
    assert refused.value.where == "broken, some-containers 1.2, a_module_that_is_missing:X"
