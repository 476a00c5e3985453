"""Episodes: drawn by seed, the same on every machine; saved in files with a hash."""

from fewact.evaluation.episodes.draw import draw, drawer
from fewact.evaluation.episodes.episode_set import EpisodeSet
from fewact.evaluation.episodes.files import load, save
from fewact.evaluation.episodes.protocol import Protocol

__all__ = ["EpisodeSet", "Protocol", "draw", "drawer", "load", "save"]
