"""The tool that splits a corpus by its queries."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from chatbot.corpus import Pair, read_pairs
from tests.helpers_chat import ROOT
from tools.split import HELD_OUT, TRAIN, split_pairs


def test_no_query_is_on_both_sides_and_nothing_is_lost_or_changed(tmp_path: Path) -> None:
    pairs = [(f'Say "{n % 300}".', f"说 {n}。") for n in range(900)]
    pairs += [(query.upper(), reply) for query, reply in pairs]
    corpus = tmp_path / "corpus.tsv"
    corpus.write_text("".join(f"{query}\t{reply}\n" for query, reply in pairs), encoding="utf-8")
    command = [sys.executable, "-m", "tools.split", f"--corpus={corpus}"]
    run = partial(
        subprocess.run,
        [*command, f"--directory={tmp_path / 'split'}", "--share=0.2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    done = run()
    assert done.returncode == 0, done.stderr
    train, held_out = (
        [(pair.query, pair.reply) for pair in read_pairs(tmp_path / "split" / name)]
        for name in (TRAIN, HELD_OUT)
    )
    assert sorted(train + held_out) == sorted(pairs)
    queries, others = ({query.lower() for query, _ in part} for part in (train, held_out))
    assert not queries & others
    assert 30 < len(others) < 90  # 60 of 300 expected, standard deviation 7
    assert f"{len(held_out):,} pairs" in done.stdout
    again = run()
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "is there already" in again.stderr


def test_a_query_stays_on_its_side_when_others_are_added_and_the_seed_chooses() -> None:
    pairs = [Pair(f"query {n}", "reply", n) for n in range(200)]
    whole, half = (set(split_pairs(part, 0.3, 0)[HELD_OUT]) for part in (pairs, pairs[::2]))
    assert half < whole
    assert whole != set(split_pairs(pairs, 0.3, 1)[HELD_OUT])
    assert whole < set(split_pairs(pairs, 0.5, 0)[HELD_OUT])
