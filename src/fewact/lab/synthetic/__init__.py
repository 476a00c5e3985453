"""Synthetic videos: the rendered benchmark as files, and simulated conditions and cameras."""
