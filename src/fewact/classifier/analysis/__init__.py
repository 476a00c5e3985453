"""What a model is worth: tests, reviews, explanations of its predictions, and a map."""
