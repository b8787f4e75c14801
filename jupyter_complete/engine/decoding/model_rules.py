"""What a model's own generation config demands of every token, as `model.generate` applies it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ...protocol.sampling import Sampling
from .beam_search import BeamScore
from .sampler import end_ids

if TYPE_CHECKING:  # heavy imports
    from transformers import GenerationConfig

RECOMMENDED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""The settings that a model's own generation config can recommend."""

Rule = tuple[str, Any]  # its name, and a logits processor of transformers


def model_rules(config: GenerationConfig, begin: int, limit: int, source: Sequence[int] = ()) -> list[Rule]:
    """Return the rules for up to `limit` tokens behind `begin` ids, in the order in which `generate` applies them.

    `source` are the ids that an encoder reads. The repetition penalty is none of these rules: see own_sampling.
    """
    return [*_before_ends(config, source), *_of_ends(config, begin), *_of_places(config, begin, limit)]


def recommended(config: GenerationConfig) -> tuple[tuple[str, float], ...]:
    """Return the names and values of the sampling that a generation config asks for; () if it asks for none."""
    asked = config.to_diff_dict()
    values = {name: asked[name] for name in RECOMMENDED if isinstance(asked.get(name), (int, float))}
    if asked.get("do_sample") is False:
        values["temperature"] = 0.0
    return tuple(values.items())


def own_sampling(sampling: Sampling, config: GenerationConfig) -> Sampling:
    """Return `sampling` with the model's own repetition penalty, unless another one was asked for."""
    own = config.repetition_penalty
    if own in (None, 1.0) or sampling.repetition_penalty != 1.0:
        return sampling
    return replace(sampling, repetition_penalty=float(own))


def beam_score(config: GenerationConfig) -> BeamScore:
    """Return how the model's beams are compared, and when they end."""
    penalty = 1.0 if config.length_penalty is None else float(config.length_penalty)
    return BeamScore(penalty, config.early_stopping or False)


def _before_ends(config: GenerationConfig, source: Sequence[int]) -> Iterator[Rule]:
    """Rules about texts: tokens and sequences of tokens that are favoured, forbidden, or not said twice."""
    import transformers as tf

    read = torch.tensor([list(source)])
    if config.sequence_bias:
        yield "sequence_bias", tf.SequenceBiasLogitsProcessor(config.sequence_bias)
    if source and config.encoder_repetition_penalty not in (None, 1.0):
        penalty = tf.EncoderRepetitionPenaltyLogitsProcessor(float(config.encoder_repetition_penalty), read)
        yield "encoder_repetition_penalty", penalty
    if config.no_repeat_ngram_size:
        yield "no_repeat_ngram_size", tf.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)
    if source and config.encoder_no_repeat_ngram_size:
        ngrams = tf.EncoderNoRepeatNGramLogitsProcessor(config.encoder_no_repeat_ngram_size, read)
        yield "encoder_no_repeat_ngram_size", ngrams
    if config.bad_words_ids:
        yield "bad_words", tf.NoBadWordsLogitsProcessor(config.bad_words_ids, list(end_ids(config)) or None)


def _of_ends(config: GenerationConfig, begin: int) -> Iterator[Rule]:
    """Rules about the shortest text."""
    import transformers as tf

    ends = list(end_ids(config))
    if config.min_length and ends and config.min_length > begin:
        yield "min_length", tf.MinLengthLogitsProcessor(config.min_length, ends)
    if config.min_new_tokens and ends:
        yield "min_new_tokens", tf.MinNewTokensLengthLogitsProcessor(begin, config.min_new_tokens, ends)


def _of_places(config: GenerationConfig, begin: int, limit: int) -> Iterator[Rule]:
    """Rules about the first token, the last one, and all."""
    import transformers as tf

    if config.forced_bos_token_id is not None:
        yield "forced_bos", tf.ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id)
    if config.forced_eos_token_id is not None:
        yield "forced_eos", tf.ForcedEOSTokenLogitsProcessor(begin + limit, config.forced_eos_token_id)
    if config.remove_invalid_values:
        yield "remove_invalid_values", tf.InfNanRemoveLogitsProcessor()
    if config.exponential_decay_length_penalty is not None and (ends := list(end_ids(config))):
        decay = tf.ExponentialDecayLengthPenalty(tuple(config.exponential_decay_length_penalty), ends, begin)
        yield "exponential_decay_length_penalty", decay
    if config.suppress_tokens:
        yield "suppress_tokens", tf.SuppressTokensLogitsProcessor(config.suppress_tokens)
    if config.begin_suppress_tokens:
        first = begin + (begin == 1 and config.forced_bos_token_id is not None)
        yield "begin_suppress_tokens", tf.SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, first)
