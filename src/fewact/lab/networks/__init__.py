"""Networks in PyTorch: those of papers, of hubs and of custom weights."""
