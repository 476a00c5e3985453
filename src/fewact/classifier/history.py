"""The folder of a model: its file, replaced completely or not at all, and its former versions.

Saving keeps the file that it replaces as a hard link in the subfolder ``history``: keeping takes no
time. ``undo`` puts the latest of them in the place of the model, ``redo`` takes that back until the
next change. README.md and config.json are written from the file, for people, and never read.

A version that is the model itself is skipped: a crash between keeping and replacing left it.
"""

import json
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from fewact.classifier import file as model_files
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.file import (
    CONFIG_KEY,
    HEADER_TEXT,
    MODEL,
    MODEL_FILE,
    MODEL_README,
    ModelHeader,
    is_model_file,
    model_file,
    parse_header,
    read_header,
    with_change,
)
from fewact.core.arrays import read_metadata
from fewact.core.atomic import (
    holding,
    is_empty,
    make_folder,
    output_errors,
    remove_leftovers,
    sync,
    temporary,
)
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import (
    DamagedModelError,
    ModelError,
    NewerModelError,
    UserError,
)
from fewact.core.paths import user_path
from fewact.core.text_table import markdown_text
from fewact.data.clips import BACKGROUND

HISTORY, UNDONE = "history", "undone"
MODEL_CONFIG = "config.json"

JOURNAL: Final = "journal.jsonl"
"""File by which a subfolder of a model says that it belongs to a program which works on the model,
such as the page: saving keeps it."""

README_FILE = FileType("README of the model", ModelError, 16 * MIB)

MOST_VERSIONS, MOST_VERSION_BYTES = 20, 2 * GIB
"""Number of versions that are kept, and their size; the latest is always kept."""

CARD_BEGIN = "<!-- fewact: saving replaces everything between this line and the end marker -->"
CARD_END = "<!-- fewact: end -->"

USE_VIDEOS = """\
    print(classifier.predict("clip.mp4").label)

or `fewact predict "this folder" clip.mp4`."""
USE_FEATURES = """\
    for one in classifier.predict(fewact.data.read_features("features.npz")):
        print(one.name, one.label)

or `fewact predict "this folder" features.npz`."""

UNKNOWN: Final = "unknown change"
"""Change of a file that cannot be read: the one before may be in order."""


@dataclass(frozen=True)
class Version:
    """A former version of a model: its file; the change after it, which ``undo`` takes back."""

    file: Path
    change: str
    time: str


def check_target(folder: str | Path) -> None:
    """Refuse a file, or a folder that has other files but no model."""
    path = user_path(folder, ModelError).resolve()
    try:
        entries = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        if not path.exists():  # reported by what writes there
            return
        raise ModelError("this is a file", where=str(path), expected="a folder") from None
    if MODEL in entries and is_model_file(path / MODEL):
        return
    if not (is_empty(path) or work_folders(path) or _numbered(path / HISTORY)):
        raise ModelError(
            "the folder has other files, but no saved classifier",
            where=str(path),
            expected="a new or empty folder, or a model to replace",
        )


def work_folders(model: Path) -> list[Path]:
    """Return the subfolders of programs that work on a model, see ``JOURNAL``."""
    return sorted(file.parent for file in model.glob(f"*/{JOURNAL}") if file.is_file())


def save(folder: Path, header: ModelHeader, content: bytes) -> None:
    """Write the file of a model; a file that it replaces stays a former version.

    After a crash, a power loss or a full disk the model is the old or the new one, complete. Undone
    versions cannot be redone any more. If the folder has an equal model already, its file and the
    text of its change stay. ``check_target`` must accept the folder, which is resolved.
    """
    file, history = folder / MODEL, folder / HISTORY
    with output_errors(folder), _made(folder), holding(folder):
        texts, unchanged = _texts(folder, header), _has(file, header)
        with _beside(file, texts if unchanged else {MODEL: content, **texts}):
            if file.exists() and not unchanged:
                for latest in _numbered(history)[:1]:
                    if _raw(latest) == _raw(file):
                        latest.unlink()
                _keep(file, history)
    if not unchanged:
        with suppress(OSError), holding(folder):  # The model is replaced: no error now.
            shutil.rmtree(history / UNDONE, ignore_errors=True)
            _forget(history)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and its parents; remove what is new if nothing could be written into it."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        make_folder(folder)
        yield
    except Exception:
        with suppress(OSError):  # it has files
            for path in new:
                path.rmdir()
        raise


def install(
    file: str | Path, folder: str | Path, load: Callable[[Path], FewShotClassifier] | None = None
) -> Path:
    """Make a file the model of a folder, and return this; a model there becomes a former version.

    ``load`` loads the file as it will be used; a file that it refuses replaces nothing.
    """
    source, target = model_file(file), user_path(folder, ModelError).resolve()
    check_target(target)
    read_header(source)  # what is no model is refused before all of it is in memory
    header, content = with_change(MODEL_FILE.content(source), "imported another model", str(source))
    loaded = (load or partial(FewShotClassifier.load, device="cpu"))(source)
    loaded.warm_up().fitted_.check_scores()
    with editing(target) if target.is_dir() else nullcontext():
        save(target, header, content)
    return target


def hint_at_undo(error: ModelError, path: str | Path) -> None:
    """Raise the error of a model that is lost again, if the version before can be restored."""
    folder = user_path(path, ModelError)
    lost = isinstance(error, DamagedModelError) or not (folder / MODEL).exists()
    if lost and can_undo(folder):
        hint = f"Restore the version before: fewact undo {shlex.quote(str(path))}"
        raise DamagedModelError(**{**error.parts, "hint": hint}) from error


def versions(folder: str | Path) -> list[Version]:
    """Return the former versions of a model, the latest first."""
    path = user_path(folder, ModelError).resolve()
    newer, former_versions = path / MODEL, []
    for file in _without(_numbered(path / HISTORY), newer):
        former_versions.append(_version(file, newer))
        newer = file
    return former_versions


def can_undo(folder: Path) -> bool:
    """Return whether there is a former version that can replace the model; it is read for this."""
    try:
        former = versions(folder)
        if former:
            _check(former[0].file)
    except (ModelError, OSError):
        return False
    return bool(former)


def undo(folder: str | Path) -> Version:
    """Replace a model by its latest former version; return it. Its former file no longer exists."""
    path = _existing(folder)
    with editing(path):
        former = versions(path)
        if not former:
            raise ModelError("nothing to undo", where=str(path))
        _exchange(path, former[0].file, path / HISTORY / UNDONE)
        return former[0]


def redo(folder: str | Path) -> Version:
    """Take the latest ``undo`` back."""
    path = _existing(folder)
    with editing(path):
        undone = _without(_numbered(path / HISTORY / UNDONE), path / MODEL)
        if not undone:
            raise ModelError("nothing to redo", where=str(path))
        version = _version(undone[0], undone[0])
        _exchange(path, version.file, path / HISTORY)
        return version


@contextmanager
def editing(folder: str | Path) -> Iterator[None]:
    """Hold a model while it is read, changed and saved: other editors wait, no change is lost."""
    path = _existing(folder)
    with ExitStack() as until_end:
        with output_errors(path):
            make_folder(path / HISTORY)
            until_end.enter_context(holding(path / HISTORY))
            _finish(path)
        yield


def _finish(folder: Path) -> None:
    """Finish a change that was interrupted once its model was in place: its texts are written."""
    with suppress(ModelError):  # what cannot be read is reported where it is needed
        file = folder / MODEL
        texts = _texts(folder, read_header(file)) if file.is_file() else {}
        with holding(folder), _beside(file, texts):
            pass


def _exchange(folder: Path, version: Path, target: Path) -> None:
    header = _check(version)
    with output_errors(folder), holding(folder):
        make_folder(target)
        file = folder / MODEL
        with _beside(file, _texts(folder, header)):
            if file.exists():
                _keep(file, target)
            os.replace(version, file)


@contextmanager
def _beside(file: Path, contents: dict[str, bytes]) -> Iterator[None]:
    """Write files, run the block, and rename them to beside ``file``: nothing or all is written.

    Files of equal content stay; the others are renamed in this order.
    """
    with ExitStack() as until_end:
        for name in (MODEL, MODEL_CONFIG, MODEL_README):  # also those of a killed writer
            remove_leftovers(file.parent, of=file.with_name(name))
        written = {}
        for name, content in contents.items():
            target = file.with_name(name)
            if _has_content(target, content):
                continue
            written[target] = until_end.enter_context(temporary(target))
            written[target].write_bytes(content)
            sync(written[target])
        yield
        for target, new in written.items():
            os.replace(new, target)
        sync(file.parent)


def _has_content(file: Path, content: bytes) -> bool:
    return file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content


def _texts(folder: Path, header: ModelHeader) -> dict[str, bytes]:
    """Return the files that are written for people, from the header of a model."""
    card = folder / MODEL_README
    before = README_FILE.content(card).decode(errors="replace") if card.is_file() else None
    config = json.dumps(header.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return {MODEL_README: model_card(header, before).encode(), MODEL_CONFIG: f"{config}\n".encode()}


def model_card(header: ModelHeader, before: str | None = None) -> str:
    """Return the text of README.md.

    Of an existing text what is outside the markers is kept; without markers all of it is kept.
    """
    text = f"{CARD_BEGIN}\n{_card_facts(header)}\n{CARD_END}\n"
    if before is None:
        return text
    head, begun, after = before.partition(CARD_BEGIN)
    _, ended, tail = after.partition(CARD_END)
    return head + text + tail.removeprefix("\n") if begun and ended else before


def _card_facts(header: ModelHeader) -> str:
    counts = Counter(clip.label for clip in header.examples)
    shown = {label: "(none)" if label == BACKGROUND else label for label in counts}
    rows = "\n".join(f"| {markdown_text(shown[la])} | {count} |" for la, count in counts.items())
    actions = len(counts.keys() - {BACKGROUND})
    options = ", ".join(f"{name} {value}" for name, value in header.method.options.items())
    precomputed = header.backbone.precomputed
    stored = ["the name" if precomputed else "the file name"]
    if any(clip.start or clip.end for clip in header.examples):
        stored.append("start and end")
    if any(clip.group for clip in header.examples):
        stored.append("the group")
    stored.append("a thumbnail" if header.thumbnails else "no thumbnail")
    weights = ""
    if not precomputed:
        named_licence = header.backbone.licence
        licence = f"; their licence is {named_licence}" if named_licence else ""
        weights = f"\nThe folder has no weights of the backbone{licence}."
    return f"""# Few-shot action classifier

Recognises {actions} actions.
Training clips: {len(header.examples)}. Saved with fewact {header.fewact}.

| action | clips |
|---|---|
{rows}

- Method: {header.method.name} ({options})
- {_origin(header)}
- {_probabilities(header)}
- {"; ".join(header.promises)}

## Data of the training clips

This folder stores for each training clip: {", ".join(stored)}; and its features as the method
encodes them. Features are not images, but they show how similar two clips are.

## Licence

The owner of the training clips decides how this folder may be used.{weights}

## Use

    import fewact

    classifier = fewact.FewShotClassifier.load("this folder")
{USE_FEATURES if precomputed else USE_VIDEOS}"""


def _origin(header: ModelHeader) -> str:
    saved = header.backbone
    if saved.precomputed:
        frames, width = saved.card.get("frames"), saved.card.get("vectors")
        return (
            f"Input: precomputed features, {frames} vectors of length {width} per clip; "
            "videos cannot be predicted"
        )
    pixels = saved.card.get("size")
    size = f", frames of {pixels} pixels" if pixels else ""
    weights = markdown_text(saved.spec.weights)
    return f"Backbone: {saved.spec.name}, {saved.spec.precision}{size}, weights {weights}"


def _probabilities(header: ModelHeader) -> str:
    calibration = header.calibration
    accuracy = ""
    if calibration.accuracy is not None and calibration.interval is not None:
        low, high = calibration.interval
        accuracy = (
            f"; held-out accuracy {calibration.accuracy:.1f} % on {calibration.held_out} training "
            f"clips, one clip of each action held out at a time; {low} to {high} % with other clips"
        )
    fitted = "not calibrated" if calibration.source == "method" else "fitted on held-out clips"
    names = ""
    if header.class_names is not None:
        names = (
            f"; class names have weight {calibration.text_weight:g}, "
            f"embedded by {header.class_names.facts.encoder}"
        )
    return f"Probabilities: temperature {calibration.temperature:.4g}, {fitted}{accuracy}{names}"


def _existing(folder: str | Path) -> Path:
    path = user_path(folder, ModelError).resolve()
    if not path.is_dir():
        raise ModelError("no such folder", where=str(folder), expected="a saved model")
    return path


def _keep(file: Path, target: Path) -> None:
    """Make a file the next version below a folder; another process may take its number first."""
    make_folder(target)
    while True:
        number = 1 + max((int(version.stem) for version in _numbered(target)), default=0)
        version = target / f"{number:06}.safetensors"
        try:
            os.link(file, version)
        except FileExistsError:
            continue
        except OSError:  # A disk without hard links.
            with temporary(version) as new:
                shutil.copyfile(file, new)
                sync(new)
                os.replace(new, version)
        sync(target)
        return


def _numbered(folder: Path) -> list[Path]:
    """Return the versions below a folder, the latest first."""
    files = [path for path in folder.glob("*.safetensors") if path.stem.isdecimal()]
    return sorted(files, key=lambda path: int(path.stem), reverse=True)


def _without(files: list[Path], model: Path) -> list[Path]:
    """Return the files whose header differs from the model's header."""
    current = _raw(model)
    return [file for file in files if _raw(file) != current]


def _raw(file: Path) -> str:
    """Return the text of the header of a file, which has the hash of all else; empty if missing."""
    try:
        return read_metadata(MODEL_FILE, file).get(CONFIG_KEY, "")
    except ModelError:
        return ""


def _version(file: Path, changed: Path) -> Version:
    """Return a version, and the change that made another file, when it was written."""
    try:
        content = HEADER_TEXT.parse(_raw(changed), str(changed))
        change = content.get("change") if isinstance(content, dict) else None
    except ModelError:
        change = None
    try:
        written = datetime.fromtimestamp(changed.stat().st_mtime, UTC)
        time = written.isoformat(timespec="seconds")
    except OSError:  # The model is gone.
        time = "unknown time"
    return Version(file, change if isinstance(change, str) else UNKNOWN, time)


def _has(file: Path, header: ModelHeader) -> bool:
    """Return whether a file is intact and has the header of this model."""
    try:
        parsed = parse_header(read_metadata(MODEL_FILE, file), str(file))
        return parsed.is_of_same_model(header) and bool(model_files.load(file))
    except ModelError:
        return False


def _check(version: Path) -> ModelHeader:
    """Refuse a version that is damaged, or cannot be read here: it must not replace the model."""
    try:
        header = read_header(version)
        FewShotClassifier.load(version, lazy=True).fitted_.check_scores()
        return header
    except NewerModelError:  # It is not damaged: removing it would lose it.
        raise
    except UserError as error:
        hint = f"Remove {version} to undo the change before it."
        raise ModelError(error.what, where=error.where, got=error.got, hint=hint) from error


def _forget(history: Path) -> None:
    """Remove the oldest versions beyond the limits."""
    inodes: set[tuple[int, int]] = set()
    total = 0
    for i, version in enumerate(_numbered(history)):
        facts = version.stat()
        if (facts.st_dev, facts.st_ino) not in inodes:
            inodes.add((facts.st_dev, facts.st_ino))
            total += facts.st_size
        if i >= MOST_VERSIONS or (i > 0 and total > MOST_VERSION_BYTES):
            version.unlink()
