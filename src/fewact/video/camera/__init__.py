"""Camera motion: estimated, removed, and simulated."""
