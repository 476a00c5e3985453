"""From clips and a backbone to features, and where the time goes on the way."""

from fewact.store.extract import Extracted, extract
from fewact.store.timing import Timing

__all__ = ["Extracted", "Timing", "extract"]
