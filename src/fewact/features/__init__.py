"""Features of videos: what is requested, how it is extracted, where it comes from.

``request`` names features, ``extract`` computes them from videos, ``sources`` reads them from
videos, arrays or a store. Importing this module loads no torch.
"""
