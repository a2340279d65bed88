"""Second opinions of the searches: walks over whole trees of replies, for one query at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chatbot.text import EOS, GO, PAD, SEP, UNK
from tests.oracles import Array, Stepper


def search_exhaustively(
    advance: Stepper, max_reply_length: int, vocab_size: int
) -> dict[tuple[int, ...], float]:
    """Returns the log probability of every reply up to the length, its end token's included."""
    found: dict[tuple[int, ...], float] = {}

    def walk(words: tuple[int, ...], state: Any, log_prob: float) -> None:
        state, log_probs = advance(state, words[-1] if words else GO)
        found[words] = log_prob + log_probs[EOS]
        if len(words) < max_reply_length:
            for word in set(range(vocab_size)) - {EOS}:
                walk((*words, word), state, log_prob + log_probs[word])

    walk((), None, 0.0)
    return found


def search_greedily(advance: Stepper, max_reply_length: int) -> tuple[tuple[int, ...], float]:
    """Takes the likeliest token until the end token or the length; returns words, log_prob."""
    words: list[int] = []
    state, log_probs = advance(None, GO)
    total = 0.0
    while len(words) < max_reply_length and int(np.argmax(log_probs)) != EOS:
        words.append(int(np.argmax(log_probs)))
        total += log_probs[words[-1]]
        state, log_probs = advance(state, words[-1])
    return tuple(words), total + log_probs[EOS]


def search_with_beam(
    advance: Stepper, max_reply_length: int, beam_size: int
) -> dict[tuple[int, ...], float]:
    """Keeps the `beam_size` likeliest beginnings, ended ones among them; returns the last ones."""
    beam: list[tuple[float, tuple[int, ...], Any]] = [(0.0, (), None)]
    for _ in range(max_reply_length):
        candidates = []
        for log_prob, words, state in beam:
            if words[-1:] == (EOS,):
                candidates.append((log_prob, words, state))
                continue
            after, log_probs = advance(state, words[-1] if words else GO)
            candidates += [
                (log_prob + step, (*words, word), after) for word, step in enumerate(log_probs)
            ]
        beam = sorted(candidates, key=lambda item: -item[0])[:beam_size]
    found = {}
    for log_prob, words, state in beam:
        if words[-1:] == (EOS,):
            found[words[:-1]] = log_prob
        else:
            found[words] = log_prob + advance(state, words[-1])[1][EOS]
    return found


def find_forbidden(words: Sequence[int], min_length: int, ngram: int, ban_unk: bool) -> set[int]:
    """Returns what may not come after the words, by the rules' names."""
    banned = {PAD, GO, UNK, SEP} if ban_unk else set()
    if len(words) < min_length:
        banned.add(EOS)
    if ngram:
        runs = [tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)]
        latest = tuple(words[len(words) - ngram + 1 :])
        banned |= {run[-1] for run in runs if run[:-1] == latest}
    return banned


def keep_rules(advance: Stepper, min_length: int, ngram: int, ban_unk: bool) -> Stepper:
    """Lets a stepper walk where the rules allow; the allowed tokens share all the probability."""

    def step(state: Any, token: int) -> tuple[Any, Array]:
        inner, words = state or (None, ())
        words = words if token == GO and state is None else (*words, token)
        after, log_probs = advance(inner, token)
        log_probs = np.array(log_probs, np.float64)
        log_probs[list(find_forbidden(words, min_length, ngram, ban_unk))] = -np.inf
        total = np.exp(log_probs).sum()
        return (after, words), log_probs - np.log(total) if total > 0 else log_probs

    return step


def score_reply(advance: Stepper, words: Sequence[int]) -> float:
    """Returns the log probability of a reply and its end token."""
    state, log_probs = advance(None, GO)
    total = 0.0
    for word in words:
        total += log_probs[word]
        state, log_probs = advance(state, word)
    return float(total + log_probs[EOS])


def search_in_groups(
    advance: Stepper, max_reply_length: int, beam_size: int, groups: int, strength: float
) -> dict[tuple[int, ...], float]:
    """Searches with a beam whose groups avoid one another's words, step by step."""
    size = beam_size // groups
    beams: list[list[tuple[float, tuple[int, ...], Any]]] = [
        [(0.0, (), None)] for _ in range(groups)
    ]
    for time in range(max_reply_length + 1):
        taken: list[int] = []
        for number, beam in enumerate(beams):
            candidates = []
            for log_prob, words, state in beam:
                if words[-1:] == (EOS,):
                    candidates.append((log_prob, log_prob, words, state))
                    continue
                after, log_probs = advance(state, words[-1] if words else GO)
                for word, step in enumerate(log_probs):
                    if word == EOS or time < max_reply_length:
                        loss = 0.0 if word == EOS else strength * taken.count(word)
                        whole = log_prob + step
                        candidates.append((whole - loss, whole, (*words, word), after))
            best = sorted(candidates, key=lambda item: -item[0])[:size]
            beams[number] = [item[1:] for item in best]
            taken += [words[time] for _, words, _ in beams[number] if len(words) > time]
    ended = [item for beam in beams for item in beam]
    return {words[:-1]: log_prob for log_prob, words, _ in ended}


def score_normalised(log_prob: float, words: int, penalty: float) -> float:
    """The rank's formula, log_prob / ((5 + tokens) / 6) ** penalty, the end token counted."""
    return float(log_prob / ((5 + words + 1) / 6) ** penalty)


def count_replies(max_reply_length: int, vocab_size: int) -> int:
    """The number of replies that an exhaustive search sees."""
    return sum((vocab_size - 1) ** length for length in range(max_reply_length + 1))
