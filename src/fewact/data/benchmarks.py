"""The facts of the published benchmarks: classes, counts, hashes, where the lists are, traps."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fewact.data.videos import Groups, Split
from fewact.errors import UnknownNameError, did_you_mean

Family = Literal["hmdb51", "ucf101", "kinetics", "ssv2"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
NAMES = (
    "hmdb51_arn",
    "ucf101_arn",
    "kinetics100_cmn_clip-spm",
    "kinetics100_cmn_ta2n-9984",
    "kinetics100_alibaba",
    "ssv2-small_cmn",
    "ssv2-full_otam",
    "ssv2-full_trx",
)
YOUTUBE = re.compile(r"(.{11})(?:_\d+_\d+)?", re.DOTALL)
HASH = Annotated[str, Field(pattern="[0-9a-f]{64}")]


class ActionClass(NamedTuple):
    """A class of a benchmark.

    Args:
        key: Its name in the published list: a folder's name, or "train8".
        videos: How many videos the list has of it.
        name: What it is called, "Pouring something into something".
        published_prompt: Its name in CLIP-FSAR's prompts; empty where none is published (val).
    """

    key: str
    videos: int
    name: str
    published_prompt: str

    @property
    def prompt(self) -> str:
        """What to fill into "a photo of {}": as published, else the name in words.

        >>> ActionClass("ApplyLipstick", 114, "ApplyLipstick", "").prompt
        'Apply Lipstick'
        """
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.replace("_", " "))
        return self.published_prompt or words


class Benchmark(BaseModel):
    """A published list of videos in train, val and test classes.

    Args:
        id: Of the data set and the variant of its list.
        title: For people.
        family: Videos of one family are the same where their keys are.
        published: Where the authors publish the list.
        licence: Of the list.
        classes_decide: Whether the list is all videos of the classes: then no list is needed.
        groups: How near duplicates are kept apart.
        folders: What folders with this list are called where it is published.
        traps: What goes wrong with it.
        sha256: For each split that of its lines, as ``lists.digest`` makes it.
        classes: For each split its classes, in the order of their published numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    family: Family
    published: str
    licence: str
    classes_decide: bool
    groups: Groups
    folders: tuple[str, ...]
    traps: tuple[str, ...]
    sha256: Mapping[Split, HASH]
    classes: Mapping[Split, tuple[ActionClass, ...]]

    @cached_property
    def counts(self) -> dict[Split, dict[str, int]]:
        """For each split how many videos the list has of each class."""
        return {split: {c.key: c.videos for c in self.classes[split]} for split in SPLITS}

    @cached_property
    def split_of(self) -> dict[str, Split]:
        """The split of each class."""
        return {key: split for split in SPLITS for key in self.counts[split]}

    @cached_property
    def prompts(self) -> dict[str, str]:
        """For each class what to fill into "a photo of {}"."""
        return {c.key: c.prompt for split in SPLITS for c in self.classes[split]}

    def class_of(self, written: str) -> str | None:
        """The class that a key or a name stands for, however it is spelled; None where unknown.

        >>> benchmark("ssv2-small").class_of("Squeezing Something")
        'test22'
        """
        return self._classes.get(fold(written))

    @cached_property
    def _classes(self) -> dict[str, str]:
        keys = {fold(key): key for key in self.split_of}
        return {fold(c.name): c.key for split in SPLITS for c in self.classes[split]} | keys

    def id_of(self, name: str) -> str:
        """The id of a video that is called so, without extension: of Kinetics YouTube's id.

        >>> benchmark("kinetics100_alibaba").id_of("-VtLx-mcPds_000012_000022")
        '-VtLx-mcPds'
        """
        match = YOUTUBE.fullmatch(name) if self.family == "kinetics" else None
        return match[1] if match else name

    def key(self, id: str) -> str:
        """What two spellings of one id share: only on YouTube upper and lower case differ.

        >>> benchmark("ucf101_arn").key("v_HandStandPushups_g01_c01")
        'v_handstandpushups_g01_c01'
        """
        return id if self.family == "kinetics" else id.casefold()


def benchmark_names() -> tuple[str, ...]:
    """The names of all benchmarks, a name for each published list."""
    return NAMES


def variants(spelling: str) -> tuple[str, ...]:
    """The benchmarks that a spelling may stand for, in papers and tables; none where unknown.

    >>> variants("UCF-101")
    ('ucf101_arn',)
    >>> variants("SSv2-Full")
    ('ssv2-full_otam', 'ssv2-full_trx')
    """
    return _spellings().get(fold(spelling), ())


def benchmark(name: str) -> Benchmark:
    """The facts of a benchmark.

    Args:
        name: One of ``benchmark_names()``, or another spelling that stands for one of them alone.

    Raises:
        UnknownNameError: No benchmark is called so, or several lists are.
    """
    found = variants(name)
    if len(found) == 1:
        return _read(found[0])
    if found:
        raise UnknownNameError(
            "several lists are called so, with different videos",
            got=repr(name),
            expected=", ".join(found),
            hint="Name the one that is meant.",
        )
    raise UnknownNameError(
        "there is no benchmark of this name",
        got=repr(name),
        expected=", ".join(NAMES),
        hint=did_you_mean(name, NAMES) or _near(name),
    )


def read_facts(file: str) -> dict[str, Any]:
    """A file of the facts that the package holds."""
    text = files("fewact.data").joinpath("facts", file).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _near(name: str) -> str:
    """Say which benchmark a misspelt spelling stands for."""
    near = re.search(r'"(.*)"', did_you_mean(fold(name), _spellings()))
    return f"Did you mean {' or '.join(_spellings()[near[1]])}?" if near else ""


def fold(spelling: str) -> str:
    """A name without what spellings differ in: case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", spelling.casefold())


@cache
def _spellings() -> dict[str, tuple[str, ...]]:
    others = {fold(text): tuple(ids) for text, ids in read_facts("spellings.toml").items()}
    return others | {fold(name): (name,) for name in NAMES}


@cache
def _read(name: str) -> Benchmark:
    return Benchmark.model_validate(read_facts(f"{name}.toml"))
