"""Features of a list's videos in a store: computed by any number of processes, read by methods."""

from fewact.lab.store.embedding import Job, Outcome, embed
from fewact.lab.store.stored import StoredFeatures, choose_card

__all__ = ["Job", "Outcome", "StoredFeatures", "choose_card", "embed"]
