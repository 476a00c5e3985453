"""Episodes: seeded, saved, hashed; the same on every machine."""

from fewact.episodes.draw import draw, drawer
from fewact.episodes.episode_set import EpisodeSet
from fewact.episodes.files import load, save
from fewact.episodes.protocol import Protocol

__all__ = ["EpisodeSet", "Protocol", "RandomStream", "draw", "drawer", "load", "save"]
