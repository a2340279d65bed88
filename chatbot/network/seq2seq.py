"""The sequence-to-sequence network: shared word vectors, encoder, decoder, projection."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.decoder import Decoder
from chatbot.network.dropout import (
    OUTPUT_STREAM,
    QUERY_STREAM,
    REPLY_STREAM,
    WORD_STREAM,
    draw_kept,
    drop,
)
from chatbot.network.encoder import Encoded, Encoder
from chatbot.network.engine import Engine, OwnEngine
from chatbot.network.losses import coverage_losses, gather_real, project_losses, token_losses
from chatbot.network.pointer_generator import Pointer, add_slots, mix, mix_losses, point
from chatbot.network.projection import Projection, TiedProjection
from chatbot.network.reply_words import ReplyWords
from chatbot.network.scheduled_sampling import mix_guesses
from chatbot.network.variables import draw_uniform, root_mean_square, stop_gradients
from chatbot.settings.config import ModelConfig
from chatbot.text import GO, PAD, SEP, UNK

BATCH_SIGNATURE = (
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
)
"""Query ids, query lengths, reply ids, reply lengths, of any size."""


class Seq2Seq(tf.Module):
    """Recurrent encoder and attending recurrent decoder.

    At each step the decoder's new output h is scored against the encoder's outputs, by the score of
    Bahdanau et al. 2015 or of Luong et al. 2015 (see `attention`). With c the mean of the encoder's
    outputs, weighted by the scores' softmax, the attention W [h; c] is projected to the vocabulary
    and fed into the next step: Luong et al.'s equation 5 without its tanh, and their input feeding
    (section 3.3). Bahdanau et al. score the state before the step.

    Attributes:
        engine: Runs the loops of encoder and decoder; our own unless another is set.
        frozen: `bool [V, 1]`, which word vectors are not trained; None where all are.
        reply_words: The words that training projects onto; None for all.
        pointer: What decides between generating and copying; None where nothing is copied.
    """

    def __init__(
        self, config: ModelConfig, vocab_size: int, seed: int = 0, precision: str = "float32"
    ) -> None:
        """Makes the variables.

        Args:
            config: The network's settings.
            vocab_size: Words in the vocabulary, V.
            seed: Seed of the first weights.
            precision: Type of the matrix products; the variables are float32 whatever it is.
        """
        super().__init__(name="seq2seq")
        seeds = self._seeds = Random(seed)
        self.config = config
        self.vocab_size = vocab_size
        self.engine: Engine = OwnEngine()
        self.precision = precision
        self._dtype = tf.dtypes.as_dtype(precision)
        shape = [vocab_size, config.embedding_size]
        self.embedding = tf.Variable(draw_uniform(shape, 0.1, seeds), name="embedding")
        self.frozen: Any = None
        self.reply_words: ReplyWords | None = None
        if config.freeze_embeddings:
            self.frozen = tf.Variable(tf.fill([vocab_size, 1], False), trainable=False)
        self.encoder = Encoder(config, seeds)
        self.decoder = Decoder(config, seeds)
        self.projection = (
            TiedProjection(self.embedding, config.rnn_size, seeds, self.frozen)
            if config.tie_embeddings
            else Projection(config.rnn_size, vocab_size, seeds)
        )
        self.pointer = Pointer(config, seeds) if config.pointer_generator else None

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """All variables, in an order that holds on every version of TensorFlow.

        The gradients' norm is a sum in this order, on which its last bits depend.
        """
        parts = [self.decoder.listed(), self.encoder.listed(), self.projection.listed()]
        parts += [] if self.pointer is None else [self.pointer.listed()]
        return (self.embedding, *(variable for part in parts for variable in part))

    def embed(self, ids: tf.Tensor) -> tf.Tensor:
        """Looks up the word vectors of `int32 [...]`: `float [..., E]` in the compute type.

        A copied word has that of the unknown token.
        """
        if self.pointer is not None:
            ids = tf.where(ids < self.vocab_size, ids, UNK)
        vectors = tf.nn.embedding_lookup(self.embedding, ids)
        if self.frozen is not None:
            vectors = stop_gradients(tf.gather(self.frozen, ids), vectors)
        return tf.cast(vectors, self._dtype)

    def give_vectors(self, ids: Any, vectors: Any) -> None:
        """Puts word vectors in the place of random ones, frozen if the settings say so.

        The random ones of the other words become as long as these, by their root mean square. A
        separate projection begins with them too, see `Projection.begin_with`.

        Args:
            ids: `int [N]`, the words, each once.
            vectors: `float32 [N, E]`.
        """
        places = tf.constant(ids)[:, tf.newaxis]
        scale = root_mean_square(vectors) / root_mean_square(self.embedding)
        self.embedding.assign(tf.tensor_scatter_nd_update(self.embedding * scale, places, vectors))
        self.projection.begin_with(places, vectors, self._seeds)
        if self.frozen is not None:
            frozen = tf.fill([len(ids), 1], True)
            before = tf.convert_to_tensor(self.frozen)
            self.frozen.assign(tf.tensor_scatter_nd_update(before, places, frozen))

    def encode(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
    ) -> Encoded:
        """Encodes queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            dropout_seed: `int32 [2]` in training; None for no dropout.
        """
        embedded = self.embed(self.drop_words(query_ids, dropout_seed))
        embedded = drop(embedded, dropout_seed, QUERY_STREAM, self.config.embedding_dropout)
        return self.encoder(embedded, query_lengths, self.engine, dropout_seed)

    def token_log_losses(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        reply_ids: tf.Tensor,
        reply_lengths: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        label_smoothing: float = 0.0,
        sampling: tf.Tensor | None = None,
        coverage_loss: float = 0.0,
    ) -> tf.Tensor:
        """Computes the cross entropy of every real reply token under teacher forcing.

        The projection to the vocabulary is one matrix product after the decoding loop, on the
        real positions alone.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            reply_ids: `int32 [B, T]`, ended where they are not cut, padded on the right.
            reply_lengths: `int32 [B]`, the end token counted.
            dropout_seed: `int32 [2]` in training; None for no dropout.
            label_smoothing: What the gradient alone is smoothed by; see `losses`.
            sampling: `float32 []`, in training how likely the decoder reads its own guess in a
                word's place; see `scheduled_sampling`. None for never.
            coverage_loss: Weight of `coverage_losses`, which the gradient alone sees.

        Returns:
            `float32 [N]` in nats, row after row.
        """
        encoded = self.encode(query_ids, query_lengths, dropout_seed)
        starts = tf.fill([tf.shape(reply_ids)[0], 1], GO)
        input_ids = tf.concat([starts, reply_ids[:, :-1]], axis=1)

        def decode(input_ids: tf.Tensor, looks: list[tf.Tensor] | None) -> Any:
            given = encoded, input_ids, reply_lengths, dropout_seed
            outputs = gather_real(self._decode(*given, looks), reply_lengths)
            return self._point(outputs, looks or [], query_ids, reply_lengths)

        def guess(input_ids: tf.Tensor) -> tf.Tensor:
            found = decode(input_ids, None if self.pointer is None else [])
            return self._guess(found, reply_lengths, tf.shape(input_ids)[1])

        if sampling is not None and dropout_seed is not None:
            input_ids = mix_guesses(input_ids, guess, sampling, dropout_seed)
        looks: list[tf.Tensor] | None = [] if coverage_loss or self.pointer else None
        found, targets = decode(input_ids, looks), gather_real(reply_ids, reply_lengths)
        words = self.reply_words if dropout_seed is not None else None

        def measure(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            return self.project_losses(outputs, targets, label_smoothing, words)

        if self.pointer is None:
            losses = measure(found, targets)
        else:
            losses = mix_losses(found, targets, self.vocab_size, measure)
        if not looks or not coverage_loss:
            return losses
        repeated = coverage_loss * gather_real(coverage_losses(looks[0]), reply_lengths)
        return losses + (repeated - tf.stop_gradient(repeated))

    def _decode(
        self,
        encoded: Encoded,
        input_ids: tf.Tensor,
        lengths: tf.Tensor,
        dropout_seed: tf.Tensor | None,
        looks: list[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Runs the decoder over words; returns what is projected, `float [B, T, U]`.

        With `looks`, the attention's weights are appended to it, and what else a pointer-generator
        needs: see `Decoder.teacher_forced`, and the word vectors `float [B, T, E]`.
        """
        inputs = self.embed(input_ids)
        inputs = drop(inputs, dropout_seed, REPLY_STREAM, self.config.embedding_dropout)
        given = encoded, inputs, lengths, self.engine, dropout_seed
        outputs = self.decoder.teacher_forced(*given, looks)
        if looks is not None:
            looks.append(inputs)
        rate, same = self.config.output_dropout, self.config.variational_dropout
        return drop(outputs, dropout_seed, OUTPUT_STREAM, rate, same)

    def _point(
        self, outputs: tf.Tensor, looks: list[tf.Tensor], query_ids: tf.Tensor, lengths: tf.Tensor
    ) -> Any:
        """Adds to outputs `float [N, U]` what a pointer-generator needs: `Pointed`."""
        if self.pointer is None:
            return outputs
        weights, joined, words = (gather_real(x, lengths) for x in looks)
        query_ids = tf.repeat(query_ids, lengths, axis=0)
        return point(self.pointer.weights(), outputs, weights, joined, words, query_ids)

    def _guess(self, found: Any, lengths: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Returns the likeliest word at each place `int32 [B, T]`, 0 on padding."""
        if self.pointer is None:
            logits = self.projection(found)
        else:
            logits = mix(found, add_slots(self.projection(found.outputs)))
        likeliest = tf.argmax(logits, axis=1, output_type=tf.int32)
        places = tf.where(tf.sequence_mask(lengths, steps))
        shape = tf.stack([tf.size(lengths), steps])
        return tf.scatter_nd(tf.cast(places, tf.int32), likeliest, shape)

    def project_losses(
        self,
        outputs: tf.Tensor,
        targets: tf.Tensor,
        label_smoothing: float = 0.0,
        words: ReplyWords | None = None,
    ) -> tf.Tensor:
        """Projects outputs `float [N, U]` and takes the cross entropy with ids `int32 [N]`.

        The cross entropy is `float32 [N]` in nats, over all words or over `words`;
        `label_smoothing` is that of `token_log_losses`.
        """
        kernel, bias = self.projection.lay_out(outputs.dtype), tf.identity(self.projection.bias)
        reduced = self.projection.reduce(outputs)
        if words is not None:
            kernel, bias, targets = words.pick(kernel, bias, targets)
        if self.engine.fuses_losses and outputs.dtype != tf.float16:
            return project_losses(reduced, kernel, bias, targets, label_smoothing)
        # Gradients of float16 need scaling.
        logits = tf.nn.bias_add(tf.matmul(reduced, kernel), tf.cast(bias, reduced.dtype))
        return token_losses(logits, targets, label_smoothing)

    def loss(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        reply_ids: tf.Tensor,
        reply_lengths: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> tf.Tensor:
        """Computes the mean of `token_log_losses`, `float32 []` in nats a token."""
        losses = self.token_log_losses(
            query_ids, query_lengths, reply_ids, reply_lengths, dropout_seed, label_smoothing
        )
        return tf.reduce_mean(losses)

    def drop_words(self, query_ids: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Replaces words of queries `int32 [B, S]` by the unknown token in training.

        This is the word dropout of Bowman et al. 2016, "Generating Sentences from a Continuous
        Space", who apply it to the words that the decoder reads. Padding and separators stay.
        """
        rate = self.config.word_dropout
        if seed is None or rate == 0:
            return query_ids
        kept = draw_kept(seed, WORD_STREAM, tf.shape(query_ids), rate)
        no_words = tf.logical_or(query_ids == PAD, query_ids == SEP)
        return tf.where(tf.logical_or(kept, no_words), query_ids, UNK)
