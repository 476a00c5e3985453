"""Checkpoints: one file with a trained method's options, weights and training record.

The file is a safetensors file without pickle; its header has the metadata as JSON. If the backbone
was trained too, the file has its weights, and is itself a file of weights for ``networks.create``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import JsonValue
from safetensors.torch import save as save_tensors
from torch import Tensor

from fewact import methods
from fewact.core.arrays import read_tensors
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OptionError, WeightsError
from fewact.core.paths import user_path
from fewact.core.version import __version__
from fewact.data.videos import Video, VideoList
from fewact.lab import methods as lab_methods
from fewact.lab.benchmarks.benchmarks import published_list
from fewact.lab.benchmarks.leak import refuse_leaks
from fewact.lab.evaluation.identity import Facts
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.common.inputs import seeded
from fewact.lab.networks.text import PRECOMPUTED
from fewact.lab.networks.torch_weights import as_tensors
from fewact.networks import BackboneSpec, Card, TextSpec
from fewact.networks.card import TextFacts
from fewact.networks.weights import NETWORK

CHECKPOINT_KEY = "fewact"
METHOD_TENSORS = "method/"
"""Prefix of the names of the method's tensors; a trained network's tensors have ``NETWORK``."""

WITHIN = "checkpoint"
"""Source of a backbone's weights that are in the checkpoint's file."""

BEST = "best.safetensors"
"""File of a training run with the selected checkpoint."""

RUN_RECIPE = "recipe.json"
RUN_STATE = "state.safetensors"

CHECKPOINT = FileType(
    "checkpoint of a trained method",
    WeightsError,
    16 * GIB,
    "a folder that `fewact train` has written, or its best.safetensors",
)


class TrainedOn(Facts):
    """List of training videos, which must not be used for testing.

    Args:
        name: Name of the list.
        sha256: Hash of the list.
        videos: Ids of the videos by class.
    """

    name: str
    sha256: str
    videos: dict[str, tuple[str, ...]]


class Selection(Facts):
    """How the checkpoint was selected among all checkpoints of its run.

    Args:
        list: Name of the list of validation videos.
        sha256: Hash of that list.
        classes: Classes of that list.
        episodes: SHA-256 of the validation episodes.
        accuracy: Accuracy on these episodes, in per cent.
        stage: Training stage, counted from 1.
        step: Step of that stage.
    """

    list: str
    sha256: str
    classes: tuple[str, ...]
    episodes: str
    accuracy: float
    stage: int
    step: int

    @property
    def initial(self) -> bool:
        """Whether no training step came before: the weights are the initial ones."""
        return self.stage == 1 and self.step == 0


class Header(Facts):
    """Metadata in the header of the file.

    Args:
        format: Identifies the type of file.
        version: Version of the layout.
        fewact: Version of the package that wrote the file.
        name: Name of the registered method.
        options: All options of the method.
        temperature: Probabilities are softmax(logits / temperature).
        recipe: Name of the recipe.
        backbone: Backbone whose features the method takes. Its ``weights`` are ``WITHIN`` if this
            file has them, and empty for stored features of unknown weights.
        network_digest: Network digest of the backbone's card.
        text: Description of the embeddings of the training classes; None for a method without text.
        text_weights: Source of the text encoder's weights, as for ``networks.create_text``; empty
            if unknown.
        trained_on: Training videos.
        selection: How the checkpoint was selected; None for a converted one.
        origin: Publication and file of a converted checkpoint; empty for one of ``fewact train``.
    """

    format: Literal["fewact method"] = "fewact method"
    version: Literal[3] = 3
    fewact: str = __version__
    name: str
    options: dict[str, JsonValue]
    temperature: float
    recipe: str
    backbone: BackboneSpec
    network_digest: str
    text: TextFacts | None = None
    text_weights: str = ""
    trained_on: TrainedOn
    selection: Selection | None = None
    origin: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file: its path, metadata, and the weights of the method."""

    path: Path
    header: Header
    tensors: dict[str, Tensor]

    @property
    def backbone(self) -> BackboneSpec:
        """Backbone with which the method was trained, with the path of its weights."""
        backbone = self.header.backbone
        if backbone.weights != WITHIN:
            return backbone
        return backbone.model_copy(update={"weights": str(self.path)})

    @property
    def text(self) -> TextSpec | None:
        """Text encoder and prompts of the training; None for precomputed embeddings."""
        facts = self.header.text
        if facts is None or facts.encoder == PRECOMPUTED:
            return None
        weights = self.header.text_weights or "default"
        return TextSpec(encoder=facts.encoder, weights=weights, prompts=facts.templates)

    def method(self, **changes: Any) -> TorchMethod:
        """Return the method with its options and weights, in evaluation mode.

        Args:
            **changes: Options to change, such as another alignment of the same nodes.

        Raises:
            WeightsError: There is no such method, or the weights don't fit it with these options.
            OptionError: An option or its value is invalid, or only sets initial weights, which the
                checkpoint replaces.
        """
        if self.header.name not in methods.names():
            raise WeightsError(
                "there is no method of the checkpoint's name",
                where=str(self.path),
                got=self.header.name,
                expected=", ".join(methods.names()),
                hint=methods.IMPORT,
            )
        method = self._initial(changes)
        try:
            method.load_state_dict(self.tensors)
        except RuntimeError as error:
            raise WeightsError(
                f"the weights don't fit {self.header.name} with these options",
                where=str(self.path),
                got=" ".join(str(error).split()),
            ) from error
        self._check_effects(changes)
        method.temperature = self.header.temperature
        selection = self.header.selection
        method.trained = method.trained or selection is None or not selection.initial
        method.validation = None if selection is None else selection.accuracy
        return method.eval()

    def _initial(self, changes: Mapping[str, Any]) -> TorchMethod:
        with seeded(0):
            return lab_methods.create(self.header.name, **{**self.header.options, **changes})

    def _check_effects(self, changes: Mapping[str, Any]) -> None:
        """Refuse options that only change initial weights, which the checkpoint replaces."""
        saved = self._initial({}).state_dict() if changes else {}
        for name, value in changes.items():
            try:
                changed = self._initial({name: value}).state_dict()
            except OptionError:  # It needs other changes, so it has an effect together with them.
                continue
            shapes = {weight: x.shape for weight, x in changed.items()}
            if shapes != {weight: x.shape for weight, x in saved.items()}:
                continue
            replaced = [
                weight for weight, x in saved.items() if not torch.equal(x, changed[weight])
            ]
            if replaced:
                raise OptionError(
                    "the option sets the initial value of a trained weight of this checkpoint",
                    where=f'{self.path}, option "{name}"',
                    got=f"{value}, for {', '.join(replaced[:3])}",
                    expected="an option that changes more than initial weights",
                    hint=f"Train another checkpoint with this value of {name}.",
                )


def to_bytes(
    method: TorchMethod,
    header: Header,
    network: Mapping[str, Tensor] | None = None,
    network_header: Mapping[str, str] | None = None,
) -> bytes:
    """Return the content of a checkpoint file, with the backbone's weights if they are passed."""
    tensors = {METHOD_TENSORS + name: value for name, value in method.state_dict().items()}
    tensors |= {NETWORK + name: value for name, value in (network or {}).items()}
    on_cpu = {name: value.cpu().contiguous() for name, value in tensors.items()}
    metadata = {CHECKPOINT_KEY: header.model_dump_json(), **(network_header or {})}
    return _ordered(save_tensors(on_cpu, metadata))


def _ordered(content: bytes) -> bytes:
    """Sort the metadata in a safetensors file's header: the library's order varies."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    facts = dict(sorted(header.pop("__metadata__").items()))
    text = json.dumps({"__metadata__": facts, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def is_checkpoint(text: str) -> bool:
    """Return whether a text is a file or folder rather than the name of a method."""
    return text not in ("auto", *methods.names()) and user_path(text, WeightsError).exists()


def read(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: Folder of a training run, for the checkpoint selected by validation; or checkpoint
            file.

    Raises:
        WeightsError: There is no checkpoint, or it cannot be read.
    """
    place = user_path(path, WeightsError)
    file = place if place.is_file() else place / BEST
    if not file.is_file():
        if (place / RUN_RECIPE).is_file():
            raise _no_checkpoint(place)
        CHECKPOINT.refuse(place, "no trained method found")
    mapped, metadata = read_tensors(CHECKPOINT, file)
    content = CHECKPOINT.parse(metadata.get(CHECKPOINT_KEY, ""), str(file))
    header = CHECKPOINT.validate(content, Header, str(file))
    # A copy: the file may be replaced while its memory is mapped.
    weights = {
        name.removeprefix(METHOD_TENSORS): value.clone()
        for name, value in as_tensors(mapped).items()
        if name.startswith(METHOD_TENSORS)
    }
    return Checkpoint(file, header, weights)


def _no_checkpoint(run: Path) -> WeightsError:
    lost = (run / RUN_STATE).is_file()  # The first checkpoint is saved before the first state.
    return WeightsError(
        "the selected checkpoint of the training run is missing",
        where=str(run / BEST),
        expected="the checkpoint that `fewact train` saves after the first validation",
        hint="Restore the file, or train into another folder."
        if lost
        else "Continue the training: run the same `fewact train` again.",
    )


def load(path: str | Path) -> TorchMethod:
    """Return the trained method of a checkpoint, see ``read``, in evaluation mode."""
    return read(path).method()


def find_checkpoint(method: str) -> Checkpoint | None:
    """Return the checkpoint in a folder or file; None for the name of a registered method."""
    return read(method) if is_checkpoint(method) else None


def trained_on(facts: TrainedOn) -> VideoList:
    """Return the training videos as a list, without video sources and groups.

    A class whose videos are unknown has one without an id.
    """
    ids_of = {label: ids or ("",) for label, ids in facts.videos.items()}
    videos = [Video(id, label, "train") for label, ids in ids_of.items() for id in ids]
    return VideoList(facts.name, tuple(videos))


def training_flags(
    checkpoint: Checkpoint,
    videos: VideoList,
    card: Card,
    text: TextFacts | None = None,
    *,
    allow_leak: bool = False,
) -> tuple[str, ...]:
    """Return the remarks on a result of a trained method on test videos.

    ``card`` is of the backbone of the test features, ``text`` of the class embeddings.

    Raises:
        DataError: Training videos or classes are in the test, without ``allow_leak``.
        OptionError: The method was trained with another text encoder.
    """
    facts = checkpoint.header
    selection = facts.selection
    remarks = [
        f"trained on {facts.trained_on.name}",
        f"converted: {facts.origin}"
        if selection is None
        else f"checkpoint selected by validation accuracy ({selection.accuracy:.1f} % on "
        f"{selection.list})" + (": the initial weights" if selection.initial else ""),
        *refuse_leaks(trained_on(facts.trained_on), videos, allow_leak=allow_leak),
    ]
    # Class keys of a published list mean nothing in other lists.
    published = published_list(videos.name) is not None
    if not published:
        training = facts.trained_on
        if training.name != videos.name and set(training.videos) & set(videos.classes):
            remarks.append(f"classes of the same names in the training list {training.name}")
    if (
        selection is not None
        and (selection.list == videos.name or not published)
        and set(selection.classes) & set(videos.classes)
    ):
        remarks.append("checkpoint selected on these classes")
    # Precomputed features have the digest of their own rows, which says nothing about the network.
    if facts.backbone.weights and facts.network_digest != card.network_digest:
        remarks.append(f"features of another backbone than in training ({facts.backbone.name})")
    if facts.text is not None and text is not None:
        remarks += _text_flags(checkpoint, facts.text, text)
    return tuple(remarks)


def _text_flags(checkpoint: Checkpoint, training: TextFacts, test: TextFacts) -> list[str]:
    """Return a remark if the prompts differ; refuse another text encoder."""
    if PRECOMPUTED in (training.encoder, test.encoder):
        return []  # The encoder of precomputed embeddings is unknown.
    if training.sha256 != test.sha256:
        raise OptionError(
            "the method was trained with another text encoder or other weights of it",
            where=str(checkpoint.path),
            got=f"{test.encoder}, {test.sha256[:8]}",
            expected=f"{training.encoder}, {training.sha256[:8]}",
        )
    return [] if training.templates == test.templates else ["prompts differ from training"]
