"""Commands that are killed: what each needs, does, and may leave.

A fork server imports this module once, so that a command starts in milliseconds.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from fewact import FewShotClassifier, networks
from fewact.classifier.file import MODEL, read_header
from fewact.classifier.history import HISTORY, editing
from fewact.cli import main
from fewact.core.errors import UserError, WeightsError
from fewact.core.registry import Registry
from fewact.features.store import Store
from fewact.lab import evaluation
from fewact.lab.evaluation import checkpoint
from fewact.lab.store import Job
from fewact.lab.training import train
from fewact.networks import catalogue
from fewact.video import write_video
from tests.fuzz.disk import Change, record
from tests.lab.training.made_up import (
    CLASSIFY,
    EPISODES,
    FRAMES_RECIPE,
    Tiny,
    motions_data,
    recipe_of,
)

torch.set_num_threads(1)
catalogue.NETWORKS = Registry("backbone", {**catalogue.NETWORKS._entries, "tiny": Tiny})
Job.__init__.__kwdefaults__["block"] = 1  # type: ignore[index]

NETWORK = ("--backbone", "tiny", "--weights", "random", "--device", "cpu", "--quiet")
TEACH = ("--method", "protonet", "--option", "frames=2", *NETWORK)
FRAMES = {"inputs": "frames", "batch": 4, "steps": 3}

Tree = dict[str, bytes]
"""Content of files by path."""


def prepare(root: Path) -> None:
    """Write clips of three classes and features of ten, and teach an old model."""
    draw = np.random.default_rng(0)
    for number in range(9):
        path = root / f"clips/class {number % 3}/{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, draw.integers(0, 255, (6, 32, 32, 3), np.uint8), 8, "mpeg4")
    frames = np.concatenate([draw.integers(0, 255, (1, 32, 32, 3), np.uint8)] * 80)
    frames += draw.integers(0, 90, frames.shape, np.uint8)
    write_video(root / "long.mp4", frames, 8, "mpeg4")
    rows = [(label, i) for label in range(10) for i in range(6)]
    centres = draw.standard_normal((10, 2, 8))
    noisy = np.stack([centres[label] + draw.standard_normal((2, 8)) for label, _ in rows])
    np.savez(root / "mine.npz", features=noisy.astype(np.float16))
    lines = [f"{label}-{i}\tclass {label}" for label, i in rows]
    (root / "mine.tsv").write_text("clip\tclass\n" + "\n".join(lines) + "\n")
    old = ("--max-per-class", "1", "--text", "off")
    call("teach", root / "clips", "-o", root / "old/model", *old, *TEACH)
    call("teach", root / "clips", "-o", root / "other", "--text", "off", *TEACH)
    call("export", root / "other", "--file", root / "exported.safetensors")


def call(*arguments: object) -> None:
    code = main([str(one) for one in arguments])
    if code:
        raise SystemExit(code)


@dataclass(frozen=True)
class Scenario:
    """A command in a folder that holds ``clips``, ``mine.npz``, ``old`` and its output ``out``.

    Args:
        run: Runs the command.
        faults: Yields what is not whole in ``out`` after a kill, given the tree of a whole run.
        old: Whether the old model is in ``out`` before.
        processes: Number of processes that run the command at once.
    """

    run: Callable[[Path], None]
    faults: Callable[[Path, Tree], list[str]]
    old: bool = False
    processes: int = 1


def tree(folder: Path) -> Tree:
    """Content of all files, and folders without files; what differs from run to run is left out.

    These are times, the versions of a model (a run that was killed may have kept one too), and the
    index of a store: its rows are the same, in another order, and SQLite writes them by itself.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith((".times", ".sqlite", ".sqlite-journal"))
        and not (path.is_dir() and any(path.iterdir()))
        and path.parent.name != HISTORY
    }


def teach(root: Path) -> None:
    call("teach", root / "clips", "-o", root / "out/model", "--overwrite", *TEACH)


def model_faults(root: Path, whole: Tree) -> list[str]:
    """The model is the old or the new one, byte for byte; without an old one it may be missing."""
    folder, names = root / "out/model", (MODEL, "config.json", "README.md")
    before = tree(root / "old")
    known = [
        {files[f"model/{name}"] for files in (before, whole) if f"model/{name}" in files}
        for name in names
    ]
    faults = [
        f"{name} is neither the old nor the new one"
        for name, contents in zip(names, known, strict=True)
        if (folder / name).exists() and (folder / name).read_bytes() not in contents
    ]
    faults += [
        f"the version {version.name} is not whole"
        for version in folder.joinpath(HISTORY).glob("[0-9]*")
        if version.read_bytes() not in known[0]
    ]
    if (folder / MODEL).exists():
        FewShotClassifier.load(folder)
    return faults


def change_faults(root: Path, whole: Tree) -> list[str]:
    """As ``model_faults``; a new model has kept the old one as a version."""
    folder, old = root / "out/model", tree(root / "old")[f"model/{MODEL}"]
    files = [folder / MODEL, *folder.joinpath(HISTORY).glob("[0-9]*")]
    faults = model_faults(root, whole)
    if not faults and all(file.read_bytes() != old for file in files if file.exists()):
        return ["the former version is lost"]
    return faults


def embed(root: Path) -> None:
    features = ("--features", "vectors:2", "--features", "maps:2", "--precision", "float32")
    call("embed", root / "clips", "-o", root / "out/store", *features, *NETWORK)


def store_faults(root: Path, whole: Tree) -> list[str]:
    """All shards are readable and those of a whole run."""
    folder = root / "out/store"
    if not (folder / "store.sqlite").exists():
        return []
    faults = [why for one in Store(folder).sets() for why in one.damaged.values()]
    for path in folder.rglob("*.*"):
        name = str(path.relative_to(root / "out"))
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix == ".safetensors" and not hidden and path.read_bytes() != whole.get(name):
            faults.append(f"{name} is not as in a whole run")
    return faults


def evaluate(root: Path) -> None:
    episodes = ("--ways", 5, "--shots", 2, "--count", 1500)
    output = ("-o", root / "out/results/r.json", "--threads", 1, "--quiet")
    call("evaluate", "otam", "--data", root / "mine.npz", *episodes, *output)


def result_faults(root: Path, whole: Tree) -> list[str]:
    path = root / "out/results/r.json"
    if not path.exists():
        return []
    evaluation.load(path)
    return [] if path.read_bytes() == whole["results/r.json"] else ["another result"]


def training(root: Path) -> None:
    recipe = recipe_of(CLASSIFY | FRAMES, EPISODES, keep_every=1, **FRAMES_RECIPE)
    try:
        train(recipe, motions_data(classes=5), root / "out/run", device="cpu")
    except UserError as error:
        print(f"Error: {error}")
        raise SystemExit(2) from None


def run_faults(root: Path, whole: Tree) -> list[str]:
    """The chosen checkpoint is whole: its network is the one that its method was trained with."""
    folder = root / "out/run"
    try:
        found = checkpoint.read(folder)
    except WeightsError as error:
        none = any(
            text in str(error) for text in ("no trained method", "checkpoint of the training")
        )
        if not none or (folder / checkpoint.STATE).is_file():  # saved after the first checkpoint
            raise
        return []
    if found.header.backbone.weights == checkpoint.WITHIN:
        network = networks.create("tiny", weights=found.backbone.weights, precision="float32")
        if network.card.network_digest != found.header.network_digest:
            return ["the checkpoint's network is not that of its method"]
    return []


def watch(root: Path) -> None:
    output = ("-o", root / "out/events/e.json", "--overwrite")
    call("watch", root / "old/model", root / "long.mp4", *output, "--quiet")


def event_faults(root: Path, whole: Tree) -> list[str]:
    """The events are the first ones of a whole run."""
    path = root / "out/events/e.json"
    if not path.exists():
        return []
    found, every = json.loads(path.read_text()), json.loads(whole["events/e.json"])
    return [] if found["events"] == every["events"][: len(found["events"])] else ["other events"]


def add(root: Path) -> None:
    clip, known = root / "clips/class 1/4.mp4", read_header(root / "out/model").examples
    if "class 1/4.mp4" in {one.name for one in known}:  # a run before this one has added it
        with editing(root / "out/model"):  # as any other change does first
            return
    call("add", root / "out/model", "class 1", clip, "--device", "cpu")


def import_model(root: Path) -> None:
    call("import", root / "exported.safetensors", root / "out/model", "--overwrite")


def export(root: Path) -> None:
    call(
        "export", root / "old/model", "--file", root / "out/files/model.safetensors", "--overwrite"
    )


def report(root: Path) -> None:
    call("report", root / "old/model", "-o", root / "out/files/report.html", "--overwrite")


def file_faults(root: Path, whole: Tree) -> list[str]:
    """A file is that of a whole run, or is missing."""
    found = tree(root / "out/files") if (root / "out/files").exists() else {}
    files = {name: value for name, value in found.items() if not name.startswith(".") and value}
    return [f"another {name}" for name in files if files[name] != whole[f"files/{name}"]]


SCENARIOS = {
    "teach": Scenario(teach, model_faults),
    "save": Scenario(teach, change_faults, old=True),
    "embed": Scenario(embed, store_faults),
    "embed by three": Scenario(embed, store_faults, processes=3),
    "evaluate": Scenario(evaluate, result_faults),
    "watch": Scenario(watch, event_faults),
    "train": Scenario(training, run_faults),
    "add": Scenario(add, change_faults, old=True),
    "import": Scenario(import_model, change_faults, old=True),
    "export": Scenario(export, file_faults),
    "report": Scenario(report, file_faults),
}


def run_scenario(
    name: str, root: Path, kill_at: int | None = None, quota_at: int | None = None
) -> None:
    """Run a scenario in this process.

    Args:
        name: Scenario.
        root: Folder with its inputs.
        kill_at: Number of the change of a file, from 1, at which the process is killed.
        quota_at: Number from which no file can be made or synced any more: the quota is used up.
    """
    seen = 0

    def count(change: Change) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if quota_at is not None and seen >= quota_at and change.what not in ("remove", "rename"):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    record(root / "out", count)
    _run(name, root)


def recorded(name: str, root: Path, sender: Connection) -> None:
    """Run a scenario in this process, and send all changes below ``out``."""
    changes: list[Change] = []
    record(root / "out", changes.append)
    _run(name, root)
    sender.send(tuple(changes))


def _run(name: str, root: Path) -> None:
    log = os.open(root / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    SCENARIOS[name].run(root)
    sys.stdout.flush()
