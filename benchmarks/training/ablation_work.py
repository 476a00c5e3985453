"""Runs and results of the ablation of A²M²-Net, in a folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.training import halved
from benchmarks.training.ablation_variants import (
    ALIGNMENTS,
    CLIP_MEAN,
    MOMENTS,
    PAPER,
    PLAIN,
    SHARED,
    moments_of,
)
from benchmarks.training.stored import stored
from fewact import backbones
from fewact.data import VideoList
from fewact.data.videos import Split
from fewact.evaluation import (
    FeatureSource,
    Result,
    RunOptions,
    VideoFeatures,
    checkpoint,
    evaluate_method,
    load,
)
from fewact.evaluation.encode import NodeBank, encode_list
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.features.request import FeatureRequest, View
from fewact.features.stored import StoredFeatures
from fewact.synthetic import motions
from fewact.training import TrainingData, read, train

RECIPE = "a2m2-motions-lite0"
NETWORK = Path(__file__).with_name("halved.toml")
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Work:
    """Folder, data and episodes of one ablation.

    Args:
        folder: Folder of runs and results.
        preset: Preset of ``motions``.
        videos: Number of videos per class.
        episodes: Number of test episodes.
        network: Train the network from frames, instead of a matrix on stored maps only.
        small: Frames of half the height and width; always so if the network is trained.
    """

    def __init__(
        self,
        folder: Path,
        preset: str,
        videos: int,
        episodes: int,
        *,
        network: bool = False,
        small: bool = False,
    ) -> None:
        self.folder, self.preset, self.network = folder, preset, network
        self.small = small or network
        self.recipe = str(NETWORK) if network else RECIPE
        if self.small:
            halved.register()
        size = {"size": halved.SIDE} if self.small else {}
        every = motions(preset, videos=videos, **size).videos
        self.videos: dict[str, VideoList] = {}
        self.stored: dict[str, StoredFeatures] = {}
        self.episodes: dict[str, EpisodeSet] = {}
        for split in SPLITS:
            own = self.videos[split] = every.of(split)
            if not network:
                self.stored[split] = stored(
                    own,
                    folder / "store",
                    (FeatureRequest("middle", View(8)),),
                    halved.Halved.defaults.name if small else None,
                )
            if split != "train":
                count = episodes if split == "test" else min(episodes, 2000)
                self.episodes[split] = draw(own, Protocol(5, 1, 1, count, 1))

    def data(self) -> TrainingData:
        """Return the training data."""
        train, val = self.videos["train"], self.videos["val"]
        return TrainingData(train, val, self.stored.get("train"), self.stored.get("val"))

    def trained_moments(self, name: str) -> str:
        """Return the moments whose checkpoint these moments use."""
        return SHARED.get(name, name) if self.network else name

    def may_be_trained(self, name: str) -> bool:
        """Return whether pairs of these moments may be trained with their own alignment."""
        paper = {moments_of(form, clip_mean) for form in PAPER for clip_mean in CLIP_MEAN}
        return not self.network or name in paper

    def moments(self, name: str) -> Mapping[str, Any]:
        """Return the options in which moments differ from their checkpoint."""
        return {} if self.trained_moments(name) == name else MOMENTS[name]

    def run_folder(self, name: str, seed: int) -> Path:
        """Return the folder of a run."""
        return self.folder / "runs" / f"{name} {seed}".replace(";", "").replace(" ", "_")

    def run(self, name: str, seed: int, changes: Mapping[str, Any]) -> Path:
        """Train a run, unless it is complete, and return its folder."""
        folder = self.run_folder(name, seed)
        seeds = {"seed": seed}
        if changes.get("method.options.moments.attention"):  # The other weights begin fixed.
            seeds["method.options.seed"] = seed
        begin = time.process_time()
        trained = train(read(self.recipe, {**changes, **seeds}), self.data(), folder, device="cpu")
        seconds = time.process_time() - begin
        print(f"{name}, seed {seed}: {seconds:.0f} s of processor time, {trained.best}", flush=True)
        return folder

    def score(self, run: Path, split: str, changes: Mapping[str, Any], bank: NodeBank) -> Result:
        """Return the result of a run's checkpoint with another alignment, stored or computed."""
        output = result_file(run, split, changes)
        if output.exists():
            return load(output)
        method = checkpoint.read(run).method(**PLAIN | dict(changes))
        return evaluate_method(
            method, bank, self.videos[split], self.episodes[split], run=RunOptions(output=output)
        )

    def results(self, name: str, how: str, split: str, seeds: int) -> list[Result]:
        """Return the stored results of each seed."""
        changes = {**self.moments(name), **ALIGNMENTS[how]}
        runs = (self.run_folder(self.trained_moments(name), seed) for seed in range(seeds))
        return [load(result_file(run, split, changes)) for run in runs]

    def bank(self, run: Path, split: str, changes: Mapping[str, Any]) -> NodeBank:
        """Return the nodes of a run's checkpoint, for all alignments."""
        best, videos = checkpoint.read(run), self.videos[split]
        source: FeatureSource | None = self.stored.get(split)
        if source is None:
            network = backbones.create(best.backbone.name, weights=best.backbone.weights)
            source = VideoFeatures(videos, network)
        method = best.method(**PLAIN | dict(changes))
        return encode_list(method, source, videos, self.episodes[split].needed)


def result_file(run: Path, split: str, changes: Mapping[str, Any]) -> Path:
    """Return the file for the result of a run's checkpoint with another alignment."""
    return run / split / ("-".join(f"{key}={value}" for key, value in changes.items()) + ".json")
