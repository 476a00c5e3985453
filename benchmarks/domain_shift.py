"""Support and query of different domains: depth against colour, a fixed camera against another.

    python -m benchmarks.domain_shift ASSETS [--episodes 1000]
        [--page docs/results/domain-shift.md]

Depth and colour clips of the same performances, by stored frame vectors; and both by the default
network, recorded by a fixed and by a simulated hand-held camera. The statistics of each
domain are those of the clips of other people, without labels: a query is scored alone, and no clip
of its person or of its episode's queries decides how it is shifted.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from benchmarks.markdown import heading
from benchmarks.paired_clips import paired_clips, stored_vectors
from benchmarks.training.ablation_page import wrapped
from benchmarks.training.paired import differences, listed
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.core.errors import VideoError
from fewact.data import VideoList
from fewact.evaluation import ArrayFeatures, Result, VideoFeatures, evaluate_method
from fewact.evaluation.episodes import Protocol, draw
from fewact.features.request import FeatureRequest, View
from fewact.synthetic.processing import with_simulated_camera

SHOTS, QUERIES = (1, 5), 2
Vectors = NDArray[np.float32]

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "mean frame (protonet)": ("protonet", {}),
    "frames in order (protonet)": ("protonet", {"frame_matching": "concatenated"}),
    "appearance and motion (fusion)": ("fusion", {}),
}
"""Methods by what they compare."""


def centred(vectors: Vectors, own: Vectors, other: Vectors) -> Vectors:
    """Return vectors (v t d) with the mean of another domain (w d) in the place of their own."""
    return np.asarray(vectors - own.mean(0) + other.mean(0))


def standardised(vectors: Vectors, own: Vectors, other: Vectors) -> Vectors:
    """Return vectors with the mean and standard deviation of each channel of another domain."""
    ratio = other.std(0) / np.maximum(own.std(0), 1e-6)
    scaled = (vectors - own.mean(0)) * np.minimum(ratio, LARGEST_RATIO)
    return np.asarray(scaled + other.mean(0))


def correlated(vectors: Vectors, own: Vectors, other: Vectors) -> Vectors:
    """Return vectors with the mean and covariance of another domain (CORAL, after Sun et al.).

    Covariances are shrunk (Ledoit and Wolf): there are fewer vectors than channels.
    """
    white, colour = power(own, -0.5), power(other, 0.5)
    moved = (vectors - own.mean(0)) @ white @ colour + other.mean(0)
    return np.asarray(moved, dtype=np.float32)


LARGEST_RATIO = 10.0
"""Limit of the ratio of standard deviations, for channels that are constant in a domain."""


def power(vectors: Vectors, exponent: float) -> NDArray[np.float64]:
    """Return a power of the shrunk covariance (d d) of vectors (w d)."""
    values, axes = np.linalg.eigh(LedoitWolf().fit(vectors.astype(float)).covariance_)
    return np.asarray((axes * np.maximum(values, 1e-12) ** exponent) @ axes.T)


SHIFTS = {"mean": centred, "mean and variance": standardised, "mean and covariance": correlated}
"""Shifts of the query's features towards the domain of the support, by what they match."""


@dataclass(frozen=True)
class Case:
    """Videos in two domains.

    Args:
        title: Domain of the support and domain of the queries.
        videos: List of the videos.
        support: Vectors (v t d) in the domain of the support.
        query: Vectors of the same videos, or of the same performances, in that of the queries.
    """

    title: str
    videos: VideoList
    support: Vectors
    query: Vectors


def shifted(case: Case, shift: str) -> Vectors:
    """Return the vectors of the queries, each shifted by statistics of other people's clips."""
    people = np.array([video.group for video in case.videos.videos])
    found = np.empty_like(case.query)
    for person in np.unique(people):
        others = people != person
        sides = (side[others].reshape(-1, side.shape[-1]) for side in (case.query, case.support))
        found[~others] = SHIFTS[shift](case.query[~others], *sides)
    return found


def cases(assets: Path) -> Iterator[Case]:
    """Yield the cases of the page."""
    vectors, pairs = stored_vectors(assets), paired_clips(assets)
    depth, colour = vectors[pairs.depth_rows], vectors[pairs.colour_rows]
    yield Case("depth → colour", pairs.depth, depth, colour)
    yield Case("colour → depth", pairs.depth, colour, depth)
    backbone = backbones.create()
    for name, videos in (("colour", pairs.colour), ("depth", pairs.depth)):
        fixed, hand = (recorded(videos, camera, backbone) for camera in ("fixed", "hand"))
        yield Case(f"fixed → hand-held camera, {name}", videos, fixed, hand)


def recorded(videos: VideoList, camera: str, backbone: Backbone) -> Vectors:
    """Return the frame vectors (v t d) of videos under a simulated camera."""
    request = FeatureRequest("vectors", View(8))
    source = VideoFeatures(with_simulated_camera(videos, camera, 0), backbone)
    found = source.features(range(len(videos.videos)), [request])
    return np.stack([one[request].numpy() for one in found if not isinstance(one, VideoError)])


COLUMNS = ("same domain", "as they are", *SHIFTS)


def measure(case: Case, episodes: int) -> dict[int, dict[str, dict[str, Result]]]:
    """Return the results by shots, method and column."""
    support = ArrayFeatures(case.support, "support")
    queries = {COLUMNS[0]: None, COLUMNS[1]: ArrayFeatures(case.query, COLUMNS[1])}
    queries |= {shift: ArrayFeatures(shifted(case, shift), shift) for shift in SHIFTS}
    found: dict[int, dict[str, dict[str, Result]]] = {shots: {} for shots in SHOTS}
    for shots in SHOTS:
        drawn = draw(case.videos, Protocol(5, shots, QUERIES, episodes, 0, case.videos.groups))
        for title, (name, options) in METHODS.items():
            fitting = methods.fitting(name, support.card, frames=support.frames)
            method = methods.create(name, **{**fitting, **options}).eval()
            found[shots][title] = {
                column: evaluate_method(method, support, case.videos, drawn, query_source=query)
                for column, query in queries.items()
            }
            cells = (f"{one.accuracy:.1f}" for one in found[shots][title].values())
            print(case.title, shots, title, *cells, flush=True)
    return found


def page(
    found: Mapping[str, Mapping[int, Mapping[str, Mapping[str, Result]]]], command: str
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    first = next(iter(next(iter(next(iter(found.values())).values())).values()))
    episodes = first[COLUMNS[0]].setup.episodes.protocol.count
    lines = [
        "# Another domain",
        "",
        "What is lost if an action is taught in one domain and asked in another, and what does a"
        " simple shift of the query's features gain?",
        "",
        f"    {command}",
        "",
        "The support is in the first domain, the queries are in the second. *Same domain*: both in"
        " the first. *As they are*: nothing is changed. *Mean*, *mean and variance*, *mean and"
        " covariance*: the query's frame vectors get these statistics of the first domain in the"
        " place of those of the second (the last is CORAL, with shrunk covariances). The statistics"
        " are those of the clips of all other people, without labels: no clip of the query's"
        " person and no other query of its episode is needed at test time, but clips of both"
        " domains are.",
        "",
        "Depth and colour: 80 performances of five actions by eight people, recorded by both"
        " sensors at the same time; stored frame vectors of MobileNet v2. People are kept apart, so"
        " that the clip of the same performance in the other domain is never in the support."
        f" {episodes} episodes of 5 ways and {QUERIES} queries per class; in brackets the paired"
        " difference from *as they are* with its 95 % interval over episodes. All five classes are"
        " in each episode: there is no interval over classes. Nothing was chosen on these clips.",
        "",
        "*Fixed → hand-held camera*: the same clips by the default network, recorded by a simulated"
        " fixed camera for the support, and by a hand-held one for the queries, each on a path of"
        " its own. Frame vectors alone, without the maps and the camera steps of `fusion`:"
        " those are the last column of [hand-held cameras](hand-held-cameras.md).",
    ]
    for title, by_shots in found.items():
        lines += ["", f"## {title}", "", heading("shots, compares", *COLUMNS)]
        for shots, by_method in by_shots.items():
            lines += [row(shots, name, results) for name, results in by_method.items()]
    return "\n".join((*map(wrapped, lines), ""))


def row(shots: int, name: str, results: Mapping[str, Result]) -> str:
    """Return the row of a method."""
    cells = [f"{results[column].accuracy:.1f}" for column in COLUMNS[:2]]
    for shift in SHIFTS:
        gain = listed(differences([results[shift]], [results[COLUMNS[1]]]), 1)
        cells.append(f"{results[shift].accuracy:.1f} ({gain})")
    return f"| {shots}, {name} | {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args(arguments)
    found = {case.title: measure(case, options.episodes) for case in cases(options.assets)}
    if options.page is not None:
        command = f"python -m benchmarks.domain_shift ASSETS --episodes {options.episodes}"
        options.page.write_text(page(found, command), encoding="utf-8")


if __name__ == "__main__":
    main()
