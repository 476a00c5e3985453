"""Facts about published benchmarks: classes, numbers of videos, hashes of the lists, caveats."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fewact.core.errors import UnknownNameError, did_you_mean
from fewact.data.videos import SPLITS, GroupScope, Split

Family = Literal["diving48", "epic", "finegym", "hmdb51", "kinetics", "ntu120", "ssv2", "ucf101"]

BENCHMARK_NAMES = (
    "hmdb51_arn",
    "ucf101_arn",
    "kinetics100_cmn_clip-spm",
    "kinetics100_cmn_ta2n-9984",
    "kinetics100_alibaba",
    "ssv2-small_cmn",
    "ssv2-full_otam",
    "ssv2-full_trx",
    "diving48_vba",
    "diving48_knowledge",
    "diving48_tamt",
    "epic_hyrsm",
    "finegym99_fsfg",
    "finegym99_knowledge",
    "ntu120_one-shot",
)
ID_IN_NAME: dict[str, re.Pattern[str]] = {
    "kinetics": re.compile(r"(.{11})(?:_\d+_\d+)?", re.DOTALL),
    "ntu120": re.compile(r"(S\d{3}C\d{3}P\d{3}R\d{3}A\d{3})(?:_rgb)?", re.IGNORECASE),
}
"""Id of a video in its file name, by family; other names are ids."""
FROM_YOUTUBE = ("diving48", "finegym", "kinetics")
"""Families with ids of YouTube, in which upper and lower case differ."""
HASH = Annotated[str, Field(pattern="[0-9a-f]{64}")]


class ActionClass(NamedTuple):
    """Class of a benchmark.

    Args:
        key: Name in the published list: a folder name, or "train8".
        videos: Number of videos in the list.
        name: Full name, such as "Pouring something into something".
        published_prompt: Name in CLIP-FSAR's prompts; empty if none is published (val).
    """

    key: str
    videos: int
    name: str
    published_prompt: str

    @property
    def prompt(self) -> str:
        """Name for the prompt "a photo of {}": as published, else the full name in words.

        >>> ActionClass("ApplyLipstick", 114, "ApplyLipstick", "").prompt
        'Apply Lipstick'
        """
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.replace("_", " "))
        return self.published_prompt or words


class Benchmark(BaseModel):
    """Published list of videos with train, val and test classes.

    Args:
        id: Name of the data set and the variant of its list.
        title: Readable title.
        family: Data set; videos of one family with equal keys are the same video.
        published: Publication of the list: repository, commit and path.
        licence: Licence of the list.
        includes_all_videos: True if the list contains all videos of its classes; then no list file
            is needed.
        groups: Scope of the groups of near duplicates.
        folders: Names of the folders in which the list is published.
        exemplars: Ids of the only support videos, one of each test class, if the protocol is not
            episodic.
        caveats: Known problems of the list.
        sha256: Hash of each split's list, see ``benchmark_lists.digest``.
        classes: Classes of each split, in the order of their published numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    family: Family
    published: str
    licence: str
    includes_all_videos: bool
    groups: GroupScope
    folders: tuple[str, ...]
    exemplars: tuple[str, ...] = ()
    caveats: tuple[str, ...]
    sha256: Mapping[Split, HASH]
    classes: Mapping[Split, tuple[ActionClass, ...]]

    @cached_property
    def counts(self) -> dict[Split, dict[str, int]]:
        """Number of videos of each class, by split."""
        return {split: {c.key: c.videos for c in self.classes[split]} for split in SPLITS}

    @cached_property
    def split_of(self) -> dict[str, Split]:
        """Split of each class."""
        return {key: split for split in SPLITS for key in self.counts[split]}

    @cached_property
    def prompts(self) -> dict[str, str]:
        """Name of each class for the prompt "a photo of {}"."""
        return {c.key: c.prompt for split in SPLITS for c in self.classes[split]}

    def find_class(self, name: str) -> str | None:
        """Return the key of a class by its key or name in any spelling; None if it is unknown.

        >>> benchmark("ssv2-small").find_class("Squeezing Something")
        'test22'
        """
        return self._classes.get(normalise(name))

    @cached_property
    def _classes(self) -> dict[str, str]:
        keys = {normalise(key): key for key in self.split_of}
        return {normalise(c.name): c.key for split in SPLITS for c in self.classes[split]} | keys

    def video_id(self, name: str) -> str:
        """Return the id of a video by its file name without extension.

        >>> benchmark("kinetics100_alibaba").video_id("-VtLx-mcPds_000012_000022")
        '-VtLx-mcPds'
        """
        pattern = ID_IN_NAME.get(self.family)
        match = pattern.fullmatch(name) if pattern else None
        return match[1] if match else name

    def match_key(self, id: str) -> str:
        """Return a key that is equal for all spellings of an id; YouTube ids are case-sensitive.

        >>> benchmark("ucf101_arn").match_key("v_HandStandPushups_g01_c01")
        'v_handstandpushups_g01_c01'
        """
        return id if self.family in FROM_YOUTUBE else id.casefold()


def benchmark_names() -> tuple[str, ...]:
    """Return the names of all benchmarks, one for each published list."""
    return BENCHMARK_NAMES


def variants(spelling: str) -> tuple[str, ...]:
    """Return the benchmarks that a name in a paper or table can mean; empty if it is unknown.

    >>> variants("UCF-101")
    ('ucf101_arn',)
    >>> variants("SSv2-Full")
    ('ssv2-full_otam', 'ssv2-full_trx')
    """
    return _spellings().get(normalise(spelling), ())


def benchmark(name: str) -> Benchmark:
    """Return the facts about a benchmark.

    Args:
        name: Name from ``benchmark_names()``, or another spelling that can mean only one of them.

    Raises:
        UnknownNameError: No benchmark has this name, or several have.
    """
    matches = variants(name)
    if len(matches) == 1:
        return _read(matches[0])
    if matches:
        raise UnknownNameError(
            "several lists with different videos have this name",
            got=repr(name),
            expected=", ".join(matches),
            hint="Use the name of one of them.",
        )
    raise UnknownNameError(
        "unknown benchmark",
        got=repr(name),
        expected=", ".join(BENCHMARK_NAMES),
        hint=did_you_mean(name, BENCHMARK_NAMES) or _suggest(name),
    )


def published_list(name: str) -> Benchmark | None:
    """Return the benchmark whose list has this very name; None for other lists."""
    return _read(name) if name in BENCHMARK_NAMES else None


def benchmark_of_data(name: str) -> Benchmark:
    """Return the benchmark that names data; there is no folder or file of the name."""
    if variants(name):
        return benchmark(name)
    raise UnknownNameError(
        "no folder, file or benchmark of this name",
        where=name,
        expected=", ".join(("motions", *BENCHMARK_NAMES)),
        hint=did_you_mean(name, ("motions", *BENCHMARK_NAMES)) or _suggest(name),
    )


def read_facts(file: str) -> dict[str, Any]:
    """Read a file of facts from the package."""
    text = files("fewact.lab.benchmarks").joinpath("facts", file).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _suggest(name: str) -> str:
    near = re.search(r'"(.*)"', did_you_mean(normalise(name), _spellings()))
    return f"Did you mean {' or '.join(_spellings()[near[1]])}?" if near else ""


def normalise(spelling: str) -> str:
    """Return a name in lower case without spaces and punctuation."""
    return re.sub(r"[\W_]", "", spelling.casefold())


@cache
def _spellings() -> dict[str, tuple[str, ...]]:
    spellings = {normalise(text): tuple(ids) for text, ids in read_facts("spellings.toml").items()}
    return spellings | {normalise(name): (name,) for name in BENCHMARK_NAMES}


@cache
def _read(name: str) -> Benchmark:
    return Benchmark.model_validate(read_facts(f"{name}.toml"))
