"""``fewact embed``: features of a list's videos, stored once for all evaluations."""

import re
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.episodes import (
    DATA,
    AllowMissing,
    Groups,
    Root,
    Split,
    Splits,
    WhatIsThere,
    open_list,
)
from fewact.cli.options import Backbone, Device, Precision, Quiet, Weights
from fewact.cli.output import print_table
from fewact.cli.progress import progress
from fewact.cli.run import exit_skipped, say
from fewact.cli.teach import parse_options
from fewact.errors import DataError, OptionError, StoreError
from fewact.features.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from fewact.backbones import Card
    from fewact.features.request import Request
    from fewact.features.store import Outcome
    from fewact.features.store.embedding import Job
    from fewact.methods.base import Method

MEASURED = 8
"""Videos after which it is said how long the others will take."""


def embed(
    data: Annotated[str, typer.Argument(help=DATA)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The store, a folder; made where there is none.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Store what this method needs; can be repeated. auto by default."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the one method; can be repeated."),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL[:FRAMES[:STABILISE]]",
            help="Features to store, such as vectors, maps:16, middle:16:auto or camera:16;"
            " can be repeated.",
        ),
    ] = None,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Store the methods' encoded nodes, too.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only part I of N, from 1/N to N/N, for job arrays."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Work on a Ray cluster; local starts one here."),
    ] = None,
    split: Annotated[Split | None, typer.Option(help="Only these classes; all by default.")] = None,
    root: Root = None,
    splits: Splits = None,
    availability: WhatIsThere = None,
    allow_missing: AllowMissing = False,
    backbone: Backbone = "auto",
    weights: Weights = "default",
    device: Device = "auto",
    precision: Precision = "auto",
    quiet: Quiet = False,
) -> None:
    """Store features of labelled videos on disk.

    The same call goes on where it was stopped, and several at once share the work. A video that
    cannot be read is listed and skipped; the command then ends with 3.
    """
    part = _part(shard)
    videos, dataset = open_list(
        data,
        groups=Groups.NONE,  # Whoever shares a recording has no part in features.
        split=split,
        dataset=None,
        root=root,
        splits=splits,
        availability=availability,
        allow_missing=allow_missing,
        usual=Split.ALL,
    )
    if dataset is not None:
        raise DataError("these are features already", where=data, expected="videos")
    from fewact import backbones
    from fewact.features.store import Store, embed
    from fewact.features.store.embedding import Job

    made = backbones.create(backbone, weights=weights, device=device, precision=precision)
    chosen = _methods(method, option, named=not features)
    if nodes and not chosen:
        raise OptionError("are those of a method", where="--nodes", expected="with --method NAME")
    job = Job(Store.create(output), videos, made.card, _requests(features, chosen, made.card))
    blocks = [block for block in range(len(job)) if block % part[1] == part[0]]
    _announce(job, blocks)
    with progress("Embedding", quiet=quiet) as bar:
        report = _Report(sum(len(job.block(block)) for block in blocks), bar, timed=ray is None)
        if ray is None:
            embed(job, made, blocks, report)
        else:
            from fewact.features.store.on_ray import BackboneOptions, embed_on_ray

            options = BackboneOptions(backbone, _anywhere(weights), device, made.card.precision)
            embed_on_ray(job, options, blocks, report, address=ray)
    if nodes:
        _store_nodes(job, chosen, quiet=quiet)
    _summarise(job, report, data)
    exit_skipped(report.skipped)


class _Report:
    """Counts what became of the videos, lists what was skipped, says how long the rest takes."""

    def __init__(self, total: int, bar: "Callable[[int, int], None]", *, timed: bool) -> None:
        self.total, self.new, self.found, self.skipped = total, 0, 0, 0
        self._bar, self._timed, self._begin = bar, timed, 0.0

    def __call__(self, told: "Outcome") -> None:
        if told.error is not None:
            self.skipped += 1
            say(f"Skipped: {told.video.id}: {told.error}")
        elif told.new:
            self.new += 1
            if self._timed:
                self._estimate()
        else:
            self.found += 1
        done = self.new + self.found + self.skipped
        self._bar(done, self.total)

    def _estimate(self) -> None:
        """From the first videos, without the very first one, which warms the network up."""
        left = self.total - self.new - self.found - self.skipped
        if self.new == 1:
            self._begin = time.perf_counter()
        elif self.new == MEASURED and left:
            each = (time.perf_counter() - self._begin) / (MEASURED - 1)
            say(f"{1 / each:.1f} videos a second: about {_duration(left * each)} for {left} more")


def _part(shard: str | None) -> tuple[int, int]:
    """Which remainder of the blocks' numbers, by which divisor."""
    if shard is None:
        return 0, 1
    found = re.fullmatch(r"(\d+)/(\d+)", shard.strip())
    number, count = (int(one) for one in found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise OptionError(
            "is no part", where="--shard", got=shard, expected="I/N with I from 1 to N, as 3/64"
        )
    return number - 1, count


def _methods(
    names: Sequence[str] | None, option: Sequence[str] | None, *, named: bool
) -> list["Method"]:
    """The methods that were asked for; the usual one where nothing else was."""
    from fewact import methods

    asked = list(names or (["auto"] if named else []))
    given = parse_options(option or ())
    if given and len(asked) != 1:
        raise OptionError(
            "belongs to one method", where="--option", got=f"{len(asked)} methods", expected="one"
        )
    return [methods.create(name, **given) for name in asked]


def _requests(
    texts: Sequence[str] | None, methods: Sequence["Method"], card: "Card"
) -> tuple["Request", ...]:
    from fewact.features.request import parse_request

    requests = [parse_request(text, card) for text in texts or ()]
    requests += [one for method in methods for one in method.requests(card)]
    return tuple(dict.fromkeys(requests))


def _anywhere(weights: str) -> str:
    """Weights as another machine finds them."""
    scheme, colon, folder = weights.partition("local-dir:")
    path = Path(folder if colon else scheme)
    return f"{colon}{path.resolve()}" if path.exists() else weights


def _announce(job: "Job", blocks: Sequence[int]) -> None:
    """Say what there is to do, and refuse what the disk cannot hold."""
    size = job.bytes_to_write(blocks)
    folder = job.store.folder
    say(
        f"{sum(len(job.block(block)) for block in blocks)} videos of {job.videos.name}, "
        f"{', '.join(map(str, job.sets))} of {job.card.name} in {job.card.precision}: "
        f"{_size(size)} to write"
    )
    for one in job.sets.values():
        for why in one.damaged.values():
            say(f"Warning: {why}")
    room = shutil.disk_usage(folder).free
    if size > room:
        raise StoreError(
            "the disk has too little room", where=str(folder), got=_size(room), expected=_size(size)
        )


def _store_nodes(job: "Job", methods: Sequence["Method"], *, quiet: bool) -> None:
    from fewact.evaluation.stored_nodes import store_nodes
    from fewact.features.stored import StoredFeatures

    source = StoredFeatures(job.store, job.videos, job.card)
    for method in methods:
        with progress("Encoding", quiet=quiet) as bar:
            store_nodes(method, source, progress=bar)


def _summarise(job: "Job", report: _Report, data: str) -> None:
    for one in job.sets.values():
        one.refresh()  # Others may have done a part.
    print_table(
        ("features", "videos", "size"),
        [
            (str(request), str(len(one)), _size(len(one) * one.bytes_a_video))
            for request, one in job.sets.items()
        ],
    )
    print(f"\nEmbedded: {report.new}, found: {report.found}, skipped: {report.skipped}")
    place = shlex.join(["--data", data, "--store", str(job.store.folder)])
    print(f"Next: fewact evaluate METHOD {place}")


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
