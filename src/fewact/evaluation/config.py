"""Configuration of an evaluation."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, PositiveInt

from fewact.backbones import BackboneSpec, TextSpec
from fewact.core.spec import Spec
from fewact.data.videos import GroupScope
from fewact.evaluation.episodes import LARGEST_SEED, Protocol


class DataConfig(Spec):
    """Labelled videos or precomputed features.

    Args:
        source: Name of a benchmark, ``motions`` or ``motions:PRESET``, folder with one subfolder of
            clips per class, CSV table with the columns ``path,label[,split][,group]``, or .npz file
            of features.
        split: Split whose classes are used. The default is ``test``, and ``val`` in a sweep, if the
            data have splits.
        groups: Separation of support and query by recording or person, see ``Protocol``; ``auto``
            is the separation that the data define.
        dataset: Data set to read from a features file that holds several.
        root: Folder with the videos of a benchmark.
        splits: Published list, or folder with such lists (default: the path that ``FEWACT_SPLITS``
            names).
        availability: File written by ``fewact data check``; videos it reports as unreadable are
            left out.
        allow_missing: Continue although videos are missing; the result says so.
        store: Folder with features stored by ``fewact embed``; no video is read.
    """

    source: str
    split: Literal["train", "val", "test", "all"] | None = None
    groups: GroupScope | Literal["auto"] = "auto"
    dataset: str | None = None
    root: Path | None = None
    splits: Path | None = None
    availability: Path | None = None
    allow_missing: bool = False
    store: Path | None = None


class EpisodeConfig(Spec):
    """Episodes to draw, or a file of episodes.

    Args:
        ways: Number of classes of an episode.
        shots: Number of support videos of a class.
        queries: Number of query videos of a class.
        count: Number of episodes.
        seed: Seed of the draw.
        file: File written by ``fewact episodes``; it excludes the other options.
    """

    ways: Annotated[int, Field(ge=2)] = Protocol.ways
    shots: PositiveInt = Protocol.shots
    queries: PositiveInt = Protocol.queries
    count: PositiveInt = Protocol.count
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = Protocol.seed
    file: Path | None = None

    def protocol(self, groups: GroupScope) -> Protocol:
        """Return the protocol of the episodes to draw."""
        return Protocol(self.ways, self.shots, self.queries, self.count, self.seed, groups)


class CameraConfig(Spec):
    """Simulated camera that records the videos.

    Args:
        name: Name of the camera, see ``fewact.synthetic.simulated_cameras.CAMERAS``.
        on: Videos to record: all videos, or only the queries.
    """

    name: str
    on: Literal["all", "query"] = "all"


class ConditionConfig(Spec):
    """Condition of the videos.

    Args:
        name: Name and severity such as ``dark:2``, see ``fewact.synthetic.conditions.CONDITIONS``.
        on: Videos in the condition: all videos, or only the queries.
    """

    name: str
    on: Literal["all", "query"] = "all"


class ReadingConfig(Spec):
    """Reading of the videos. The defaults read them as they are; ``teach`` and ``predict`` do both.

    Args:
        trim: Long still ends: ``auto`` leaves them out, see ``fewact.video.steps``.
        correct: Black bars, flicker, blur, grain, too much or too little light, and little
            contrast: ``auto`` corrects them, see ``fewact.video.cleaning.correction``.
    """

    trim: Literal["auto", "off"] = "off"
    correct: Literal["auto", "off"] = "off"


class EvaluationConfig(Spec):
    """Configuration of an evaluation.

    Args:
        method: Name of a method, or folder of a trained method.
        options: Options of the method; they replace those of a trained method.
        data: Videos or features.
        modalities: Further sources of the same videos, each as ``DataConfig.source``: folder, table
            or features file. The method is applied to each source, and their similarities are
            added, see ``methods.combined``.
        modality_weights: Weights of the similarities: ``support``, decided by the support of each
            episode, or ``equal``.
        episodes: Episodes to draw, or a file of episodes.
        backbone: Backbone that computes the features; what it does not set is that of a trained
            method.
        text: Text encoder and prompts, for methods that use class names; what it does not set is
            that of a trained method.
        camera: Simulated camera; None for the videos as they are.
        condition: Condition of the videos, after the camera; None for the videos as they are.
        reading: Reading of the videos.
        allow_leak: Allow training videos or classes of a trained method in the test; the result
            says so.
        threads: Number of threads (default: torch's number of threads).
        output: File for the result, see ``RunOptions``; folder for the results of a sweep.
        overwrite: Replace existing results.
    """

    method: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    data: DataConfig
    modalities: tuple[str, ...] = ()
    modality_weights: Literal["support", "equal"] = "support"
    episodes: EpisodeConfig = EpisodeConfig()
    backbone: BackboneSpec = BackboneSpec()
    text: TextSpec = TextSpec()
    camera: CameraConfig | None = None
    condition: ConditionConfig | None = None
    reading: ReadingConfig = ReadingConfig()
    allow_leak: bool = False
    threads: PositiveInt | None = None
    output: Path | None = None
    overwrite: bool = False

    def with_options(self, options: dict[str, JsonValue]) -> Self:
        """Return the same configuration with further options of the method."""
        return self.model_copy(update={"options": {**self.options, **options}})
