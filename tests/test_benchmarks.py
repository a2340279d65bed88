from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import machine, training
from benchmarks.replying import make_endless
from benchmarks.texts import TURNS, draw_pairs, make_words
from benchmarks.training import count_operations, draw_batches
from chatbot.dataset import Batch
from chatbot.engines.choice import choose_engine
from chatbot.network.device import resolve_precision
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import SearchGraphs
from chatbot.settings.config import ModelConfig, SearchConfig
from chatbot.text import EOS, PAD, SPECIAL_TOKENS, tokenize

ROOT = Path(__file__).parents[1]
E, U, L, V = 2, 3, 2, 17

SIZES = "--rnn_size=8 --embedding_size=6 --num_layers=1 --vocab_size=40 --batch_size=4".split()
FLAGS = {
    "training": ["--steps=2", "--attention=bahdanau"],
    "training both": ["--steps=2", "--runs=1", "--engine=both"],
    "ablation": ["--steps=1"],
    "attentions": ["--steps=1", "--attention=none", "--compared=luong"],
    "decoding": "--queries=7 --repeats=1 --reply_length=3 --beam_size=2".split(),
    "starting": "--engine=onnx --queries=7 --starts=1 --reply_length=3 --beam_size=2".split(),
    "pipeline": "--pairs=900 --few=300 --batches=30 --steps=2 --training_steps=3".split(),
}
NAMES = {
    "training": (
        "step_milliseconds tokens_per_second product_gigaflops tensorflow_gigaflops utilisation"
    ),
    "training both": (
        "own_step_milliseconds own_tokens_per_second own_utilisation addons_step_milliseconds "
        "addons_tokens_per_second addons_utilisation own_over_addons product_gigaflops"
    ),
    "attentions": (
        "product_gigaflops luong_milliseconds luong_over_none none_milliseconds none_over_none"
    ),
    "ablation": (
        "product_gigaflops encoder_milliseconds decoder_loop_milliseconds projection_milliseconds "
        "clip_and_adam_milliseconds whole_step_milliseconds"
    ),
    "decoding": (
        "product_gigaflops tensorflow_gigaflops numpy_gigaflops int8_gigaops "
        "memory_gigabytes_per_second own_float32_greedy_single_milliseconds "
        "own_float32_greedy_batch_milliseconds onnx_float32_beam_single_milliseconds "
        "onnx_int8_beam_batch_milliseconds greedy_single_target_milliseconds "
        "beam_batch_target_milliseconds"
    ),
    "starting": (
        "onnx_float32_prompt_seconds onnx_int8_first_answer_seconds onnx_int8_cold_answer_seconds "
        "onnx_int8_resident_megabytes onnx_int8_replies_per_second "
        "onnx_int8_greedy_replies_per_second onnx_int8_file_resident_megabytes "
        "first_answer_target_seconds memory_gigabytes_per_second"
    ),
    "pipeline": (
        "pairs few_pairs encoding_pairs_per_second open_seconds batch_tokens_per_second "
        "step_tokens_per_second batches_over_step anonymous_megabytes few_anonymous_megabytes"
    ),
}
MAY_BE_NOTHING = ("extra_megabytes", "kept_megabytes")
# What makes large networks fast, or measures what they reach, takes seconds that nobody needs here.
START = """
import runpy, sys
from benchmarks import load_tensorflow, machine, page_cache
machine.PRODUCT, machine.MEGABYTES, page_cache.PATHS = 256, 1, ()
if sys.argv[1] != "starting":
    load_tensorflow()
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
runpy.run_module(f"benchmarks.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module", name="running")
def start_all() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Starts all benchmarks at once: most of their time one core is enough for one."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", START, name.split()[0], *SIZES, *flags, "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, flags in FLAGS.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=[pytest.mark.needs_addons] * (x == "training both")) for x in FLAGS],
)
def test_a_benchmark_prints_a_table_and_then_json(
    name: str, running: dict[str, subprocess.Popen[str]]
) -> None:
    shown, errors = running[name].communicate(timeout=300)
    assert running[name].returncode == 0, errors
    *table, last = shown.splitlines()
    figures = json.loads(last)
    assert set(NAMES[name].split()) <= set(figures)
    assert [line.split()[0] for line in table[1:]] == list(figures)
    for key, value in figures.items():
        if isinstance(value, (int, float)) and not key.endswith(MAY_BE_NOTHING):
            assert value > 0, key
    assert 0 < figures.get("utilisation", 0.5) < 1.5


@pytest.mark.parametrize(
    ("precision", "libraries"),
    [("float32", ["tensorflow", "numpy"]), ("bfloat16", ["tensorflow"])],
)
def test_products_are_measured_in_every_library_that_has_the_type(
    precision: str, libraries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PRODUCT", 64)
    monkeypatch.setattr(machine, "time_calls", lambda call, repeats: [call(), 1e-3][1])
    assert machine.measure_products(precision) == dict.fromkeys(libraries, 2 * 64**3 / 1e-3)


def test_the_machines_rate_is_that_of_the_better_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.OPENBLAS:
        monkeypatch.delenv(name, raising=False)
    measured = {"tensorflow": 91e9, "numpy": 115e9}, {"tensorflow": 99e9, "numpy": 137e9}
    expected = {
        "product_gigaflops": 126.0,
        "tensorflow_gigaflops": 95.0,
        "numpy_gigaflops": 126.0,
    }
    assert machine.describe_products(*measured) == expected
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    told = {**expected, "openblas": "OPENBLAS_NUM_THREADS=1"}
    assert machine.describe_products(*measured) == told
    alone = {"product_gigaflops": 390.0, "tensorflow_gigaflops": 390.0}
    assert machine.describe_products({"tensorflow": 390e9}) == alone


def test_what_is_compared_takes_turns() -> None:
    called: list[str] = []
    calls = {name: partial(called.append, name) for name in ("own", "addons")}
    assert list(machine.time_in_turns(calls, 2)) == ["own", "addons"]
    assert called == ["own", "addons"] * 3


def test_both_engines_take_a_step_with_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, taken = [0.0], []

    def take_step(step: tuple[str, float], batch: Batch, number: int) -> None:
        name, seconds = step
        taken.append((name, number))
        clock[0] += seconds * (number + 1)

    monkeypatch.setattr(training, "take_step", take_step)
    monkeypatch.setattr("benchmarks.training.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("benchmarks.training.time.process_time", lambda: 2 * clock[0])
    monkeypatch.setattr(training, "measure_products", lambda _: {"tensorflow": 1e9})
    monkeypatch.setattr(training, "count_operations", lambda *_: 3e9)
    steps = {"own_": ("own", 2.0), "addons_": ("addons", 5.0)}
    batches = [make_batch([1, 1], [6, 4])] * 3
    figures = training.time_run(steps, batches, "bfloat16", V, make_config("luong"))
    assert taken == [(name, number) for number in range(3) for name in ("own", "addons")]
    assert figures == {
        "product_gigaflops": 1.0,
        "tensorflow_gigaflops": 1.0,
        "own_step_milliseconds": 4000.0,
        "own_tokens_per_second": 30 / 12,
        "own_tokens_per_processor_second": 30 / 24,
        "own_utilisation": 0.75,
        "addons_step_milliseconds": 10_000.0,
        "addons_tokens_per_second": 1.0,
        "addons_tokens_per_processor_second": 0.5,
        "addons_utilisation": 0.3,
        "own_over_addons": 2.5,
    }


def make_config(attention: str) -> ModelConfig:
    return ModelConfig(
        rnn_size=U,
        num_layers=L,
        embedding_size=E,
        attention="luong" if attention == "none" else attention,
        use_attention=attention != "none",
        dropout=0.0,
        embedding_dropout=0.0,
        output_dropout=0.0,
    )


def make_batch(query_lengths: list[int], reply_lengths: list[int]) -> Batch:
    queries, replies = (np.array(x, np.int32) for x in (query_lengths, reply_lengths))
    nothing = np.zeros([len(queries), 9], np.int32)  # padding must not count
    return Batch(nothing, queries, nothing, replies)


@pytest.mark.parametrize(
    ("attention", "query", "reply", "place"),
    [
        # Two LSTM layers, (2 + 3) x 12 and (3 + 3) x 12; the keys, 3 x 3. In the decoder the first
        # layer also takes the attention, (2 + 3 + 3) x 12; then 6 x 3 and the projection, 3 x 17.
        ("luong", 60 + 72 + 9, 96 + 72 + 18 + 51, 3 + 3),
        ("bahdanau", 60 + 72 + 9, 96 + 72 + 18 + 51 + 9, 3 + 3),
        ("none", 60 + 72, 60 + 72 + 51, 0),
    ],
)
def test_operations_are_those_counted_by_hand(
    attention: str, query: int, reply: int, place: int
) -> None:
    config = make_config(attention)
    assert count_operations(config, V, make_batch([1], [1])) == 6 * (query + reply + place)
    places = 2 * 4 + 5 * 1  # (query token, reply token)
    several = count_operations(config, V, make_batch([2, 5], [4, 1]))
    assert several == 6 * (7 * query + 5 * reply + places * place)


@pytest.mark.parametrize("attention", ["luong", "bahdanau", "none"])
def test_operations_use_every_matrix_once(attention: str) -> None:
    config = make_config(attention)
    model = Seq2Seq(config, V)
    sizes = [int(np.prod(x.shape)) for x in model.trainable_variables if len(x.shape) == 2]
    matrices = sum(sizes) - V * E  # word vectors are looked up
    places = 2 * U if config.use_attention else 0
    assert count_operations(config, V, make_batch([1], [1])) == 6 * (matrices + places)


def test_drawn_batches_are_pairs_as_training_has_them() -> None:
    batches = list(draw_batches(128, V, 12))
    assert sum(len(batch.query_ids) for batch in batches) == 20_000
    for batch in batches:
        assert len(batch.query_ids) <= 128
        for ids, lengths in (batch[:2], batch[2:]):
            assert ids.dtype == lengths.dtype == np.int32
            assert lengths.min() >= 1
            assert lengths.max() == ids.shape[1] <= 12
            real = np.arange(ids.shape[1]) < lengths[:, None]
            np.testing.assert_array_equal(ids != PAD, real)
            assert ids.max() < V
        assert not np.any(batch.query_ids == EOS)
        ends = np.arange(batch.reply_ids.shape[1]) == batch.reply_lengths[:, None] - 1
        np.testing.assert_array_equal(batch.reply_ids == EOS, ends)


def test_drawn_lengths_are_dailydialogs() -> None:
    batches = list(draw_batches(128, V, 20))
    replies = np.concatenate([batch.reply_lengths for batch in batches])
    assert replies.min() >= 3  # a token, a full stop and the end
    assert np.mean(replies == 20) == pytest.approx(0.257, abs=0.012)  # four deviations


def test_drawn_dialogues_go_on_from_reply_to_query() -> None:
    pairs = list(draw_pairs(100, V))
    assert len(pairs) == 100
    words = set(make_words(V))
    assert len(words) == V - len(SPECIAL_TOKENS)
    for number, (query, reply) in enumerate(pairs):
        assert 1 <= len(tokenize(query)) <= 20
        assert set(tokenize(query)) <= words
        if (number + 1) % (TURNS - 1) and number + 1 < len(pairs):
            assert reply == pairs[number + 1][0]


def test_an_endless_model_takes_every_step() -> None:
    model = make_endless(make_config("luong"), V)
    model.engine = choose_engine("own")
    queries, lengths = tf.constant([[5, 6, 7], [8, 9, 0]]), tf.constant([3, 2])
    for beam_size in (1, 4):
        asked = SearchConfig(beam_size=beam_size, max_reply_length=10)
        found = SearchGraphs(model, resolve_precision("auto")).search(queries, lengths, asked)
        assert np.all(found.lengths.numpy() == 10)
