"""The tokens that are no words, the first of every vocabulary."""

from __future__ import annotations

PAD, GO, EOS, UNK, SEP = 0, 1, 2, 3, 4
SPECIAL_TOKENS = ("<pad>", "<go>", "<eos>", "<unk>", "<sep>")
