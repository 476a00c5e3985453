"""Models on the Hugging Face hub: upload and download of a model's folder."""

import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fewact.classifier.file import MODEL, MODEL_README
from fewact.core.errors import ModelError
from fewact.core.paths import similar_name, user_path
from fewact.networks.hub import check_answers, download, hub_client, is_repository

LOG = logging.getLogger(__name__)

HUB_METADATA = """\
---
library_name: fewact
pipeline_tag: video-classification
tags: [few-shot, action-recognition]
---
"""
"""Beginning of README.md on the hub, which sorts models by it."""

IN_REPOSITORY = "owner/name[@revision] of a repository with a model that `push_to_hub` wrote"


def upload(save: Callable[[Path], Path], repository: str, *, private: bool, token: str) -> str:
    """Upload a model, see ``FewShotClassifier.push_to_hub``; ``save`` writes it into a folder."""
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
        folder = save(Path(temporary) / "model")
        card = folder / MODEL_README
        card.write_text(HUB_METADATA + card.read_text(encoding="utf-8"), encoding="utf-8")
        api = hub.HfApi(token=token or None, library_name="fewact")
        api.create_repo(repository, private=private, exist_ok=True)
        uploaded = api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="Upload a classifier"
        )
    LOG.info("uploaded to %s", uploaded.commit_url)
    return str(uploaded.commit_url)


def folder_of(model: str | Path, token: str) -> Path:
    """Return the folder of a model, see ``FewShotClassifier.from_pretrained``; download it."""
    if isinstance(model, Path) or (folder := user_path(model, ModelError)).exists():
        return Path(model)
    hint = similar_name(folder)
    if not is_repository(model) or (hint and "@" not in model):
        raise ModelError(
            "no such folder",
            where=model,
            expected="a folder of a model, or owner/name[@revision] on the hub",
            hint=hint,
        )
    name, _, revision = model.partition("@")
    with hub_client(ModelError, model, IN_REPOSITORY) as hub:
        fetch = partial(
            hub.snapshot_download,
            name,
            revision=revision or None,
            allow_patterns=[MODEL, MODEL_README],
            token=token or None,
            library_name="fewact",
        )
        return Path(download(hub, lambda local: fetch(local_files_only=local)))
