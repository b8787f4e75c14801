"""A model opened up: what is asked about the inside of its passes, answered with numpy values (see findings)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path as FilePath
from threading import Event as StopEvent
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...protocol import findings
from ...protocol.errors import BadOption, Stopped
from ...protocol.events import Loading
from ...protocol.findings import Finding, labelled, placed
from ...protocol.questions import (
    AskAdded,
    AskAttention,
    AskChange,
    AskEmbedding,
    AskFutures,
    AskHead,
    AskLens,
    AskOcclusion,
    AskPath,
    AskState,
    Question,
    Text,
)
from ..machine import memory
from ..runners.capabilities import stamp
from ..runners.transformers_pass import Runner
from ..text.tokenizer import Vocabulary
from ..weights import load
from .attention_hooks import Met, Pass, attending, given, watched
from .futures import futures

KEPT = 600.0  # seconds that weights opened for looking stay after the last look


class Inside:
    """Answers questions about one model; `begun` gives a runner that holds a text but its last id.

    A model that computes in int8 is opened a second time, from the same files, as float32: `folder` is where they lie.
    """

    def __init__(
        self,
        model: Any,
        vocabulary: Vocabulary,
        name: str,
        begun: Callable[[Text, StopEvent], Runner],
        folder: FilePath | None = None,
    ) -> None:
        """With a `folder` the model itself is not looked into."""
        self._model, self._name, self._folder = model, name, folder
        self._vocabulary, self._begun = vocabulary, begun
        self._opened: Any = None
        self._last: tuple[Any, Pass] | None = None
        self._looked = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of what is held to look into."""
        return memory.weight_bytes(self._opened) if self._opened is not None else 0

    def forget(self, old: bool = False) -> None:
        """Let go of it; where only what is `old`, if nothing was asked for a while."""
        if not old or time.monotonic() - self._looked > KEPT:
            self._opened = self._last = None

    def answer(self, question: Question, stop: StopEvent) -> Generator[Loading, None, Finding]:
        """What is found. Raises BadOption for a place that is not there, Stopped, DoesNotFit."""
        self._looked = time.monotonic()
        if isinstance(question, AskFutures):
            runner = self._begun(question.text, stop)
            return futures(runner, question, self._vocabulary, stop)
        model = yield from self._looked_into()
        if isinstance(question, AskEmbedding):
            return self._embedding(model, question)
        if isinstance(question, AskOcclusion):
            return self._occlusion(model, question)
        if isinstance(question, AskChange):
            return self._change(model, question)
        yield Loading("reading the text")
        read = self._pass(model, question.text)
        if isinstance(question, AskAttention):
            return self._attention(read, question)
        if isinstance(question, AskHead):
            return self._head(read, question)
        if isinstance(question, AskState):
            return self._state(model, read, question)
        if isinstance(question, AskAdded):
            return self._added(read, question)
        lens = Lensing(model, read)
        if isinstance(question, AskPath):
            return self._path(lens, question)
        return (yield from self._lens(lens, question, stop))

    def _looked_into(self) -> Generator[Loading, None, Any]:
        if self._folder is None:
            if self._model.device.type == "meta":
                raise BadOption(
                    f"The weights of {self._name} are int8 alone, which cannot be looked into.",
                    "Load the model with dtype float32.",
                )
            return self._model
        if self._opened is None:
            yield Loading(f"opening {self._name} as float32 to look inside")
            self._opened, _ = load.load(self._folder, self._name, torch.float32, "cpu")
        return self._opened

    def _pass(self, model: Any, text: Text) -> Pass:
        """One pass of the text; the last one's is kept for the next head or layer, while the weights are the same."""
        of = (text, stamp(model))
        if self._last is None or self._last[0] != of:
            self._last = None
            self._last = (of, watched(model, text))
        return self._last[1]

    def _texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(labelled(self._vocabulary.piece(id)) for id in ids)

    def _sides(self, text: Text, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The texts of the tokens that look, and of those looked at."""
        ids, source = self._texts(text.ids), self._texts(text.source)
        return source if part == "encoder" else ids, ids if part == "decoder" else source

    def _met(self, read: Pass, part: Any, layer: int) -> tuple[int, Met]:
        layers = [number for of, number in read.met if of == part]
        if not layers:
            raise BadOption(f"The model has no {part} attention.", 'Leave it out, or give "decoder".')
        layer = placed(layer, len(layers), "layer")
        return layer, read.met[part, layer]

    def _attention(self, read: Pass, asked: AskAttention) -> findings.Attention:
        layer, met = self._met(read, asked.part, asked.layer)
        with torch.inference_mode():
            made = met.weights().cpu().numpy()
        return findings.Attention(layer, asked.part, made, *self._sides(asked.text, asked.part))

    @torch.inference_mode()
    def _head(self, read: Pass, asked: AskHead) -> findings.HeadSteps:
        layer, met = self._met(read, asked.part, asked.layer)
        heads, groups = met.query.shape[1], met.key.shape[1]
        head = placed(asked.head, heads, "head")
        shared = head // (heads // groups)
        query, key, value = (
            of[0, one].float() for of, one in ((met.query, head), (met.key, shared), (met.value, shared))
        )
        scale = met.options.get("scaling")
        scale = float(query.shape[-1] ** -0.5 if scale is None else scale)
        cap, bias = float(met.options.get("softcap") or 0.0), met.options.get("position_bias")
        scores = query @ key.T
        scaled = scores * scale
        if cap:
            scaled = cap * torch.tanh(scaled / cap)
        if bias is not None:
            scaled = scaled + bias[0, head].float()
        masked = scaled.clone()
        if met.mask is not None:
            mask = met.mask[0, head if met.mask.shape[1] > 1 else 0].float()
            masked = (scaled + mask).masked_fill(mask < torch.finfo(met.mask.dtype).min / 2, -torch.inf)
        made = met.weights()[head]
        if not torch.allclose(torch.softmax(masked, -1), made, atol=1e-3):
            raise BadOption(
                f"A head of {self._name} does more than softmax(QKᵀ/√d_k)·V.", "Look at its attention instead."
            )
        q, k, v, met_scores, shaped, hidden, paid, output = (
            array.cpu().numpy() for array in (query, key, value, scores, scaled, masked, made, made @ value)
        )
        sides = self._sides(asked.text, asked.part)
        return findings.HeadSteps(
            layer, head, shared, asked.part, scale, cap, q, k, v, met_scores, shaped, hidden, paid, output, *sides
        )

    @torch.inference_mode()
    def _lens(self, lens: Lensing, asked: AskLens, stop: StopEvent) -> Generator[Loading, None, findings.Lens]:
        begin = placed(asked.begin, len(asked.text.ids), "position")
        end = len(asked.text.ids) if asked.end is None else min(asked.end, len(asked.text.ids))
        if end <= begin:
            raise BadOption(f"There is no position from {begin} to {end}.", "Give an end behind the beginning.")
        ids, probs = [], []
        for layer in range(lens.layers):
            if stop.is_set():
                raise Stopped("The look through the layers was stopped.", "Run it again.")
            top = torch.softmax(lens.logits(layer, slice(begin, end)), -1).topk(asked.top, dim=-1)
            ids.append(top.indices.cpu().numpy())
            probs.append(top.values.cpu().numpy())
            yield Loading("looking through the layers", layer + 1, 0)
        places = np.stack(ids)
        names = {int(id): labelled(self._vocabulary.piece(int(id))) for id in np.unique(places)}
        texts = np.array([names[id] for id in places.ravel().tolist()]).reshape(places.shape)
        return findings.Lens(places, texts, np.stack(probs), begin, self._texts(asked.text.ids[begin:end]))

    @torch.inference_mode()
    def _path(self, lens: Lensing, asked: AskPath) -> findings.Path:
        position = placed(asked.position, len(asked.text.ids), "position")
        ranks, probs, tokens = [], [], list(asked.tokens)
        for layer in range(lens.layers):
            logits = lens.logits(layer, position)
            ranks.append([1 + int((logits > logits[token]).sum()) for token in tokens])
            probs.append(torch.softmax(logits, -1)[tokens].tolist())
        found = np.array(ranks).T, np.array(probs, np.float32).T
        return findings.Path(asked.tokens, self._texts(tokens), position, *found)

    @torch.inference_mode()
    def _added(self, read: Pass, asked: AskAdded) -> findings.Added:
        states = read.states[:-1] + ([] if read.into_norm is None else [read.into_norm])
        steps = [*zip(states, read.between, states[1:], strict=False)]
        if not len(steps) == len(read.between) == len(read.states) - 1 or any(
            float((after - between - put).norm()) > 1e-3 * float(put.norm()) for _, (between, put), after in steps
        ):
            raise BadOption(
                f"Attention and MLP of {self._name} are not added one after the other.",
                "Look at its attention and lens.",
            )
        added = torch.stack([between - before for before, (between, _), _ in steps])
        parts = added, torch.stack([put for _, put in read.between]), torch.stack(states)
        attention, mlp, lengths = (one.float().norm(dim=-1).cpu().numpy() for one in parts)
        return findings.Added(attention, mlp, lengths, self._texts(asked.text.ids))

    @torch.inference_mode()
    def _state(self, model: Any, read: Pass, asked: AskState) -> findings.State:
        position, ids = placed(asked.position, len(asked.text.ids), "position"), list(asked.tokens)
        logits = read.logits[position].float()
        of_head = (read.into_head[position], model.get_output_embeddings().weight[ids], logits[ids])
        hidden, rows, chosen = (one.float().cpu().numpy() for one in of_head)
        norm = float(logits.cpu().double().logsumexp(-1))
        return findings.State(position, hidden, asked.tokens, self._texts(ids), rows, chosen, norm)

    @torch.inference_mode()
    def _embedding(self, model: Any, asked: AskEmbedding) -> findings.Embedding:
        rows = model.get_input_embeddings().weight[list(asked.ids)].float().cpu().numpy()
        return findings.Embedding(asked.ids, self._texts(asked.ids), rows)

    def _occlusion(self, model: Any, asked: AskOcclusion) -> findings.Occlusion:
        text, looked_at = asked.text, asked.text.source or asked.text.ids
        position = placed(asked.position, len(looked_at), "position")
        targets = tuple(placed(target, len(text.ids), "target") for target in asked.targets)
        if 0 in targets:
            raise BadOption("Nothing says how likely the first token is.", "Give targets from 1 on.")
        before, after = (self._logprobs(model, text, targets, hidden) for hidden in (None, position))
        (word,) = self._texts([looked_at[position]])
        texts = self._texts([text.ids[target] for target in targets])
        return findings.Occlusion(position, word, targets, texts, before, after)

    @torch.inference_mode()
    def _logprobs(self, model: Any, text: Text, targets: Sequence[int], hidden: int | None) -> np.ndarray:
        """Log P of the tokens at `targets` [targets]."""
        with attending(model, lambda met: None):
            logits = model(**given(model, text, hidden), use_cache=False, return_dict=True).logits[0]
        raw = torch.log_softmax(logits[[target - 1 for target in targets]].float(), -1)
        ids = torch.tensor([text.ids[target] for target in targets], device=raw.device)
        found: np.ndarray = raw.gather(1, ids[:, None])[:, 0].cpu().numpy()
        return found

    def _change(self, model: Any, asked: AskChange) -> findings.Change:
        ids = list(asked.text.source or asked.text.ids)
        position = placed(asked.position, len(ids), "position")
        word, ids[position] = ids[position], asked.token
        other = Text(asked.text.ids, tuple(ids)) if asked.text.source else Text(tuple(ids))
        before, after = self._next(model, asked.text), self._next(model, other)
        top = torch.cat([one.topk(asked.top).indices for one in (before, after)]).unique()
        top = top[(before + after)[top].argsort(descending=True)]
        nats = (before * (before.clamp_min(1e-30).log() - after.clamp_min(1e-30).log())).sum()
        old, new, *texts = self._texts([word, asked.token, *top.tolist()])
        was, is_now = (one[top].cpu().numpy() for one in (before, after))
        bits, whole = float(nats) / math.log(2), self._texts(asked.text.source or asked.text.ids)
        return findings.Change(position, old, new, top.cpu().numpy(), tuple(texts), was, is_now, bits, whole)

    @torch.inference_mode()
    def _next(self, model: Any, text: Text) -> Tensor:
        """P of what comes after a text [V]."""
        logits = model(**given(model, text), use_cache=False, return_dict=True).logits[0, -1]
        return torch.softmax(logits.cpu().double(), -1)


class Lensing:
    """Every layer's state put through the model's last norm and head. Raises BadOption where that is not the model's
    own way from its last state to its logits."""

    def __init__(self, model: Any, read: Pass) -> None:
        self._model, self._read = model, read
        self._head = model.get_output_embeddings()
        at = read.states[-1].abs().argmax()
        self._factor = read.into_head.flatten()[at] / read.states[-1].flatten()[at]  # a T5's states are scaled first
        with torch.inference_mode():
            own = self._finished(read.into_head[-1:])
        if not torch.allclose(own, read.logits[-1:], atol=1e-3, rtol=1e-3):
            raise BadOption(
                f"A {type(model).__name__} has more than a norm and a head behind its layers.",
                "There is no lens for it.",
            )

    @property
    def layers(self) -> int:
        """The embeddings, and every layer."""
        return len(self._read.states)

    def logits(self, layer: int, which: int | slice) -> Tensor:
        """What the states after `layer` would say at some positions [T, V], or at one [V]; 0 is the embeddings."""
        if layer == self.layers - 1:
            return self._read.logits[which].float()
        state = self._read.states[layer][which]
        normed = self._read.last_norm(state) if self._read.last_norm is not None else state
        return self._finished(normed * self._factor).float()

    def _finished(self, states: Tensor) -> Tensor:
        logits: Tensor = self._head(states)
        if (bias := getattr(self._model, "final_logits_bias", None)) is not None:
            logits = logits + bias[0]
        if cap := getattr(self._model.config, "final_logit_softcapping", None):
            logits = cap * torch.tanh(logits / cap)
        return logits
