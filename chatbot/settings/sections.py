"""The settings of each part, with their defaults, ranges and help.

The names are those of the tutorial that the project reproduces. The defaults are the values that
measured best; `data/tutorial.flags` has the tutorial's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.errors import ChatbotError
from chatbot.settings.fields import Settings, setting
from chatbot.settings.read_options import AUTO, ReadOptions

ENGINES = ("auto", "own", "addons", "onnx")
ATTENTIONS = (
    *("bahdanau", "luong", "dot", "scaled_dot", "scaled_luong", "concat", "normed_bahdanau"),
    *("cosine", "multi_head", "local_m", "local_p", "monotonic", "luong_monotonic"),
    *("location", "coverage", "second_order"),
)
REPLY_PRECISIONS = ("auto", "float32", "int8")
ENGINE_HELP = (
    "Who runs the network: our own loops in TensorFlow (own), the classes of Keras and "
    "tensorflow_addons, as in the tutorial (addons), or onnxruntime without TensorFlow (onnx), "
    "which replies but does not train. On a processor auto trains by own and replies by onnx; on "
    "a GPU it takes addons where it is installed. A model of one runs by the others."
)


def check_engine(name: str) -> None:
    """Raises `ChatbotError` where there is no engine of a name."""
    if name not in ENGINES:
        raise ChatbotError(f"there is no engine {name!r}; take one of {', '.join(ENGINES)}")


def check_reply_precision(name: str) -> None:
    """Raises `ChatbotError` where replies have no such type of weights."""
    if name not in REPLY_PRECISIONS:
        raise ChatbotError(
            f"there is no reply_precision {name!r}; take one of {', '.join(REPLY_PRECISIONS)}"
        )


@dataclass(frozen=True)
class CorpusConfig(Settings):
    """What is learned from, and how it is cut into tokens."""

    corpus: str = setting("", "File, directory or zip of dialogues to learn from.", is_path=True)
    corpus_format: str = setting(
        "auto",
        "Format of the corpora; auto looks at the files.",
        choices=(
            "auto",
            "tsv",
            "csv",
            "jsonl",
            "json",
            "dailydialog",
            "cornell",
            "convokit",
            "chatterbot",
            "conv",
            "mixed",
        ),
    )
    encoding: str = setting(
        AUTO,
        "Encoding of the corpus files, by any name that Python knows; auto detects UTF-8, UTF-16 "
        "and GB18030 (GBK), file by file.",
    )
    columns: str = setting(
        "",
        "Columns of query and reply: numbers in tsv and csv (2,3), names there or in JSON "
        "(question,answer). If empty, the usual names are looked for, then the first two columns "
        "are taken.",
    )
    validation_corpus: str = setting(
        "", "Corpus on which the validation perplexity is measured.", is_path=True
    )
    validation_share: float = setting(
        0.0, "Share of the corpus' dialogues held out for validation.", 0.0, 0.9
    )
    max_length: int = setting(
        40,
        "Maximum tokens of a reply, including its end token, and of each turn of a query; with "
        "--subwords pieces of words. Longer ones are cut; a reply that is cut has no end token.",
        2,
        10_000,
    )
    vocab_size: int = setting(
        40_000,
        "Maximum words in the vocabulary, including five special tokens; with --subwords pieces of "
        "words, including 256 bytes too.",
        6,
        10_000_000,
    )
    min_count: int = setting(
        1,
        "Words seen fewer times than this become the unknown token; with --subwords no piece is "
        "learned from them, and no word is unknown.",
        1,
        1_000_000,
    )
    subwords: str = setting(
        "none",
        "Cut words into pieces that are learned from the corpus, so that no word is unknown: by "
        "byte pair encoding (bpe) or a unigram model (unigram), such as bpe with "
        "--vocab_size=8000; none keeps words whole.",
        choices=("none", "bpe", "unigram"),
    )
    context_turns: int = setting(
        1,
        "Turns of the dialogue that make up a query: the one to reply to and those before it, each "
        "cut to max_length tokens; 1 takes every turn by itself.",
        1,
        100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        ReadOptions(self.encoding, self.columns)  # says what is wrong with them


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


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How the weights are found."""

    learning_rate: float = setting(0.002, "Adam's step size.", 1e-9, 10.0)
    learning_rate_schedule: str = setting(
        "constant",
        "Course of the learning rate over the whole training: constant, or a linear or cosine "
        "decay to zero. A training resumed with another --num_epochs or --max_steps follows the "
        "curve that ends there, and says how the learning rate jumps.",
        choices=("constant", "linear", "cosine"),
    )
    warmup_steps: int = setting(
        100, "Steps in which the learning rate climbs from zero.", 0, 10_000_000, absent=0
    )
    batch_size: int = setting(
        64, "Pairs in a batch, over all devices and workers together.", 1, 1_000_000
    )
    num_epochs: int = setting(
        0,
        "Passes over the corpus; 0 means 40, fewer for a large corpus (4,800 steps, but at least 4 "
        "passes), more for a tiny one (1,000 steps).",
        0,
        1_000_000,
    )
    max_steps: int = setting(
        0, "Stop after this many steps, even within an epoch; 0 means no limit.", 0, 10**12
    )
    random_context: float = setting(
        0.0,
        "Share of the batches whose pairs without earlier turns are learned after turns of other "
        "pairs, drawn anew in each epoch, so that what was said before does not derail a reply; "
        "with --context_turns above 1.",
        0.0,
        1.0,
    )
    max_gradient_norm: float = setting(
        5.0, "Scale gradients down to this global norm where it is larger.", 1e-9, 1e9
    )
    weight_decay: float = setting(
        0.0,
        "Decoupled weight decay: each step takes this times the learning rate off every weight "
        "matrix.",
        0.0,
        1e3,
    )
    label_smoothing: float = setting(
        0.0, "Share of a target's probability that training spreads over all words.", 0.0, 0.99
    )
    frequency_loss: float = setting(
        0.0,
        "How much less the commonest word of the replies counts in the loss than a rare one, "
        "other words in proportion to how common they are; 1 does not learn the commonest at all.",
        0.0,
        1.0,
    )
    filter_entropy: float = setting(
        0.0,
        "Leave pairs out of training whose reply (see --filter_side) has an entropy above this "
        "many bits: replies to many different queries. The validation keeps them; 0 keeps all.",
        0.0,
        64.0,
    )
    filter_side: str = setting(
        "reply",
        "Whose entropy --filter_entropy looks at: that of the reply over its queries, that of the "
        "query over its replies, or both.",
        choices=("reply", "query", "both"),
    )
    subword_sampling: float = setting(
        0.0,
        "Cut the words into other pieces in every epoch of the training, so that the model sees "
        "rare ones more often: with --subwords=bpe the probability of dropping a merge, such as "
        "0.1; with unigram the exponent of the segmentations' probabilities, the smaller the "
        "wilder. 0 always takes the best pieces.",
        0.0,
        1.0,
    )
    sampling_probability: float = setting(
        0.0,
        "Share of a reply's words that are replaced by the model's own guesses before the decoder "
        "reads them; it grows from 0 at the first step to this at the last.",
        0.0,
        1.0,
    )
    embeddings: str = setting(
        "",
        "File of word vectors to begin with: word2vec (text or binary), GloVe or fastText (.vec), "
        "also compressed by gzip. Words that it lacks begin at random.",
        is_path=True,
    )
    average_decay: float = setting(
        0.999,
        "Decay of moving averages of the weights, which are what validates and replies; 0 keeps "
        "none.",
        0.0,
        0.99999,
        absent=0.0,
    )
    steps_per_checkpoint: int = setting(
        100,
        "Steps between checkpoints, each with a report and a validation; the end of an epoch has a "
        "report and a validation too.",
        1,
        10**9,
    )
    patience: int = setting(
        0,
        "Stop after this many reports in a row without a better validation perplexity; 0 means "
        "never. Where only some of the validation pairs occur in the training corpus, the others "
        "decide.",
        0,
        1_000_000,
    )
    seed: int = setting(
        1, "Seed of the initial weights, the dropout and the order of the pairs.", 0, 2**31 - 1
    )
    precision: str = setting(
        "auto",
        "Type of the matrix products; auto is bfloat16 where the processor has instructions for "
        "it, else float32. Weights and losses are always float32. A training may go on in another "
        "type, except from or to float16.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    reply_precision: str = setting(
        "auto",
        "Type of the weights that reply by onnx: int8 is the fastest and a quarter of the size; "
        "auto is int8, or float32 after a training with --precision=float32.",
        choices=REPLY_PRECISIONS,
    )
    max_minutes: float = setting(
        0.0, "Save and stop after this many minutes of this run; 0 means no limit.", 0.0, 1e6
    )
    max_bad_steps: int = setting(
        10,
        "Stop after this many steps in a row with a loss or gradients that are not finite; such a "
        "step changes no weight.",
        1,
        1_000_000,
    )
    distribute: str = setting(
        "auto",
        "What shares the batches of this run: one device (none), all GPUs of this machine "
        "(mirrored; without a GPU all logical processors), or the workers that TF_CONFIG names "
        "(multiworker), which need --model_dir and the corpus on a file system that all of them "
        "see; auto takes several workers if there are any, else several GPUs, else one device.",
        choices=("auto", "none", "mirrored", "multiworker"),
    )
    engine: str = setting("auto", ENGINE_HELP, choices=ENGINES)
    deterministic: bool = setting(
        False, "Compute in a fixed order, the same to the last bit; may be slower on a GPU."
    )
    model_name: str = setting("ckpt", "Prefix of the checkpoint files' names.")
