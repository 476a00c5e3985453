"""What a model is worth: it is tested, reviewed, explained and drawn as a map."""
