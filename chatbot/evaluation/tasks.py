"""The tasks that replies are measured by: a new one is one entry of `TASKS`.

A figure is computed from sums over the replies, so that it can be estimated without some of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.corpus import Pair
from chatbot.text import tokenize
from chatbot.text.joining import IDEOGRAPHS, is_word

Counts = npt.NDArray[Any]
Compute = Callable[[list[Any]], float]
References = Sequence[Sequence[str]]
"""For each of N queries at least one text that a reply is compared with."""

CHAT = "chat"


class Metric(NamedTuple):
    """What compares the replies to N queries with their references.

    Attributes:
        measure: Takes N replies and returns `[N, K]`, what each adds to the K sums.
        figures: {figure: what computes it from the sums}.
        signature: How the figures are computed, to compare them with others.
        note: What a reader must know besides, or "".
    """

    measure: Callable[[Sequence[str]], Counts]
    figures: Mapping[str, Compute]
    signature: str
    note: str = ""


class Task(NamedTuple):
    """What is measured of replies.

    Attributes:
        figures: The figures with intervals and differences, in the order of the columns.
        make_metrics: Makes the metrics for the references.
        library: What computes them.
        is_talk: Whether replies are talk, which has many right answers: every pair counts by
            itself, its texts are compared as tokens, and variety and hits@k are measured too.
            Otherwise the pairs of one query are one query with several references, and texts are
            compared as people read them.
        has_lead: Whether the first words of the query are a baseline.
    """

    figures: tuple[str, ...]
    make_metrics: Callable[[References], dict[str, Metric]]
    library: str = "sacrebleu"
    is_talk: bool = False
    has_lead: bool = False

    @property
    def units(self) -> tuple[str, str]:
        """What intervals leave out one at a time, in the singular and in the plural."""
        return ("dialogue", "dialogues") if self.is_talk else ("query", "queries")


def gather_references(pairs: Iterable[Pair]) -> list[Pair]:
    """Makes one pair of those whose queries have the same tokens.

    Returns:
        The first pair of each query, with the replies of the later ones in `others` and a
        `dialogue` of its own.
    """
    found: dict[tuple[str, ...], list[Pair]] = {}
    for pair in pairs:
        found.setdefault(tuple(" ".join(tokenize(turn)) for turn in pair.turns), []).append(pair)
    return [
        same[0]._replace(dialogue=number, others=tuple(pair.reply for pair in same[1:]))
        for number, same in enumerate(found.values())
    ]


def _compare_talk(references: References) -> dict[str, Metric]:
    return _make_overlap(references, "none", lowercase=False)


def _compare_translations(references: References) -> dict[str, Metric]:
    """Makes BLEU (Papineni et al. 2002, Post 2018) and chrF2 (Popović 2015), case ignored."""
    name, note = choose_tokenizer(text for texts in references for text in texts), ""
    try:
        metrics = _make_overlap(references, name, lowercase=True)
    except RuntimeError:  # sacrebleu lacks the tokenizer's own packages
        metrics = _make_overlap(references, "char", lowercase=True)
        note = (
            f"BLEU counts characters, which gives other figures than {name}, the tokenizer for "
            f"the references' script; to have that one: pip install 'sacrebleu[{name[:2]}]'"
        )
    bleu = metrics["bleu"]
    figures = {**bleu.figures, "length_ratio": lambda sums: sums[0] / max(sums[1], 1)}
    return {**metrics, "bleu": bleu._replace(figures=figures, note=note)}


def _make_overlap(references: References, tokenizer: str, lowercase: bool) -> dict[str, Metric]:
    # Takes a moment.
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    streams = list(zip_longest(*references))
    # Talk is cut into tokens already, which without `force` sacrebleu warns of.
    how: dict[str, Any] = {"lowercase": lowercase, "references": streams}
    kinds = {"bleu": BLEU(tokenize=tokenizer, force=True, **how), "chrf": CHRF(**how)}

    def count(metric: Any, texts: Sequence[str]) -> Counts:
        return np.array(metric._extract_corpus_statistics(texts, None), np.int64)

    def score(metric: Any, sums: list[int]) -> float:
        return float(metric._compute_score_from_stats(sums).score)

    return {
        name: Metric(partial(count, kind), {name: partial(score, kind)}, str(kind.get_signature()))
        for name, kind in kinds.items()
    }


_SCRIPTS = {
    "kana": re.compile("[\u3041-\u30fa\u30fd-\u30ff\u31f0-\u31ff]"),
    "han": re.compile(f"[{IDEOGRAPHS}]"),
    "hangul": re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"),
}
_KANA_OF_JAPANESE = 0.1  # a Japanese text has far more, a Chinese one a rare の


def choose_tokenizer(texts: Iterable[str]) -> str:
    """Names sacrebleu's tokenizer for the script of most letters of some texts."""
    counts = dict.fromkeys(_SCRIPTS, 0)
    letters = 0
    for text in texts:
        letters += sum(map(str.isalpha, text))
        for name, script in _SCRIPTS.items():
            counts[name] += len(script.findall(text))
    han, kana, hangul = counts["han"], counts["kana"], counts["hangul"]
    if 2 * hangul > letters:
        return "ko-mecab"
    if 2 * (han + kana) > letters:
        return "ja-mecab" if kana >= _KANA_OF_JAPANESE * (han + kana) else "zh"
    return "13a"


class _Units:
    """Cuts any script for ROUGE: ideographs and kana by the character, others by the word."""

    def tokenize(self, text: str) -> list[str]:
        """Returns the units in lower case, without signs."""
        kana = _SCRIPTS["kana"]
        words = filter(is_word, tokenize(text))
        return [unit for word in words for unit in (word if kana.search(word) else [word])]


_ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
_MOST_ACCENTS = 0.005


def _compare_summaries(references: References) -> dict[str, Metric]:
    """Makes the F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), the best reference's each."""
    # Takes a moment.
    from rouge_score.rouge_scorer import RougeScorer

    letters = [c for texts in references for text in texts for c in text if c.isalpha()]
    is_ascii = sum(not c.isascii() for c in letters) <= _MOST_ACCENTS * len(letters)
    # rouge-score's own tokenizer drops every letter that is not ASCII.
    tokenizer = None if is_ascii else _Units()
    scorer = RougeScorer([*_ROUGE.values()], use_stemmer=True, tokenizer=tokenizer)

    def count(texts: Sequence[str]) -> Counts:
        found = [scorer.score_multi(known, text) for text, known in zip(texts, references)]
        return np.array([[*(row[kind].fmeasure for kind in _ROUGE.values()), 1] for row in found])

    def score(place: int, sums: list[float]) -> float:
        return 100 * sums[place] / sums[-1]

    figures = {name: partial(score, place) for place, name in enumerate(_ROUGE)}
    cut = "tok:default|stemmer:yes" if is_ascii else "tok:cjk-characters|stemmer:no"
    signature = f"nrefs:best|{cut}|l:text|f1|version:{version('rouge-score')}"
    return {"rouge": Metric(count, figures, signature)}


TASKS: Mapping[str, Task] = {
    CHAT: Task(
        ("bleu", "chrf", "distinct_1", "distinct_2", "mean_length", "commonest_share"),
        _compare_talk,
        is_talk=True,
    ),
    "translation": Task(("bleu", "chrf", "length_ratio"), _compare_translations),
    "summarising": Task(tuple(_ROUGE), _compare_summaries, "rouge-score", has_lead=True),
}
"""{name on the command line: what is measured}."""
