"""Encode videos, each alone and each once: from features of any source to a method's nodes.

``encode`` streams nodes of one video after the other; classifier and evaluation both use it.
``encode_list`` collects the nodes of a list's videos in a ``NodeBank``.
"""

from fewact.evaluation.encoding.bank import Encodings, NodeBank, encode_list
from fewact.evaluation.encoding.encode import Encoder, encode, encode_each, evaluating
from fewact.evaluation.encoding.facts import (
    FeatureFacts,
    MethodFacts,
    encoding_facts,
    feature_facts,
    method_facts,
)

__all__ = [
    "Encoder",
    "Encodings",
    "FeatureFacts",
    "MethodFacts",
    "NodeBank",
    "encode",
    "encode_each",
    "encode_list",
    "encoding_facts",
    "evaluating",
    "feature_facts",
    "method_facts",
]
