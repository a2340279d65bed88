"""Word vectors that a training begins with."""

from __future__ import annotations

from chatbot.corpus.word_vectors import read_vectors
from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import SPECIAL_TOKENS, Vocabulary


def load_embeddings(model: Seq2Seq, path: str, vocabulary: Vocabulary) -> str:
    """Puts the word vectors of a file into a network; see `word_vectors` for its form.

    Returns:
        One line: how many of the words have one.

    Raises:
        ChatbotError: The file cannot be read, does not fit, is damaged, or has none of the words.
    """
    found = read_vectors(path, vocabulary.words, model.config.embedding_size)
    words, known = len(vocabulary) - len(SPECIAL_TOKENS), found.places >= len(SPECIAL_TOKENS)
    if not known.any():
        raise ChatbotError(
            f"--embeddings={path} has none of the {words:,} words; give vectors of the corpus' "
            "language"
        )
    model.give_vectors(found.places, found.vectors)
    kept = " and keep it" if model.frozen is not None else ""
    return (
        f"{known.sum():,} of {words:,} words ({known.sum() / words:.1%}) have their vector from "
        f"{path}{kept}; the others begin at random"
    )
