"""Answers of two versions of fewact to the same clips: what they decide, and how far logits differ.

    python -m benchmarks.answers record FEWACT ASSETS FILE [--precision float32] [--only arms …]
    python -m benchmarks.answers compare OLD NEW [--only web depth …]

FEWACT is the command of a version. ``record`` teaches it clips and asks it others, of other groups.
``compare`` ends with exit code 1 if an answer differs, or a number by more than its tolerance.
Probabilities tell logits up to a constant, so the distance between the logits of two classes is
compared, before it is divided by the temperature.
"""

import argparse
import csv
import hashlib
import json
import math
import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[Any]
Answers = dict[str, dict[str, Any]]

LOGITS, PLACES = 1e-4, 2e-3
"""Tolerances of logits, and of times and corners, which are written in thousandths."""

KNOWN = 1e-3
"""Tolerance of known probabilities and confidences; they change several times as much as logits."""

APART = {"probabilities", "probability", "known", "confidence", "temperature", "reason"}
DETAILS = {"nearest", "active", "faults", "box", "right", "held_out"}
SHOWN = 10
"""Number of differences of a model that are printed, of decisions and of details."""

FPS, WIDTH, HEIGHT = 30, 320, 240
X264 = {"preset": "ultrafast", "crf": "18"}
"""Options of the encoder; with slower presets the bytes differ from run to run."""


@dataclass(frozen=True)
class Case:
    """A model of ``shots`` clips of each class, asked ``queries`` others and those of a folder.

    Args:
        data: Data set: of the index, a folder of clips, or an array with a table beside it.
        teach: Options of ``fewact teach``.
        runs: Options of each run of ``fewact predict``.
        taught: Number of taught classes; clips of the next one are taught as of no class.
        watch: Options of each run of ``fewact watch``, on a recording of ``joined`` other clips.
    """

    data: str
    shots: int
    queries: int
    teach: str = ""
    runs: tuple[str, ...] = ("",)
    taught: int | None = None
    folder: str = ""
    watch: tuple[str, ...] = ()
    joined: int = 0


FORMATS, FAULTS = "{assets}/clips/formats", "{made}/faults"
ASKED = "--regions", "--sets 0.9 --trim off", "--false-alarms 1"
CASES: Final[Mapping[str, Case]] = {
    "web, fast": Case("ucf7", 1, 4, "--quality fast"),
    "web": Case("ucf7", 5, 10, folder=FORMATS, watch=("",), joined=10),
    "web, best": Case("ucf7", 3, 3, "--quality best"),
    "web, int8": Case("ucf7", 3, 1, "--precision int8"),
    "depth": Case("utd27_depth", 1, 2, taught=20),
    "depth, fast": Case("utd27_depth", 3, 2, "--quality fast", taught=10),
    "arms": Case("utd5_rgb", 3, 4, taught=3, folder=FAULTS, watch=("", ASKED[2]), joined=40),
    "arms, people": Case("utd5_rgb", 3, 1, runs=ASKED),
    "arms, either hand": Case("utd5_rgb", 1, 2, "--option horizontal_flip=true"),
    "arms, stabilised": Case("utd5_rgb", 3, 1, "--option stabilise=on", folder=FAULTS),
    "arms, not stabilised": Case("utd5_rgb", 3, 1, "--option stabilise=off", folder=FAULTS),
    "head camera": Case("more/ego10", 3, 2),
    "yoga, best": Case("more/yoga6", 3, 2, "--quality best"),
    "mouse": Case("more/mouse6", 3, 2),
    "vectors": Case("features/mobilenet_v2_t8", 3, 4),
    "vectors, wide": Case("features/ucf14_vgg16_relu6_t8", 5, 3),
    "joints of arms": Case("more/poses/utd5_rgb_pose33", 3, 3),
    "joints": Case("more/utkinect10/utkinect10", 5, 3, "--option joints=kinect20:xyz", taught=9),
    "landmarks": Case("more/sign13/sign13", 1, 2),
    "method protonet": Case("utd27_depth", 3, 2, "--method protonet", taught=10),
    "method otam": Case("utd27_depth", 3, 2, "--method otam", taught=10),
    "method a2m2": Case("utd27_depth", 3, 2, "--method a2m2", taught=10),
    "method a2m2, vectors": Case("features/mobilenet_v2_t8", 3, 4, "--method a2m2"),
}

ERRORS: Final[Mapping[str, str]] = {
    "no clip": "predict {model} {made}/nothing.mp4",
    "no model": f"predict {{made}} {FORMATS}/h265_video.mp4",
    "features": "predict {model} {assets}/features/mobilenet_v2_t8.npz",
    "no method": f"teach {FORMATS} -o {{made}}/none --method otan",
    "cut short": f"predict {{model}} {FORMATS}/truncated.mp4",
    "no video": f"watch {{model}} {FORMATS}/not_a_video.mp4",
}
"""Commands that fail, of the model ``web``."""

CONDITIONS: Final[Mapping[str, Callable[[Frames], Frames]]] = {
    "dark": lambda x: 0.08 * x,
    "grain": lambda x: x + np.random.default_rng(0).normal(0, 20, x.shape),
    "flicker": lambda x: x * (0.7 + 0.3 * np.cos(0.9 * np.arange(len(x))))[:, None, None, None],
    "overexposed": lambda x: 1.6 * x + 110.0,
    "blurred": lambda x: np.mean([np.roll(x, k, 2) for k in range(-4, 5)], 0),
    "small": lambda x: np.pad(x[:, ::3, ::3], [(0, 0), (80, 80), (106, 107), (0, 0)]),
    "moving": lambda x: np.stack([np.roll(x[i], i % 20 - 10, 1) for i in range(len(x))]),
    "still": lambda x: np.concatenate([x[:1].repeat(60, 0), x, x[-1:].repeat(60, 0)]),
    "slow": lambda x: x.repeat(3, 0),
}
"""Faults of recordings: frames (t h w 3) → frames."""

FAULTY = "clips/utd5_rgb/a03_wave/a3_s8_t1_color.mp4"


def divided(assets: Path, case: Case) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the training clips and the others of a case; a group has one of them."""
    names = f"{case.data}.tsv", f"{case.data}/clips.csv", "clips/index.tsv"
    path = next(assets / name for name in names if (assets / name).exists())
    wanted, base = ("ucf7", path.parent) if "/" in case.data else (case.data, assets)
    first: dict[tuple[str, str], dict[str, Any]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=",\t"[path.suffix == ".tsv"])):
            if row.get("dataset", wanted) == wanted:
                label, clip = row.get("label") or row["class"], row.get("clip")
                found = {"clip": clip or str(base / row["path"]), "label": label, "number": number}
                first.setdefault((label, row["group"]), found)
    labels, groups = (sorted({key[i] for key in first}) for i in range(2))
    cut = max(case.shots, len(groups) // 2)

    def chosen(label: str, some: Sequence[str], count: int) -> list[dict[str, Any]]:
        return [first[label, group] for group in some if (label, group) in first][:count]

    asked = [row for label in labels for row in chosen(label, groups[: cut - 1 : -1], case.queries)]
    learned = labels[: case.taught and case.taught + 1]
    taught = [row for label in learned for row in chosen(label, groups[:cut], case.shots)]
    for row in taught:
        if case.taught and row["label"] == learned[-1]:
            row["label"] = "none"
    return taught, asked


def frames_of(path: str | Path) -> Frames:
    """Return the frames (t h w 3) of a clip in the size and at the rate of a recording."""
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or FPS)
        size: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "format": "rgb24"}
        images = np.stack([frame.to_ndarray(**size) for frame in container.decode(video=0)])
    shown = (np.arange(round(len(images) * FPS / rate)) * rate / FPS).astype(int)
    return np.asarray(images[shown.clip(max=len(images) - 1)])


def write(path: Path, clips: Iterable[Frames]) -> None:
    """Write clips, one after the other, as one video: the same bytes each time."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", FPS, X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in (image for frames in clips for image in np.clip(frames, 0, 255)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8))))
        container.mux(stream.encode())


def digest(paths: Iterable[Path]) -> str:
    """Return a hash of files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


def write_lists(assets: Path, made: Path, case: Case) -> tuple[str, list[str]]:
    """Write what is taught; return it, and what is asked: clips, or an array of features."""
    lists, array = divided(assets, case), assets / f"{case.data}.npz"
    head, cut, kind = ("clip\tclass", "\t", "tsv") if array.exists() else ("path,label", ",", "csv")
    for name, rows in zip(("taught", "asked"), lists, strict=True):
        lines = [head, *(cut.join((row["clip"], row["label"])) for row in rows)]
        (made / f"{name}.{kind}").write_text("\n".join(lines), encoding="utf-8")
        if array.exists():
            numbers = [row["number"] for row in rows]
            with np.load(array) as parts:
                some = {key: part[numbers] if part.ndim else part for key, part in parts.items()}
            np.savez(made / f"{name}.npz", **some)
    if array.exists():
        return str(made / "taught.npz"), [str(made / "asked.npz")]
    return str(made / "taught.csv"), [row["clip"] for row in lists[1]]


def answers_of(fewact: str, assets: Path, made: Path, name: str, precision: str) -> Answers:
    """Return the answers of a version to a case: of ``teach``, clips, events and errors."""
    case, answers = CASES[name], Answers()
    places = {"assets": str(assets), "made": str(made), "model": str(made / "model")}

    def run(key: str, *words: str) -> str:
        threads = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run([fewact, *words], env=threads, capture_output=True, encoding="utf-8")
        answers[key.strip()] = {"code": done.returncode, "reason": done.stderr[-500:]}
        return done.stdout

    clips, asked = write_lists(assets, made, case)
    options = case.teach.split()
    if precision and clips.endswith(".csv") and "--precision" not in options:
        options += ["--precision", precision]
    run("teach", "teach", clips, "-o", places["model"], "--overwrite", *options)
    facts = json.loads(run("info", "info", places["model"], "--format", "json") or "{}")
    answers["info"] |= {key: facts.get(key) for key in ("temperature", "right", "held_out")}
    every = [*asked, *case.folder.format(**places).split()]
    if case.folder == FAULTS:
        answers["faults"] = {"hash": digest((made / "faults").iterdir())}
    for flags in case.runs:
        words = [places["model"], *every, "--format", "json", *flags.split()]
        found = json.loads(run(f"predict {flags}", "predict", *words) or "{}")
        for answer in (answer for part in found.values() for answer in part):
            key = f"{Path(answer.pop('path')).name} {answer.pop('subject', '')} {flags}"
            answers[key.strip()] = answer
    if case.watch:
        joined = random.Random(0).choices(asked, k=case.joined)
        recording = made / "recording.mp4"
        write(recording, map(frames_of, joined))
        answers["recording"] = {"hash": digest([recording])}
        for flags in case.watch:
            words = [places["model"], str(recording), "--format", "jsonl", *flags.split()]
            lines = run(f"watch {flags}", "watch", *words).splitlines()
            answers |= {f"event {i} {flags}".strip(): json.loads(x) for i, x in enumerate(lines)}
    for key, command in ERRORS.items() if name == "web" else ():
        run(key, *command.format(**places).split())
    return answers


def record(options: argparse.Namespace) -> int:
    """Write the answers of a version."""
    found: dict[str, Answers] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, condition in CONDITIONS.items():
            faulty = condition(frames_of(options.assets / FAULTY))
            write(Path(folder) / "faults" / f"{name}.mp4", [faulty])
        for name in (name for name in CASES if name.startswith(tuple(options.only))):
            places = options.assets, Path(folder), name, options.precision
            found[name] = answers_of(options.fewact, *places)
            codes = {key: x["code"] for key, x in found[name].items() if "code" in x}
            print(f"{name}: {len(found[name])} answers, exit codes {codes}", flush=True)
    options.file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


def logits_of(answer: Mapping[str, Any], temperature: float) -> dict[str, float]:
    """Return the logits of a clip, up to a constant."""
    probabilities = answer.get("probabilities", {})
    return {label: temperature * math.log(max(p, 1e-320)) for label, p in probabilities.items()}


def is_same(old: Any, new: Any) -> bool:
    """Return whether two values of JSON are the same, up to ``PLACES``."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(is_same, old, new))
    if isinstance(old, float) and isinstance(new, float):
        return abs(old - new) <= PLACES
    return bool(old == new)


def compare(options: argparse.Namespace) -> int:
    """Print how the answers of two versions differ; return 1 if they do."""
    olds, news = (json.loads(path.read_text("utf-8")) for path in (options.old, options.new))
    fails = []
    print("| model | clips | other decisions | other details | logits | known | temperature |")
    print("|---|---|---|---|---|---|---|")
    for name in (name for name in olds if name.startswith(tuple(options.only))):
        old, new = olds[name], news.get(name, {})
        was = old["info"]["temperature"] or 1.0
        now = new.get("info", {}).get("temperature") or was
        other: dict[bool, list[str]] = {True: [], False: []}
        logits = known = 0.0
        for key in old | new:
            first, second = (answers.get(key, {"answer": "missing"}) for answers in (old, new))
            for field in sorted((first.keys() | second.keys()) - APART):
                values = first.get(field), second.get(field)
                if not is_same(*values):
                    text = f"{name}: {key}: {field}: {values[0]} → {values[1]}"
                    other[field in DETAILS].append(text)
            before, after = logits_of(first, was), logits_of(second, now)
            change = [before[label] - after[label] for label in before.keys() & after.keys()]
            logits = max(logits, np.ptp(change) if change else 0.0)
            for field in {"known", "confidence"} & first.keys() & second.keys():
                known = max(known, abs(first[field] - second[field]))
        clips = sum("known" in answer for answer in old.values())
        print(
            f"| {name} | {clips} | {len(other[False])} | {len(other[True])} | {logits:.1e} "
            f"| {known:.1e} | {now / was - 1:+.1%} |"
        )
        fails += [line for lines in other.values() for line in lines[:SHOWN]]
        if logits > LOGITS or known > KNOWN:
            fails.append(f"{name}: logits or known probabilities differ by more than allowed")
    print("", *fails, sep="\n")
    return int(bool(fails))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording, comparison = commands.add_parser("record"), commands.add_parser("compare")
    recording.add_argument("fewact", help="command of the version")
    for parts, names in ((recording, ("assets", "file")), (comparison, ("old", "new"))):
        for name in names:
            parts.add_argument(name, type=Path)
        parts.add_argument("--only", nargs="+", default=[""], help="first words of models")
    recording.add_argument("--precision", default="", help="of the networks (default: fewact's)")
    options = parser.parse_args()
    return record(options) if options.command == "record" else compare(options)


if __name__ == "__main__":
    raise SystemExit(main())
