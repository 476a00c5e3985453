"""State of a run between two steps, as one file from which an interrupted run continues."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fewact.errors import TrainingError
from fewact.io.atomic import write_bytes
from fewact.training.optimising import Average

FORMAT: Final = "fewact training state"
LEARNER, AVERAGE, OPTIMISER = "learner/", "average/", "optimiser/"


class Best(BaseModel):
    """Best validation so far.

    Args:
        accuracy: Accuracy in per cent.
        stage: Stage, counted from 0.
        step: Number of finished steps of the stage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float
    stage: NonNegativeInt
    step: NonNegativeInt


class Position(BaseModel):
    """Position of a run.

    Args:
        format: Name of the file format.
        version: Version of the file format.
        stage: Current stage, counted from 0; the number of stages if the run is finished.
        step: Number of finished steps of the stage.
        best: Best validation so far.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["fewact training state"] = FORMAT
    version: Literal[1] = 1
    stage: NonNegativeInt = 0
    step: NonNegativeInt = 0
    best: Best | None = None


@dataclass(frozen=True)
class State:
    """State read from a file.

    Args:
        position: Position of the run.
        tensors: Tensors of the learner, the average and the optimiser.
        where: Path of the file.
    """

    position: Position
    tensors: dict[str, Tensor]
    where: str

    def restore(
        self,
        learner: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        average: Average | None = None,
    ) -> None:
        """Load the tensors.

        Args:
            learner: Learner of the run.
            optimiser: Optimiser of the stage; None to leave it out.
            average: Moving average of the stage; None to leave it out.

        Raises:
            TrainingError: The state belongs to another training.
        """
        try:
            learner.load_state_dict(self._of(LEARNER))
            if average is not None:
                average.tensors = {
                    name: value.to(average.tensors[name])
                    for name, value in self._of(AVERAGE).items()
                }
            if optimiser is not None:
                _restore_optimiser(optimiser, self._of(OPTIMISER))
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                "the state belongs to another training",
                where=self.where,
                got=" ".join(str(error).split())[:300],
                hint="Train into another folder.",
            ) from None

    def _of(self, prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.tensors.items()
            if name.startswith(prefix)
        }


def write(
    path: Path,
    position: Position,
    learner: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
    average: Average | None = None,
) -> None:
    """Write a state atomically."""
    tensors = {LEARNER + name: value for name, value in learner.state_dict().items()}
    if average is not None:
        tensors |= {AVERAGE + name: value for name, value in average.tensors.items()}
    if optimiser is not None:
        for number, kept in optimiser.state_dict()["state"].items():
            for key, value in kept.items():
                if value is not None:
                    tensors[f"{OPTIMISER}{number}/{key}"] = torch.as_tensor(value)
    # The file format refuses tensors that share memory.
    owned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_bytes(path, save(owned, {"state": position.model_dump_json()}))


def read(path: Path) -> State | None:
    """Read a state; None if the file does not exist.

    Raises:
        TrainingError: The file is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            header = (file.metadata() or {}).get("state", "")
        position = Position.model_validate(json.loads(header))
    except (OSError, SafetensorError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise TrainingError(
            "not the state of a training run", where=str(path), got=reason
        ) from None
    return State(position, tensors, str(path))


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    content = optimiser.state_dict()
    kept: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition("/")
        kept.setdefault(int(number), {})[key] = value
    content["state"] = kept
    optimiser.load_state_dict(content)
