from __future__ import annotations

import functools
import gc
import importlib.metadata
import importlib.util
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.network.device import resolve_precision
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import ModelConfig
from chatbot.text import EOS
from tests.oracles import Network, list_variables

# The same examples in every run; no time limit, for an operation is slow when first called.
hypothesis.settings.register_profile(
    "chatbot",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("chatbot")

# Shells that start this in the background have Ctrl-C ignored, and nohup has SIGHUP; so would every
# program that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Graphs run a few times here: optimizing each would take longer than it saves. The tests that start
# train.py and predict.py run them as users do.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

# To look for garbage in all that TensorFlow has loaded would take a twentieth of the time.
gc.freeze()

B, S, T, E, U, L, V, W = 3, 5, 4, 6, 8, 2, 11, 2
ATTENTIONS = ("bahdanau", "luong", "none")
# Seeds of weights whose greedy replies to the queries below differ in length, one of them endless.
SEEDS = {"bahdanau": 130, "luong": 11, "none": 108}

HAS_ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
ENGINES = ("own", pytest.param("addons", marks=pytest.mark.needs_addons))
EACH_ENGINE = pytest.mark.parametrize("engine", ENGINES)

QUERIES = ((7, 5, 9, 10, 6), (8, 5), (6, 10, 9))
REPLIES = ((5, 9, 8, EOS), (10, EOS), (6, 7, EOS))  # with their end tokens


class Pairs(NamedTuple):
    """A padded batch as the network takes it, `int32`."""

    query_ids: Any
    query_lengths: Any
    reply_ids: Any
    reply_lengths: Any


IDS = tf.TensorSpec([None, None], tf.int32)
LENGTHS = tf.TensorSpec([None], tf.int32)


def pad(rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Pads rows on the right; returns ids `[B, S]` and lengths `[B]`."""
    ids = np.zeros([len(rows), max(len(row) for row in rows)], np.int32)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
    return tf.constant(ids), tf.constant([len(row) for row in rows])


def make_pairs(queries: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]) -> Pairs:
    return Pairs(*pad(queries), *pad(replies))


def make_config(attention: str, **settings: Any) -> ModelConfig:
    """The test sizes; attention "none" switches it off."""
    dropped = {"dropout": 0.5, "embedding_dropout": 0.0, "output_dropout": 0.0, **settings}
    return ModelConfig(
        rnn_size=U,
        num_layers=L,
        embedding_size=E,
        attention="luong" if attention == "none" else attention,
        use_attention=attention != "none",
        **dropped,
    )


def randomise(variables: Sequence[tf.Variable], seed: int, scale: float = 1.0) -> None:
    """Gives variables values large enough that no two tokens are equally likely."""
    generator = np.random.default_rng(seed)
    for variable in variables:
        variable.assign(generator.normal(0.0, scale, variable.shape))


def make_model(attention: str, **settings: Any) -> Seq2Seq:
    model = Seq2Seq(make_config(attention, **settings), V)
    randomise(list_variables(model), SEEDS[attention])
    return model


def pytest_report_header() -> str:
    addons = importlib.metadata.version("tensorflow-addons") if HAS_ADDONS else "not installed"
    return f"tensorflow {tf.__version__}, tensorflow-addons {addons}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_bfloat16") and resolve_precision("auto") != "bfloat16":
        pytest.skip("needs bfloat16 instructions")
    if item.get_closest_marker("needs_addons") and not HAS_ADDONS:
        pytest.skip("needs tensorflow-addons")


@pytest.fixture(scope="session")
def find_model() -> Callable[[str], Seq2Seq]:
    """One model for each kind of attention, made when first asked for; leave its weights alone."""
    return functools.lru_cache(maxsize=None)(
        lambda attention: make_model(attention, dropout=0.5, embedding_dropout=0.25)
    )


@pytest.fixture(params=ATTENTIONS)
def model(request: pytest.FixtureRequest, find_model: Callable[[str], Seq2Seq]) -> Seq2Seq:
    return find_model(request.param)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Runs what would be traced, which takes seconds, without tracing it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(params=ENGINES)
def each_engine(request: pytest.FixtureRequest, model: Seq2Seq) -> Iterator[None]:
    """Runs a test of `model` with each engine."""
    model.engine = choose_engine(request.param)
    yield
    model.engine = choose_engine("own")


@pytest.fixture
def network(model: Seq2Seq) -> Network:
    """The oracle with the weights of `model`."""
    return Network(model)


@pytest.fixture
def pairs() -> Pairs:
    """A batch of B = 3 pairs of different lengths."""
    return make_pairs(QUERIES, REPLIES)
