"""The worked examples of the documents, and a test for each fault of theirs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.dataset import Batch, encode_corpus
from chatbot.dataset.encode import EncodingConfig
from chatbot.engines.choice import choose_engine
from chatbot.network.scores import make_score
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config, ModelConfig, SearchConfig, TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, PAD, SPECIAL_TOKENS, Vocabulary
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import (
    EACH_ENGINE,
    ENGINES,
    QUERIES,
    U,
    V,
    W,
    make_config,
    make_pairs,
    pad,
)
from tests.fakes import NEVER, TableModel, make_search
from tests.helpers_chat import wrap_model
from tests.trainings import Descent, take_step

ROOT = Path(__file__).parents[1]
WORDS = Vocabulary([*SPECIAL_TOKENS, "i", "am", "chinese"])
SPOKEN = Vocabulary([*SPECIAL_TOKENS, "hello", "you", "are", "how", "?", "i"])

FLAGS_PROGRAM = """
import json, sys
from dataclasses import asdict, dataclass
from absl import flags
from chatbot.settings import config
from chatbot.settings import fields as settings
from chatbot.programs.flags import FLAGS, define_settings, settings_from_flags

@dataclass(frozen=True)
class Example(settings.Settings):
    str_name: str = settings.setting("def_v_1", "A text.")
    int_name: int = settings.setting(10, "A whole number.")
    bool_name: bool = settings.setting(False, "Yes or no.")

define_settings("Example", Example)
for name, kind in config.SECTIONS.items():
    define_settings(name, kind)
FLAGS(sys.argv)
example = {name: FLAGS[name].value for name in ("str_name", "int_name", "bool_name")}
print(json.dumps({"example": example, **settings_from_flags().to_dict()}))
"""


def parse_flags(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", FLAGS_PROGRAM, *arguments],
        capture_output=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.fixture(params=ENGINES)
def chatbot(
    request: pytest.FixtureRequest, find_model: Callable[[str], Seq2Seq], eagerly: None
) -> Iterator[Chatbot]:
    config = Config(
        model=make_config("bahdanau"),
        training=TrainingConfig(precision="float32"),  # bfloat16 needs a graph
        search=SearchConfig(beam_size=3, max_reply_length=7),
    )
    model = find_model("bahdanau")
    model.engine = choose_engine(request.param)
    yield wrap_model(config, SPOKEN, model)
    model.engine = choose_engine("own")


# The worked examples.


def make_example_model() -> TableModel:
    """First word: I 0.4, am 0.5, Chinese 0.1. Second: by the first. Then the end."""
    table = np.full([1, 3, 8, 8], NEVER)
    i, am, chinese = WORDS.encode(["i", "am", "chinese"])
    words = [i, am, chinese]
    table[0, 0, :, words] = np.array([0.4, 0.5, 0.1])[:, None]
    table[0, 1, i, words] = [0.3, 0.6, 0.1]
    table[0, 1, am, words] = [0.3, 0.3, 0.4]
    table[0, 2, :, EOS] = 1.0
    return TableModel(np.log(table))


@EACH_ENGINE
@pytest.mark.parametrize("graph", [False, True])
def test_example_of_beam_search_beats_greedy(graph: bool, engine: str) -> None:
    model: Any = make_example_model()
    query = (tf.constant([[0]]), tf.constant([1]))

    def search(method: Any) -> Any:
        call = tf.function(method, autograph=False) if graph else method
        found = call(*query, tf.constant(2), tf.constant(0.0))
        texts = [" ".join(WORDS.decode(ids[:2])) for ids in found.ids[0].numpy()]
        return texts, np.exp(found.log_probs[0])

    texts, probabilities = search(make_search(engine, model, 2))
    assert texts == ["i am", "am chinese"]
    np.testing.assert_allclose(probabilities, [0.24, 0.20], rtol=1e-5)
    texts, probabilities = search(make_search(engine, model))
    assert texts == ["am chinese"]
    np.testing.assert_allclose(probabilities, [0.20], rtol=1e-5)


@pytest.mark.parametrize(
    ("max_gradient_norm", "expected"),
    [
        (6.5, [1.5, 2.0, 6.0]),  # the norm is 13, so everything is halved
        (13.0, [3.0, 4.0, 12.0]),  # untouched at the norm itself
        (100.0, [3.0, 4.0, 12.0]),  # 13, not 169: the formula's square root is there
    ],
)
def test_example_of_clipping(max_gradient_norm: float, expected: list[float]) -> None:
    wide, narrow = tf.Variable([0.0, 0.0]), tf.Variable(0.0)
    model: Any = SimpleNamespace(
        trainable_variables=[wide, narrow],
        token_log_losses=lambda *_: [tf.reduce_sum(wide * [-3.0, -4.0]), -12.0 * narrow],
    )
    descent = Descent(model.trainable_variables)
    config = TrainingConfig(max_gradient_norm=max_gradient_norm)
    step = make_train_step(model, descent, config, Distribution())
    _, norm = take_step(step, make_pairs([[5]], [[EOS]]), 0, 1.0)
    assert norm == pytest.approx(13.0)
    np.testing.assert_allclose([*wide.numpy(), narrow.numpy()], expected, rtol=1e-6)


def test_example_of_flags() -> None:
    example = parse_flags()["example"]
    assert example == {"str_name": "def_v_1", "int_name": 10, "bool_name": False}
    example = parse_flags("--str_name", "test_str", "--int_name=99", "--bool_name")["example"]
    assert example == {"str_name": "test_str", "int_name": 99, "bool_name": True}


@pytest.mark.needs_addons
@pytest.mark.parametrize(
    ("query", "keys", "weights"),
    [
        ([1.0, 0.8], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.9]], [0.29843, 0.29423, 0.40734]),
        ([1.0, 0.0, 0.0], [[9.0, 0.0, 0.0], [7.0, 0.0, 0.0]], [0.76037, 0.23963]),
    ],
)
def test_example_of_scaled_dot_products(
    query: list[float], keys: list[list[float]], weights: list[float]
) -> None:
    from chatbot.addons.decoder import make_mechanism

    units = len(query)
    attention = make_score(ModelConfig(rnn_size=units, attention="luong"), Random(0))
    attention.memory_layer.kernel.assign(np.eye(units) / np.sqrt(units))
    mechanism = make_mechanism(attention, units, tf.float32)
    mechanism.setup_memory(tf.constant([keys]))
    state = mechanism.initial_state(1, tf.float32)
    alignments, _ = mechanism([tf.constant([query]), state])
    np.testing.assert_allclose(alignments[0], weights, atol=5e-6)
    if units == 2:
        output = alignments.numpy()[0] @ [[1.0, 0.1], [0.9, 0.2], [0.8, 0.3]]
        np.testing.assert_allclose(output, [0.88911, 0.21089], atol=5e-6)


TUTORIAL = {
    "rnn_size": 1024,
    "num_layers": 2,
    "embedding_size": 1024,
    "dropout": 0.5,
    "learning_rate": 1e-4,
    "max_gradient_norm": 5.0,
    "batch_size": 128,
    "num_epochs": 30,
    "steps_per_checkpoint": 100,
    "beam_size": 5,
    "vocab_size": 40_000,
    "max_length": 10,
    "max_reply_length": 10,
    "attention": "bahdanau",
    "use_attention": True,
    "beam_search": True,
    "model_name": "ckpt",
}
"""What the documents set."""
NOT_IN_TUTORIAL = {
    "embedding_dropout": 0.0,
    "word_dropout": 0.0,
    "output_dropout": 0.0,
    "variational_dropout": False,
    "tie_embeddings": False,
    "learning_rate_schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "average_decay": 0.0,
    "patience": 0,
}
"""What they do not have, which is named, too, or it would be there by default."""


def test_tutorial_flag_file_names_every_value_of_the_documents() -> None:
    lines = (ROOT / "data" / "tutorial.flags").read_text(encoding="utf-8").split("\n")
    named = {line.lstrip("-").partition("=")[0] for line in lines if line.startswith("--")}
    assert set(TUTORIAL) <= named
    given = parse_flags("--flagfile=data/tutorial.flags")
    values = {name: value for name, section in given.items() for name, value in section.items()}
    assert {name: values[name] for name in TUTORIAL} == TUTORIAL
    assert {name: values[name] for name in NOT_IN_TUTORIAL} == NOT_IN_TUTORIAL
    # These say how long and how exactly a run computes, not what is learned.
    of_run = "max_steps seed engine precision max_minutes max_bad_steps distribute deterministic "
    of_run += "reply_precision"
    own = {item.name for kind in (ModelConfig, TrainingConfig) for item in fields(kind)}
    assert own - set(of_run.split()) <= {name.removeprefix("no") for name in named} | named


# The faults.


def read_batch(tmp_path: Path) -> tuple[Batch, Vocabulary]:
    corpus = tmp_path / "pairs.tsv"
    corpus.write_text("how are you ?\ti am fine\nHello\tyou\n", encoding="utf-8")
    train, _, words = encode_corpus(
        corpus, "tsv", tmp_path / "cache", EncodingConfig(), progress=False
    )
    return train.batch(np.arange(2)), words


def test_fault_reversed_queries_padded_on_the_left(tmp_path: Path) -> None:
    batch, words = read_batch(tmp_path)
    np.testing.assert_array_equal(batch.query_lengths, [4, 1])
    assert words.decode(batch.query_ids[0]) == ["how", "are", "you", "?"]
    assert words.decode(batch.query_ids[1, :1]) == ["hello"]
    np.testing.assert_array_equal(batch.query_ids[1, 1:], [PAD] * 3)


def test_fault_short_query_in_a_mixed_batch_is_read_as_padding(model: Seq2Seq) -> None:
    short, long = QUERIES[1], QUERIES[0]
    mixed, alone = model.encode(*pad([long, short])), model.encode(*pad([short]))
    np.testing.assert_allclose(mixed.state[-1][0][1], alone.state[-1][0][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.memory[1, :2], alone.memory[0], rtol=1e-5, atol=1e-6)


def test_fault_replies_do_not_end_in_training(tmp_path: Path, model: Seq2Seq) -> None:
    batch, words = read_batch(tmp_path)
    np.testing.assert_array_equal(batch.reply_lengths, [4, 2])
    assert words.decode(batch.reply_ids[0]) == ["i", "am", "fine", "<eos>"]
    assert words.decode(batch.reply_ids[1]) == ["you", "<eos>", "<pad>", "<pad>"]
    # The loss of the end token is a part of the loss, so the network learns to stop.
    whole = model.token_log_losses(*make_pairs([QUERIES[0]], [(5, EOS)]))
    cut = model.token_log_losses(*make_pairs([QUERIES[0]], [(5,)]))
    assert len(whole) == 2
    np.testing.assert_allclose(whole[0], cut[0], rtol=1e-5)


@pytest.mark.needs_addons
def test_fault_beam_runs_on_untiled_state(model: Seq2Seq) -> None:
    from chatbot.addons.decoder import AddonsDecoder

    queries = pad(QUERIES)
    made = AddonsDecoder(model.decoder, tf.float32)
    start = made.start(model.encode(*queries), beam_size=W)
    rows = {int(x.shape[0]) for x in tf.nest.flatten(start) if x.shape.rank}
    assert rows == {len(QUERIES) * W}
    # Each query's hypotheses are its own: swapping the others leaves them alone.
    search = make_search("addons", model, W)
    found, swapped = (search(*pad(rows), 4, 1.0) for rows in (QUERIES, QUERIES[::-1]))
    np.testing.assert_array_equal(found.ids[1], swapped.ids[1])
    np.testing.assert_array_equal(found.ids[0], swapped.ids[2])


def test_fault_use_attention_is_ignored(find_model: Callable[[str], Seq2Seq]) -> None:
    assert parse_flags("--nouse_attention")["model"]["use_attention"] is False
    with_attention, without = find_model("luong"), find_model("none")
    assert len(with_attention.variables) == len(without.variables) + 2
    inputs = without.decoder.layers[0].kernel.shape[0]
    assert with_attention.decoder.layers[0].kernel.shape[0] == inputs + U
    pairs = make_pairs([QUERIES[0]], [(5, EOS)])
    assert without.token_log_losses(*pairs).shape == [2]


def test_fault_reply_length_dropout_and_width_are_literals(chatbot: Chatbot) -> None:
    given = parse_flags("--max_reply_length=7", "--dropout=0.1", "--beam_size=3")
    assert given["search"]["max_reply_length"] == 7
    assert given["model"]["dropout"] == 0.1
    assert given["search"]["beam_size"] == 3
    assert len(chatbot.reply("hello")) == 3
    assert len(chatbot.reply("hello", beam_size=6)) == 6
    assert chatbot.greedy("how are you").text != chatbot.reply("how are you", 1, 2)[0].text


def test_fault_greedy_cannot_be_chosen(
    find_model: Callable[[str], Seq2Seq], eagerly: None, chatbot: Chatbot
) -> None:
    assert parse_flags("--nobeam_search")["search"]["beam_search"] is False
    config = chatbot.config.replace({"beam_search": False})
    greedy = wrap_model(config, SPOKEN, find_model("bahdanau"))
    assert greedy.reply("hello") == [chatbot.greedy("hello")]


def test_fault_predicting_needs_the_training_sizes_by_hand(tmp_path: Path) -> None:
    sizes = ModelConfig(rnn_size=3, num_layers=4, embedding_size=5, use_attention=False)
    ModelDirectory(tmp_path).create(Config(model=sizes), SPOKEN)
    config, vocabulary = ModelDirectory(tmp_path).load()
    assert config.model == sizes
    assert vocabulary.words == SPOKEN.words


@EACH_ENGINE
def test_fault_ids_behind_a_beams_end_raise_key_error(engine: str) -> None:
    table = np.full([1, 6, V, V], NEVER)
    table[0, :, :, [5, 6, 7]] = 0.01
    table[0, :, :, EOS] = 0.97
    model: Any = TableModel(np.log(table))
    found = make_search(engine, model, 4)(tf.constant([[0]]), tf.constant([1]), 6, 1.0)
    assert found.lengths[0, 0] == 0
    assert np.all((found.ids >= 0) & (found.ids < V))
    for ids, length in zip(found.ids[0].numpy(), found.lengths[0].numpy()):
        assert set(SPOKEN.decode(ids[:length])) <= {"hello", "you", "are"}


@pytest.mark.parametrize(
    "line", ["", " \t ", "word " * 10_000, "\x00\x1b[0m", "\ud800", "a" * 10**6]
)
def test_fault_empty_or_long_line_crashes_the_chat(chatbot: Chatbot, line: str) -> None:
    replies = chatbot.reply(line)
    assert len(replies) == 3
    assert all(np.isfinite(reply.log_prob) for reply in replies)


def test_fault_input_is_not_lower_cased_though_the_vocabulary_is(chatbot: Chatbot) -> None:
    assert chatbot.read("HOW Are you?").ids == SPOKEN.encode(["how", "are", "you", "?"])
    assert chatbot.reply("HOW Are you?") == chatbot.reply("how are you ?")


def test_fault_data_is_unpickled() -> None:
    files = [*(ROOT / "chatbot").rglob("*.py"), *ROOT.glob("*.py")]
    assert len(files) > 20
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {
                alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import)
            }
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            assert not names & {"pickle", "dill", "shelve", "marshal", "joblib"}, path
            assert not (isinstance(node, ast.keyword) and node.arg == "allow_pickle"), path


def test_fault_data_is_loaded_at_import_and_printed(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        "import chatbot, chatbot.settings.config, chatbot.corpus, chatbot.text; "
        "import chatbot.programs.flags; "
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=tmp_path, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(tmp_path.iterdir()) == []
