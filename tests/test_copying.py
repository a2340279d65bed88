"""A model that copies words of the query, from its training to every way of using it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from chatbot.evaluation.hits import score_candidates, score_commonness
from chatbot.evaluation.perplexity import score_pairs
from chatbot.evaluation.scoring import Scorer
from chatbot.export.work import export_model
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import ModelConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import SPECIAL_TOKENS, UNK, Query, Vocabulary
from tests.helpers_chat import CONFIG, WORDS, wrap_model
from tests.network.test_pointer_generator import Oracle
from tests.test_replacing import make_talkative
from tests.trainings import read_metrics, tiny_settings, train, write_pairs

ROOT = Path(__file__).parents[1]
UNKNOWN = SPECIAL_TOKENS[UNK]
NAMES = [
    f"{a}{b}" for a in "zo bru kel mi tar vex lu no".split() for b in "bin dra fu gor hap".split()
]
UNSEEN = [
    ("my name is zanzibar", "hello zanzibar!"),
    ("quux is my friend", "who is quux?"),
    ("i know blim and tzar", "tzar and blim?"),
    ("i know 龘 and zoë", "zoë and龘？"),
]


def write_names(path: Path) -> Path:
    def write() -> Iterator[tuple[str, str]]:
        for place, name in enumerate(NAMES):
            other = NAMES[(7 * place + 3) % len(NAMES)]
            yield f"my name is {name}", f"hello {name} !"
            yield f"{name} is my friend", f"who is {name} ?"
            yield f"i know {name} and {other}", f"{other} and {name} ?"

    return write_pairs(path, list(write()))


def settle(corpus: Path, **changes: Any) -> dict[str, Any]:
    own = {
        "pointer_generator": True,
        "rnn_size": 32,
        "embedding_size": 16,
        "bidirectional": True,
        "dropout": 0.0,
        "embedding_dropout": 0.0,
        "batch_size": 24,
        "learning_rate": 0.02,
        "num_epochs": 1000,
        "max_steps": 150,
        "steps_per_checkpoint": 150,
        "vocab_size": 16,  # without any name
        "validation_share": 0.1,
        "beam_size": 3,
    }
    return tiny_settings(corpus, **{**own, **changes})


@pytest.fixture(scope="module", name="learned")
def make_learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copying")
    assert train(place / "model", **settle(write_names(place / "pairs.tsv"))) == 0
    return place / "model"


@pytest.fixture(scope="module", name="bot")
def load_learned(learned: Path) -> Chatbot:
    return Chatbot.load(learned)


def test_unseen_names_are_copied_by_every_search(bot: Chatbot) -> None:
    assert not {*bot.vocabulary.words} & {*NAMES}
    sampled = {"sample": True, "temperature": 0.2}
    groups = {"beam_size": 4, "diverse_groups": 2}
    rescored = {"coverage_penalty": 0.1, "no_repeat_ngram": 2}
    changes: list[dict[str, Any]] = [{"beam_size": 1}, {}, sampled, groups, rescored]
    for query, expected in UNSEEN:
        assert bot.greedy(query).text == expected
        for change in changes:
            (best, *_) = bot.reply(query, **change)
            assert best.text == expected
            assert UNKNOWN not in best.tokens
            assert best.tokens == tuple(best.words)
            assert best.log_prob > -0.5
    assert bot.greedy("my name is zanzibar").tokens == ("hello", "zanzibar", "!")


def test_alone_a_query_gets_what_it_gets_among_others(bot: Chatbot) -> None:
    queries = [query for query, _ in UNSEEN] + ["hello", ""]
    together = bot.replies(queries)
    for query, found in zip(queries, together):
        alone = bot.reply(query)
        assert [*map(str, alone)] == [*map(str, found)]
        assert [x.log_prob for x in alone] == pytest.approx([x.log_prob for x in found], abs=1e-4)


def test_pictures_name_the_copied_words(bot: Chatbot) -> None:
    query = "i know blim and tzar"
    looked = bot.attend(query, bot.greedy(query))
    assert looked.query_tokens == query.split()
    assert looked.reply_tokens == ["tzar", "and", "blim", "?", "<eos>"]
    best = np.argmax(looked.weights, axis=1)
    assert [looked.query_tokens[place] for place in best[[0, 2]]] == ["tzar", "blim"]
    branches = [branch for step in bot.trace_beam(query) for branch in step]
    assert {"tzar", "blim", "and"} <= {branch.text for branch in branches}


def test_its_vocabulary_and_perplexity_are_those_of_the_extended_ids(
    learned: Path, bot: Chatbot
) -> None:
    pairs = [("my name is zanzibar", "hello zanzibar !"), ("my name is bo", "hello al !")]
    model = bot.searcher.model  # type: ignore[attr-defined]
    oracle, scorer = Oracle(model), Scorer(bot)
    size, find = len(bot.vocabulary), dict(zip(bot.vocabulary.words, range(99))).get
    query = [find("my"), find("name"), find("is"), size]
    replies = [[find("hello"), word, find("!"), find("<eos>")] for word in (size, UNK)]
    found = scorer.score(pairs)
    for score, reply in zip(found, replies):
        expected = oracle.token_losses(query, reply)
        assert score.log_prob == pytest.approx(-expected.sum(), abs=1e-4)
    assert [score.unknown for score in found] == [0, 1]
    report = read_metrics(learned)[-1]
    assert report["validation_perplexity"] < 1.5


def test_evaluation_measures_what_validation_measures(learned: Path, bot: Chatbot) -> None:
    held_out = tuple(zip(*(line.split("\t") for line in read_held_out(learned))))
    pairs = [Pair(q, r.strip(), n) for n, (q, r) in enumerate(zip(*held_out))]
    losses = score_pairs(bot, pairs)
    perplexity = np.exp(losses.losses.sum() / losses.tokens.sum())
    report = read_metrics(learned)[-1]
    assert perplexity == pytest.approx(report["validation_perplexity"], rel=1e-3)
    assert losses.unknown.sum() == 0
    assert losses.unknown_words <= {*NAMES}
    assert losses.unknown_words


def read_held_out(learned: Path) -> list[str]:
    """The lines of the corpus that were held out."""
    from chatbot.dataset.encode import EncodingConfig, is_held_out

    lines = (learned.parent / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    settings = EncodingConfig(validation_share=0.1, seed=1)
    return [line for place, line in enumerate(lines, 1) if is_held_out(place, settings)]


def test_candidates_with_words_of_other_queries_are_scored(bot: Chatbot) -> None:
    candidates = [["hello zanzibar !", "hello quux !", "who is quux ?"]] * 2
    queries: list[Query] = ["my name is zanzibar", "my name is quux"]
    scores = score_candidates(Scorer(bot), queries, candidates)
    assert np.all(np.isfinite(scores))
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert np.all(np.isfinite(score_commonness(Scorer(bot), candidates)))


def test_only_a_model_that_says_the_same_words_counts_alike(bot: Chatbot) -> None:
    plain = wrap_model(
        bot.config.replace({"pointer_generator": False}),
        bot.vocabulary,
        Seq2Seq(bot.config.model.change({"pointer_generator": False}), len(bot.vocabulary)),
    )
    known, copied = (
        [Pair(f"i know {word}", f"hello {word} !", 0)] for word in ("name", "zanzibar")
    )
    assert score_pairs(bot, known).counts_as(score_pairs(plain, known))
    assert not score_pairs(bot, copied).counts_as(score_pairs(plain, copied))


def test_unknown_tokens_that_are_left_are_replaced_if_asked() -> None:
    config = CONFIG.replace({"pointer_generator": True, "replace_unk": True})
    bot = wrap_model(config, Vocabulary(WORDS), make_talkative(config, 0.5, 4.0))
    replies = bot.reply("hello quux zoë", beam_size=4)
    said = [(word, reply.words[n]) for reply in replies for n, word in enumerate(reply.tokens)]
    assert any(token == UNKNOWN != word for token, word in said)
    assert any(token in ("quux", "zoë") for token, _ in said)
    assert all(UNKNOWN not in reply.text for reply in replies)
    for reply in replies:
        assert bot.attend("hello quux zoë", reply).weights.shape == (len(reply.tokens) + 1, 3)
    plain = [reply.tokens for reply in bot.reply("hello quux zoë", beam_size=4, replace_unk=False)]
    assert any(UNKNOWN not in tokens for tokens in plain)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "frequency_loss": 0.9,
            "reply_vocabulary": True,
            "label_smoothing": 0.1,
            "sampling_probability": 0.5,
            "attention": "coverage",
            "coverage_loss": 1.0,
            "word_dropout": 0.3,
        },
        {
            "context_turns": 3,
            "random_context": 1.0,
            "average_decay": 0.9,
            "attention": "multi_head",
            "attention_heads": 2,
            "precision": "auto",  # bfloat16 where the processor has it
        },
        {"subwords": "bpe", "vocab_size": 330, "subword_sampling": 0.1, "tie_embeddings": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_it_learns_with_other_settings(tmp_path: Path, changes: dict[str, Any]) -> None:
    given = {"max_steps": 4, "steps_per_checkpoint": 2, **changes}
    settings = settle(write_names(tmp_path / "pairs.tsv"), **given)
    assert train(tmp_path / "model", **settings) == 0
    reports = read_metrics(tmp_path / "model")
    assert all(np.isfinite(report["validation_perplexity"]) for report in reports)
    assert reports[-1]["perplexity"] < reports[0]["perplexity"]
    replies = Chatbot.load(tmp_path / "model").reply("my name is zanzibar", min_reply_length=2)
    assert all(np.isfinite(reply.log_prob) for reply in replies)


def test_what_has_no_form_for_it_says_so(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "ONNX graphs have no --pointer_generator; take --engine=own"
    assert Chatbot.load(learned).engine == "our own loops"
    assert capsys.readouterr().err == f"{said}, which replies now\n"
    with pytest.raises(ChatbotError, match=f"^{said}$"):
        Chatbot.load(learned, engine="onnx")
    for name in ("onnx", "saved_model", "tflite"):
        with pytest.raises(ChatbotError, match=r" copies words of the query \(--pointer_generator"):
            export_model(str(learned), str(tmp_path / "exported"), name)
    assert not (tmp_path / "exported").exists()


@pytest.mark.needs_addons
def test_the_library_has_no_form_for_it(learned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "^--engine=addons has no --pointer_generator; take --engine=own$"
    with pytest.raises(ChatbotError, match=said):
        Chatbot.load(learned, engine="addons")
    with pytest.raises(ChatbotError, match=said):
        choose_engine("addons", ModelConfig(pointer_generator=True))
    monkeypatch.setattr("chatbot.engines.choice.has_gpu", lambda: True)
    assert choose_engine("auto", ModelConfig(pointer_generator=True)).name == "own"


@pytest.mark.needs_addons
def test_a_training_by_the_library_is_one_line_and_status_2(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    flags = [f"--corpus={corpus}", f"--model_dir={tmp_path / 'model'}"]
    command = [sys.executable, "train.py", *flags, "--pointer_generator", "--engine=addons"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 2
    said = "--engine=addons has no --pointer_generator; take --engine=own"
    assert done.stderr.strip().endswith(said)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_older_models_have_none(learned: Path) -> None:
    directory = ModelDirectory(learned)
    config = directory.load()[0]
    values = config.to_dict()
    assert values["model"].pop("pointer_generator") is True
    assert type(config).from_dict(values).model.pointer_generator is False
