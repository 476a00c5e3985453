"""A trained method as a file: options and weights, and how it came about.

Everything is in one safetensors file, whose header holds the facts as JSON; no pickle.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from fewact import __version__, methods
from fewact.errors import UserError, WeightsError
from fewact.methods.base import Method
from fewact.text import TextFacts

FORMAT: Final = "fewact method"
HEADER = "fewact"
FILE, BACKBONE_FILE = "method.safetensors", "backbone.safetensors"
BEST = "best"
EXPECTED = "a folder that `fewact train` has written, or a method.safetensors of one"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainedOn(_Part):
    """The list of training videos, to tell what may not be tested on.

    Args:
        name: Of the list.
        sha256: Of the list.
        videos: Ids of its videos by class.
    """

    name: str
    sha256: str
    videos: dict[str, tuple[str, ...]]


class ChosenBy(_Part):
    """How the checkpoint was chosen among all of its run.

    Args:
        list: Name of the list of validation videos.
        sha256: Of that list.
        classes: Of that list.
        episodes: SHA-256 of the validation episodes.
        accuracy: On them, in per cent.
        stage: In which it was met, counted from 1.
        step: Of that stage.
    """

    list: str
    sha256: str
    classes: tuple[str, ...]
    episodes: str
    accuracy: float
    stage: int
    step: int


class NeedsBackbone(_Part):
    """The network whose features it learnt from.

    Args:
        name: Of a registered backbone; of stored features what they call themselves.
        options: Its options.
        weights: Where its weights were; ``backbone.safetensors`` for those that lie beside.
        precision: That it computes in.
        sha256: Of its card.
    """

    name: str
    options: dict[str, JsonValue]
    weights: str
    precision: str
    sha256: str


class NeedsText(_Part):
    """What class names were to it.

    Args:
        facts: Of the embeddings of the training classes.
        weights: Where those of the text encoder were, as ``backbones.create_text`` takes them;
            empty where that is not known.
    """

    facts: TextFacts
    weights: str


class Facts(_Part):
    """What stands in the header.

    Args:
        format: Tells that the file is one of this kind.
        version: Of this layout.
        fewact: Version that wrote it.
        name: Of the registered method.
        options: All of them.
        temperature: Probabilities are softmax(logits / temperature).
        recipe: Name of the recipe.
        backbone: Whose features it takes.
        text: What it takes class names as; None where it reads none.
        trained_on: Which videos.
        chosen_by: How.
    """

    format: Literal["fewact method"] = FORMAT
    version: Literal[1] = 1
    fewact: str = __version__
    name: str
    options: dict[str, JsonValue]
    temperature: float
    recipe: str
    backbone: NeedsBackbone
    text: NeedsText | None = None
    trained_on: TrainedOn
    chosen_by: ChosenBy


@dataclass(frozen=True)
class Checkpoint:
    """A file that was read.

    Args:
        path: Of the file.
        facts: From its header.
        tensors: Of the method.
    """

    path: Path
    facts: Facts
    tensors: dict[str, Tensor]

    @property
    def backbone_weights(self) -> str:
        """The weights of its backbone as ``backbones.create`` takes them."""
        named = self.facts.backbone.weights
        return str(self.path.with_name(named)) if named == BACKBONE_FILE else named

    def method(self, **changes: Any) -> Method:
        """The method with its options and weights, in evaluation mode.

        Args:
            **changes: Options instead of its own, such as another alignment of the same nodes.

        Raises:
            WeightsError: The weights are not those of the method with these options.
            OptionError: There is no such option, or a value that is not accepted.
        """
        made = methods.create(self.facts.name, **{**self.facts.options, **changes})
        try:
            made.load_state_dict(self.tensors)
        except RuntimeError as error:
            raise WeightsError(
                f"its weights are not those of {self.facts.name} with these options",
                where=str(self.path),
                got=" ".join(str(error).split()),
            ) from error
        made.temperature = self.facts.temperature
        return made.eval()


def to_bytes(method: Method, facts: Facts) -> bytes:
    """The file's content."""
    tensors = {name: value.cpu().contiguous() for name, value in method.state_dict().items()}
    return save_tensors(tensors, {HEADER: facts.model_dump_json()})


def registered(
    method: Method, refusal: type[UserError] = WeightsError
) -> tuple[str, dict[str, JsonValue]]:
    """Registry name and options of a method.

    Args:
        method: The method.
        refusal: What is raised where it is not registered.

    Raises:
        UserError: It is not registered, so no file could say how to make it again.
    """
    name = methods.name_of(method)
    if name is None:
        raise refusal(
            "a method that is not registered cannot be loaded again",
            got=type(method).__name__,
            expected=", ".join(methods.names()),
            hint="Register its class under a name: fewact.methods.register.",
        )
    options: Any = method.options
    return name, TypeAdapter(type(options)).dump_python(options, mode="json")


def is_checkpoint(text: str) -> bool:
    """Whether a text names a file or folder rather than a registered method."""
    return text not in ("auto", *methods.names()) and Path(text).expanduser().exists()


def read(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: A run's folder, for the checkpoint that validation chose; the folder that it is in;
            or the file.

    Raises:
        WeightsError: There is none, or it cannot be read.
    """
    given = Path(path).expanduser()
    places = (given, given / FILE, given / BEST / FILE)
    file = next((one for one in places if one.is_file()), None)
    if file is None:
        raise WeightsError("there is no trained method", where=str(path), expected=EXPECTED)
    try:
        with safe_open(file, framework="pt") as opened:
            header = (opened.metadata() or {}).get(HEADER, "")
            # Copied: the file may be replaced while its memory is mapped.
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
        facts = Facts.model_validate(json.loads(header))
    except (OSError, SafetensorError, ValueError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise WeightsError(
            "this is no trained method", where=str(file), got=first, expected=EXPECTED
        ) from None
    return Checkpoint(file, facts, tensors)


def load(path: str | Path) -> Method:
    """Return a trained method with its options and weights, in evaluation mode.

    Args:
        path: Folder that a training has written, or the file of a checkpoint.

    Raises:
        WeightsError: There is no checkpoint, or it cannot be read.
    """
    return read(path).method()
