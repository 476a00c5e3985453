"""Commands that read recordings, their events and their index."""
