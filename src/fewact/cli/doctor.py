"""``fewact doctor``: what is installed on this machine, and what to install for more."""

import os
import platform
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from fewact.cli.output import ListFormat, print_json
from fewact.core.errors import ExtraError, UserError
from fewact.core.extras import import_lab
from fewact.core.machine import usable_cores

CORE_PACKAGES = ("numpy", "onnxruntime", "av", "safetensors", "pydantic", "typer")
LAB_PACKAGES = ("torch", "transformers", "lightning-fabric")
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "gif", "png")
ENCODERS = ("libx264", "mpeg4")


def doctor(
    format: Annotated[ListFormat, typer.Option("--format", help="Format of the report.")] = "table",
) -> None:
    """Report what is installed, and give advice."""
    report = examine()
    if format == "json":
        print_json(report)
        return
    for topic, facts in report.items():
        print(topic.replace("_", " "))
        lines = facts.items() if isinstance(facts, dict) else (("", fact) for fact in facts)
        for name, fact in lines:
            print(f"  {name.replace('_', ' ') + ': ' if name else ''}{_as_text(fact)}")


def examine() -> dict[str, Any]:
    """Return the facts of the report, by topic."""
    from fewact.align.transport import engine
    from fewact.video.camera._native import library

    solver, why = engine()
    report: dict[str, Any] = {
        "versions": _versions(),
        "video": _video(),
        "machine": _machine(),
        "default_weights": _weights(),
        "transport": {"engine": solver, "why": why},
        "camera": {"engine": "numpy" if library() is None else "compiled"},
        "cache": _cache(),
        "poses": _poses(),
        "lab": _lab(),
    }
    return {**report, "advice": _advice(report)}


def _versions() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    from fewact.core.version import __version__

    versions: dict[str, str | None] = {"fewact": __version__, "python": platform.python_version()}
    for name in (*CORE_PACKAGES, *LAB_PACKAGES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _video() -> dict[str, Any]:
    import av

    return {
        "ffmpeg": av.ffmpeg_version_info,
        "decoders": {name: _has_codec(name, "r") for name in DECODERS},
        "encoders": {name: _has_codec(name, "w") for name in ENCODERS},
    }


def _has_codec(name: str, mode: Any) -> bool:
    import av

    try:
        av.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _machine() -> dict[str, Any]:
    import onnxruntime

    from fewact.core.workers import thread_count

    return {
        "system": platform.platform(),
        "cores": usable_cores(),
        "threads": thread_count(),
        "memory_gib": _memory(),
        "network_providers": onnxruntime.get_available_providers(),
    }


def _memory() -> float | None:
    """Return the memory of the machine or container in GiB; None if unknown."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    with suppress(OSError, ValueError):  # "max" if the container has no limit
        size = min(size, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return _gib(size)


def _gib(size: int) -> float:
    return round(size / 2**30, 1)


def _weights() -> dict[str, Any]:
    from fewact import UserError, networks
    from fewact.networks.reference import TOLERANCES, difference

    facts: dict[str, Any] = {"backbone": networks.DEFAULT_NETWORK}
    try:
        backbone = networks.create("auto")
    except UserError as error:
        return {**facts, "found": False, "why": str(error)}
    card = backbone.card
    return {
        **facts,
        "found": True,
        "computed_right": difference(backbone) <= TOLERANCES[card.precision],
        "source": card.weights,
        "sha256": card.weights_sha256,
        "licence": card.licence,
        "precision": card.precision,
        "engine": card.engine,
        "why": backbone.why,
    }


def _lab() -> dict[str, Any]:
    """Return what PyTorch finds; it may be installed and not load."""
    try:
        devices = import_lab("the lab", "fewact.lab.networks.devices")
    except ExtraError as error:
        return {"works": False, "why": str(error)}
    return {"works": True, **devices.facts()}


def _poses() -> dict[str, Any]:
    """Return the pose estimator that ``--pose auto`` means, or how to get one."""
    from fewact import poses

    try:
        return {"works": True, "estimator": poses.create().name}
    except UserError as error:
        return {"works": False, "why": str(error)}


def _cache() -> dict[str, Any]:
    from fewact.core.atomic import make_folder
    from fewact.core.machine import cache_folder

    folder = cache_folder()
    if folder is None:
        return {"folder": None, "writable": False}
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")  # An empty file fits on a full disk.
    except OSError as error:
        return {"folder": str(folder), "writable": False, "why": error.strerror}
    return {"folder": str(folder), "writable": True}


def _advice(report: dict[str, Any]) -> list[str]:
    """Return advice, most important first."""
    video, machine = report["video"], report["machine"]
    missing = [name for name, supported in video["decoders"].items() if not supported]
    advice = [
        (
            not report["default_weights"]["found"],
            "The default weights are missing or changed, see above. `fewact teach` needs them, "
            "unless other weights are passed.",
        ),
        (
            not report["default_weights"].get("computed_right", True),
            "The features of the default weights differ from those of other computers, and so may "
            "the answers: reinstall onnxruntime.",
        ),
        (
            bool(missing),
            f"Videos of these codecs cannot be read: {', '.join(missing)}. "
            "pip install --force-reinstall av",
        ),
        (
            "numpy" in (report["transport"]["engine"], report["camera"]["engine"]),
            "A part that can be compiled is computed by NumPy, which is slower: install a C++ "
            "compiler and reinstall fewact.",
        ),
        (
            machine["threads"] < machine["cores"],
            "Fewer threads than cores are used: unset OMP_NUM_THREADS.",
        ),
        (
            not report["cache"]["writable"],
            "The cache folder is not writable: set FEWACT_CACHE to a writable folder.",
        ),
        (
            report["versions"]["torch"] is not None and not report["lab"]["works"],
            "PyTorch is installed and cannot be loaded, see above; teaching and predicting do not "
            "need it. To repair it: pip install --force-reinstall torch",
        ),
        (
            report["versions"]["torch"] is None,
            "For training, evaluation, and the methods and networks of papers, run: "
            'pip install "fewact[lab]"',
        ),
        (
            (sys.stdout.encoding or "utf8").lower().replace("-", "") != "utf8",
            "The output is not UTF-8, so some names are shown incorrectly: set PYTHONUTF8=1.",
        ),
        (
            True,
            "For higher accuracy on actions that differ in appearance, teach by --quality best or "
            "a stronger backbone: see `fewact backbones`, and pass its weights with --weights.",
        ),
    ]
    return [text for holds, text in advice if holds]


def _as_text(fact: Any) -> str:
    if isinstance(fact, dict):
        if all(isinstance(value, bool) for value in fact.values()):
            missing = [name for name, supported in fact.items() if not supported]
            present = ", ".join(name for name, supported in fact.items() if supported)
            return present + (f"; missing: {', '.join(missing)}" if missing else "")
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fact.items())
    if isinstance(fact, list):
        return "; ".join(map(_as_text, fact)) or "none"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return "none" if fact is None else str(fact)
