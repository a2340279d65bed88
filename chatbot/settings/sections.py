"""The settings of each part, with their defaults, ranges and help.

The names are those of the tutorial that the project reproduces. The defaults are what has been
measured to be best; `data/tutorial.flags` has the tutorial's own values.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.settings.fields import Settings, setting
from chatbot.settings.read_options import AUTO, ReadOptions

ENGINES = ("auto", "own", "addons")
ENGINE_HELP = (
    "Who runs the network's loops: our own code (own), or the classes of Keras and "
    "tensorflow_addons, as in the tutorial (addons); auto is own on a processor, and on a GPU "
    "addons where it is installed. Results are the same, and a model of one runs by the other."
)


@dataclass(frozen=True)
class CorpusConfig(Settings):
    """What is learned from, and how it is cut into tokens."""

    corpus: str = setting(
        "", "File, directory or zip with the dialogues to learn from.", is_path=True
    )
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
        ),
    )
    encoding: str = setting(
        AUTO,
        "Encoding of the corpora's files, by any name that Python has for it; auto tells UTF-8, "
        "UTF-16 and GB18030 (GBK) apart, file by file.",
    )
    columns: str = setting(
        "",
        "Columns of query and reply in tsv and csv, as 2,3, or their names there or in JSON, as "
        "question,answer; empty finds the usual names, else takes the first two columns.",
    )
    validation_corpus: str = setting(
        "", "Corpus to measure the validation perplexity on.", is_path=True
    )
    validation_share: float = setting(
        0.0, "Share of the corpus' dialogues held out for validation.", 0.0, 0.9
    )
    max_length: int = setting(
        40,
        "Tokens of a reply, its end token counted, and of each turn of a query; longer ones are "
        "cut, and a reply that is cut has no end token.",
        2,
        10_000,
    )
    vocab_size: int = setting(
        40_000, "Most words in the vocabulary, its five special tokens among them.", 6, 10_000_000
    )
    min_count: int = setting(
        1, "A word seen fewer times than this becomes the unknown token.", 1, 1_000_000
    )
    context_turns: int = setting(
        1,
        "Turns of the dialogue that a query is made of: the one to reply to and those before it, "
        "each cut to max_length tokens; 1 means that every turn stands alone.",
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
        512, "Width of the word vectors that encoder and decoder share.", 1, 65_536
    )
    dropout: float = setting(
        0.2, "Fraction of every LSTM layer's output dropped in training.", 0.0, 0.99
    )
    embedding_dropout: float = setting(
        0.1, "Fraction of the word vectors' elements dropped in training.", 0.0, 0.99, absent=0.0
    )
    word_dropout: float = setting(
        0.0,
        "Fraction of the queries' words that training replaces by the unknown token, so that a "
        "word never seen does not derail the reply.",
        0.0,
        0.99,
    )
    output_dropout: float = setting(
        0.1,
        "Fraction of what is projected to the vocabulary dropped in training.",
        0.0,
        0.99,
        absent=0.0,
    )
    variational_dropout: bool = setting(
        False, "Drop the same outputs at every step of a sequence, not others at each step."
    )
    tie_embeddings: bool = setting(
        False, "Project to the vocabulary with the word vectors instead of separate weights."
    )
    attention: str = setting(
        "luong",
        "Attention mechanism: bahdanau (additive) or luong (multiplicative).",
        choices=("bahdanau", "luong"),
    )
    use_attention: bool = setting(True, "Attend to the query while replying.")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How the weights are found."""

    learning_rate: float = setting(0.002, "Adam's step size.", 1e-9, 10.0)
    learning_rate_schedule: str = setting(
        "constant",
        "What the step size does over the whole training: constant, or down to zero along a "
        "linear or cosine curve. With another --num_epochs or --max_steps a training goes on along "
        "the curve that ends there, and says how the step size jumps.",
        choices=("constant", "linear", "cosine"),
    )
    warmup_steps: int = setting(
        100, "Steps in which the learning rate climbs from zero.", 0, 10_000_000, absent=0
    )
    batch_size: int = setting(
        64, "Pairs in a batch, those of all devices and workers together.", 1, 1_000_000
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
    max_gradient_norm: float = setting(
        5.0, "Gradients whose global norm is above this are scaled down to it.", 1e-9, 1e9
    )
    weight_decay: float = setting(
        0.0, "Times the learning rate, what a step takes off every weight matrix.", 0.0, 1e3
    )
    label_smoothing: float = setting(
        0.0, "Share of a target's probability that training spreads over all words.", 0.0, 0.99
    )
    average_decay: float = setting(
        0.999,
        "Decay of moving averages of the weights, which validate and reply; 0 makes none.",
        0.0,
        0.99999,
        absent=0.0,
    )
    steps_per_checkpoint: int = setting(
        100,
        "Steps between two checkpoints, each with a report and a validation; the end of an epoch "
        "has a report and a validation too.",
        1,
        10**9,
    )
    patience: int = setting(
        0,
        "Stop after this many reports without a better validation perplexity (that of pairs which "
        "are not learned from, too, where some are); 0 means never.",
        0,
        1_000_000,
    )
    seed: int = setting(
        1, "Seed of the first weights, the dropout and the order of the pairs.", 0, 2**31 - 1
    )
    precision: str = setting(
        "auto",
        "Type of the matrix products; auto is bfloat16 where the processor has the instructions "
        "and float32 elsewhere. Weights and losses are float32 always. A training may go on in "
        "another one, except from or to float16.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    max_minutes: float = setting(
        0.0, "Save and stop after this many minutes of this run; 0 means no limit.", 0.0, 1e6
    )
    max_bad_steps: int = setting(
        10,
        "Stop after this many steps in a row whose loss or gradients are not finite; such a step "
        "changes no weight.",
        1,
        1_000_000,
    )
    distribute: str = setting(
        "auto",
        "Who shares each batch in this run: one device (none), all GPUs of this machine "
        "(mirrored; without a GPU all logical processors), or the workers that TF_CONFIG names "
        "(multiworker), which must all see --model_dir and the corpus on one file system; auto "
        "takes the workers if there are several, else the GPUs if there are several.",
        choices=("auto", "none", "mirrored", "multiworker"),
    )
    engine: str = setting("auto", ENGINE_HELP, choices=ENGINES)
    deterministic: bool = setting(
        False, "Compute in one fixed order, bit for bit the same; it may be slower on a GPU."
    )
    model_name: str = setting("ckpt", "Prefix of the checkpoint files' names.")
