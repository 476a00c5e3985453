"""The page: what was asked, how, and what came out. Every figure is written by this file."""

import random
from collections.abc import Mapping, Sequence

from torch import Tensor

from benchmarks.correspondence.claims import Claim
from benchmarks.correspondence.compared import COMPARED
from benchmarks.correspondence.drawing import ratio_name
from benchmarks.correspondence.measure import (
    MIDDLE,
    RATIOS,
    TASK_RATIO,
    Estimate,
    Recovered,
    mean_of,
)
from benchmarks.correspondence.pairs import ALIKE, COMMON, DISTORTIONS, LENGTH, M
from fewact.report import Table, TableFormat, render

PAGE = """\
# What the aligners recover

*Made by `python -m benchmarks.correspondence` in the repository's root: seed {seed}, {seconds} s of
one core. All figures, tables and pictures are the script's; run it again after a change to an
aligner.*

## What is asked

An aligner says how near two videos are, and by its plan which node of one went to which node of the
other. On real videos nobody knows which node *should* have gone where. Here it is known: how much
of the truth does each plan hold, under which distortion, up to which noise? And as some aligners
look at the order of the nodes and some do not: when is that a virtue, and when a vice?

## How it is made

- A scene is a sequence of descriptors of {length} numbers in the order of time. {common} % of their
  energy stays the same through the scene (what the video shows all along), the rest changes, with a
  correlation of {alike} between neighbours. The mean of what changes is zero over the scene.
- The first video shows {m} nodes of it. The second shows {m} nodes of the same scene under a
  distortion, and then noise. Two nodes correspond where they show the same moment; one node may
  have several counterparts, or none. New material is what the scene goes on with.
- Noise is Gaussian. Its strength is its length over that of the signal: 0 is none, 1 (0 dB) as long
  as the descriptor, {middle} the *middle noise* of tables that show one noise, ∞ noise alone.
- All aligners get the same costs 1 − cos. {pairs} pairs for each distortion, the same under every
  noise; ± is half of the 95 % interval over pairs.

{distortions}
{aligners}
A plan is divided by its total. **Mass** is the share of it that lies on true correspondences. The
most that a plan with equal weights can reach (material without a counterpart must go somewhere) and
what a plan that is the same everywhere gets stand in the last rows. **Found** asks less: of the
second video's nodes that have a counterpart, how many have the plan's largest entry there?

## Against noise

![Share of mass on the truth against noise, by distortion and aligner](alignment-noise.svg)

{masses}
{founds}
{against}
## The plans themselves

One pair a distortion at the middle noise, not chosen: the first of each. The darkest shade is all
that one node has, so a plan that spreads its mass is pale.

![Plans of all aligners for one pair a distortion, with the truth outlined](alignment-plans.svg)

## Order: virtue and vice

Two classes, one example of each, one query; the aligner's value decides. All three videos are under
noise of {task_ratio}. {tasks} tasks of each kind, accuracy in per cent with Wilson's 95 % interval.

- *order*: both classes show the same nodes, one of them backwards (opening and closing a door).
- *order, shifted videos*: the same, but each video starts somewhere else in a longer scene.
- *content*: classes look alike but change in their own way; videos show it in order.
- *content, permuted videos*: the same, but each video shows its nodes in an order of its own.

{accuracies}
## What holds, and what does not

The statements are the script's; so are the figures and the verdicts, at the middle noise where none
is named.

{claims}
What to take from it, as long as these verdicts stand:

- Where classes differ in what is seen, whenever it is seen, an aligner that is blind to order is
  right, and one bound to order loses much of what it has, or all. Where they differ in order alone,
  the blind ones cannot know anything, however clean the features.
- DTW and the diagonal owe their calm under noise to what they assume. They are right where videos
  are cut alike, and sure of the wrong thing where they are not. OTAM with a small λ gives up some
  of that calm, and copes with starts that differ.
- Sinkhorn's ε and OTAM's λ are measured against differences between costs, and noise makes those
  small: what is mild on clean features blurs everything on poor ones. A blurred plan may still peak
  in the right places, so read its peaks and not its shades.
- Cross-reference weights change how much a node counts. They are no way to find out which nodes
  have a counterpart, at least not in this made-up material.

## What this does not say

- Which aligner is best on real videos: real classes differ in content and in order, and nodes come
  from a network. The noise here is the same for every number of every node, real noise is not.
- Anything about nodes of several scales. The {m} nodes here stand in one order; those of A²M²-Net
  are of three scales, and only those of one scale have an order.
- Anything about other smoothings. ε, λ and γ are those of the table above, fixed beforehand.
"""


def page(
    recovered: Recovered,
    accuracy: Mapping[str, Sequence[Estimate]],
    claims: Sequence[Claim],
    *,
    tasks: int,
    seed: int,
    seconds: float,
) -> str:
    """The page as Markdown.

    Args:
        recovered: What ``recover`` found.
        accuracy: What ``tell_apart`` found.
        claims: The statements.
        tasks: Tasks of each kind.
        seed: Of everything.
        seconds: How long it took.
    """
    limits = {"most with equal weights": recovered.ceiling, "same everywhere": recovered.chance}
    return PAGE.format(
        seed=seed,
        seconds=f"{seconds:.0f}",
        length=LENGTH,
        common=f"{100 * COMMON:.0f}",
        alike=ALIKE,
        m=M,
        middle=ratio_name(RATIOS[MIDDLE]),
        pairs=recovered.mass.shape[-1],
        distortions=_distortions(),
        aligners=_aligners(),
        masses=_by_distortion("Mass at the middle noise, in per cent", recovered.mass, limits),
        founds=_by_distortion("Found at the middle noise, in per cent", recovered.found, {}),
        against="\n".join(_by_noise(recovered, name) for name in ("same", "shifted", "permuted")),
        task_ratio=ratio_name(TASK_RATIO),
        tasks=f"{tasks:,}",
        accuracies=_accuracies(accuracy),
        claims=_claims(claims),
    )


def _distortions() -> str:
    rows = tuple(
        (name, (made.__doc__ or "").strip(), _drawn(name)) for name, made in DISTORTIONS.items()
    )
    return _markdown(("distortion", "the second video", "moments it shows, for example"), rows)


def _drawn(name: str) -> str:
    return " ".join(f"{moment}" for moment in DISTORTIONS[name](random.Random(0))).replace("-", "−")


def _aligners() -> str:
    rows = []
    for one in COMPARED:
        options = "".join(f", {key}={value}" for key, value in one.options.items())
        weights = {"uniform": "equal", "cross": "each node's likeness to the other video's mean"}
        rows.append(
            (
                one.label,
                f"`{one.name}(cost{', a, b' if one.weights else ''}{options})`",
                weights[one.weights] if one.weights else "–",
                "yes" if one.ordered else "no",
            )
        )
    return _markdown(("aligner", "`fewact.align`", "weights", "looks at order"), rows)


def _by_distortion(title: str, shares: Tensor, limits: Mapping[str, Tensor]) -> str:
    """Means at the middle noise of shares (distortion aligner ratio p)."""
    rows = [
        (one.label, *(_with_half_width(mean_of(of[index, MIDDLE])) for of in shares))
        for index, one in enumerate(COMPARED)
    ]
    rows += [
        (f"*{name}*", *(f"*{100 * of.mean().item():.1f}*" for of in limit))
        for name, limit in limits.items()
    ]
    return _markdown(("aligner", *DISTORTIONS), rows, title)


def _by_noise(recovered: Recovered, distortion: str) -> str:
    of = recovered.mass[list(DISTORTIONS).index(distortion)]  # (aligner ratio p)
    rows = [
        (one.label, *(_with_half_width(mean_of(shares)) for shares in of[index]))
        for index, one in enumerate(COMPARED)
    ]
    header = ("aligner", *(f"noise {ratio_name(ratio)}" for ratio in RATIOS))
    return _markdown(header, rows, f"Mass against noise, {distortion}")


def _accuracies(accuracy: Mapping[str, Sequence[Estimate]]) -> str:
    rows = [
        (
            one.label,
            *(f"{at[i].mean:.1f} ({at[i].low:.1f}–{at[i].high:.1f})" for at in accuracy.values()),
        )
        for i, one in enumerate(COMPARED)
    ]
    return _markdown(("aligner", *accuracy), rows)


def _claims(claims: Sequence[Claim]) -> str:
    rows = [
        (one.says, one.measured, "holds" if one.holds else "**does not hold**") for one in claims
    ]
    return _markdown(("statement", "measured", "verdict"), rows)


def _with_half_width(one: Estimate) -> str:
    return f"{one.mean:.1f} ± {one.high - one.mean:.1f}"


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], title: str = "") -> str:
    return render(Table(header, tuple(rows), title), TableFormat.MARKDOWN)
