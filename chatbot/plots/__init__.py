"""Pictures of attention, beams and trainings, as files and as text for a terminal.

matplotlib is imported when the first picture is drawn; text does without it.
"""

from __future__ import annotations

from chatbot.beam_tree import Branch
from chatbot.plots.attention import draw_attention, embed_attention
from chatbot.plots.attention_text import shade_attention
from chatbot.plots.beam_tree import draw_beam_tree, embed_beam_tree
from chatbot.plots.beam_tree_text import write_beam_tree
from chatbot.plots.curves import draw_curves, embed_curves
from chatbot.plots.lengths import embed_lengths

__all__ = [
    "Branch",
    "draw_attention",
    "draw_beam_tree",
    "draw_curves",
    "embed_attention",
    "embed_beam_tree",
    "embed_curves",
    "embed_lengths",
    "shade_attention",
    "write_beam_tree",
]
