"""Parameters, FLOPs, latency, memory and stored size of every method on every backbone.

    python -m benchmarks.efficiency --work FOLDER [--part networks methods step aligners]
        [--backbones resnet50] [--rounds 3] [--page docs/results/efficiency.md]

Weights and features are random: they change no cost. ``torch.utils.flop_counter`` counts the FLOPs,
two for a multiplication with addition: it comes with torch, sees every matrix product, convolution
and attention that is run, whatever Python does around it, and needs no list of layers. Work outside
these, such as the transport solver, sorting and sums, is not in FLOPs but in the latency. Times are
medians of the processor time of one thread. FOLDER keeps each part, which is then not measured
again; one command writes the page from all of them.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.align import problems
from benchmarks.markdown import heading
from benchmarks.training import step_time
from benchmarks.training.ablation_page import wrapped
from fewact import align, backbones, methods
from fewact.align import registry
from fewact.backbones import Card
from fewact.backbones.catalogue import DESCRIPTIONS
from fewact.core.errors import UserError
from fewact.features.request import Request
from fewact.methods.base import support_state
from fewact.methods.promises.subject import made_up_features, made_up_text

WAYS, SHOTS = 5, 1
FRAMES = 8
NODES = {
    "W248, 8 frames": 7,
    "W124, 8 frames": 14,
    "W124, 16 frames": 28,
    "W124, 32 frames": 56,
    "W124, 64 frames": 112,
    "W124, 8 frames, four quarters": 70,
}
"""Number of nodes of a video by windows and frames."""

Row = dict[str, Any]


def processor_ms(call: Callable[[], object], rounds: int) -> float:
    """Return the median milliseconds of processor time of a call, after a warm-up."""
    call()
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return 1e3 * statistics.median(taken)


def flops(call: Callable[[], object]) -> int:
    """Return the floating-point operations of a call."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops())


def network(name: str, rounds: int) -> list[Row]:
    """Return parameters, FLOPs, time and stored size of a slot of a backbone."""
    description = DESCRIPTIONS[name]
    made = backbones.create(name, weights="random", device="cpu", engine="torch").network
    images = torch.zeros(made.frames_together, 3, *description.input_size)
    slots = made.frames_together // description.frames_per_slot

    def run() -> object:
        with torch.inference_mode():
            return made(images, ("vectors",))

    return [
        {
            "name": name,
            "parameters": sum(one.numel() for one in made.parameters()),
            "flops": flops(run) / slots,
            "ms": processor_ms(run, rounds) / slots,
            "kib": {
                level: FRAMES * 2 * torch.Size(shape).numel() / 1024
                for level, shape in (
                    ("vectors", (description.vectors,)),
                    ("maps", description.maps),
                    ("middle", description.middle),
                )
                if shape is not None
            },
        }
    ]


def card_of(name: str) -> Card:
    """Return the card of a backbone without its network."""
    one = DESCRIPTIONS[name]
    return Card(
        name=name,
        input_size=one.input_size,
        mean=one.mean,
        std=one.std,
        vectors=one.vectors,
        maps=one.maps,
        middle=one.middle,
        shallow=one.shallow,
        parameters=one.parameters,
        licence="",
        weights="random",
        weights_sha256="",
        trained_on=(),
        frames_per_slot=one.frames_per_slot,
    )


def stored_bytes(request: Request, card: Card) -> int:
    """Return the bytes of a video's features in a store."""
    size = torch.Size(request.shape(card)).numel()
    return size * (1 if request.dtype == "uint8" else 2)


def slots(name: str, backbone: str) -> int:
    """Return the number of slots that the network computes for a video: those of all views."""
    card = card_of(backbone)
    with torch.device("meta"):
        requests = methods.create(name, **methods.fitting(name, card)).requests(card)
    views = {one.view for one in requests if one.level not in (None, "pixels")}
    return sum(view.frames for view in views)


def pairs(backbone: str, rounds: int) -> list[Row]:
    """Return the cost of each method on a backbone: one query, 5 ways, 1 shot."""
    rows, card = [], card_of(backbone)
    for name in methods.names():
        try:
            row = pair(name, card, rounds)
        except UserError as error:
            row = {"refused": error.what}
        rows.append({"method": name, "backbone": backbone, **row})
        gc.collect()
    return rows


def pair(name: str, card: Card, rounds: int) -> Row:
    """Return the cost of a method on a backbone."""
    method = methods.create(name, **methods.fitting(name, card)).eval().requires_grad_(False)
    requests = method.requests(card)
    labels = torch.arange(WAYS)[None]
    with torch.inference_mode():
        support = method.encode(made_up_features(method, card, 1, WAYS * SHOTS))
        one = made_up_features(method, card, 1, 1, seed=1)
        query = method.encode(one)
        text = made_up_text(card, 1, WAYS) if method.uses_text else None
        state = support_state(method, support, labels, WAYS, text)

        def encode() -> object:
            with torch.inference_mode():
                return method.encode(one)

        def score() -> object:
            with torch.inference_mode():
                return method.score(state, query)

        return {
            "parameters": sum(weight.numel() for weight in method.parameters()),
            "stored": sum(stored_bytes(request, card) for request in requests),
            "nodes": sum(value[0].numel() * value.element_size() for value in query.values()),
            "encode_flops": flops(encode),
            "score_flops": flops(score),
            "encode_ms": processor_ms(encode, rounds),
            "score_ms": processor_ms(score, rounds),
        }


def aligner(name: str, rounds: int) -> list[Row]:
    """Return the microseconds of an aligner for a pair of videos, by the number of nodes."""
    cells: dict[str, float] = {}
    card = registry.card(name)
    run = align.create(name, **dict(card.options))
    for title, m in NODES.items():
        count = max(20, 100_000 // (m * m))
        cost, a, b = (part.float() for part in problems(count, m, m, seed=0))
        call = partial(run, cost, plan=False, **({"a": a, "b": b} if card.weights else {}))
        with torch.inference_mode():
            cells[title] = 1e3 * processor_ms(call, rounds) / count
    return [{"aligner": name, "us": cells}]


def step(_: str, rounds: int) -> list[Row]:
    """Return the time of M² and A² in a training step beside the network's."""
    return [step_time.measure(torch.device("cpu"), repeats=rounds, at_once=8, sample=0.1)]


PARTS: dict[str, tuple[Sequence[str], Callable[[str, int], list[Row]]]] = {
    "networks": (backbones.names(), network),
    "methods": (backbones.names(), pairs),
    "step": (("a2m2",), step),
    "aligners": (align.names(), aligner),
}
"""What is measured: names, and the function of a name and a number of rounds."""


def matrix(rows: Sequence[Row], cell: Callable[[Row], str]) -> list[str]:
    """Return a table of methods by backbones."""
    names = list(dict.fromkeys(row["backbone"] for row in rows))
    lines = [heading("method", *names)]
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {row["backbone"]: row for row in rows if row["method"] == method}
        cells = ("–" if "refused" in own[name] else cell(own[name]) for name in names)
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return lines


def millions(count: int) -> str:
    """Return a number of parameters in millions."""
    return f"{count / 1e6:.1f}" if count >= 50_000 else "< 0.1" if count else "0"


def short(value: float) -> str:
    """Return a number with two digits, or all of an integer part."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def page(found: dict[str, list[Row]], command: str) -> str:
    """Return the page as Markdown; all figures come from the measured parts."""
    rows, once = found["methods"], found["step"][0]
    lines = [
        "# Efficiency of methods and backbones",
        "",
        "What does a query cost? What the network and the method need, for every method on every"
        " backbone, with default options, 5 ways and 1 shot.",
        "",
        f"    {command}",
        "",
        "`torch.utils.flop_counter` counts the FLOPs, two for a multiplication with addition: it"
        " comes with torch and sees each matrix product, convolution and attention that is run. All"
        " else, such as the transport solver, is in the time only. Times are the processor time of"
        " one thread, in float32, on a shared machine: read them as ratios. Weights and features"
        " are random. The papers' times are of GPUs and cannot be compared.",
        "",
        "## Networks",
        "",
        "A slot is a frame; of `videomae` it is two. *Weights* in float32. *Stored*: 8 slots of a"
        " video in the store, float16, for the pooled vectors, the last stage's maps and those at"
        " stride 16. The default network has a faster engine than torch ([speed](speed.md)).",
        "",
        "| backbone | parameters, M | GFLOPs a slot | ms a slot | weights, MiB | vectors, KiB |"
        " maps, KiB | middle, KiB |",
        "|---" * 8 + "|",
    ]
    for one in found["networks"]:
        sizes = (
            short(one["kib"][x]) if x in one["kib"] else "–" for x in ("vectors", "maps", "middle")
        )
        lines.append(
            f"| {one['name']} | {one['parameters'] / 1e6:.1f} | {one['flops'] / 1e9:.2f} |"
            f" {one['ms']:.0f} | {one['parameters'] * 4 / 2**20:.0f} | {' | '.join(sizes)} |"
        )
    tables: dict[str, tuple[str, Callable[[Row], str]]] = {
        "Learnable parameters of the method, millions": (
            "Without the network's.",
            lambda row: millions(row["parameters"]),
        ),
        "Network of a video, slots": (
            "Slots that the network computes for each video, once.",
            lambda row: str(slots(row["method"], row["backbone"])),
        ),
        "Encoding a video, MFLOPs": (
            "After the network, once a video.",
            lambda row: short(row["encode_flops"] / 1e6),
        ),
        "Encoding a video, ms": ("The same as time.", lambda row: short(row["encode_ms"])),
        "Scoring a query, MFLOPs": (
            "One query against five encoded support videos.",
            lambda row: short(row["score_flops"] / 1e6),
        ),
        "Scoring a query, ms": (
            "The same as time: one query at a time. An evaluation scores episodes in batches and is"
            " faster ([scoring speed](scoring.md)).",
            lambda row: short(row["score_ms"]),
        ),
        "Memory of an encoded video, KiB": (
            "What is kept of a video to score it.",
            lambda row: short(row["nodes"] / 1024),
        ),
        "Stored features of a video, KiB": (
            "What `fewact embed` writes for the method.",
            lambda row: short(row["stored"] / 1024),
        ),
    }
    for title, (text, cell) in tables.items():
        lines += ["", f"## {title}", "", text, "", *matrix(rows, cell)]
    network = once["network_ms"]
    head, reduction = once["head_ms"], once["reduction_ms"]
    lines += [
        "",
        "## M² and A² in a training step",
        "",
        "A²M²-Net in the paper's form (`preset=paper`): an episode of 5 ways, 1 shot and 5 queries"
        " in all, 10 videos of 8 frames, ResNet-50 with maps of 14 × 14, forward and backward. The"
        " network is measured on a tenth of the frames and scaled.",
        "",
        "| part | s | of the step |",
        "|---|---|---|",
    ]
    total = network + head
    for title, spent in (
        ("network", network),
        ("reduction 2048 → 256 → 128", reduction),
        ("M², A² and loss", head - reduction),
    ):
        lines.append(f"| {title} | {spent / 1e3:.2f} | {100 * spent / total:.1f} % |")
    lines += [
        "",
        "## Alignment of a pair of videos, µs",
        "",
        "A node is a window, in all or in a quarter of the frame. Accuracies by nodes, frames and"
        " aligners: [settings](settings.md), [aligners](aligners.md), [dense"
        " frames](dense-frames.md).",
        "",
        heading("aligner", *(f"{name} ({m} nodes)" for name, m in NODES.items())),
    ]
    for one in found["aligners"]:
        cells = " | ".join(short(one["us"][name]) for name in NODES)
        lines.append(f"| `{one['aligner']}` | {cells} |")
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--backbones", choices=backbones.names(), nargs="+", help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, required=True, help="folder of the measured parts")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Row]] = {}
    for part in options.part:
        names, measure = PARTS[part]
        if part == "methods" and options.backbones:
            names = options.backbones
        found[part] = []
        for name in names:
            file = options.work / f"{part}-{name}.json"
            if not file.exists():
                file.write_text(json.dumps(measure(name, options.rounds)), encoding="utf-8")
                print(part, name, flush=True)
            found[part] += json.loads(file.read_text(encoding="utf-8"))
    if options.page is not None and len(found) == len(PARTS):
        more = f" --backbones {' '.join(options.backbones)}" if options.backbones else ""
        more += f" --rounds {options.rounds}"
        command = f"python -m benchmarks.efficiency --work FOLDER{more}"
        options.page.write_text(page(found, command), encoding="utf-8")


if __name__ == "__main__":
    main()
