"""Features of videos on disk, by the videos' fingerprints."""

from fewact.features.store.embedding import Job, Outcome, embed
from fewact.features.store.entries import EntrySet
from fewact.features.store.store import Store

__all__ = ["EntrySet", "Job", "Outcome", "Store", "embed"]
