"""Research: training, evaluation over episodes, and the methods and networks of papers, by PyTorch."""
