"""A classifier as a folder: config.json, state.safetensors, README.md and thumbnails."""

import hashlib
import shlex
import stat
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save as save_tensors
from torch import Tensor

from fewact.backbones import Backbone
from fewact.classifier.class_names import IMAGE_EMBEDDING, ClassNames
from fewact.classifier.examples import Examples, stored
from fewact.classifier.fitted import Fitted
from fewact.classifier.saved import history
from fewact.classifier.saved.backbone import saved_backbone
from fewact.classifier.saved.config import (
    CONFIG,
    CONFIG_FILE,
    README,
    STATE,
    Config,
    SavedClassNames,
    from_text,
    is_config,
    owns,
    to_text,
)
from fewact.classifier.saved.equal_nodes import restore_equal
from fewact.classifier.saved.errors import HINT, DamagedModelError
from fewact.classifier.saved.files import content_of, state_file_of
from fewact.classifier.saved.method import create_method, saved_method
from fewact.classifier.saved.readme import readme
from fewact.classifier.saved.thumbnails import thumbnail
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import ModelError
from fewact.core.folders import current, read_replaced, replace_folder
from fewact.core.page_folder import PAGE_FOLDER, is_page
from fewact.core.paths import user_path
from fewact.core.shapes import all_finite
from fewact.core.temporary import is_empty
from fewact.core.tensors import parse_tensors
from fewact.core.workers import on_one_core
from fewact.features.precomputed import Precomputed
from fewact.methods.base import Method, Nodes
from fewact.video.steps import TrimMode

NODES, METHOD, SUPPORT, CLASS_NAMES = "nodes.", "method.", "support.", "class_names"

README_FILE = FileType("README of the model", ModelError, 16 * MIB)


@dataclass(frozen=True)
class SavedModel:
    """Content of a model folder.

    Args:
        config: Content of config.json.
        examples: Training clips and clips of no class with their nodes.
        method: Method with its options and parameters, on the CPU.
        class_names: Embedded class names; None if they are not used.
        support: Summary of the method's state for the classes; empty if the model has none.
    """

    config: Config
    examples: Examples
    method: Method
    class_names: ClassNames | None
    support: dict[str, Tensor]


def save(
    folder: str | Path,
    fitted: Fitted,
    backbone: Backbone | Precomputed,
    weights: str | Path,
    method: Method,
    *,
    thumbnails: bool,
    false_alarms: float | None = None,
    change: str = "saved",
    trim: TrimMode = "auto",
    sets: float | None = None,
) -> Path:
    """Save a classifier, see ``FewShotClassifier.save``."""
    folder = user_path(folder, ModelError).resolve()
    replaces = check_target(folder)
    if thumbnails and isinstance(backbone, Precomputed):
        raise ModelError("features have no thumbnails", hint="Save without thumbnails.")
    examples = fitted.everything
    nodes, equal = stored(examples.nodes)
    files = {STATE: save_tensors(_tensors(nodes, method, fitted))}
    if thumbnails:
        files |= {
            f"thumbnail-{i:04}.jpg": _thumbnail(examples, i)
            for i in range(1, len(examples.clips) + 1)
        }
    config = Config(
        backbone=saved_backbone(backbone, str(weights)),
        method=saved_method(method),
        calibration=fitted.calibration,
        class_names=_saved_class_names(fitted.class_names),
        open_set=fitted.open_set,
        false_alarms=false_alarms,
        trim=trim,
        sets=sets,
        integers=fitted.integers,
        examples=examples.clips,
        equal_nodes=equal,
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    # A model that cannot be loaded must not replace a model that can.
    state_file = state_file_of(config, str(folder))
    tensors = parse_tensors(state_file, files[STATE], str(folder / STATE))
    create_method(config.method, _of(tensors, METHOD), str(folder))
    card = readme(config, backbone.card, _old_readme(folder))

    files |= {README: card.encode(), CONFIG: to_text(config).encode()}
    write(folder, files, change, replaces=replaces)
    return folder


def write(folder: Path, files: Mapping[str, bytes], change: str, *, replaces: bool) -> None:
    """Write the files of a model; a model that they replace stays a former version.

    Args:
        folder: Resolved folder of the model.
        files: Content of each file by its name.
        change: The change, in a few words.
        replaces: Result of ``check_target``.

    Raises:
        OutputError: The folder cannot be written.
    """

    def fill(new: Path) -> None:
        for name, content in files.items():
            (new / name).write_bytes(content)

    with history.keeping(folder, change, files[CONFIG]) if replaces else nullcontext():
        replace_folder(folder, fill, owns)


def check_target(folder: Path) -> bool:
    """Return whether the folder has a model that saving would replace, also a damaged one.

    Raises:
        ModelError: The folder has other files, or is a file.
    """
    folder = folder.resolve()
    try:
        return read_replaced(lambda: current(folder), lambda path: _is_model(folder, path))
    except (FileNotFoundError, NotADirectoryError):  # the latter is reported by what writes there
        return False


def _is_model(folder: Path, path: Path) -> bool:
    if not stat.S_ISDIR(path.stat().st_mode):
        raise ModelError("this is a file", where=str(folder), expected="a folder")
    if (path / CONFIG).is_file() and is_config(path / CONFIG):
        return True
    if not is_empty(path) and not is_page(path / PAGE_FOLDER):
        raise ModelError(
            "the folder has other files, but no saved classifier",
            where=str(folder),
            expected="a new or empty folder, or a model to replace",
        )
    return any((path / name).exists() for name in (CONFIG, STATE))


def load(folder: str | Path) -> SavedModel:
    """Read and check a saved model.

    Raises:
        DamagedModelError: The model was damaged or edited.
        LostModelError: An older version of fewact wrote the model.
        ModelError: The model is missing, or of a newer version.
    """
    folder = user_path(folder, ModelError)
    target = folder.resolve()
    try:
        return on_one_core(
            lambda: read_replaced(lambda: current(target), lambda path: _load(folder, path))
        )
    except DamagedModelError as error:
        if not history.can_undo(target):
            raise
        hint = f"Restore the version before: fewact undo {shlex.quote(str(folder))}"
        raise DamagedModelError(**{**error.parts, "hint": hint}) from error


def read_config(folder: Path) -> Config:
    """Read the config.json of a model; the other files are not read.

    Raises:
        ModelError: There is no model, or the file is damaged, edited, or of another version.
    """
    target = folder.resolve()
    return read_replaced(lambda: current(target), lambda path: _config(folder, path))


def _config(folder: Path, path: Path) -> Config:
    if not (path / CONFIG).is_file():
        raise ModelError(
            "no such folder" if not path.exists() else "not a saved classifier",
            where=str(folder),
            expected="a folder written by FewShotClassifier.save or `fewact teach`",
        )
    return from_text(CONFIG_FILE.text(path / CONFIG), str(folder / CONFIG))


def _load(folder: Path, path: Path) -> SavedModel:
    config = _config(folder, path)
    tensors, thumbnails = content_of(path, config, folder)
    _check_numbers(tensors, str(folder / STATE))
    # Of each node only one of both types of numbers is in memory.
    names = [name for name in tensors if name.startswith(NODES)]
    nodes = {name.removeprefix(NODES): tensors.pop(name).float() for name in names}
    if not nodes or any(value.shape[:1] != (len(config.examples),) for value in nodes.values()):
        raise DamagedModelError(
            "the rows do not match the examples in config.json",
            where=str(folder / STATE),
            hint=HINT,
        )
    nodes = restore_equal(nodes, config.equal_nodes, str(folder / STATE))
    images = [thumbnails.get(f"thumbnail-{i:04}.jpg") for i in range(1, len(config.examples) + 1)]
    method = create_method(config.method, _of(tensors, METHOD), str(folder))
    examples = Examples(config.examples, nodes, tuple(images))
    class_names = _class_names(config, examples, tensors, str(folder / STATE))
    return SavedModel(config, examples, method, class_names, _of(tensors, SUPPORT))


def _check_numbers(tensors: Mapping[str, Tensor], where: str) -> None:
    """Check that what a state has beside the method's parameters is finite floating-point numbers.

    Raises:
        DamagedModelError: They are not.
    """
    for name, value in tensors.items():
        if name.startswith(METHOD):
            continue
        if not value.is_floating_point() or not all_finite(value):
            raise DamagedModelError(
                "not finite floating-point numbers",
                where=f"{where}, {name}",
                got=str(value.dtype),
                hint=HINT,
            )


def _tensors(nodes: Nodes, method: Method, fitted: Fitted) -> dict[str, Tensor]:
    found = {NODES + name: value for name, value in nodes.items()}
    found |= {METHOD + name: value for name, value in method.state_dict().items()}
    found |= {SUPPORT + name: value for name, value in method.summary(fitted.by_class).items()}
    if fitted.class_names is not None:
        found[CLASS_NAMES] = fitted.class_names.text
    return {name: value.cpu().contiguous() for name, value in found.items()}


def _saved_class_names(class_names: ClassNames | None) -> SavedClassNames | None:
    if class_names is None:
        return None
    return SavedClassNames(mode=class_names.mode, facts=class_names.facts)


def _class_names(
    config: Config, examples: Examples, tensors: Mapping[str, Tensor], where: str
) -> ClassNames | None:
    saved = config.class_names
    if saved is None:
        return None
    text, mean = tensors.get(CLASS_NAMES), examples.nodes.get(IMAGE_EMBEDDING)
    if text is None or mean is None or text.shape != (len(examples.classes), mean.shape[-1]):
        raise DamagedModelError("the class names do not match config.json", where=where, hint=HINT)
    return ClassNames(examples.classes, text, saved.facts, saved.mode)


def _of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _thumbnail(examples: Examples, number: int) -> bytes:
    origin = examples.origins[number - 1]
    if origin is None:
        raise ModelError(
            "the loaded model has no thumbnails to save",
            got=examples.clips[number - 1].title,
            hint="Save without thumbnails, or teach again from the clips.",
        )
    return origin if isinstance(origin, bytes) else thumbnail(origin)


def _old_readme(folder: Path) -> str | None:
    def read(path: Path) -> str | None:
        file = path / README
        return README_FILE.content(file).decode(errors="replace") if file.is_file() else None

    return read_replaced(lambda: current(folder), read)
