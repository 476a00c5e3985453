"""Research with PyTorch: training, evaluation over episodes, methods and networks of papers."""
