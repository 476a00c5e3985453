"""Few-shot methods of papers, one file each, as modules of PyTorch."""
