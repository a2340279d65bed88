from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.engines.choice import choose_engine
from chatbot.evaluation.differences import subtract_models
from chatbot.evaluation.figures import Evaluation, evaluate
from chatbot.evaluation.hits import (
    Asked,
    choose_places,
    count_hits,
    draw_candidates,
    measure_hits,
    rank_first,
    score_candidates,
)
from chatbot.evaluation.scoring import Score, Scorer
from chatbot.evaluation.tables import list_tables
from chatbot.settings.config import Config, CorpusConfig, SearchConfig, TrainingConfig
from chatbot.text import EOS, SPECIAL_TOKENS, UNK, Vocabulary, tokenize
from tests.conftest import ENGINES, make_config, make_model
from tests.helpers_chat import make_directory, take_model, wrap_model
from tests.oracles import Network

WORDS = Vocabulary([*SPECIAL_TOKENS, "hello", "you", "are", "how", "?", "i"])
SAID = ["you", "hello you", "how are you ?", "i", "are you i", "hello hello", "?", "i are how"]
PAIRS = [
    Pair(query, reply, number // 2)
    for number, (query, reply) in enumerate(itertools.product(["how are you", "hello", ""], SAID))
]


def make_bot(engine: str) -> Chatbot:
    config = Config(
        CorpusConfig(max_length=5),
        make_config("luong"),
        TrainingConfig(precision="float32"),
        SearchConfig(beam_size=2, max_reply_length=3),
    )
    model = make_model("luong")
    model.engine = choose_engine(engine)
    return wrap_model(config, WORDS, model)


@pytest.fixture(scope="module")
def bot() -> Chatbot:
    return make_bot("own")


def place_by_lot(scores: Sequence[float], depth: int) -> tuple[float, float]:
    """Tries every order of the candidates, sorts stably and looks where the first one stands."""
    ranks = []
    for order in itertools.permutations(range(len(scores))):
        ranked = sorted(order, key=lambda place: -scores[place])
        ranks.append(ranked.index(0) + 1)
    return sum(rank <= depth for rank in ranks) / len(ranks), sum(ranks) / len(ranks)


def test_a_tie_counts_as_much_as_drawing_lots_would() -> None:
    rows = np.array([[0, 1, 2, 3, 4], [1, 1, 0, 1, 2], [2, 2, 2, 2, 2], [5, 4, 3, 2, 1]], float)
    for depth in (1, 2, 5):
        expected = [place_by_lot(row.tolist(), depth) for row in rows]
        np.testing.assert_allclose(count_hits(rows, depth), [hit for hit, _ in expected])
        np.testing.assert_allclose(rank_first(rows), [rank for _, rank in expected])


def test_a_model_without_numbers_guesses() -> None:
    rows = np.full([2, 4], np.nan)
    assert count_hits(rows, 1).tolist() == [0.25, 0.25]
    assert rank_first(rows).tolist() == [2.5, 2.5]


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_are_means_of_the_oracles_log_probabilities(engine: str) -> None:
    bot = make_bot(engine)
    found = measure_hits(bot, PAIRS, Asked(candidates=4, queries=0))
    assert found is not None
    oracle = Network(take_model(bot))
    drawn = draw_candidates([pair.reply for pair in PAIRS], found.places, 4)
    for row, (pair, candidates) in enumerate(zip(PAIRS, drawn)):
        query = WORDS.encode(tokenize(pair.query)) or [UNK]
        for place, reply in enumerate(candidates):
            ids = WORDS.encode(tokenize(reply))
            ids = [*ids, EOS][:5]
            plain, common = (-oracle.token_losses(x, ids).mean() for x in (query, [UNK]))
            assert found.scores["plain"][row, place] == pytest.approx(plain, abs=1e-4)
            assert found.scores["mmi"][row, place] == pytest.approx(plain - common, abs=1e-4)


def test_an_empty_query_ranks_by_chance_under_mmi(bot: Chatbot) -> None:
    pairs = [Pair("", reply, number) for number, reply in enumerate(SAID)]
    found = measure_hits(bot, pairs, Asked(candidates=8))
    assert found is not None
    np.testing.assert_allclose(found.scores["mmi"], 0.0, atol=1e-5)
    np.testing.assert_allclose(count_hits(np.round(found.scores["mmi"], 4), 1), 1 / 8)
    # Whatever the query, all candidates are ranked alike: exactly one reply wins.
    assert count_hits(found.scores["plain"], 1).sum() == 1.0


def test_onnx_scores_as_our_loops_do(tmp_path: Path) -> None:
    make_directory(tmp_path)
    pairs = [
        Pair("hello you", "hi .", 0),
        Pair("你 好", "你 好 .", 1),
        Pair("", "pip", 2),
        Pair("are you ?", "you are", 2),
    ]
    own, onnx = (
        measure_hits(Chatbot.load(tmp_path, engine=name, reply_precision="float32"), pairs, asked)
        for name, asked in (("own", Asked(3)), ("onnx", Asked(3)))
    )
    assert own is not None
    assert onnx is not None
    for ranking, scores in own.scores.items():
        assert scores.shape == (4, 3)
        np.testing.assert_allclose(onnx.scores[ranking], scores, atol=1e-4)


def test_candidates_are_others_replies_by_their_tokens() -> None:
    said = ["Yes .", "yes.", "no", "NO", "maybe", "I see", "i  see"]
    drawn = draw_candidates(said, range(len(said)), 4)
    for own, row in zip(said, drawn):
        assert row[0] == own
        spelled = [" ".join(tokenize(reply)) for reply in row]
        assert len(set(spelled)) == 4
        assert set(row) <= set(said)
    assert draw_candidates(said, range(len(said)), 4) == drawn
    assert draw_candidates(said, [5, 2], 4) == [drawn[5], drawn[2]]
    assert {len(row) for row in draw_candidates(said, range(7), 99)} == {4}  # there are no more
    assert draw_candidates(["a", "A"], [0, 1], 20) == [["a"], ["A"]]
    assert draw_candidates(said, [2], 0) == draw_candidates(said, [2], 1) == [["no"]]


def test_candidates_are_drawn_as_often_as_the_corpus_has_them() -> None:
    said = ["own"] * 2000 + ["common"] * 1500 + ["rare"] * 500
    random.Random(1).shuffle(said)
    places = [place for place, reply in enumerate(said) if reply == "own"]
    first = Counter(row[1] for row in draw_candidates(said, places, 2))
    assert set(first) == {"common", "rare"}
    assert first["common"] / len(places) == pytest.approx(0.75, abs=0.03)


def test_queries_are_drawn_once_each() -> None:
    assert choose_places(5, 0).tolist() == choose_places(5, 9).tolist() == [0, 1, 2, 3, 4]
    drawn = choose_places(1000, 50).tolist()
    assert drawn == sorted(set(drawn)) == choose_places(1000, 50).tolist()
    assert len(drawn) == 50
    assert drawn != list(range(50))


def test_any_queries_and_candidates_can_be_scored() -> None:
    class Lengths:
        """Gives each token of a reply as many nats as the query has turns."""

        def score(self, pairs: Sequence[tuple[Any, str]]) -> list[Score]:
            return [
                Score(-len(turns) * len(reply), len(reply), 0, len(reply), False)
                for turns, reply in pairs
            ]

    given = [["a", "b"], ["c"], ["d", "e", "f"]] * 300  # more than a window
    scores = score_candidates(cast(Scorer, Lengths()), given, [["x", "yy"]] * 900)
    np.testing.assert_array_equal(scores, [[-2, -2], [-1, -1], [-3, -3]] * 300)


def test_figures_have_intervals_and_those_of_unseen_pairs(bot: Chatbot) -> None:
    seen = np.arange(len(PAIRS)) < 4
    figures, material = evaluate(bot, PAIRS, [], seen, Asked(candidates=5, queries=0))
    json.dumps(figures, allow_nan=False)
    hits = figures["hits"]
    assert (hits["candidates"], hits["queries"], hits["unseen"]["queries"]) == (5, 24, 20)
    assert material.hits is not None
    credit = count_hits(material.hits.scores["plain"], 1)
    assert hits["plain"]["hits_1"] == pytest.approx(credit.mean())
    assert hits["unseen"]["plain"]["hits_1"] == pytest.approx(credit[4:].mean())
    low, high = hits["plain"]["intervals"]["mean_rank"]
    assert low < hits["plain"]["mean_rank"] < high
    assert hits["plain"]["hits_5"] == 1.0
    rest, _ = evaluate(bot, PAIRS, [], None, Asked(candidates=5, queries=7))
    assert (rest["hits"]["queries"], rest["hits"]["unseen"]) == (7, None)


def test_without_enough_candidates_nothing_is_measured(bot: Chatbot) -> None:
    same = [Pair("hello", "You", 0), Pair("", "you", 1)]
    for pairs, asked in ((same, Asked()), (PAIRS, Asked(candidates=0)), (PAIRS, None)):
        figures, material = evaluate(bot, pairs, [], None, asked)
        assert figures["hits"] is None
        assert material.hits is None
        assert not any("Hits" in t.title for t in list_tables([Evaluation("m", figures, {}, [])]))


def test_models_are_compared_by_the_same_candidates(bot: Chatbot) -> None:
    seen = np.arange(len(PAIRS)) < 4
    figures, material = evaluate(bot, PAIRS, [], seen, Asked(candidates=5))
    differences = subtract_models(material, material)
    nothing = {"difference": 0.0, "interval": None}
    assert differences["hits"]["mmi"]["hits_1"] == nothing
    assert differences["unseen"]["hits"]["plain"]["mean_rank"] == nothing
    other = {**figures, "from_first": {"model": "a", **differences}}
    found = [Evaluation("a", figures, {}, []), Evaluation("b", other, {}, [])]
    tables = {table.title: table for table in list_tables(found)}
    table = tables["Hits among 5 candidates, unseen pairs"]
    assert [row[:2] for row in table.rows] == [["a", "20"], ["b", "20"]]
    assert table.header[2:5] == ["hits@1", "95 % interval", "hits@5"]
    assert table.rows[0][2] == f"{figures['hits']['unseen']['plain']['hits_1']:.1%}"
    compared = tables["Differences from a"]
    assert compared.header[-2:] == ["hits@1", "hits@1 by MMI"]
    assert compared.rows[0][-2:] == ["0.0%", "0.0%"]
    assert compared.rows[1][-2:] == ["", ""]  # once a model
