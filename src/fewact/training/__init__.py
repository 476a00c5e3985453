"""Learning: from a recipe, and the training and validation classes, to a checkpoint."""
