"""Check a model before it is used: one text through its fast form and through a plain forward pass.

Shapes: N tokens, V tokens in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..protocol.errors import Stopped
from ..protocol.phrases import count
from ..protocol.probe import Check, Loss, Probe
from .kernels.kv_forms import FLOAT32, INT8, KVForm
from .runners.capabilities import decoder_start, window
from .runners.chunk_check import reading
from .runners.transformers_pass import CausalRunner, EncoderDecoderRunner, RereadingRunner, Runner
from .text.open_tokenizer import tokenizer_of_file
from .weights.int8_modules import team_of
from .weights.round_weights import round_like

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .runners.int8 import Int8Model

TOKENS = 256  # of the text, at most
FORM_KL = 0.1  # nats a token between int8 and float32: 8 bits come to 0.001 in trained models, a fault to 0.3 and more
PIECE_KL = 0.001  # nats a token between one pass and pieces, which differ by the order of sums alone
ROUGH_KL = 0.02  # the same where vectors are rounded to 8 or 16 bits, which makes a small difference larger
ROUNDED_KL = 0.02  # between int8 and the same weights rounded, on transformers' pass
FOUR_KL = 1.0  # between weights that are rounded to 4 bits, because a user asked for it, and float32: more is a fault
KV_KL = 0.01  # nats a token that an int8 KV cache may cost: in trained models it costs some 0.0004
FORM_DIFFERS = "its int8 form differs from float32"
SINGLES = 4  # tokens at the end that are read one by one

TEXTS = (
    "The committee met on 3 March 2019 to review 1,284 applications, of which 57 were complete. Its chair, Dr. Ada "
    "Moreau, asked a simple question: what makes a sample representative? Nobody answered at first. Then a student "
    "said that a sample is only as good as the way in which it was drawn, and that its size comes second.",
    "def median(values: list[float]) -> float:\n    ordered = sorted(values)\n    middle = len(ordered) // 2\n"
    "    if len(ordered) % 2:\n        return ordered[middle]\n"
    "    return (ordered[middle - 1] + ordered[middle]) / 2\n",
    "Zürich, São Paulo, Kraków; Привет, мир; 数据科学家每天都写笔记本。 naïve café",
    "  two spaces\tand a tab\n\n\nthree lines",
)


class Subject(NamedTuple):
    """A model in one form: with `int8`, the compiled step runs, and `model` only describes it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    int8: Int8Model | None = None
    numbers: str = "int8"  # what the weights of an int8 form are
    tokens: int = TOKENS  # of the text, at most

    @property
    def is_int8(self) -> bool:
        return self.int8 is not None or team_of(self.model) is not None

    @property
    def is_rough(self) -> bool:
        return self.is_int8 or self.model.dtype is not torch.float32

    def runner(self, prompt: Sequence[int], form: KVForm = FLOAT32) -> Runner:
        """A runner that holds nothing yet; an encoder has read `prompt`. Only the compiled step has other forms."""
        if self.int8 is not None:
            return self.int8.runner(form=form)
        if self.model.config.is_encoder_decoder:
            return EncoderDecoderRunner(self.model, prompt)
        way = reading(self.model)
        return RereadingRunner(self.model) if way == "again" else CausalRunner(self.model, whole=way == "whole")

    def awake(self) -> AbstractContextManager[None]:
        threads = self.int8 or team_of(self.model)
        return threads.awake() if threads else nullcontext()


class Texts(NamedTuple):
    """The ids that an encoder reads, and those of the decoder's text; without an encoder both are the text's."""

    prompt: Sequence[int]
    ids: Sequence[int]


def examine(
    subject: Subject, folder: Path, wide: Callable[[], PreTrainedModel] | None, stop: StopEvent | None = None
) -> Probe:
    """Check a model whose files are in `folder`. Raises Stopped once `stop` is set.

    `wide` loads the float32 weights that an int8 form is compared with; None where they do not fit into memory.
    """
    checks = [check_tokenizer(subject.tokenizer, folder / "tokenizer.json")]
    prompt = _ids(subject)
    ids = (
        prompt if not subject.model.config.is_encoder_decoder else [decoder_start(subject.model, "this model"), *prompt]
    )
    with subject.awake():
        whole = subject.runner(prompt).forward([ids], every=True)[0].float().clone()
        parts = _in_pieces(subject.runner(prompt), ids)
        small = subject.runner(prompt, INT8).forward([ids], every=True)[0].float() if subject.int8 else whole
    checks.append(check_numbers(whole))
    _check_stop(stop)
    loss = None
    if checks[-1].holds:
        checks.append(check_pieces(whole, parts, ROUGH_KL if subject.is_rough else PIECE_KL))
        check, loss, plain = _check_form(subject, Texts(prompt, ids), whole, wide, stop)
        checks.append(check)
        checks += [check_kv(plain, whole, small)] if subject.int8 else []
    return Probe(len(ids), tuple(checks), loss)


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, file: Path) -> Check:
    """Whether a tokenizer gives the ids that its own tokenizer.json gives, but for a beginning that it adds."""
    try:
        own = tokenizer_of_file(file)
    except Exception:  # tokenizers raises plain Exceptions
        return Check("tokenizer", True, "it has no tokenizer.json to be compared with")
    for text in TEXTS:
        wanted, given = own.encode(text).ids, list(tokenizer(text)["input_ids"])
        if given != wanted and given[1:] != wanted:
            return Check("tokenizer", False, f"its tokenizer gives other ids than its tokenizer.json for {text[:20]!r}")
    return Check("tokenizer", True, f"the ids of its tokenizer.json on {count(len(TEXTS), 'text')}")


def check_numbers(logits: Tensor) -> Check:
    """Whether all logits [N, V] are finite numbers."""
    bad = int((~logits.isfinite()).any(-1).sum())
    if bad:
        return Check("numbers", False, f"its logits are no numbers at {bad} of {count(len(logits), 'token')}")
    return Check("numbers", True, f"finite logits at {count(len(logits), 'token')}")


def check_pieces(whole: Tensor, parts: Tensor, limit: float) -> Check:
    """Whether logits [N, V] of a text in pieces are those of one pass, to `limit` nats a token."""
    mean = float(divergence(whole, parts).mean())
    if mean <= limit:
        return Check("pieces", True, f"a text in pieces and in one pass: KL {mean:.1e} nats a token")
    return Check("pieces", False, f"a text in pieces differs from the text in one pass (KL {mean:.2g} nats a token)")


def check_kv(plain: Tensor, whole: Tensor, small: Tensor, limit: float = KV_KL) -> Check:
    """Whether `small`, with an int8 KV cache, is at most `limit` nats a token further from `plain` than `whole` is.

    All are logits [N, V]. Both are compared with `plain`, because vectors that are rounded make any difference between
    two passes larger.
    """
    most, least = (float(divergence(plain, one).mean()) for one in (small, whole))
    said = f"with an int8 KV cache KL {most:.2g} nats a token from float32, with a float32 one {least:.2g}"
    if most - least <= limit:
        return Check("kv", True, said)
    return Check("kv", False, f"{said}, so auto does not use it")


def check_form(plain: Tensor, fast: Tensor, names: str, limit: float = FORM_KL) -> Check:
    """Whether logits [N, V] of the fast form are those of the plain one, to `limit` nats a token on average."""
    mean = float(divergence(plain, fast).mean())
    same = int((plain.argmax(-1) == fast.argmax(-1)).sum())
    told = f"KL {mean:.2g} nats a token, the likeliest token the same at {same} of {len(plain)}"
    if mean <= limit:
        return Check("float32", True, f"{names}: {told}")
    return Check("float32", False, f"{FORM_DIFFERS} ({told})")


def loss_of(plain: Tensor, fast: Tensor, ids: Sequence[int]) -> Loss:
    """What logits [N, V] of rounded weights cost, beside those of float32 weights, on a text of these N ids."""
    told = torch.tensor(ids[1:])
    most = [float(torch.nn.functional.cross_entropy(logits[:-1], told).exp()) for logits in (fast, plain)]
    return Loss(float(divergence(plain, fast).mean()), *most)


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """KL(one || other) in nats for each token, from logits [N, V]; infinite where it is no number."""
    rows = []
    for first in range(0, len(one), 32):
        p = one[first : first + 32].log_softmax(-1)
        q = other[first : first + 32].log_softmax(-1)
        rows.append((p.exp() * (p - q)).sum(-1))
    return torch.cat(rows).nan_to_num(nan=torch.inf).clamp(min=0.0)  # sums round below 0


def _check_stop(stop: StopEvent | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped("Loading was stopped.", "Run it again.")


def _check_form(
    subject: Subject,
    texts: Texts,
    whole: Tensor,
    wide: Callable[[], PreTrainedModel] | None,
    stop: StopEvent | None,
) -> tuple[Check, Loss | None, Tensor]:
    """Compare the fast form with a plain forward pass: of float32 weights, or of the model's own.

    The logits that it was compared with are the last of what is returned; they are `whole` where there were none.
    """
    if not subject.is_int8:
        check = check_form(_plain(subject.model, *texts), whole, "a pass with a cache against one without")
        return check, None, whole
    if wide is None:
        return Check("float32", True, "not compared with float32, which does not fit into memory"), None, whole
    model = wide()
    _check_stop(stop)
    plain = _plain(model, *texts)
    loss = loss_of(plain, whole, texts.ids)
    limit = FOUR_KL if subject.numbers == "int4" else FORM_KL
    check = check_form(plain, whole, f"{subject.numbers} against float32", limit)
    if check.holds or subject.numbers == "int4":
        said = f"{check.text}, perplexity {loss.perplexity:.4g} in place of {loss.float32_perplexity:.4g}"
        return replace(check, text=said.replace("its int8", "its int4")), loss, plain
    _check_stop(stop)
    round_like(model, subject.model)
    return check_rounding(_plain(model, *texts), whole, check, subject.numbers), loss, plain


def check_rounding(plain: Tensor, fast: Tensor, check: Check, numbers: str = "int8") -> Check:
    """The failed check, or one that holds where logits [N, V] of the rounded weights are those of the fast form."""
    mean = float(divergence(plain, fast).mean())
    if mean > ROUNDED_KL:
        return check
    said = check.text.removeprefix(FORM_DIFFERS)
    return Check(
        "float32", True, f"{numbers} against its own weights rounded: KL {mean:.2g} nats a token; float32{said}"
    )


@torch.inference_mode()
def _plain(model: PreTrainedModel, prompt: Sequence[int], ids: Sequence[int]) -> Tensor:
    """The logits [N, V] of one plain forward pass."""
    if not model.config.is_encoder_decoder:
        return RereadingRunner(model).forward([ids], every=True)[0].float()
    read, own = (torch.tensor([each], device=model.device) for each in (prompt, ids))
    logits: Tensor = model(input_ids=read, decoder_input_ids=own, use_cache=False, return_dict=True).logits[0]
    return logits.float().cpu()


def _in_pieces(runner: Runner, ids: Sequence[int]) -> Tensor:
    """The logits [N, V] of a text read in three pieces and the last tokens one by one."""
    runner.expect(len(ids))
    borders = [0, *sorted({len(ids) // 3, len(ids) // 2, *range(max(len(ids) - SINGLES, 1), len(ids) + 1)} - {0})]
    runs = (ids[first:last] for first, last in pairwise(borders))
    return torch.cat([runner.forward([run], every=True)[0].float().clone() for run in runs])


def _ids(subject: Subject) -> list[int]:
    """The ids of the text, as many as the model knows and its window takes."""
    known = subject.model.get_input_embeddings().num_embeddings
    ids = [id for text in TEXTS for id in subject.tokenizer(text)["input_ids"] if id < known]
    return ids[: min(subject.tokens, window(subject.model) or subject.tokens) - 1]
