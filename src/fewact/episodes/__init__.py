"""Episodes: drawn by seed, the same on every machine; saved in files with a hash."""

from fewact.episodes.draw import draw, drawer
from fewact.episodes.episode_set import EpisodeSet
from fewact.episodes.files import load, save
from fewact.episodes.protocol import Protocol

__all__ = ["EpisodeSet", "Protocol", "draw", "drawer", "load", "save"]
