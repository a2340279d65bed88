"""The attention mechanisms by name."""

from __future__ import annotations

from typing import Any

import tensorflow_addons as tfa

MECHANISMS = {
    "bahdanau": tfa.seq2seq.BahdanauAttention,
    "luong": tfa.seq2seq.LuongAttention,
}


def make_mechanism(name: str, units: int) -> Any:
    """Makes an attention mechanism that has no memory yet.

    Args:
        name: "bahdanau", the additive score v . tanh(W q + M k) of Bahdanau et al. 2015, "Neural
            Machine Translation by Jointly Learning to Align and Translate", or "luong", the
            multiplicative score q . M k of Luong et al. 2015, "Effective Approaches to
            Attention-based Neural Machine Translation".
        units: Width of the score's inner space; for "luong" the width of the query too.

    Returns:
        A `tfa.seq2seq.AttentionMechanism`; call its `setup_memory` inside each traced function.

    Raises:
        ValueError: There is no mechanism of that name.
    """
    if name not in MECHANISMS:
        raise ValueError(f"attention mechanism {name!r} is not one of {sorted(MECHANISMS)}")
    return MECHANISMS[name](units)
