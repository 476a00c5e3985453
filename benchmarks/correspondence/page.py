"""The page: question, data and results. All values are written by this module."""

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
from benchmarks.correspondence.pairs import COMMON, CORRELATION, DISTORTIONS, LENGTH, M
from benchmarks.markdown import heading

PAGE = """\
# Aligners and known correspondences

    python -m benchmarks.correspondence

Seed {seed}, {seconds} s of one core. All figures, tables and verdicts are written by the script;
run it again after a change to an aligner.

## Question

An aligner returns how near two videos are, and a plan: which node of one was matched with which
node of the other. On real videos the right correspondence is not known. Here it is known. How
much of it does each plan recover, under which distortion, and up to which noise? Some aligners
use the order of the nodes and some ignore it: when does that help, and when does it hurt?

## Data

- A scene is a sequence of descriptors of {length} numbers in the order of time. {common} % of
  their energy is constant through the scene (what the video shows all along). The rest changes,
  with a correlation of {alike} between neighbours, and has mean zero over the scene.
- The first video shows {m} nodes of the scene. The second shows {m} nodes of the same scene under
  a distortion, and then noise. Two nodes correspond if they show the same moment. A node may have
  several counterparts, or none. New material is the continuation of the scene.
- Noise is Gaussian. Its strength is its length divided by the length of the signal: 0 is none, 1
  (0 dB) is as long as the descriptor, {middle} is the *middle noise* of tables that show one
  noise, ∞ is noise alone.
- All aligners get the same costs 1 − cos. {pairs} pairs for each distortion, the same under every
  noise; ± is half of the 95 % interval over pairs.

{distortions}
{aligners}
A plan is divided by its total. **Mass** is the fraction of it that is on true correspondences.
The last two rows show the maximum that a plan with equal weights can reach (material without a
counterpart must be matched with something) and the mass of a uniform plan. **Found** is weaker:
for how many of the second video's nodes that have a counterpart is the plan's largest entry at a
counterpart?

## Mass against noise

![Mass on true correspondences against noise, by distortion and aligner](alignment-noise.svg)

{masses}
{founds}
{against}
## The plans

The first pair of each distortion at the middle noise. The darkest shade is the full mass of one
node, so a plan that spreads its mass is pale.

![Plans of all aligners for one pair per distortion, truth outlined](alignment-plans.svg)

## When order matters

Two classes, one example of each, one query; the aligner's value decides. All three videos have
noise of {task_ratio}. {tasks} tasks of each type; accuracy in per cent with Wilson's 95 %
interval.

- *order*: both classes show the same nodes, one of them backwards (opening and closing a door).
- *order, shifted videos*: the same, but each video starts elsewhere in a longer scene.
- *content*: the classes have the same appearance but change differently; videos show the changes
  in order.
- *content, permuted videos*: the same, but each video shows its nodes in a random order.

{accuracies}
## Statements

Statements, figures and verdicts are written by the script, at the middle noise unless another one
is named.

{claims}
Conclusions, as long as these verdicts hold:

- If classes differ in content, whenever it is visible, an aligner that ignores order is right,
  and one that uses it loses much of its accuracy, or all. If classes differ in order only, an
  aligner that ignores order stays at chance, however clean the features are.
- DTW and the diagonal are robust to noise because of what they assume. They are right if the
  videos are cut alike, and confidently wrong otherwise. OTAM with a small λ gives up some
  robustness, and tolerates different starts.
- Sinkhorn's ε and OTAM's λ act relative to differences between costs, and noise reduces these: a
  value that is mild on clean features blurs everything on noisy ones. A blurred plan may still
  have its peaks at the right nodes.
- Cross-reference weights change how much a node counts. They do not reveal which nodes have a
  counterpart, at least not in this synthetic material.

## Limits

- The page does not say which aligner is best on real videos. Real classes differ in content and
  in order, and their nodes come from a network. The noise here is the same for every number of
  every node; real noise is not.
- The {m} nodes here have one order. The nodes of A²M²-Net have three scales, and only nodes of
  one scale have an order.
- ε, λ and γ are those of the table above, fixed beforehand. Other values were not tried.
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
    """Return the page as Markdown.

    Args:
        recovered: Result of ``recover``.
        accuracy: Result of ``task_accuracies``.
        claims: The statements.
        tasks: Number of tasks of each type.
        seed: Seed of pairs and tasks.
        seconds: Processor time of the measurement.
    """
    limits = {"maximum with equal weights": recovered.ceiling, "uniform plan": recovered.chance}
    return PAGE.format(
        seed=seed,
        seconds=f"{seconds:.0f}",
        length=LENGTH,
        common=f"{100 * COMMON:.0f}",
        alike=CORRELATION,
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
        weights = {"uniform": "equal", "cross": "similarity of each node to the other video's mean"}
        rows.append(
            (
                one.label,
                f"`{one.name}(cost{', a, b' if one.weights else ''}{options})`",
                weights[one.weights] if one.weights else "–",
                "yes" if one.ordered else "no",
            )
        )
    return _markdown(("aligner", "`fewact.align`", "weights", "uses order"), rows)


def _by_distortion(title: str, fractions: Tensor, limits: Mapping[str, Tensor]) -> str:
    """Return the means at the middle noise of fractions (distortion aligner ratio p)."""
    rows = [
        (one.label, *(_with_half_width(mean_of(of[index, MIDDLE])) for of in fractions))
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
        (one.label, *(_with_half_width(mean_of(fractions)) for fractions in of[index]))
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
        (one.statement, one.measured, "holds" if one.holds else "**does not hold**")
        for one in claims
    ]
    return _markdown(("statement", "measured", "verdict"), rows)


def _with_half_width(one: Estimate) -> str:
    return f"{one.mean:.1f} ± {one.high - one.mean:.1f}"


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], title: str = "") -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*((f"**{title}**", "") if title else ()), heading(*header), *lines, ""])
