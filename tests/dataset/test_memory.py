from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.small_corpora import encode, list_keys, repeat_encoded, write_corpus

ROOT = Path(__file__).parents[2]
PAIRS = 300
TIMES = 10_000

DRAW = """
import json, sys, time
from pathlib import Path
from benchmarks.memory import read_anonymous_memory
from chatbot.dataset import BatchPlan, EncodedCorpus, EvaluationPlan
from chatbot.dataset.prefetch import prefetch

begin = time.perf_counter()
corpus = EncodedCorpus(Path(sys.argv[1]), "train", 65)
opened = time.perf_counter() - begin
plan = BatchPlan(corpus.query_lengths, corpus.reply_lengths, 128, 1)
ahead = (
    corpus.batch(plan.indices(epoch, n))
    for epoch in range(3)
    for n in range(0, plan.steps_per_epoch, 20)
)
largest = max(read_anonymous_memory() for batch in prefetch(ahead))
measured = EvaluationPlan(corpus.query_lengths, corpus.reply_lengths, 128)
largest = max(largest, max(read_anonymous_memory() for indices in measured))
print(json.dumps([len(corpus), opened, largest]))
"""


def start(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRAW, str(directory)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_hundredfold_corpus_needs_a_few_bytes_a_pair_more(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    encode(write_corpus(tmp_path / "corpus.tsv", PAIRS), cache)
    (key,) = list_keys(cache)
    places = [repeat_encoded(cache / key, tmp_path / str(times), times) for times in (100, TIMES)]
    both = [start(place) for place in places]
    (few, _, little), (many, opened, much) = (
        json.loads(process.communicate(timeout=100)[0]) for process in both
    )
    assert (few, many) == (100 * PAIRS, TIMES * PAIRS)
    # The permutation is there, 4 bytes a pair, and little besides; the lengths would be 8 more.
    assert 3.5 < (much - little) / (many - few) < 8
    assert opened < 3.0
