"""Draws what several models look at while they say the same reply: python -m tools.draw_attentions.

Each model's weights are one heat map, its words of the query from left to right and those of the
reply from top to bottom; the mean of the heads where there are several.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.notebook import Attention
from chatbot.plots.canvas import Draw, draw_picture
from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.reply import Reply
from chatbot.system.terminal import write_output
from chatbot.text import tokenize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PURPOSE = "Draws the attention of several models to one query while they say one reply."
COLUMNS = 4
_CELL = 0.24  # inches


def look(bot: Chatbot, query: str, reply: str) -> Attention:
    """Computes a model's attention to a query while it says a reply that is given."""
    tokens = tuple(bot.vocabulary.segmenter.split(tokenize(reply)))
    return bot.attend(query, Reply(reply, 0.0, 0.0, tokens))


def draw_grid(path: str, maps: Sequence[tuple[str, Attention]]) -> str:
    """Draws heat maps side by side.

    Args:
        path: The file, `.png` or `.svg`.
        maps: Title and attention of each.

    Returns:
        As `draw_picture` does.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
    """
    return draw_picture(path, _plan(maps))


def _plan(maps: Sequence[tuple[str, Attention]]) -> Draw:
    """Returns what draws the maps."""
    rows, columns = math.ceil(len(maps) / COLUMNS), min(COLUMNS, len(maps))
    height, width = (max(sizes) for sizes in zip(*(looked.weights.shape for _, looked in maps)))

    def draw(figure: Figure) -> None:
        figure.set_size_inches(columns * (width * _CELL + 0.9), rows * (height * _CELL + 1.1))
        axes: Any = figure.subplots(rows, columns, squeeze=False).ravel()
        for place, (title, looked) in zip(axes, maps):
            _draw_map(place, title, looked)
        for place in axes[len(maps) :]:
            place.set_axis_off()
        figure.tight_layout()

    return draw


def _draw_map(axes: Any, title: str, looked: Attention) -> None:
    axes.grid(visible=False)
    axes.imshow(looked.weights, cmap="viridis", vmin=0.0, vmax=1.0, aspect="equal")
    axes.set_xticks(range(len(looked.query_tokens)), labels=looked.query_tokens, rotation=90)
    axes.set_yticks(range(len(looked.reply_tokens)), labels=looked.reply_tokens)
    axes.tick_params(length=2)
    axes.set_title(title, loc="left")


def define_flags() -> None:
    """Defines the flags of `python -m tools.draw_attentions`."""
    flags.DEFINE_multi_string("model_dir", [], "Model directory; give it for each of several.")
    flags.DEFINE_string("query", "", "What the models read.")
    flags.DEFINE_string("reply", "", "What they say.")
    define_path("path", "attentions.png", "The picture, .png or .svg.")
    show("What to draw", "model_dir", "query", "reply", "path")


def main(_: Sequence[str]) -> int:
    """Draws the picture that the flags name."""
    if not (FLAGS.model_dir and FLAGS.query and FLAGS.reply):
        raise ChatbotError("give --model_dir, --query and --reply")
    maps = []
    for directory in FLAGS.model_dir:
        title = os.path.basename(os.path.normpath(directory))
        maps.append((title, look(Chatbot.load(directory), FLAGS.query, FLAGS.reply)))
    lacking = draw_grid(FLAGS.path, maps)
    if lacking:
        write_output(f"{lacking}\n")
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
