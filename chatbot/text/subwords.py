"""Words cut into pieces that sentencepiece has learned: no word is unknown.

The pieces are learned from words, not from raw text: normalising and cutting stay `tokenize`'s, as
does joining to natural text, so that words come back exactly whatever the language, and words are
counted alike for every model. Each word but an ideograph is handed over with sentencepiece's mark
of a word's beginning; each ideograph is a word by itself. Characters that are too
rare for a piece become the bytes of their UTF-8.

As tokens, pieces that begin a word are written plainly, those within a word as `##ing` (the
notation of Schuster and Nakajima 2012), bytes as `<0xE4>`. So a word of one piece is its token.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from chatbot.errors import ChatbotError
from chatbot.text.joining import IDEOGRAPH
from chatbot.text.segmenter import Segmenter
from chatbot.text.specials import EOS, GO, PAD, SEP, SPECIAL_TOKENS, UNK
from chatbot.text.tokens import tokenize

MODEL_FILE = "subwords.model"
"""Where a vocabulary's directory has the pieces, in sentencepiece's own format."""
_BEGIN = "▁"
_INSIDE = "##"
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_LONGEST_KEPT = 64  # characters of a word whose tokens are remembered
_MOST_KEPT = 1 << 17  # words
_LIKELIEST = 64


class Subwords(Segmenter):
    """Cuts words into learned pieces.

    Attributes:
        model: The file of sentencepiece.
        tokens: Every token, the special ones first; its place is its id there.
    """

    needs: ClassVar[Mapping[str, str]] = {"sentencepiece": "0.2"}

    def __init__(self, model: bytes, kind: str) -> None:
        """Reads a model.

        Args:
            model: What `learn_pieces` returned.
            kind: "bpe" or "unigram".

        Raises:
            ChatbotError: sentencepiece is not installed.
            ValueError: This is no such model.
        """
        self.model = model
        self._processor = _import().SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise ValueError("this is no model of sentencepiece") from None
        size = self._processor.get_piece_size()
        pieces = [self._processor.id_to_piece(number) for number in range(size)]
        if tuple(pieces[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS or _BEGIN not in pieces:
            raise ValueError("these pieces are not learned by this program")
        self.tokens = tuple(map(_name, pieces))
        self._pieces = dict(zip(self.tokens, pieces))
        self._written = {token: _write(token) for token in self.tokens}
        self._known = _Memory(self._cut)
        scores = {piece: self._processor.get_score(n) for n, piece in enumerate(pieces)}
        self._redraw: Callable[[str, float, random.Random], list[str]] = _Dropout(scores)
        if kind == "unigram":
            self._redraw = _Sampling(self._processor, scores)

    def split(self, words: Sequence[str]) -> list[str]:
        """As in `Segmenter`."""
        return [token for word in words for token in self._known[word]]

    def join(self, tokens: Sequence[str]) -> list[str]:
        """As in `Segmenter`; special tokens stay as they are."""
        words: list[str] = []
        for is_special, run in itertools.groupby(tokens, SPECIAL_TOKENS.__contains__):
            found = list(run)
            words += found if is_special else tokenize(self._spell(found))
        return words

    def begins(self, token: str) -> bool:
        """As in `Segmenter`."""
        return not (token.startswith(_INSIDE) or _BYTE.fullmatch(token))

    def draw(self, tokens: Sequence[str], amount: float, generator: random.Random) -> list[str]:
        """As in `Segmenter`; a word with bytes in it stays as it is.

        `amount` is the probability of dropping a merge (BPE), 0.1 in Provilkov et al. 2020, or the
        exponent that smooths the probabilities of segmentations (unigram): the smaller, the more
        alike.
        """
        if tokens[0] in SPECIAL_TOKENS or any(map(_BYTE.fullmatch, tokens)):
            return list(tokens)
        text = "".join(self._pieces[token] for token in tokens)
        return [_name(piece) for piece in self._redraw(text, amount, generator)]

    def _cut(self, word: str) -> list[str]:
        if _BEGIN in word:  # the sign itself, which is no mark here
            return [_BEGIN, *(f"<0x{byte:02X}>" for byte in word.encode())]
        is_alone = IDEOGRAPH.match(word) and word[0] in self._pieces
        return [self.tokens[n] for n in self._processor.encode(word if is_alone else _BEGIN + word)]

    def _spell(self, tokens: Iterable[str]) -> str:
        return b"".join(map(self._written.__getitem__, tokens)).decode(errors="replace")


def learn_pieces(counts: Mapping[str, int], kind: str, vocab_size: int) -> bytes:
    """Learns pieces from words; the same words give the same pieces.

    BPE is Sennrich et al. 2016, unigram Kudo 2018, both as sentencepiece has them.

    Args:
        counts: How often each word occurs.
        kind: "bpe" or "unigram".
        vocab_size: The most pieces, the special tokens and 256 bytes among them; there are fewer
            where the words do not have as many.

    Raises:
        ChatbotError: `vocab_size` has no room for the characters, or sentencepiece is not there.
    """
    written, trainer = io.BytesIO(), _import().SentencePieceTrainer
    try:
        trainer.train(
            sentence_iterator=_list_lines(counts, repeats=2 if kind == "unigram" else 1),
            model_writer=written,
            model_type=kind,
            vocab_size=vocab_size,
            input_format="tsv",
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            required_chars=_BEGIN,
            byte_fallback=True,
            hard_vocab_limit=False,
            num_threads=1,
            **_number_specials(),
            minloglevel=2,
        )
    except RuntimeError as error:
        found = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if found is None:
            raise
        raise ChatbotError(
            f"--vocab_size={vocab_size} has no room for 256 bytes, the special tokens and the "
            f"corpus' commonest characters; give at least {found[1]}, or --subwords=none"
        ) from None
    return written.getvalue()


def _list_lines(counts: Mapping[str, int], repeats: int) -> Iterator[str]:
    """Yields words and how often they occur, as sentencepiece reads them."""
    # Unigram begins with the pieces that occur twice, and counts a line once whatever its number:
    # a word that occurs twice must be in its line twice to be such a piece.
    yield f"{_BEGIN}\t1"  # there may be no word
    for word, count in sorted(counts.items()):
        if _BEGIN not in word:
            text = word if IDEOGRAPH.match(word) else _BEGIN + word
            lines, rest = divmod(count, repeats)
            if lines:
                yield f"{text * repeats}\t{lines}"
            if rest:
                yield f"{text}\t{rest}"


def _number_specials() -> dict[str, Any]:
    names = {"pad": PAD, "bos": GO, "eos": EOS, "unk": UNK}
    numbers = {f"{name}_id": number for name, number in names.items()}
    pieces = {f"{name}_piece": SPECIAL_TOKENS[number] for name, number in names.items()}
    return {**numbers, **pieces, "control_symbols": [SPECIAL_TOKENS[SEP]]}


def _import() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise ChatbotError("subwords need sentencepiece; pip install sentencepiece") from None
    return sentencepiece


def _name(piece: str) -> str:
    """Names a piece as a token."""
    if piece in SPECIAL_TOKENS or piece == _BEGIN or _BYTE.fullmatch(piece):
        return piece
    if piece.startswith(_BEGIN):
        return piece[1:]
    return piece if IDEOGRAPH.match(piece) else _INSIDE + piece


def _write(token: str) -> bytes:
    if _BYTE.fullmatch(token):
        return bytes([int(token[3:5], 16)])
    if token.startswith(_INSIDE):
        return token.removeprefix(_INSIDE).encode()
    return b" " if token == _BEGIN else f" {token}".encode()


class _Memory(dict[str, list[str]]):
    """The tokens of words, computed at their first look-up and kept within bounds."""

    def __init__(self, cut: Callable[[str], list[str]]) -> None:
        super().__init__()
        self._cut = cut

    def __missing__(self, word: str) -> list[str]:
        tokens = self._cut(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[word] = tokens
        return tokens


class _Dropout:
    """BPE-dropout (Provilkov et al. 2020, algorithm 1): each merge is dropped now and then."""

    def __init__(self, scores: Mapping[str, float]) -> None:
        """Takes the score of each piece: what is merged first has the highest."""
        self._scores = scores

    def __call__(self, text: str, dropped: float, generator: random.Random) -> list[str]:
        symbols = list(text)
        while True:
            merged = map("".join, itertools.pairwise(symbols))
            found = [
                (self._scores[piece], -place, piece)
                for place, piece in enumerate(merged)
                if piece in self._scores and generator.random() >= dropped
            ]
            if not found:
                return symbols
            _, place, piece = max(found)
            symbols[-place : 2 - place] = [piece]


class _Sampling:
    """Draws among the 64 likeliest segmentations, by their probabilities to a power (Kudo 2018)."""

    def __init__(self, processor: Any, scores: Mapping[str, float]) -> None:
        """Takes the pieces' log probabilities."""
        self._processor = processor
        self._scores = scores
        self._list_likeliest = functools.lru_cache(_MOST_KEPT)(self._find_likeliest)

    def __call__(self, text: str, exponent: float, generator: random.Random) -> list[str]:
        options, log_probs = self._list_likeliest(text)
        weights = [math.exp(exponent * (log_prob - log_probs[0])) for log_prob in log_probs]
        return generator.choices(options, weights)[0]

    def _find_likeliest(self, text: str) -> tuple[list[list[str]], list[float]]:
        options = self._processor.nbest_encode(text, nbest_size=_LIKELIEST, out_type=str)
        return options, [sum(map(self._scores.__getitem__, pieces)) for pieces in options]
