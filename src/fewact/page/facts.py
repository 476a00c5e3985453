"""Messages of the server to the page: types of Python, JSON and JavaScript.

``static/types.d.ts`` is written from these types (tests/page/test_facts.py); the code of the page
refers to it.
"""

from typing import Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # of typing, pydantic takes only those of Python 3.12


@with_config(ConfigDict(extra="forbid"))
class StepFacts(TypedDict):
    """A step that can be undone, or was undone: the key of its text, and its subject."""

    what: str
    subject: str


@with_config(ConfigDict(extra="forbid"))
class ErrorFacts(TypedDict, total=False):
    """An error: the key of its text, or what the program says."""

    key: str
    what: str
    got: str
    expected: str
    hint: str


@with_config(ConfigDict(extra="forbid"))
class ClipFacts(TypedDict):
    """A clip, see ``state.PageClip``; ``source`` names its file in addresses."""

    name: str
    label: str | None
    seconds: float
    frames: int
    aspect: float
    height: int
    box: list[float] | None
    start: float | None
    end: float | None
    binned: bool
    source: str | None
    model_label: str | None
    in_model: bool
    recording: bool
    faults: list[str]


@with_config(ConfigDict(extra="forbid"))
class ModelFacts(TypedDict):
    """The model: its expected accuracy in one sentence, and the measurements behind it.

    ``clips`` counts those of each label, ``none`` those of anything else.
    """

    id: str
    classes: list[str]
    clips: dict[str, int]
    summary: str
    details: list[str]
    none: int


@with_config(ConfigDict(extra="forbid"))
class JobFacts(TypedDict):
    """Work for a tab, see ``jobs.PageJob``."""

    id: str
    kind: str
    subject: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    error: ErrorFacts | None


@with_config(ConfigDict(extra="forbid"))
class EventFacts(TypedDict):
    """An action in a recording; times are in seconds."""

    label: str
    start: float
    end: float
    confidence: float | None
    repetitions: int
    subject: NotRequired[str]
    box: NotRequired[list[float] | None]


@with_config(ConfigDict(extra="forbid"))
class SubjectFacts(TypedDict):
    """What one of several subjects does, and where it is, in pixels."""

    subject: str
    box: list[float] | None
    label: str
    probability: float


@with_config(ConfigDict(extra="forbid"))
class ResultFacts(TypedDict):
    """The model's answer about a clip or a recording, or the reason why there is none.

    ``movers`` counts what moves in a doubtful clip; ``subjects`` has the answer for each of them,
    in place of one for the clip.
    """

    model: str
    error: NotRequired[ErrorFacts]
    faults: NotRequired[list[str]]
    label: NotRequired[str]
    probability: NotRequired[float]
    probabilities: NotRequired[dict[str, float]]
    nearest: NotRequired[str | None]
    movers: NotRequired[int]
    subjects: NotRequired[list[SubjectFacts]]
    events: NotRequired[list[EventFacts]]
    counts: NotRequired[dict[str, int]]
    time: NotRequired[float]
    ended: NotRequired[bool]


@with_config(ConfigDict(extra="forbid"))
class PageFacts(TypedDict):
    """All that the page shows."""

    version: int
    name: str
    classes: list[str]
    clips: dict[str, ClipFacts]
    changes: int
    undo: StepFacts | None
    model: ModelFacts | None
    changed_by_command: int
    advice: list[str]
    jobs: list[JobFacts]
    results: dict[str, ResultFacts]


@with_config(ConfigDict(extra="forbid"))
class LiveFacts(TypedDict):
    """What the camera shows, the events that are complete, and the frames a second used."""

    label: str | None
    probabilities: dict[str, float]
    events: list[EventFacts]
    rate: float
