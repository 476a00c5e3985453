"""Features of labelled videos on disk."""
