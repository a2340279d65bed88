"""What a chatbot attends to and its beam tree: plain data that draw themselves in a notebook."""

from __future__ import annotations

from typing import Any, NamedTuple

from chatbot.beam_tree import Branch, cut_tree


class Attention(NamedTuple):
    """What the decoder attended to while it replied.

    Attributes:
        query_tokens: The query's S tokens.
        reply_tokens: The reply's tokens and the end token, T together.
        weights: `float32 [T, S]`, the share of its attention that each token of the reply gave to
            each token of the query; each row adds up to 1.
    """

    query_tokens: list[str]
    reply_tokens: list[str]
    weights: Any

    def _repr_svg_(self) -> str:
        from chatbot.plots import embed_attention

        return _stand_alone(embed_attention(*self))


class BeamTree(list[list[Branch]]):
    """What a beam search kept and dropped: the branches of every step."""

    def _repr_svg_(self) -> str | None:
        from chatbot.plots import embed_beam_tree

        tree, cut = cut_tree(self)
        return _stand_alone(embed_beam_tree(tree, cut)) if any(tree) else None


def _stand_alone(svg: str) -> str:
    """Makes an `svg` element of a page a file of its own, which some notebooks show it as."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
