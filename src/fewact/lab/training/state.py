"""State of a run between two steps, in one file; an interrupted run continues from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt
from safetensors.torch import save
from torch import Tensor, nn

from fewact.core.arrays import read_tensors
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import TrainingError
from fewact.lab.networks.torch_weights import as_tensors
from fewact.lab.training.optimising import Average

ADAM = {"step", "exp_avg", "exp_avg_sq"}
LEARNER = "learner/"
AVERAGE = "average/"
OPTIMISER = "optimiser/"
RUN_STATE_FILE = FileType(
    "state of a training run", TrainingError, 64 * GIB, hint="Train into another folder."
)


class Best(BaseModel):
    """Best validation so far.

    Args:
        accuracy: Accuracy in per cent.
        stage: Stage, counted from 0.
        step: Number of finished steps of the stage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: Annotated[float, Field(ge=0, le=100)]
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

    format: Literal["fewact training state"] = "fewact training state"
    version: Literal[1] = 1
    stage: NonNegativeInt = 0
    step: NonNegativeInt = 0
    best: Best | None = None


@dataclass(frozen=True)
class State:
    """State read from a file: tensors of the learner, the average and the optimiser."""

    position: Position
    tensors: dict[str, Tensor]
    where: str

    def check(self, steps: Sequence[int]) -> None:
        """Check that a run with these numbers of steps, one for each stage, has this position.

        Raises:
            TrainingError: There is no such stage or step, or the run was never validated.
        """
        at, best = self.position, self.position.best
        ends = (*steps, 1)  # a finished run is at step 0 of the stage after the last
        valid = at.stage < len(ends) and at.step < ends[at.stage] and best is not None
        if not valid or best is None or best.stage >= len(steps) or best.step > steps[best.stage]:
            raise TrainingError(
                "the state belongs to another training",
                where=self.where,
                got=f"{_place(at)}, best checkpoint: {'none' if best is None else _place(best)}",
                expected=f"a step of {len(steps)} stages with {', '.join(map(str, steps))} steps",
                hint="Train into another folder.",
            )

    def restore(
        self,
        learner: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        average: Average | None = None,
    ) -> None:
        """Load the tensors into the learner, and into optimiser and average if they are passed.

        Raises:
            TrainingError: The state belongs to another training.
        """
        try:
            learner.load_state_dict(self._of(LEARNER))
            if average is not None:
                average.load(self._of(AVERAGE))
            if optimiser is not None:
                _restore_optimiser(optimiser, self._of(OPTIMISER))
        except (RuntimeError, IndexError, KeyError, ValueError) as error:
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


def _place(at: Position | Best) -> str:
    """Return a position in words: messages count stages from 1, files from 0."""
    return f"stage {at.stage + 1}, step {at.step}"


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
        for number, state in optimiser.state_dict()["state"].items():
            for key, value in state.items():
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
    mapped, metadata = read_tensors(RUN_STATE_FILE, path)
    header = RUN_STATE_FILE.parse(metadata.get("state", ""), str(path))
    position = RUN_STATE_FILE.validate(header, Position, str(path))
    # A copy: the file is replaced while the run goes on.
    return State(
        position, {name: value.clone() for name, value in as_tensors(mapped).items()}, str(path)
    )


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    content = optimiser.state_dict()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    names = {"momentum_buffer"} if isinstance(optimiser, torch.optim.SGD) else ADAM
    states: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition("/")
        if value.ndim and value.shape != parameters[int(number)].shape:
            raise ValueError(f"{name} of shape {tuple(value.shape)}")
        states.setdefault(int(number), {})[key] = value
    if any(set(state) != names for state in states.values()) or not states.keys() <= set(
        range(len(parameters))
    ):
        raise ValueError("the optimiser is another one")
    content["state"] = states
    optimiser.load_state_dict(content)
