"""Cost of predictions by parts, of two installations in turns."""
