"""Are 10,000 episodes enough? Ten draws of them, and the interval over other classes.

    python -m benchmarks.stability ASSETS [--draws 10] [--page docs/results/stability.md]

Stored frame vectors of ``utd27_depth``, methods without training. Each draw has another seed; the
clips and classes are the same.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training.ablation_page import wrapped
from benchmarks.training.paired import differences
from fewact import methods
from fewact.data import FeatureDataset
from fewact.evaluation import ArrayFeatures, Result, encode_list, evaluate_method, stability
from fewact.evaluation.episodes import Protocol, draw
from fewact.report import stability_chart

FILE, DATA, EPISODES = "mobilenet_v2_t8.npz", "utd27_depth", 10_000
METHODS = {
    "mean frame (protonet)": ("protonet", "pooled"),
    "frames in order (protonet)": ("protonet", "concatenated"),
}


def measure(assets: Path, draws: int) -> dict[str, list[Result]]:
    """Return the results of each method by draw."""
    data = FeatureDataset(assets / "features" / FILE, groups="shared", dataset=DATA)
    source = ArrayFeatures(data.features, FILE)
    found: dict[str, list[Result]] = {name: [] for name in METHODS}
    every = {
        name: methods.create(kind, frames=source.frames, frame_matching=matching).eval()
        for name, (kind, matching) in METHODS.items()
    }
    banks = {name: encode_list(method, source, data.videos) for name, method in every.items()}
    for seed in range(draws):
        drawn = draw(data.videos, Protocol(5, 1, 1, EPISODES, seed, "shared"))
        for name, method in every.items():
            found[name].append(evaluate_method(method, banks[name], data.videos, drawn))
            print(name, seed, f"{found[name][-1].accuracy:.2f}", flush=True)
    return found


def page(found: dict[str, list[Result]], command: str, chart: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    first, second = found.values()
    draws = len(first)
    lines = [
        "# Stability over 10,000 episodes",
        "",
        "Papers report the mean over 10,000 episodes and its 95 % interval. Do other episodes give"
        " the same mean, and what does the interval say?",
        "",
        f"    {command}",
        "",
        f"`{DATA}`, stored frame vectors of MobileNet v2, 27 classes, people kept apart, 5-way,"
        f" 1 shot; {draws} draws of {EPISODES:,} episodes, each with another seed. The interval"
        " over other classes is that of the 27 classes (`fewact.evaluation.intervals`).",
        "",
        "| episodes | mean of the draws | lowest … highest | ± of one draw | draws within ± of the"
        " mean of all |",
        "|---|---|---|---|---|",
    ]
    title, results = next(iter(found.items()))
    points = [stability(one) for one in results]
    centre = statistics.mean(one.accuracy for one in results)
    for column in zip(*points, strict=True):
        values = [point.accuracy for point in column]
        within = sum(abs(point.accuracy - centre) <= point.ci95 for point in column)
        lines.append(
            f"| {column[0].episodes:,} | {statistics.mean(values):.2f} | {min(values):.2f} …"
            f" {max(values):.2f} | {column[0].ci95:.2f} | {within} of {draws} |"
        )
    lines += ["", f"The table is of *{title}*.", "", *summary(found)]
    pairs = differences(second, first)
    gains, width = (
        [one.difference for one in pairs],
        statistics.mean(one.ci95 or 0 for one in pairs),
    )
    lines += [
        "",
        f"The paired difference between both methods is {min(gains):.2f} … {max(gains):.2f} over"
        f" the draws, ± {width:.2f} by the interval of one draw"
        f"{over_classes(pairs[0].class_interval)}.",
        "",
        f"![Accuracy over the first episodes]({chart})",
        "",
        "The figure shows three draws of each method with their intervals.",
    ]
    return "\n".join((*map(wrapped, lines), ""))


def summary(found: dict[str, list[Result]]) -> Sequence[str]:
    """Return a table of both intervals over all episodes."""
    lines = [
        "| method | accuracy of the draws | ± of one draw | interval over other classes |",
        "|---|---|---|---|",
    ]
    for name, results in found.items():
        values, interval = [one.accuracy for one in results], results[0].class_interval
        classes = "–" if interval is None else f"{interval[0]:.1f} … {interval[1]:.1f}"
        draws = f"{min(values):.2f} … {max(values):.2f}"
        lines.append(f"| {name} | {draws} | {results[0].ci95:.2f} | {classes} |")
    return lines


def over_classes(interval: tuple[float, float] | None) -> str:
    """Return the interval of a difference over other classes, as a clause."""
    return "" if interval is None else f", {interval[0]:.1f} … {interval[1]:.1f} over other classes"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    found = measure(options.assets, options.draws)
    if options.page is None:
        return
    chart = options.page.with_suffix(".svg")
    curves = {
        f"{name}, draw {i + 1}": stability(result)
        for name, results in found.items()
        for i, result in enumerate(results[:3])
    }
    chart.write_text(stability_chart(curves), encoding="utf-8")
    command = f"python -m benchmarks.stability ASSETS --draws {options.draws}"
    options.page.write_text(page(found, command, chart.name), encoding="utf-8")


if __name__ == "__main__":
    main()
