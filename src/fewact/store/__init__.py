"""From clips and a backbone to features, kept on disk where that is wanted."""

from fewact.store.embedding import Job, Told, embed
from fewact.store.entries import EntrySet
from fewact.store.extract import Extracted, extract
from fewact.store.store import Store
from fewact.store.timing import Timing

__all__ = ["EntrySet", "Extracted", "Job", "Store", "Timing", "Told", "embed", "extract"]
