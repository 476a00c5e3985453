"""Facts of the embeddings of class names."""

from pydantic import BaseModel, ConfigDict


class TextFacts(BaseModel):
    """Description of class embeddings: everything but the names that determines them.

    Args:
        encoder: Name of the text encoder; ``precomputed`` for embeddings from outside.
        sha256: Hash of everything that changes the encoder's vectors; for precomputed embeddings,
            hash of the embeddings.
        templates: Prompt templates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    sha256: str
    templates: tuple[str, ...] = ()
