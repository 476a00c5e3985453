"""Features of videos on disk, by the videos' fingerprints."""

from fewact.features.store.store import EntrySet, Store

__all__ = ["EntrySet", "Store"]
