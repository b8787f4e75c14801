"""From logits to the next token, by transformers' own logits processors, with the reason each candidate was cut."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ...protocol.sampling import CONSTRAINT, CUTS, GREEDY, MIN_P, TOP_K, TOP_P, Sampling

if TYPE_CHECKING:  # heavy imports
    import numpy as np
    from transformers import GenerationConfig, PretrainedConfig

    from ..kernels.sample import SamplerSettings
    from ..kernels.sample_row import Chosen


RECOMMENDED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""The settings that a model's own generation config can recommend."""


class TopToken(NamedTuple):
    """A candidate token: its id, raw logprob, probability after the cuts, and the rule that cut it."""

    id: int
    logprob: float
    prob: float
    cut: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token: its id, raw logprob (natural logarithm), rank (1 is the likeliest), and the top candidates."""

    id: int
    logprob: float
    rank: int
    top: tuple[TopToken, ...]


class Draws:
    """One uniform draw for each token. It depends on the seed and the position alone, so that a run repeats."""

    def __init__(self, seed: int, skip: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._ahead: deque[float] = deque()
        for _ in range(skip):
            self.next()

    def next(self) -> float:
        if not self._ahead:  # 64 draws cost as much as one, and are the same numbers
            self._ahead.extend(torch.rand(64, generator=self._generator, dtype=torch.float64).tolist())
        return self._ahead.popleft()


class Sampler:
    """Chooses tokens as `sampling` says; `rules` are what the model's own generation config demands.

    With `compiled`, engine/kernels/sample.py chooses wherever the choice depends on the logits alone.
    """

    def __init__(self, sampling: Sampling, rules: list[tuple[str, Any]] | None = None, compiled: bool = False) -> None:
        self._sampling = sampling
        self._kernels = compiled
        self._compiled = compiled and not rules and not penalties(sampling)
        self._candidates = sampling.candidates
        self._greedy = sampling.greedy
        self.processors = [*penalties(sampling), *(rules or [])]
        if not sampling.greedy:
            self.processors += warpers(sampling)

    def choose(self, ids: Sequence[int], logits: Tensor, draws: Draws | None, allowed: Tensor | None = None) -> Choice:
        """Choose the next token after `ids` from `logits` [V], the likeliest without `draws`. `allowed` is bool [V]."""
        if self._compiled:
            return self._choose_compiled(logits, draws, allowed)
        raw = torch.log_softmax(logits.float(), dim=-1)
        top = self._top(raw)
        before = torch.as_tensor(ids, device=logits.device)
        scores, cuts = process(self.processors, before[None], logits.float()[None], top.indices, allowed)
        probs = torch.softmax(scores, dim=-1)
        chosen = int(scores.argmax()) if self._greedy or draws is None else draw(probs, draws.next())
        logprob = raw[chosen]
        rank = 1 + int((raw > logprob).sum())
        kept = probs[top.indices].tolist()
        if self._greedy:
            kept = [float(token == chosen) for token in top.indices.tolist()]
            cuts = [cut or (None if prob else GREEDY) for cut, prob in zip(cuts, kept, strict=True)]
        weighed = tuple(map(TopToken, top.indices.tolist(), top.values.tolist(), kept, cuts))
        return Choice(chosen, float(logprob), rank, weighed)

    def settings(self, draws: Draws | None) -> SamplerSettings | None:
        """The settings for a runner that chooses tokens itself; None where the choice needs more than the logits."""
        return self._settings(self._greedy or draws is None) if self._compiled else None

    def choice_of(self, chosen: Chosen, greedy: bool) -> Choice:
        """Convert a kernel's choice."""
        top = self._top_tokens(chosen.place, greedy, chosen.places, chosen.logprobs, chosen.probs, chosen.cuts)
        return Choice(chosen.place, chosen.logprob, chosen.rank, top)

    def _choose_compiled(self, logits: Tensor, draws: Draws | None, allowed: Tensor | None) -> Choice:
        given, at = logits.float().numpy(), 0.0 if draws is None else draws.next()
        greedy = self._greedy or draws is None
        if allowed is None:
            return self.choice_of(self._kernel(given, greedy, at), greedy)
        import numpy as np

        places = np.flatnonzero(allowed.numpy())  # the token is chosen among these; its raw probability is among all
        best, most, _, ids, logprobs, *_ = self._kernel(given, True, 0.0)
        kept, _, _, inner, *said = self._kernel(given[places], greedy, at)
        chosen = int(places[kept])
        known = {one.id: one for one in self._top_tokens(chosen, greedy, places[inner].tolist(), *said)}
        top = (
            TopToken(id, logprob, known[id].prob, known[id].cut)
            if id in known
            else TopToken(id, logprob, 0.0, CONSTRAINT)
            for id, logprob in zip(ids, logprobs, strict=True)
        )
        logprob = float(given[chosen]) - float(given[best]) + most
        return Choice(chosen, logprob, 1 + int(np.count_nonzero(given > given[chosen])), tuple(top))

    def _kernel(self, logits: np.ndarray, greedy: bool, at: float) -> Any:
        """The choice of engine/kernels/sample.py from logits, a numpy array."""
        from ..kernels.sample_row import choose_once

        return choose_once(logits, self._settings(greedy), at)

    def _settings(self, greedy: bool) -> SamplerSettings:
        from ..kernels.sample import SamplerSettings

        of = self._sampling
        return SamplerSettings(of.candidates, greedy, of.divisor, of.top_k, of.top_p, of.min_p)

    @staticmethod
    def _top_tokens(
        chosen: int,
        greedy: bool,
        ids: Sequence[int],
        logprobs: Sequence[float],
        probs: Sequence[float],
        cuts: Sequence[int],
    ) -> tuple[TopToken, ...]:
        """The kernel's candidates."""
        said = [None if id == chosen else GREEDY for id in ids] if greedy else [CUTS[cut] for cut in cuts]
        return tuple(map(TopToken, ids, logprobs, probs, said))

    def force(
        self, token: int, ids: Sequence[int], logits: Tensor, draws: Draws | None, allowed: Tensor | None = None
    ) -> Choice:
        """Choose `token` whatever its probability. It uses up one draw, as a chosen token does."""
        weighed = self.weigh(token, logits)
        if self._sampling.beams > 1:
            return weighed
        return replace(weighed, top=self.choose(ids, logits, draws, allowed).top)

    def weigh(self, token: int, logits: Tensor) -> Choice:
        """Return a given token's probability and rank in the raw distribution of `logits` [V], as a Choice."""
        if self._kernels:
            return self._weigh_compiled(token, logits)
        raw = torch.log_softmax(logits.float(), dim=-1)
        top = self._top(raw)
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        weighed = tuple(TopToken(id, value, math.exp(value), None) for id, value in pairs)
        return Choice(token, float(raw[token]), 1 + int((raw > raw[token]).sum()), weighed)

    def _weigh_compiled(self, token: int, logits: Tensor) -> Choice:
        import numpy as np

        given = logits.float().numpy()
        best, most, _, ids, logprobs, *_ = self._kernel(given, True, 0.0)
        pairs = zip(ids, logprobs, strict=True)
        weighed = tuple(TopToken(id, value, math.exp(value), None) for id, value in pairs)
        logprob = float(given[token]) - float(given[best]) + most
        return Choice(token, logprob, 1 + int(np.count_nonzero(given > given[token])), weighed)

    def _top(self, raw: Tensor) -> Any:
        return torch.topk(raw, min(self._candidates, raw.numel()))


def process(
    processors: Sequence[tuple[str, Any]], ids: Tensor, scores: Tensor, watched: Tensor, allowed: Tensor | None
) -> tuple[Tensor, list[str | None]]:
    """Return scores [V] after all processors, and for each `watched` id the name of the processor that cut it.

    Tokens that are not `allowed` are cut first. A rule of the model that would cut all other tokens is skipped.
    """
    cuts: list[str | None] = [None] * watched.numel()
    banned = None if allowed is None else ~allowed.to(scores.device)
    if banned is not None:
        processors = [(CONSTRAINT, lambda ids, scores: scores), *processors]
    for name, processor in processors:
        after = processor(ids, scores)
        if banned is not None:
            after = after.masked_fill(banned, -torch.inf)
            if bool(torch.isneginf(after).all()):
                continue
        scores = after
        for place, gone in enumerate(torch.isneginf(scores[0, watched]).tolist()):
            if gone and cuts[place] is None:
                cuts[place] = name
    return scores[0], cuts


def penalties(sampling: Sampling) -> list[tuple[str, Any]]:
    from transformers import RepetitionPenaltyLogitsProcessor

    if sampling.repetition_penalty == 1.0:
        return []
    return [("repetition_penalty", RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))]


def warpers(sampling: Sampling) -> list[tuple[str, Any]]:
    """Return the processors that reshape the distribution before a draw, in the order of `model.generate`."""
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper

    chain: list[tuple[str, Any]] = []
    if sampling.temperature != 1.0:
        chain.append(("temperature", TemperatureLogitsWarper(float(sampling.divisor))))
    if sampling.top_k > 0:
        chain.append((TOP_K, TopKLogitsWarper(sampling.top_k)))
    if sampling.top_p < 1.0:
        chain.append((TOP_P, TopP(float(sampling.top_p))))
    if sampling.min_p > 0.0:
        chain.append((MIN_P, MinPLogitsWarper(float(sampling.min_p))))
    return chain


class TopP:
    """Cut all but the likeliest tokens that together have probability `p`, as TopPLogitsWarper does.

    That one sorts the whole vocabulary at every token; here only as much of its head as is needed is put in order.
    """

    FIRST_SORTED = 256

    def __init__(self, p: float) -> None:
        self._p = p

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        return torch.stack([self._cut(row) for row in scores])

    def _cut(self, scores: Tensor) -> Tensor:
        """Scores [V], -inf for what is cut."""
        total = torch.logsumexp(scores.double(), dim=-1)
        head = min(self.FIRST_SORTED, scores.numel())
        while True:
            top = torch.topk(scores, head)
            probs = torch.exp(top.values.double() - total)
            kept = int((probs.cumsum(-1) - probs < self._p).sum())  # what comes before a kept token falls short of p
            if kept < head or head == scores.numel():
                break
            head = min(8 * head, scores.numel())
        kept = max(1, kept)
        border = top.values[kept - 1]
        above = scores > border
        equal = torch.nonzero(scores == border)[: kept - int(above.sum()), 0]  # topk has no order among equal scores
        return scores.masked_fill(~above.index_fill(0, equal, True), -torch.inf)


def model_rules(config: GenerationConfig, prompt_length: int, limit: int) -> list[tuple[str, Any]]:
    """Return the rules that a generation config applies to every token, as `model.generate` applies them."""
    import transformers as tf

    ends = end_ids(config)
    rules: list[tuple[str, Any]] = []
    if config.no_repeat_ngram_size:
        rules.append(("no_repeat_ngram_size", tf.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)))
    if config.bad_words_ids:
        rules.append(("bad_words", tf.NoBadWordsLogitsProcessor(config.bad_words_ids, list(ends) or None)))
    if config.min_length and ends and config.min_length > prompt_length:
        rules.append(("min_length", tf.MinLengthLogitsProcessor(config.min_length, list(ends))))
    if config.forced_bos_token_id is not None:
        rules.append(("forced_bos", tf.ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id)))
    if config.forced_eos_token_id is not None:
        last = prompt_length + limit
        rules.append(("forced_eos", tf.ForcedEOSTokenLogitsProcessor(last, config.forced_eos_token_id)))
    if config.suppress_tokens:
        rules.append(("suppress_tokens", tf.SuppressTokensLogitsProcessor(config.suppress_tokens)))
    if config.begin_suppress_tokens:
        begin = tf.SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, prompt_length)
        rules.append(("begin_suppress_tokens", begin))
    return rules


def recommended(config: GenerationConfig) -> tuple[tuple[str, float], ...]:
    """Return the names and values of the sampling that a generation config asks for; () if it asks for none."""
    asked = config.to_diff_dict()
    values = {name: asked[name] for name in RECOMMENDED if isinstance(asked.get(name), (int, float))}
    if asked.get("do_sample") is False:
        values["temperature"] = 0.0
    return tuple(values.items())


def end_ids(config: GenerationConfig | PretrainedConfig) -> frozenset[int]:
    """Return the end-of-text ids of a generation config."""
    ends = getattr(config, "eos_token_id", None)
    return frozenset([] if ends is None else ends if isinstance(ends, (list, tuple)) else [ends])


def draw(probs: Tensor, at: float) -> int:
    """The draw of protocol/sampling.py: where the cumulative distribution passes `at` (0 to 1)."""
    cumulative = torch.cumsum(probs.double(), dim=-1)
    token = int(torch.searchsorted(cumulative, at * float(cumulative[-1]), right=True))
    return token if token < probs.numel() and probs[token] > 0 else int(torch.nonzero(probs)[-1])
