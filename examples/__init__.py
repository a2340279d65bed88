"""Short programs that take the chatbot's attention as a part, each for another task.

`chatbot` never imports them. Shape letters beside those of `chatbot`: N queries, H and W height
and width of a picture, C its channels or the classes.
"""

from __future__ import annotations

from chatbot.system.notices import hushed

with hushed():
    import tensorflow as _  # noqa: F401
