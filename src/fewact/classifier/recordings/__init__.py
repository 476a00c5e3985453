"""Recordings, and clips that last longer than an action: which actions they show, and when."""
