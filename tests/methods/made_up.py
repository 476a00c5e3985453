"""Features of made-up videos and the card of the backbone that they seem to come from."""

from fewact.methods.checks.made_up import made_up_card as make_card
from fewact.methods.checks.made_up import made_up_features as make_features
from fewact.methods.checks.made_up import made_up_text as make_text

__all__ = ["make_card", "make_features", "make_text"]
