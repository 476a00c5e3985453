"""Save classifiers as folders, and load them."""

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Self

from fewact.backbones import Backbone
from fewact.backbones.devices import Device
from fewact.classifier.calibration import check_set_rate
from fewact.classifier.estimator import Estimator, Learned
from fewact.classifier.fit_checks import checked_fit
from fewact.classifier.fitted import FittedBefore, fit_examples
from fewact.classifier.open_set import check_rate
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.saved import model_folder
from fewact.classifier.saved.backbone import check_backbone, create_backbone
from fewact.classifier.saved.config import README
from fewact.core.errors import ModelError, OptionError
from fewact.core.hub import check_answers, download, hub_client, is_repository
from fewact.core.paths import similar_name, user_path
from fewact.features.precomputed import Precomputed
from fewact.video.steps import check_trim

LOG = logging.getLogger(__name__)

METADATA = """\
---
library_name: fewact
pipeline_tag: video-classification
tags: [few-shot, action-recognition]
---
"""
"""Beginning of README.md on the hub, which sorts models by it."""

EXPECTED = "owner/name[@revision] of a repository with a model that `push_to_hub` wrote"


class Saving(Estimator):
    """Methods of ``FewShotClassifier`` that save and load it."""

    def save(self, folder: str | Path, *, thumbnails: bool = False, change: str = "saved") -> Path:
        """Save the classifier as a folder that ``load`` reads.

        The folder has names and features of the training clips, not the clips. An existing model is
        replaced completely or not at all; other files in the folder are kept. The model that is
        replaced is kept too, see ``classifier.history``.

        Args:
            folder: Folder of the model; parent folders are created.
            thumbnails: Whether to store a small image of each training clip too.
            change: What was changed, in a few words, for the list of former versions.

        Returns:
            The folder.

        Raises:
            ModelError: The folder has other files or cannot be written; or thumbnails are requested
                for precomputed features.
            OptionError: ``change`` is not a text; or ``false_alarms``, ``sets`` or ``trim`` is
                invalid.
            VideoError: A clip cannot be read for its thumbnail.
        """
        learned = self._learned
        if not isinstance(change, str):
            raise OptionError("not a text", where="change", got=repr(change)[:80], expected="text")
        check_rate(self.false_alarms)
        check_set_rate(self.sets)
        check_trim(self.trim)
        pipeline, fitted = learned.pipeline, learned.fitted
        backbone, choice = pipeline.backbone, pipeline.choice
        by_name = choice is not None and isinstance(choice.backbone, str)
        weights = choice.weights if choice is not None and by_name else backbone.card.weights
        return model_folder.save(
            folder,
            fitted,
            backbone,
            weights,
            pipeline.method,
            thumbnails=thumbnails,
            false_alarms=self.false_alarms,
            change=change,
            trim=self.trim,
            sets=self.sets,
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: Device = "auto",
        weights: str | Path | None = None,
        *,
        engine: str = "auto",
        backbone: Backbone | None = None,
    ) -> Self:
        """Load a classifier that ``save`` saved; the training clips are not needed.

        Args:
            folder: Folder of the model.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``, or a ``torch.device``.
            weights: New location of the backbone's weights; None if they have not moved.
            engine: ``auto``, ``torch`` or ``onnx``; it need not be the one of the training.
            backbone: Backbone, if it is already built.

        Raises:
            ModelError: The folder has no model; the model is damaged or has another version; or
                the backbone is another one than in training.
            OptionError: There is no such device or engine, or ``backbone`` is not a backbone.
        """
        if not (backbone is None or isinstance(backbone, Backbone)):
            raise OptionError(
                "not a backbone",
                where="backbone",
                got=repr(backbone)[:80],
                expected="an object, such as fewact.backbones.create()",
                hint="The model knows the name of its backbone: leave the argument out.",
            )
        model = model_folder.load(folder)
        saved = model.config.backbone
        where = str(weights) if weights is not None else saved.weights
        built = backbone or create_backbone(saved, where, device, engine, str(folder))
        check_backbone(saved, built, str(folder))
        precomputed = isinstance(built, Precomputed)
        classifier = cls(
            "auto" if precomputed else backbone or saved.name,
            model.method,
            device,
            weights="default" if precomputed else where,
            precision="auto" if precomputed else saved.precision,
            engine="auto" if precomputed else engine,
            text="off" if model.class_names is None else model.class_names.mode,
            false_alarms=model.config.false_alarms,
            trim=model.config.trim,
            sets=model.config.sets,
        )
        method = model.method.to(built.device).eval()
        before = FittedBefore(model.config.calibration, model.config.open_set, model.support)
        with checked_fit(model.examples):
            fitted = fit_examples(
                method,
                model.examples,
                built.device,
                class_names=model.class_names,
                before=before,
                integers=model.config.integers,
            )
        config, choice = model.config, classifier._chosen()
        pipeline = Pipeline(built, method, config.trim, choice)
        classifier._state = Learned(pipeline, fitted)
        return classifier

    def push_to_hub(
        self, repository: str, *, private: bool = False, thumbnails: bool = False, token: str = ""
    ) -> str:
        """Save the classifier to the Hugging Face hub; ``from_pretrained`` loads it there.

        What ``save`` writes is uploaded: names and features of the training clips, not the clips.
        Needs the extra ``hf``.

        Args:
            repository: Repository ``owner/name``; created if it does not exist.
            private: Whether a new repository is private.
            thumbnails: Whether to upload a small image of each training clip too.
            token: Token of the hub; empty for the one of `hf auth login` or HF_TOKEN.

        Returns:
            Address of the upload.

        Raises:
            ModelError: It is not the name of a repository, the client is not installed, or the hub
                refuses or cannot be reached.
        """
        if not isinstance(repository, str) or "@" in repository or not is_repository(repository):
            raise ModelError(
                "not the name of a repository",
                got=repr(repository)[:120],
                expected="owner/name: letters, digits, -, _ and .",
            )
        with (
            tempfile.TemporaryDirectory(prefix="fewact-") as temporary,
            hub_client(ModelError, repository) as hub,
        ):
            check_answers(hub)
            folder = self.save(Path(temporary) / "model", thumbnails=thumbnails)
            card = folder / README
            card.write_text(METADATA + card.read_text(encoding="utf-8"), encoding="utf-8")
            api = hub.HfApi(token=token or None, library_name="fewact")
            api.create_repo(repository, private=private, exist_ok=True)
            uploaded = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message="Upload a classifier",
                delete_patterns=["thumbnail-*.jpg"],
            )
        LOG.info("uploaded to %s", uploaded.commit_url)
        return str(uploaded.commit_url)

    @classmethod
    def from_pretrained(cls, model: str | Path, *, token: str = "", **options: Any) -> Self:
        """Load a classifier from a folder, or from the Hugging Face hub.

        If the hub does not answer, what was downloaded before is read. A name that is nearly that
        of a folder here is a typing error, unless it has a revision, such as ``@main``.

        Args:
            model: Folder of a model, or repository ``owner/name[@revision]`` of the hub.
            token: Token of the hub; empty for the one of `hf auth login` or HF_TOKEN.
            **options: Further arguments of ``load``.

        Raises:
            ModelError: As for ``load``; or there is no such folder, and it is not the name of a
                repository; or the client is not installed, the hub has no such repository, or
                cannot be reached.
        """
        if isinstance(model, Path) or (folder := user_path(model, ModelError)).exists():
            return cls.load(model, **options)
        hint = similar_name(folder)
        if not is_repository(model) or (hint and "@" not in model):
            raise ModelError(
                "no such folder",
                where=model,
                expected="a folder of a model, or owner/name[@revision] on the hub",
                hint=hint,
            )
        name, _, revision = model.partition("@")
        with hub_client(ModelError, model, EXPECTED) as hub:
            fetch = partial(
                hub.snapshot_download,
                name,
                revision=revision or None,
                allow_patterns=["config.json", "*.safetensors", "README.md", "thumbnail-*.jpg"],
                token=token or None,
                library_name="fewact",
            )
            folder = download(hub, lambda local: fetch(local_files_only=local))
        return cls.load(folder, **options)
