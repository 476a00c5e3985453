"""Distance between class names and videos in CLIP-SPM, before and after SPM and PADM.

    python -m benchmarks.training.modality_gap ASSETS --work FOLDER [--seeds 1] [--episodes 500]
        [--page docs/results/modality-gap.md]

FOLDER is that of ``benchmarks.training.clip_spm_ablation``, with its checkpoints on ``clips``. The
texts are what the method adds to frames: sentence embeddings after the learned projection. Videos
are the mean of their frames. Texts and videos are compared as vectors of length 1.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.training.ablation_page import wrapped
from benchmarks.training.clip_spm import Lists
from benchmarks.training.clip_spm_ablation_work import Work, network_of, texts_of
from fewact.core.errors import VideoError
from fewact.evaluation import VideoFeatures, checkpoint
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation.intervals import half_width
from fewact.methods.clip_spm import ClipSpm, membership, refine

DATA, WAYS = "clips", 5
CHECKPOINTS = ("+ SPM", "+ PADM", "+ L_text, L_cons")
STAGES = ("frames", "after SPM", "after PADM")


@dataclass(frozen=True)
class Gap:
    """Texts and queries of each of N episodes.

    Args:
        distance: Distance between the means of the texts and of the queries, (N).
        nearest: Percentage of queries whose own text is the nearest of the episode's, (N).
    """

    distance: Tensor
    nearest: Tensor


Found = Mapping[tuple[str, str], list[dict[str, Gap]]]
"""Gaps of each seed by stage, for each checkpoint and part of the classes."""


def gap(texts: Tensor, queries: Tensor) -> Gap:
    """Compare texts (N n d) with one query of each class (N n d), in the same order."""
    names, videos = (functional.normalize(x, dim=-1) for x in (texts, queries))
    similar = videos @ names.mT  # (N n n)
    own = torch.arange(texts.shape[1])
    hits = (similar.argmax(-1) == own).to(texts.dtype)
    return Gap((names.mean(1) - videos.mean(1)).norm(dim=-1), 100 * hits.mean(-1))


def stages(
    method: ClipSpm, frames: Tensor, text: Tensor, episodes: EpisodeSet, classes: Tensor
) -> dict[str, Gap]:
    """Return the gap of each stage that the method has.

    Args:
        method: Trained method that uses text.
        frames: Frame vectors of all videos (v t d).
        text: Embeddings of all class names (N e).
        episodes: Episodes of one query of each class.
        classes: Class of each video (v).
    """
    if method.text is None:
        raise TypeError("the method uses no text")
    support, query = (torch.from_numpy(x).long() for x in (episodes.support, episodes.query))
    labels = torch.arange(WAYS).expand(len(support), -1)  # (b n)
    texts = method.text(text[classes[support]], WAYS, frames)  # (b n d)
    fused = method.spm.fuse(method.spm.gated(frames[support]), texts)  # (b n t d)
    asked = frames[query]
    prompts = method.spm.prompts(texts.mean(1), method.spm.summary(asked))
    prompted = method.spm.fuse(method.spm.gated(asked), prompts)
    found = {STAGES[0]: asked, STAGES[1]: prompted}
    if method.padm is not None:
        member = membership(labels, WAYS, fused)
        refined = refine(method.padm, method.options, fused, member, prompted).query
        found[STAGES[2]] = refined.reshape(prompted.shape)
    return {name: gap(texts, videos.mean(-2)) for name, videos in found.items()}


def measured(work: Work, seed: int, lists: Lists, name: str, part: str) -> dict[str, Gap]:
    """Return the gaps of a row's checkpoint on the test or the training classes."""
    listed = {"test": lists.test, "training": lists.train}[part]
    run = checkpoint.read(work.of(DATA, seed, f"run {name}"))
    method, text = run.method(), texts_of(run, listed)
    if not isinstance(method, ClipSpm) or text is None:
        raise TypeError("the checkpoint is of another method, or uses no text")
    method.eval()
    source = VideoFeatures(listed, network_of(run), keep=True)
    requests = method.requests(source.card)
    found = source.features(range(len(listed.videos)), requests)
    read = [one for one in found if not isinstance(one, VideoError)]  # frames in memory: all
    frames = torch.stack([one[requests[0]].float() for one in read])  # (v t d)
    number = {label: i for i, label in enumerate(listed.classes)}
    classes = torch.tensor([number[video.label] for video in listed.videos])
    episodes = draw(listed, Protocol(WAYS, 1, 1, work.episodes, seed, lists.groups))
    with torch.inference_mode():
        return stages(method, frames, text.embeddings, episodes, classes)


def rows(found: Found) -> list[str]:
    """Return the table: a row for each checkpoint and stage."""
    lines = [
        "| checkpoint | classes | queries | distance of the means | own name is the nearest |",
        "|---|---|---|---|---|",
    ]
    for (name, part), seeds in found.items():
        for stage in seeds[0]:
            each = [one[stage] for one in seeds]
            cells = [
                ", ".join(interval(getattr(one, field), digits) for one in each)
                for field, digits in (("distance", 2), ("nearest", 1))
            ]
            lines.append(f"| {name} | {part} | {stage} | {' | '.join(cells)} |")
    return lines


def interval(values: Tensor, digits: int) -> str:
    """Return the mean over episodes and its 95 % interval."""
    return f"{values.mean().item():.{digits}f} ± {half_width(values.double().numpy()):.{digits}f}"


def page(found: Found, episodes: int, command: str) -> str:
    """Return the page as Markdown."""
    lines = [
        "# The modality gap of CLIP-SPM",
        "",
        "CLIP-SPM's paper says that its prompts bridge the gap between class names and videos. Do"
        " queries come nearer to the texts by SPM, and by PADM?",
        "",
        f"    {command}",
        "",
        "Checkpoints of [the ablation from frames](clip-spm-ablation.md), on the training and the"
        " test classes of `utd27_depth`. **Not CLIP's space**: its weights were not available. A"
        " learned projection brings sentence embeddings to the width of the frames, and is trained"
        " with the method. No loss of the public code pulls a text towards its videos. Texts are"
        " those that"
        " SPM adds to frames; a query is the mean of its frames, as the encoder returns them,"
        " after SPM with the generated prompt, and after PADM. All vectors have the length 1.",
        "",
        "*Distance of the means*: between the mean text and the mean query of an episode; 0 is no"
        " gap, and 2 is the largest. *Own name is the nearest*:"
        " percentage of queries whose own class name is the nearest of the five; chance is"
        f" {100 / WAYS:.0f} %. {episodes} episodes of {WAYS} ways, 1 shot, one query a class,"
        f" refined one by one; ± is the 95 % interval over episodes, one entry a seed.",
        "",
        *rows(found),
    ]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the ablation")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    work = Work(options.work, options.episodes, (0, 0), {})
    lists = [work.lists(options.assets, DATA, seed, 0) for seed in range(options.seeds)]
    found = {
        (name, part): [
            measured(work, seed, own, name, part)
            for seed, own in enumerate(lists)
            if name in work.of_seed(seed)
        ]
        for name in CHECKPOINTS
        for part in ("training", "test")
    }
    print("\n".join(rows(found)))
    if options.page is not None:
        command = (
            "python -m benchmarks.training.modality_gap ASSETS --work FOLDER"
            f" --seeds {options.seeds} --episodes {options.episodes}"
        )
        text = page(found, options.episodes, command)
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
