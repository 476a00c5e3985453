"""What a second network, or flipped copies of the clips, add to the default method.

    python -m benchmarks.two_backbones ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints the table of docs/decisions/two-backbones.md, of development clips: the mean of the
similarities of two networks; those of the first with the appearance of the second, which needs
eight frames in the second network; those of the backbone of ``--quality best``; and the mean of
those of the clips and of all clips flipped horizontally.
"""

import argparse
from dataclasses import replace

import torch

from benchmarks.before_after import WEIGHTS
from benchmarks.conditions import cell
from benchmarks.datasets import Part, episode_sets
from benchmarks.development import clean, parse_options
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import Pairs, compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.backbones import Backbone
from fewact.data import VideoList
from fewact.methods.fusion import Fusion
from fewact.methods.quality import QUALITIES
from fewact.synthetic.processing import with_condition

OTHER = "mobilenet-v2"
ALONE, SECOND, BOTH = "EfficientNet-Lite0", "MobileNet v2", "both"
APPEARANCE, FLIPPED = "with the appearance of MobileNet v2", "with flipped copies"
BEST = "with EfficientNet-Lite1 (`--quality best`)"


def mean(first: Pairs, second: Pairs) -> Pairs:
    """Return the mean of two sets of similarities of the same videos."""
    return replace(
        first,
        exact=(first.exact + second.exact) / 2,
        quick=(first.quick + second.quick) / 2,
    )


def with_appearance(first: Pairs, second: Pairs) -> Pairs:
    """Return similarities with the appearance of a second set, at the weight of the first's."""
    added = second.exact[-1:]
    exact = torch.cat([first.exact[:-1] + added, first.exact[-1:]])
    return replace(first, exact=exact, quick=first.quick + added)


def variants(method: Fusion, default: Backbone, other: Backbone, videos: VideoList) -> list[Pairs]:
    """Return the similarities of the rows of the table, in their order."""

    def pairs(backbone: Backbone, some: VideoList) -> Pairs:
        return compare_within(method, encode_videos([method], backbone, some)[0])

    alone, second = pairs(default, videos), pairs(other, videos)
    flipped = pairs(default, with_condition(videos, "flipped:2"))
    added = with_appearance(alone, second)
    best = pairs(backbones.create(QUALITIES["best"].backbone, size=QUALITIES["best"].size), videos)
    return [alone, second, mean(alone, second), added, best, mean(alone, flipped)]


def rows(part: Part, found: list[Pairs], method: Fusion, options: argparse.Namespace) -> list[str]:
    """Return the cell of each variant."""
    episodes = episode_sets(part.videos, options.queries, options.episodes)
    accuracies = [
        [episode_accuracies(method, pairs.exact, pairs, one) for one in episodes] for pairs in found
    ]
    return [
        " / ".join(
            cell(own, base, "clean" if number == 0 else "")
            for own, base in zip(each, accuracies[0], strict=True)
        )
        for number, each in enumerate(accuracies)
    ]


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    method = fusion()
    other = backbones.create(OTHER, weights=str(options.assets / WEIGHTS[OTHER]))
    default = backbones.create()
    measured = clean(options)
    with torch.inference_mode():
        columns = [
            rows(part, variants(method, default, other, part.videos), method, options)
            for part in measured
        ]
    print(heading("", *(part.name for part in measured)))
    names = (ALONE, SECOND, BOTH, APPEARANCE, BEST, FLIPPED)
    for name, *cells in zip(names, *columns, strict=True):
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
