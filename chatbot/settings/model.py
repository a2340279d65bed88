"""The settings of the network.

The names are those of the tutorial that the project reproduces. The defaults are the values that
measured best; `data/tutorial.flags` has the tutorial's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.errors import ChatbotError
from chatbot.settings.choices import ATTENTIONS
from chatbot.settings.fields import Settings, setting


@dataclass(frozen=True)
class ModelConfig(Settings):
    """The network."""

    rnn_size: int = setting(512, "Units of each LSTM layer.", 1, 65_536)
    num_layers: int = setting(2, "LSTM layers in the encoder, and again in the decoder.", 1, 64)
    embedding_size: int = setting(
        512, "Width of the word vectors, which encoder and decoder share.", 1, 65_536
    )
    dropout: float = setting(
        0.2, "Fraction of every LSTM layer's outputs dropped in training.", 0.0, 0.99
    )
    embedding_dropout: float = setting(
        0.1, "Fraction of the word vectors' elements dropped in training.", 0.0, 0.99, absent=0.0
    )
    word_dropout: float = setting(
        0.0,
        "Fraction of the queries' words replaced by the unknown token in training, so that an "
        "unseen word does not derail the reply.",
        0.0,
        0.99,
    )
    output_dropout: float = setting(
        0.1,
        "Fraction of the vocabulary projection's inputs dropped in training.",
        0.0,
        0.99,
        absent=0.0,
    )
    variational_dropout: bool = setting(
        False, "Drop the same outputs at every step of a sequence instead of new ones each step."
    )
    tie_embeddings: bool = setting(
        False, "Project to the vocabulary with the word vectors instead of separate weights."
    )
    attention: str = setting(
        "luong",
        "Attention mechanism: luong (multiplicative), bahdanau (additive), or another of those in "
        "docs/attention.md.",
        choices=ATTENTIONS,
    )
    use_attention: bool = setting(True, "Attend to the query while replying.")
    attention_heads: int = setting(
        8,
        "Heads of --attention=multi_head and of --self_attention; they share rnn_size evenly.",
        1,
        65_536,
    )
    attention_window: int = setting(
        10,
        "Tokens to either side of the window's middle that --attention=local_m and local_p see.",
        1,
        10_000,
    )
    attention_tanh: bool = setting(
        False, "Take the tanh of the attention, as Luong et al. 2015 do (equation 5)."
    )
    pointer_generator: bool = setting(
        False,
        "Let a reply copy words of the query, those that the vocabulary has not among them, with "
        "the attention's weights as their probabilities (See et al. 2017). With --subwords it "
        "copies pieces, of which none is unknown. It runs by our own loops alone.",
    )
    cell: str = setting(
        "lstm",
        "Cell of the encoder's and decoder's layers; gru is the form of cuDNN and of Keras' "
        "reset_after.",
        choices=("lstm", "gru"),
    )
    bidirectional: bool = setting(
        False, "Let each encoder layer read the query both ways, by rnn_size / 2 units each way."
    )
    residual: bool = setting(
        False, "Add each layer's input to its output, from the second layer on."
    )
    layer_norm: bool = setting(
        False, "Normalise what enters each gate of a layer, over the gate's units."
    )
    self_attention: int = setting(
        0, "Layers of multi-head attention of the encoder's outputs to one another.", 0, 64
    )
    weight_drop: float = setting(
        0.0,
        "Fraction of the weights between a layer's hidden states dropped in training, the same "
        "ones in a whole batch.",
        0.0,
        0.99,
    )
    freeze_embeddings: bool = setting(
        False, "Keep the word vectors that --embeddings gives as they are."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        uses_heads = self.use_attention and (self.self_attention or self.attention == "multi_head")
        if uses_heads and self.rnn_size % self.attention_heads:
            raise ChatbotError(
                f"--attention_heads={self.attention_heads} does not divide "
                f"--rnn_size={self.rnn_size}; change one of them"
            )
        if self.bidirectional and self.rnn_size % 2:
            raise ChatbotError(
                f"--bidirectional needs an even --rnn_size, half of it each way; "
                f"{self.rnn_size} is odd"
            )
        if self.self_attention and not self.use_attention:
            raise ChatbotError(
                "--self_attention changes what --use_attention attends to; give both or neither"
            )
        if self.pointer_generator and not self.use_attention:
            raise ChatbotError(
                "--pointer_generator copies what --use_attention looks at; give both or neither"
            )
