"""``fewact evaluate``: the accuracy of a method over thousands of episodes."""

import itertools
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.episodes import (
    DATA,
    AllowMissing,
    Count,
    Dataset,
    Groups,
    Queries,
    Root,
    Seed,
    Shots,
    Split,
    Splits,
    Ways,
    WhatIsThere,
    WhichGroups,
    WhichSplit,
    make_protocol,
    open_list,
)
from fewact.cli.options import Backbone, Device, Precision, Quiet, Weights, parse_options
from fewact.cli.progress import progress
from fewact.cli.run import say
from fewact.cli.texts import Prompts, TextEncoder, TextOptions, TextWeights, texts_for
from fewact.cli.trained import METHOD, backbone_of, find, make
from fewact.errors import OptionError

if TYPE_CHECKING:
    from fewact.backbones import Backbone as BackboneMade
    from fewact.checkpoint import Checkpoint
    from fewact.data import VideoList
    from fewact.evaluation import Encodings, FeatureSource, Progress, Result
    from fewact.methods.base import Method

NO_PART_OF_THE_QUESTION = ("output", "format", "quiet", "overwrite", "threads", "method", "sweep")


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


class CameraOn(StrEnum):
    """Which videos a simulated camera films."""

    ALL = "all"
    QUERY = "query"


OutputFormat = Annotated[Format, typer.Option("--format", help="For people, or for programs.")]


def evaluate(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help=METHOD)],
    data: Annotated[str | None, typer.Option(help=DATA)] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="An .npz file of features, with a .tsv file of labels beside it."),
    ] = None,
    episodes: Annotated[
        Path | None, typer.Option(help="Episodes that `fewact episodes` has saved.")
    ] = None,
    ways: Ways = None,
    shots: Shots = None,
    queries: Queries = None,
    count: Count = None,
    seed: Seed = None,
    groups: WhichGroups = Groups.AUTO,
    split: WhichSplit = None,
    dataset: Dataset = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the method; can be repeated."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="'KEY=A,B ...'",
            help="Evaluate each combination of these values, on validation classes if there are.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Features that `fewact embed` has stored; no video is read."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File for the result; for a sweep, a folder."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result that is there.")
    ] = False,
    format: OutputFormat = Format.TABLE,
    root: Root = None,
    splits: Splits = None,
    availability: WhatIsThere = None,
    allow_missing: AllowMissing = False,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Test a trained method on what it learnt from; every result says so.",
        ),
    ] = False,
    backbone: Backbone = "auto",
    weights: Weights = "default",
    device: Device = "auto",
    precision: Precision = "auto",
    text_encoder: TextEncoder = None,
    text_weights: TextWeights = None,
    prompts: Prompts = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Film the videos by a simulated camera: hand, pan, shake ..."
        ),
    ] = None,
    camera_on: Annotated[
        CameraOn, typer.Option("--camera-on", help="Whether it films all videos or only queries.")
    ] = CameraOn.ALL,
    threads: Annotated[int | None, typer.Option(min=1, help="That score; all by default.")] = None,
    quiet: Quiet = False,
) -> None:
    """Score a method on episodes of labelled videos or features.

    The same call goes on where it was stopped, if it has an --output. Accuracies are in per cent.
    """
    variants = list(_grid(sweep)) if sweep is not None else [{}]
    given = parse_options(option or ())
    if twice := sorted(set(given) & set(variants[0])):
        raise OptionError("is given and swept", where="--option", got=twice[0])
    if (data is None) == (features is None):
        raise OptionError(
            "one of the two is needed",
            where="--data, --features",
            got="both" if data else "neither",
        )
    if episodes is not None and any((ways, shots, queries, count, seed is not None)):
        raise OptionError(
            "the file of episodes says how many there are of what",
            where="--episodes",
            got="also --ways, --shots, --queries, --count or --seed",
        )
    if camera_on is CameraOn.QUERY and camera is None:
        raise OptionError("nothing films them", where="--camera-on", hint="Give --camera, too.")
    from fewact.episodes import draw, load
    from fewact.evaluation import RunOptions, evaluate_method
    from fewact.evaluation.trained import training_flags

    trained = find(method)
    network = backbone_of(context, trained)
    videos, source = _open(
        str(data or features),
        groups=groups,
        split=split,
        dataset=dataset,
        root=root,
        splits=splits,
        availability=availability,
        allow_missing=allow_missing,
        usual=Split.TEST if sweep is None else Split.VAL,
        backbone=network,
        device=device,
        keep=len(variants) > 1,
        store=store,
    )
    query_source: FeatureSource | None = None
    if camera is not None:
        moving, moving_source = _filmed(videos, source, camera)
        if camera_on is CameraOn.ALL:
            videos, source = moving, moving_source
        else:
            query_source = moving_source
    asked = [{**given, **variant} for variant in variants]
    made = _make(method, trained, source, asked)
    if allow_missing:
        videos, source = _there(videos, source, made)
    texts = texts_for(
        made,
        trained,
        videos,
        source.card,
        TextOptions(text_encoder, text_weights, prompts),
        backbone_weights=network[1],
        device=device,
    )
    if texts is not None:
        made = _make(method, trained, source, asked, text_width=texts.embeddings.shape[-1])
    flags: tuple[str, ...] = ()
    if trained is not None:
        facts = None if texts is None else texts.facts
        flags = training_flags(trained, videos, source.card, facts, allow_leak=allow_leak)
    if query_source is not None:
        flags += (f"camera of the queries: {camera}",)
    drawn = (
        draw(videos, make_protocol(videos, groups, ways, shots, queries, count, seed))
        if episodes is None
        else load(episodes)
    )
    encodings = _encodings(source)
    query_encodings = None if query_source is None else _encodings(query_source)
    results: dict[int, Result] = {}
    for place in _by_encoding(made):
        variant = variants[place]
        say_what = " ".join(f"{k}={v}" for k, v in variant.items()) or method
        with progress(say_what, quiet=quiet) as show:
            results[place] = evaluate_method(
                made[place],
                encodings,
                videos,
                drawn,
                query_source=query_encodings,
                text=texts,
                flags=flags,
                command=_command(context, variant),
                run=RunOptions(
                    output=_file(output, variant) if sweep is not None else output,
                    overwrite=overwrite,
                    threads=threads,
                    progress=_without_stage(show),
                ),
            )
    _write([results[place] for place in range(len(made))], format, single=sweep is None)


def _open(
    data: str,
    *,
    backbone: tuple[str, str, str, dict[str, Any]],
    device: str,
    keep: bool,
    store: Path | None,
    **which: Any,
) -> tuple["VideoList", "FeatureSource"]:
    """The videos, and where their features come from."""
    from fewact import backbones
    from fewact.evaluation import ArrayFeatures, VideoFeatures

    videos, dataset = open_list(data, **which)
    if dataset is not None:
        if store is not None:
            raise OptionError("is for videos", where="--store", got=f"also features, {data}")
        return videos, ArrayFeatures(dataset.of(videos), dataset.videos.name)
    name, weights, precision, options = backbone

    def make_backbone() -> "BackboneMade":
        return backbones.create(
            name, weights=weights, device=device, precision=precision, **options
        )

    if store is not None:
        from fewact.features.store import Store
        from fewact.features.stored import StoredFeatures, choose_card

        there = Store(store)
        # Only the tensors of named weights can tell whether these are the stored ones.
        digest = None if weights == "default" else make_backbone().card.digest
        card = choose_card(there, name, precision=precision, digest=digest)
        return videos, StoredFeatures(there, videos, card, data=data)
    return videos, VideoFeatures(videos, make_backbone(), keep=keep)


def _filmed(
    videos: "VideoList", source: "FeatureSource", camera: str
) -> tuple["VideoList", "FeatureSource"]:
    """The same videos as a camera films them, and their features."""
    from fewact.data.simulated_camera import with_simulated_camera
    from fewact.evaluation import VideoFeatures

    if not isinstance(source, VideoFeatures):
        raise OptionError("films videos, not features", where="--camera", got=camera)
    moving = with_simulated_camera(videos, camera)
    return moving, source.of(moving)


def _there(
    videos: "VideoList", source: "FeatureSource", made: Sequence["Method"]
) -> tuple["VideoList", "FeatureSource"]:
    """The videos of which all that the methods need is stored, where there is a store."""
    from fewact.features.stored import StoredFeatures

    if not isinstance(source, StoredFeatures):
        return videos, source
    requests = dict.fromkeys(request for method in made for request in method.requests(source.card))
    left = source.without(source.missing(list(requests)))
    return left.videos, left


def _encodings(source: "FeatureSource") -> "Encodings":
    from fewact.encoding.stored import StoredEncodings
    from fewact.evaluation import Encodings
    from fewact.features.stored import StoredFeatures

    return StoredEncodings(source) if isinstance(source, StoredFeatures) else Encodings(source)


def _by_encoding(made: Sequence["Method"]) -> list[int]:
    """Places of the methods, those of one encoding together."""
    from fewact.encoding import encoding_facts

    encodings = [encoding_facts(method) for method in made]
    return sorted(range(len(made)), key=lambda place: encodings.index(encodings[place]))


def _without_stage(show: Callable[[int, int], None]) -> "Progress":
    return lambda stage, done, total: show(done, total)


def _make(
    method: str,
    trained: "Checkpoint | None",
    source: "FeatureSource",
    asked: Sequence[dict[str, Any]],
    *,
    text_width: int | None = None,
) -> list["Method"]:
    """The methods; one that is named suits the features and the texts."""
    from fewact import methods
    from fewact.evaluation import ArrayFeatures

    usual: dict[str, int] = {}
    if trained is None:
        frames = source.frames if isinstance(source, ArrayFeatures) else None
        usual = methods.fitting(method, source.card, text_width, frames=frames)
    return [make(method, trained, {**usual, **options}) for options in asked]


def _grid(sweep: str) -> Iterator[dict[str, Any]]:
    """All combinations of "a=1,2 b=x,y"; commas in brackets part nothing.

    >>> list(_grid("a=1,[2,3] b=x"))
    [{'a': 1, 'b': 'x'}, {'a': [2, 3], 'b': 'x'}]
    """
    values: dict[str, list[Any]] = {}
    for text in sweep.split():
        key, equals, listed = text.partition("=")
        if not equals or not listed or key in values:
            raise OptionError(
                "is given twice" if key in values else "not a list of values",
                where="--sweep",
                got=text,
                expected="KEY=A,B KEY=A,B ...",
            )
        values[key] = [
            next(iter(parse_options([f"{key}={one}"]).values()))
            for one in re.split(r",(?![^\[]*\])", listed)
        ]
    if not values:
        raise OptionError("there is nothing to sweep", where="--sweep", expected="KEY=A,B ...")
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _file(output: Path | None, variant: Mapping[str, Any]) -> Path | None:
    if output is None:
        return None
    name = " ".join(f"{key}={value}" for key, value in variant.items())
    return output / f"{re.sub(r'[^A-Za-z0-9_=.,-]+', '_', name)}.json"


def _command(context: typer.Context, variant: Mapping[str, Any]) -> str:
    """The command that gives this result; how it was run and where it went is no part of it."""
    words = ["fewact", "evaluate", str(context.params["method"])]
    for name, value in context.params.items():
        origin = context.get_parameter_source(name)
        if name in NO_PART_OF_THE_QUESTION or origin is None or origin.name != "COMMANDLINE":
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            words += [f"--{name.replace('_', '-')}", *([] if one is True else [str(one)])]
    for key, value in variant.items():
        words += ["--option", f"{key}={value}"]
    return shlex.join(words)


def _write(results: Sequence["Result"], format: Format, *, single: bool) -> None:
    from fewact.evaluation import to_text
    from fewact.report import TableFormat, render, result_table

    if format is Format.JSON:
        texts = [to_text(result).rstrip("\n") for result in results]
        print(texts[0] if single else "[\n" + ",\n".join(texts) + "\n]")
        return
    print(render(result_table(results), TableFormat(format.value)), end="")
    for why in dict.fromkeys(result.class_interval_note for result in results):
        if format is Format.TABLE:
            say(why)
