"""Two modalities in one episode: what each gains, and who decides their weights.

    python -m benchmarks.modalities ASSETS [--maps FOLDER] [--paths] [--episodes 1000]
        [--page docs/results/modalities.md]

Depth and colour of the same performances, by stored frame vectors of MobileNet v2; frame vectors
with a modality of noise. ``--maps`` compares the maps of the default network, too, and keeps them
in FOLDER; ``--paths`` the frame vectors and the path of the motion of other depth clips. ``fewact
evaluate --with`` combines files
in the same way. No method is trained, and no option was chosen on these clips.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from benchmarks.datasets import Part, class_number, read_index
from benchmarks.paired_clips import DEPTH, paired_clips, stored_vectors
from benchmarks.training.ablation_page import wrapped
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from benchmarks.vectors import path, read_clips
from fewact import backbones, methods
from fewact.data import VideoList
from fewact.evaluation import ArrayFeatures, Encodings, FeatureSource, Result, evaluate_method
from fewact.evaluation.data import ModalityEncodings
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.methods.base import Method
from fewact.methods.combined import Combined, CombinedOptions

METHOD, SHOTS, QUERIES = "fusion", (1, 5), 2
WEIGHED = 200
"""Number of episodes whose weights are averaged."""


@dataclass(frozen=True)
class Case:
    """Two modalities of the same videos.

    Args:
        title: What they are.
        names: Name of each.
        videos: List of each, with the same videos in the same order.
        sources: Features of each.
    """

    title: str
    names: tuple[str, str]
    videos: tuple[VideoList, VideoList]
    sources: tuple[FeatureSource, FeatureSource]


def cases(assets: Path, maps: Path | None, *, paths: bool) -> Iterator[Case]:
    """Yield the cases of the page."""
    vectors, pairs = stored_vectors(assets), paired_clips(assets)
    both = (pairs.depth, pairs.colour)
    depth = ArrayFeatures(vectors[pairs.depth_rows], "depth")
    colour = ArrayFeatures(vectors[pairs.colour_rows], "colour")
    yield Case("Depth and colour, frame vectors", ("depth", "colour"), both, (depth, colour))
    drawn = np.random.default_rng(0).standard_normal((len(pairs.depth.videos), 8, 256))
    noise = ArrayFeatures(drawn.astype(np.float32), "noise")
    yield Case("Depth and noise", ("depth", "noise"), (pairs.depth, pairs.depth), (depth, noise))
    if maps is None and not paths:
        return
    backbone = backbones.create()
    if maps is not None:
        requests = methods.create(METHOD).requests(backbone.card)
        found = [stored(one, maps / f"maps-{i}", requests) for i, one in enumerate(both)]
        yield Case("Depth and colour, maps", ("depth", "colour"), both, (found[0], found[1]))
    if paths:
        every = read_index(assets)[DEPTH]
        videos = replace(every, videos=tuple(v for v in every.videos if class_number(v.label) > 13))
        frames, grey = read_clips(Part(DEPTH, videos), backbone)
        own, moved = ArrayFeatures(frames.numpy(), "frames"), ArrayFeatures(path(grey).numpy())
        title = "Frame vectors and path of the motion, depth, classes 14 to 27"
        yield Case(title, ("frames", "path"), (videos, videos), (own, moved))


@dataclass(frozen=True)
class Row:
    """Results of a case at a number of shots.

    Args:
        case: The case.
        shots: Number of shots.
        alone: Result of each modality.
        combined: Result of both, by how the weights are chosen.
        weight: Mean weight of the first modality that the supports choose.
    """

    case: Case
    shots: int
    alone: tuple[Result, Result]
    combined: Mapping[str, Result]
    weight: float


WEIGHTS: tuple[Literal["equal", "support"], ...] = ("equal", "support")


def measure(case: Case, episodes: int) -> Iterator[Row]:
    """Yield the results of each number of shots."""
    first = case.videos[0]
    encodings = [Encodings(source) for source in case.sources]
    parts = [fitting(source) for source in case.sources]
    both = ModalityEncodings(list(zip(case.videos, encodings, strict=True)))
    for shots in SHOTS:
        drawn = draw(first, Protocol(5, shots, QUERIES, episodes, 0, first.groups))
        alone = [
            evaluate_method(part, own, videos, replace(drawn, list_digest=videos.digest))
            for part, own, videos in zip(parts, encodings, case.videos, strict=True)
        ]
        found: dict[str, Result] = {
            how: evaluate_method(Combined(parts, CombinedOptions(how)), both, first, drawn)
            for how in WEIGHTS
        }
        row = Row(case, shots, (alone[0], alone[1]), found, mean_weight(parts, both, case, drawn))
        cells = [one.accuracy for one in (*row.alone, *found.values())]
        print(
            case.title, shots, *(f"{cell:.2f}" for cell in cells), f"{row.weight:.2f}", flush=True
        )
        yield row


def fitting(source: FeatureSource) -> Method:
    """Return the method for a source's features."""
    frames = source.frames if isinstance(source, ArrayFeatures) else None
    return methods.create(METHOD, **methods.fitting(METHOD, source.card, frames=frames)).eval()


def mean_weight(
    parts: Sequence[Method], encodings: ModalityEncodings, case: Case, episodes: EpisodeSet
) -> float:
    """Return the mean weight of the first modality over some episodes."""
    method = Combined(parts).eval()
    bank = encodings.bank(method, case.videos[0], episodes.needed)
    shots = episodes.protocol.shots
    labels = torch.arange(5).repeat_interleave(shots)
    total = 0.0
    few = episodes.support[:WEIGHED]
    with torch.inference_mode():
        for support in few:
            rows = torch.from_numpy(bank.rows(support))
            nodes = {name: value[rows][None] for name, value in bank.tensors.items()}
            total += float(method.support(nodes, labels[None], 5).weights[0, 0])
    return total / len(few)


def page(rows: Sequence[Row], episodes: int, command: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    lines = [
        "# Two modalities in one episode",
        "",
        "What does a second modality of the same clips gain, and can the support decide how much"
        " each counts?",
        "",
        f"    {command}",
        "",
        "`fusion` compares the videos of each modality by itself. The sum of both similarities"
        " decides, each divided by its mean squared distance between support videos"
        " (`fewact.methods.combined`). *Equal*: both have the weight 1/2. *Support*: leave-one-out"
        " classification of the support videos weighs them; with one shot nothing can be left out,"
        " and the weights are equal. `fewact evaluate --with` does this with two files or folders.",
        "",
        "Here the same people are in all classes. Leaving one clip out leaves its person in the"
        " other classes only, which lowers the leave-one-out accuracy of a modality that shows who"
        " acts, such as colour: equal weights may be better then.",
        "",
        "Depth and colour: five actions of eight people, recorded by both sensors at the same time,"
        " 80 performances (`utd27_depth`, `utd5_rgb`); all five classes are in each episode, so"
        " that there is no interval over classes. The depth of these actions is development data"
        " of `fusion`, their colour is not. People are"
        f" kept apart. {episodes} episodes of 5 ways and {QUERIES} queries per class; ± is the 95 %"
        " interval of a paired difference over episodes, in points. The combination itself was"
        " tried once; no constant was chosen on these clips.",
    ]
    for title in dict.fromkeys(row.case.title for row in rows):
        own = [row for row in rows if row.case.title == title]
        first, second = own[0].case.names
        lines += [
            "",
            f"## {title}",
            "",
            f"| shots | {first} | {second} | equal | support | support − better one | support −"
            f" equal | weight of {first} |",
            "|---" * 8 + "|",
        ]
        for row in own:
            better = max(row.alone, key=lambda one: one.accuracy)
            chosen = row.combined["support"]
            cells = [f"{one.accuracy:.1f}" for one in (*row.alone, *row.combined.values())]
            gain = listed(differences([chosen], [better]))
            over = listed(differences([chosen], [row.combined["equal"]]))
            lines.append(
                f"| {row.shots} | {' | '.join(cells)} | {gain} | {over} | {row.weight:.2f} |"
            )
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--maps", type=Path, help="folder of the stored maps")
    parser.add_argument("--paths", action="store_true", help="compare paths of the motion, too")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    rows = [
        row
        for case in cases(options.assets, options.maps, paths=options.paths)
        for row in measure(case, options.episodes)
    ]
    if options.page is None:
        return
    more = " --maps FOLDER" * (options.maps is not None) + " --paths" * options.paths
    command = f"python -m benchmarks.modalities ASSETS{more} --episodes {options.episodes}"
    options.page.write_text(page(rows, options.episodes, command), encoding="utf-8")


if __name__ == "__main__":
    main()
