"""The compiled kernel behind ``fewact.align.block_products``."""
