"""``fewact embed``: computes the features of labelled videos once and stores them on disk."""

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.command import SpecOptions, with_specs
from fewact.cli.options import (
    Backbone,
    Imports,
    MethodOption,
    Quiet,
    Ray,
    output_option,
    parse_options,
)
from fewact.cli.output import print_table, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder
from fewact.core.bounded import size_text
from fewact.core.errors import DataError, OptionError, StoreError
from fewact.core.text_table import printable
from fewact.lab.commands.options import VIDEOS, Split, check_data
from fewact.lab.evaluation.spec import DataSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from fewact.data import VideoList
    from fewact.features.request import Request
    from fewact.lab.methods.base import TorchMethod
    from fewact.lab.store.embedding import Job, Outcome
    from fewact.networks import BackboneSpec, Card

MEASURED = 8
"""Number of videos after which the remaining time is estimated."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedVideos:
    """Videos whose features are stored."""

    data: Annotated[str, typer.Argument(help=VIDEOS, callback=check_data)]
    benchmark: Annotated[
        dict[str, Any],
        SpecOptions(
            "Benchmark", DataSpec, only=("root", "splits", "availability", "allow_missing")
        ),
    ]
    split: Annotated[
        Split | None, typer.Option(help="Split whose classes are embedded (default: all).")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is stored of the videos."""

    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Method whose features are stored; can be repeated (default: auto).",
            rich_help_panel="Method",
        ),
    ] = None
    option: MethodOption = None
    imports: Imports = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL[:FRAMES[:STABILISE]]",
            help="Features to store, such as vectors, maps:16, middle:16:auto or camera:16; can be "
            "repeated.",
        ),
    ] = None
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Store the encoded nodes of the methods too.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Machines that compute."""

    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Part I of N to compute, from 1/N to N/N; for job arrays.",
            rich_help_panel="Several machines",
        ),
    ] = None
    ray: Ray = None


@with_specs
def embed(
    source: EmbeddedVideos,
    output: Annotated[
        Path, output_option("FOLDER", "Folder of the feature store; created if it does not exist.")
    ],
    backbone: Backbone,
    stored: Stored,
    machines: Machines,
    quiet: Quiet = False,
) -> None:
    """Compute features of labelled videos and store them on disk.

    An interrupted command continues where it stopped when it is run again. Several commands on the
    same store share the work. Videos that cannot be read are listed and skipped; the exit code is
    then 3.
    """
    part, parts = _part(machines.shard)
    check_output_folder(output)
    config = DataSpec(source=source.data, split=source.split, **source.benchmark)
    videos = _open(config)
    from fewact.features.store import Store
    from fewact.lab.store.embedding import Job, embed

    network = backbone.create()
    methods = _methods(stored)
    requests = _requests(stored.features, methods, network.card)
    job = Job(Store.create(output), videos, network.card, requests)
    blocks = [block for block in range(len(job)) if block % parts == part]
    _announce(job, blocks)
    with progress("Embedding", quiet=quiet) as bar:
        total = sum(len(job.block(block)) for block in blocks)
        report = _Report(total, bar, timed=machines.ray is None)
        if machines.ray is None:
            embed(job, network, blocks, report)
        else:
            _embed_on_ray(job, backbone, blocks, report, address=machines.ray)
    if stored.nodes:
        _store_nodes(job, methods, quiet=quiet)
    _summarise(job, report)
    print(f"Next: {_next(config, output, methods)}")
    exit_skipped(report.skipped)


def _open(config: DataSpec) -> "VideoList":
    from fewact.lab.evaluation import open_videos

    # Groups matter for episodes, not for features.
    videos, dataset = open_videos(config.model_copy(update={"groups": "none"}), "all")
    if dataset is not None:
        raise DataError(
            "this is already a file of features", where=config.source, expected="videos"
        )
    return videos


def _next(config: DataSpec, store: Path, methods: Sequence["TorchMethod"]) -> str:
    """Return the command that evaluates a method on the stored features."""
    from fewact.lab.evaluation import EvaluationSpec
    from fewact.lab.evaluation.spec import command_of
    from fewact.methods.files import imported_file
    from fewact.methods.protocols import unwrapped

    files = filter(None, (imported_file(unwrapped(method)) for method in methods))
    data = config.model_copy(update={"store": store})
    return command_of(EvaluationSpec(method="METHOD", data=data), next(files, None))


class _Report:
    """Counts finished videos, lists skipped videos, estimates the remaining time."""

    def __init__(self, total: int, bar: "Callable[[int, int], None]", *, timed: bool) -> None:
        self.total, self.new, self.found, self.skipped = total, 0, 0, 0
        self._bar, self._timed, self._begin = bar, timed, 0.0

    def __call__(self, outcome: "Outcome") -> None:
        if outcome.error is not None:
            self.skipped += 1
            say(printable(f"Skipped: {outcome.video.id}: {outcome.error}"))
        elif outcome.new:
            self.new += 1
            if self._timed:
                self._estimate()
        else:
            self.found += 1
        done = self.new + self.found + self.skipped
        self._bar(done, self.total)

    def _estimate(self) -> None:
        """Say the remaining time, estimated without the first video, which warms up the network."""
        remaining = self.total - self.new - self.found - self.skipped
        if self.new == 1:
            self._begin = time.perf_counter()
        elif self.new == MEASURED and remaining:
            seconds = (time.perf_counter() - self._begin) / (MEASURED - 1)
            say(
                f"{1 / seconds:.1f} videos per second: "
                f"about {_duration(remaining * seconds)} for {remaining} more"
            )


def _part(shard: str | None) -> tuple[int, int]:
    """Return (i, n) for the text I/N: a job computes the blocks whose number modulo n is i."""
    if shard is None:
        return 0, 1
    numbers = re.fullmatch(r"(\d+)/(\d+)", shard.strip())
    number, count = (int(digits) for digits in numbers.groups()) if numbers else (0, 0)
    if not 1 <= number <= count:
        raise OptionError(
            "not a part",
            where="--shard",
            got=shard,
            expected="I/N with I from 1 to N, such as 3/64",
        )
    return number - 1, count


def _methods(stored: Stored) -> list["TorchMethod"]:
    from fewact.lab import methods as lab_methods

    names = stored.method or ([] if stored.features else ["auto"])
    options = parse_options(stored.option or ())
    if stored.nodes and not names:
        raise OptionError("needs a method", where="--nodes", expected="--method NAME too")
    if options and len(names) != 1:
        raise OptionError(
            "needs exactly one method", where="--option", got=f"{len(names)} methods", expected="1"
        )
    return [lab_methods.create(name, **options) for name in names]


def _requests(
    texts: Sequence[str] | None, methods: Sequence["TorchMethod"], card: "Card"
) -> tuple["Request", ...]:
    from fewact.lab.store.requests import parse_request

    requests = [parse_request(text, card) for text in texts or ()]
    requests += [request for method in methods for request in method.requests(card)]
    return tuple(dict.fromkeys(requests))


def _embed_on_ray(
    job: "Job",
    backbone: "BackboneSpec",
    blocks: Sequence[int],
    report: _Report,
    *,
    address: str,
) -> None:
    from fewact.lab.store.embedding import embed_on_ray

    resolved = {"precision": job.card.precision, "engine": job.card.engine}
    spec = backbone.with_absolute_weights.model_copy(update=resolved)
    embed_on_ray(job, spec, blocks, report, address=address)


def _announce(job: "Job", blocks: Sequence[int]) -> None:
    """Say how much work there is; refuse features that do not fit on the disk."""
    size = job.bytes_to_write(blocks)
    folder = job.store.folder
    say(
        f"{sum(len(job.block(block)) for block in blocks)} videos of {job.videos.name}, "
        f"{', '.join(map(str, job.sets))} of {job.card.name} in {job.card.precision} "
        f"by {job.card.engine}: {size_text(size)} to write"
    )
    for features in job.sets.values():
        for reason in features.damaged.values():
            say(f"Warning: {reason}")
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StoreError(
            "not enough free space",
            where=str(folder),
            got=size_text(free),
            expected=size_text(size),
        )


def _store_nodes(job: "Job", methods: Sequence["TorchMethod"], *, quiet: bool) -> None:
    from fewact.lab.evaluation.stored_nodes import store_nodes
    from fewact.lab.store.stored import StoredFeatures

    source = StoredFeatures(job.store, job.videos, job.card)
    for method in methods:
        with progress("Encoding", quiet=quiet) as bar:
            store_nodes(method, source, progress=bar)


def _summarise(job: "Job", report: _Report) -> None:
    print_table(
        ("features", "videos", "size"),
        [
            (str(request), str(len(features)), size_text(len(features) * features.bytes_a_video))
            for request, features in job.sets.items()
        ],
    )
    print(f"\nEmbedded: {report.new}, already stored: {report.found}, skipped: {report.skipped}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
