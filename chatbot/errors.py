"""What a person can fix, as one line each."""

from __future__ import annotations


class ChatbotError(Exception):
    """A mistake in the input that its author can repair; the message is one line with the cure.

    `train.py` and `predict.py` print the message alone and end with exit status 2.
    """


class OnnxError(ChatbotError):
    """The engine onnx cannot run here, or not this network, while another engine may.

    Attributes:
        problem: What is wrong.
        cure: What mends it, or "" where only another engine does.
    """

    def __init__(self, problem: str, cure: str = "") -> None:
        """Makes the message for whoever can choose the engine."""
        super().__init__(f"{problem}; {cure and f'{cure}, or '}take --engine=own")
        self.problem, self.cure = problem, cure
