"""Fuzzer of files: every file that a command reads is replaced by a hostile version of it.

The commands run in the worker's process. Any end but success, skipped inputs or one message is a
defect, and so is a file that is changed elsewhere than in the output.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.classifier.models import edit as edit_model
from tests.fuzz._hostile import place
from tests.fuzz._pool import Case, Worker
from tests.fuzz.report import Report, cases

TIMEOUT = 30.0
RECIPE = """
name = "mine"
summary = "Custom vectors."
data = "CLIPS"
keep_every = 1
[method]
name = "a2m2"
[method.options]
frames = 4
moments.level = "vectors"
moments.lengths = [2, 4]
moments.reduction = "learned"
moments.in_channels = 8
moments.width = 4
[backbone]
name = "efficientnet-lite0"
[[stages]]
kind = "episodes"
inputs = "stored"
steps = 2
ways = 2
lr = 0.01
ema = 0.9
[validation]
every = 1
ways = 2
count = 4
"""

Action = Callable[[], object]


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Read hostile files."""
    with Worker(reader, (seed,), TIMEOUT, 0) as worker:
        return worker.report("files", seed, cases(seconds, count))


def command(*arguments: object) -> None:
    """Run a command.

    Raises:
        AssertionError: It ended with a traceback.
    """
    from fewact.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(one) for one in arguments])
    if code not in (0, 2, 3):
        lines = err.getvalue().splitlines()
        at = [line.strip() for line in lines if "fewact/" in line]
        raise AssertionError(f"exit code {code}: {' '.join(lines[-2:])[:200]} at {at[-1:]}")
    if code == 2:
        raise ValueError(err.getvalue()[-300:])


def make(root: Path) -> dict[str, tuple[str, Action]]:
    """Write one of every file that is read; return what reads each, by the file's name."""
    import numpy as np
    from safetensors.numpy import save_file

    from fewact import data, synthetic
    from fewact.features.store import Store
    from fewact.features.store.shard import Shape
    from fewact.lab.benchmarks import list_table
    from fewact.lab.evaluation.texts import read_prompts
    from fewact.lab.synthetic import folder as motions
    from fewact.lab.training import recipe
    from fewact.networks import weights as weights_files

    random = np.random.default_rng(0)
    rows = [(c, i) for c in range(9) for i in range(5)]
    values = random.standard_normal((len(rows), 4, 8)).astype(np.float32)
    np.savez(root / "f.npz", features=values)
    lines = [f"{c}-{i}\tclass {c}\tp{i}\t{('train', 'val', 'test')[c // 3]}" for c, i in rows]
    (root / "f.tsv").write_text("clip\tclass\tgroup\tsplit\n" + "\n".join(lines) + "\n")
    (root / "r.toml").write_text(RECIPE)
    features, out = root / "f.npz", root / "out"
    size = ("--ways", 2, "--count", 6)
    small = (*size, "--data", features)
    train = ("train", root / "r.toml", "-o", root / "run", "--data", features, "--device", "cpu")
    teach = ("teach", features, "-o", root / "model", "--method", "protonet")
    command(*teach)
    command("episodes", features, *size, "-o", root / "e.json")
    evaluate = ("evaluate", "protonet")
    command(*evaluate, *small, "-o", root / "a.json")
    shutil.copy(root / "a.json", root / "b.json")
    command(*train)
    (root / "prompts.txt").write_text("a video of {}\nsomeone doing {}\n")
    clip = root / "clips" / "a" / "1.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"x")
    (root / "clips" / "b").mkdir()
    shutil.copy(clip, root / "clips" / "b" / "2.mp4")
    (root / "t.csv").write_text(
        "path,label,start,end,group\nclips/a/1.mp4,a,0,1,p\nclips/b/2.mp4,b,,,q\n"
    )
    Store.create(root / "store").make({"kind": "x"}, {"a": Shape("float32", (3,))}).write(
        {"0" * 64: {"a": np.ones(3, np.float32)}}
    )
    shard = next((root / "store").glob("sets/*/*.safetensors")).relative_to(root)
    weights = root / "weights"
    weights.mkdir()
    tensors = {"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32)}
    shapes = {name: value.shape for name, value in tensors.items()}
    save_file(tensors, weights / "model.safetensors")
    (weights / "config.json").write_text(json.dumps({"architectures": ["x"], "hidden_size": 8}))
    from fewact.classifier import file as model_files
    from fewact.classifier.history import install
    from fewact.core.errors import ModelError
    from fewact.page.folder import Journal
    from fewact.page.state import ActionChanged, ClipsAdded, PageClip, StepUndone, new_id

    command("rename", root / "model", "class 0", "class 00")
    command("rename", root / "model", "class 1", "class 01")
    command("undo", root / "model")
    model_files.copy_model(root / "model", root / "m.safetensors")
    ids = [f"{i:016x}" for i in range(3)]
    page = Journal(root / "journal.jsonl")
    for i, id in enumerate(ids):
        clip = PageClip(file=f"{id}.mp4", name="me.mp4", label=f"class {i}", seconds=2.0)
        page.append(ClipsAdded(id=new_id(), clips={id: clip}))
    page.append(ActionChanged(id=new_id(), what="rename", name="class 1", to="hop"))

    def exchange(*more: str) -> None:
        command("undo", root / "model", *more)
        try:
            model_files.load(root / "model")
        except ModelError:  # a former version whose hashes are right
            command("undo", root / "model", *({"--redo"} - {*more}))
            assert model_files.load(root / "model"), "the model did not come back"

    def read_page() -> None:
        journal = Journal(root / "journal.jsonl")
        while journal.state.steps:
            journal.append(StepUndone(id=new_id(), step=journal.state.last_step))

    made = synthetic.motions(videos=1, frames=16, size=32)
    entries = {video.id: motions._entry(made, video) for video in made.videos.videos[:3]}
    index = motions._merge(root / "motions", None, made, entries)
    (root / "motions").mkdir()
    (root / "motions" / "motions.json").write_text(motions._as_text(index))

    def read_store() -> None:
        for one in Store(root / "store").sets():
            for fingerprint in one:
                one.read(fingerprint)

    def load_weights() -> None:
        found = weights_files.read(f"local-dir:{weights}")
        weights_files.fitting(found.tensors, shapes, of="x", source="x", expected="x")

    predict = ("predict", root / "model", features, "--format", "json")
    trained = ("evaluate", root / "run", *small, "-o", out)
    readers: dict[str, list[Action]] = {
        "f.npz": [lambda: command(*predict), lambda: command(*teach[:2], "-o", out)],
        "f.tsv": [
            lambda: command(*teach[:2], "-o", out),
            lambda: command("episodes", features, *size, "-o", out),
        ],
        "model/model.safetensors": [lambda: command(*predict), lambda: command(*teach)],
        "e.json": [
            lambda: command(
                "evaluate", "protonet", "--data", features, "--episodes", root / "e.json"
            )
        ],
        "a.json": [
            lambda: command("compare", root / "a.json", root / "b.json"),
            lambda: command("leaderboard", root / "a.json"),
        ],
        "r.toml": [
            lambda: recipe.read(root / "r.toml"),
            lambda: command(*train[:3], out, *train[4:]),
        ],
        "run/recipe.json": [
            lambda: command(*train),
            lambda: recipe.read(root / "run/recipe.json"),
        ],
        "run/lists.json": [lambda: command(*train)],
        "run/metrics.jsonl": [lambda: command(*train)],
        "run/state.safetensors": [lambda: command(*train)],
        "run/validation-episodes.json": [lambda: command(*train)],
        "run/best.safetensors": [
            lambda: command(*trained),
            lambda: command(*teach[:2], "-o", out, "--method", root / "run"),
        ],
        "prompts.txt": [lambda: read_prompts(str(root / "prompts.txt"))],
        "t.csv": [
            lambda: data.read_table(root / "t.csv"),
            lambda: list_table(root / "t.csv"),
            lambda: command("predict", root / "model", root / "t.csv"),
        ],
        str(shard): [read_store],
        "store/store.sqlite": [read_store],
        "weights/model.safetensors": [load_weights],
        "weights/config.json": [load_weights],
        "m.safetensors": [
            lambda: command("predict", root / "m.safetensors", features),
            lambda: install(root / "m.safetensors", root / "model"),
            lambda: command("import", root / "m.safetensors", root / "out", "--overwrite"),
        ],
        "model/history/000001.safetensors": [exchange, lambda: command(*teach, "--overwrite")],
        "model/history/undone/000001.safetensors": [lambda: exchange("--redo")],
        "journal.jsonl": [read_page],
        "motions/motions.json": [lambda: motions.read_folder(root / "motions")],
    }
    return {
        f"{name} {i}": (name, one)
        for name, actions in readers.items()
        for i, one in enumerate(actions)
    }


def reader(seed: int) -> Case:
    """Return the function that tries case after case."""
    os.environ["FEWACT_CACHE"] = tempfile.mkdtemp(prefix="fewact-fuzz-")
    keep = tempfile.TemporaryDirectory()
    root = Path(keep.name, "here")
    root.mkdir()
    warnings.simplefilter("ignore")
    actions = make(root)
    whole = Path(keep.name, "whole")
    shutil.copytree(root, whole)
    before = _state(whole, "")

    def attempt(number: int) -> str:
        random = Random(f"{seed} {number}")
        title = random.choice(sorted(actions))
        name, action = actions[title]
        what = place(root / name, (whole / name).read_bytes(), random)
        is_model = name.startswith(("model/", "m.")) and (root / name).is_file()  # not a pipe
        if is_model and random.random() < 0.8:
            with contextlib.suppress(Exception):  # What is no file of tensors has no hash.
                edit_model(root / name)
        top = name.partition("/")[0]
        allowed = {top, "out", "out.progress", "out.times", "model", "run"}
        try:
            action()
            outcome = "read"
        except ValueError:  # UserError is one
            outcome = "refused"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise type(error)(f"{title} {what}: {error}").with_traceback(
                error.__traceback__
            ) from None
        finally:
            changed = {
                one for one, digest in _state(root, name).items() if before.get(one) != digest
            }
            shutil.rmtree(root)
            shutil.copytree(whole, root, copy_function=shutil.copy2)
        strange = {one for one in changed if one.partition("/")[0] not in allowed}
        if strange:
            raise AssertionError(f"{title} {what}: wrote {sorted(strange)[:3]}")
        return outcome

    attempt.keep = keep  # type: ignore[attr-defined]
    return attempt


def _state(root: Path, but: str) -> dict[str, str]:
    """Return the hash of every regular file below a folder, but one."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if (name := path.relative_to(root).as_posix()) != but
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size < 1 << 26
    }
