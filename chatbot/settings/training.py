"""The settings of how the weights are found.

The names are those of the tutorial that the project reproduces. The defaults are the values that
measured best; `data/tutorial.flags` has the tutorial's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.settings.choices import ENGINE_HELP, ENGINES, REPLY_PRECISIONS
from chatbot.settings.fields import Settings, setting


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
    coverage_loss: float = setting(
        0.0,
        "Weight of a loss for looking twice at one token of the query, which the gradient alone "
        "sees; needs --attention=coverage. See et al. 2017 take 1.",
        0.0,
        100.0,
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
    subword_sampling_side: str = setting(
        "both",
        "Whose words --subword_sampling cuts. With query the model writes each word of a reply in "
        "one way, and the beam's replies differ in more than their pieces.",
        choices=("both", "query", "reply"),
    )
    reply_vocabulary: bool = setting(
        False,
        "Learn to write those words alone that the replies of the training corpus have. It is "
        "faster the fewer they are beside the words of the queries; other words get next to no "
        "probability, which the perplexity of new replies shows.",
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
        "also compressed by gzip. The projection to the vocabulary begins with them too, unless "
        "tied. Words that it lacks begin at random.",
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
