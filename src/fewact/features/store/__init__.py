"""Features of videos on disk, by the videos' fingerprints."""

from fewact.features.store.embedding import Job, Outcome, embed
from fewact.features.store.store import EntrySet, Store

__all__ = ["EntrySet", "Job", "Outcome", "Store", "embed"]
