"""Features of videos on disk, by the videos' fingerprints."""

from fewact.features.store.store import EntrySet, Store
from fewact.lab.store.embedding import Job, Outcome, embed

__all__ = ["EntrySet", "Job", "Outcome", "Store", "embed"]
