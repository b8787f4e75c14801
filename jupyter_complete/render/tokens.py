"""A text token by token: what was scored, what a dry run encoded, and the token view of a completion.

The token view says everything in colours and again in words and numbers, for readers without CSS.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..protocol.events import Candidate, Step
from ..protocol.phrases import count, shortened
from ..results.completion import Completion
from ..results.measures import characters, coverage, entropy, joint_logprob, own_candidate, perplexity
from . import blocks
from .html import BODY, FRAME, MONO, as_html, element, escape, fenced, visible
from .tables import aligned

FIRST, LAST = 300, 100  # rows of a long text that are shown; all are in the Completion's prompt_tokens

POWERS, STEPS, STRONGEST = 4, 8, 0x80  # powers of ten below 1 at which it is strongest, the steps to there, its alpha
LARGE = "font-size:16px"  # to be read from the back of a room, whatever a front end has for tables and code
SAID = f"{LARGE};opacity:0.7"
CODE = f"white-space:pre-wrap;background:none;color:inherit;padding:0;{LARGE}"
TABLE = f"border-collapse:separate;border-spacing:.8em 0;{MONO};{LARGE}"
BITS = 3  # of entropy, at which an underline is thickest
HINTS, LISTED = 3, 4  # candidates in a token's title, and in its row
LEAST = 5  # least likely tokens that are named
WIDEST = 16  # characters of a candidate's text


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that belong together: a prompt's or a completion's, and the end-of-text token behind them.

    With `sampled`, its candidates know their probability after sampling's cuts.
    """

    name: str
    text: str
    steps: Sequence[Step]
    end: Step | None = None
    sampled: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class TokensView:
    """Every token of a prompt and its completions; it displays itself in a notebook, and `str()` is its plain form."""

    parts: Sequence[Part]
    footer: str

    def bundle(self) -> Mapping[str, str]:
        """MIME type to content."""
        plain = view_plain(self)
        return {"text/html": view_html(self), "text/markdown": fenced(plain), "text/plain": plain}

    def __str__(self) -> str:
        return view_plain(self)

    def __repr__(self) -> str:
        counts = (f"{part.name} of {count(len(part.steps), 'token')}" for part in self.parts)
        return f"<TokensView: {', '.join(counts)}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        return self.bundle()


def completion_view(done: Completion) -> TokensView:
    """Every token with what was weighed, the prompt's first where they are known."""
    measured = done.request is not None and done.request.mode != "continue"
    parts = [Part("prompt", done.prompt, done.prompt_tokens)] if done.prompt_tokens or measured else []
    parts += [Part("thinking", done.thinking, done.thinking_tokens, sampled=True)] * bool(done.thinking_tokens)
    several = () if measured else (done, *done.alternatives)
    for number, one in enumerate(several, 1):
        name = "completion" if len(several) == 1 else f"completion {number}"
        parts.append(Part(name, one.text, one.tokens, one.end, sampled=one.params.beams == 1))
    if measured:
        return TokensView(parts, done.measure_line())
    unknown = "" if done.prompt_tokens else " · the prompt was not measured (--inspect, inspect=True)"
    return TokensView(parts, done.footer() + unknown)


def bundle(steps: Sequence[Step], footer: str, text: str = "") -> Mapping[str, str]:
    """MIME type to content: `text`, if it is to be shown, and a table of tokens, with probability and rank where they
    were measured."""
    plain = to_plain(steps, footer, text)
    return {"text/html": to_html(steps, footer, text), "text/markdown": fenced(plain), "text/plain": plain}


def to_plain(steps: Sequence[Step], footer: str, text: str = "") -> str:
    scored = any(step.logprob is not None for step in steps)
    head = ("token", "id", "probability", "logprob", "rank") if scored else ("token", "id")
    table = aligned([head, *_rows(steps, scored)])
    return "\n".join([*([visible(text), ""] if text else ()), table, "", f"[{visible(footer)}]"])


def to_html(steps: Sequence[Step], footer: str, text: str = "") -> str:
    scored = any(step.logprob is not None for step in steps)
    head = ("token", "id", "probability", "logprob", "rank") if scored else ("token", "id")
    rows = [_row("th", head), *(_row("td", cells) for cells in _rows(steps, scored))]
    table = element("table", f"border-collapse:collapse;{LARGE}", "".join(rows))
    scroll = element("div", "max-height:30em;overflow:auto", table)
    shown = element("div", f"{FRAME};{BODY};margin-bottom:.6em", as_html(text)) if text else ""
    return shown + scroll + element("div", SAID + ";margin-top:.4em", as_html(footer))


def view_plain(view: TokensView) -> str:
    blocks = []
    for part, (first, last, left_out) in zip(view.parts, _shown(view.parts), strict=True):
        gap = ("…", f"{left_out:,} left out", *[""] * (len(_head(part)) - 2))
        rows = [_view_cells(part, token) for token in first]
        rows += [gap] * (left_out > 0) + [_view_cells(part, token) for token in last]
        blocks += [f"{part.name}: {visible(part.text)}", aligned([_head(part), *rows])]
    lines = [*(visible(line) for line in _lines(view)), f"[{visible(view.footer)}]"]
    return "\n\n".join([*blocks, "\n".join(lines)])


def view_html(view: TokensView) -> str:
    shown = list(zip(view.parts, _shown(view.parts), strict=True))
    bodies = [_body(part, *tokens) for part, tokens in shown]
    lines = [element("div", SAID, as_html(line)) for line in (*_lines(view), view.footer)]
    tables = [_details(part, *tokens) for part, tokens in shown]
    return element("div", f"{FRAME};{LARGE}", "".join([*bodies, _legend(), *lines, *tables]))


def _rows(steps: Sequence[Step], scored: bool) -> list[tuple[str, ...]]:
    """The cells of every token, or of the first and last ones with how many lie between."""
    left_out = len(steps) - FIRST - LAST
    if left_out <= 0:
        return [_cells(step, scored) for step in steps]
    gap = ("…", f"{left_out:,} left out", *[""] * (3 if scored else 0))
    return [*(_cells(step, scored) for step in steps[:FIRST]), gap, *(_cells(step, scored) for step in steps[-LAST:])]


def _cells(step: Step, scored: bool) -> tuple[str, ...]:
    cells = (blocks.token(step.text), _id(step))
    return (*cells, *_numbers(step)) if scored else cells


def _id(step: Step) -> str:
    """A token's id; empty where a server does not report it."""
    return "" if step.id is None else str(step.id)


def _numbers(step: Step) -> tuple[str, ...]:
    """Probability, logprob and rank; empty where they were not measured."""
    if step.logprob is None:
        return ("", "", "")
    share = math.exp(step.logprob)
    return (f"{blocks.bar(share, 8)} {share:.2%}", f"{step.logprob:.3f}", f"{step.rank:,}")


def _row(tag: str, cells: Sequence[str]) -> str:
    style = f"text-align:left;padding:0 .8em 0 0;{MONO};white-space:pre"
    return element("tr", "", "".join(element(tag, style, as_html(cell)) for cell in cells))


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of a part: its place, the tokens it shares a character with, its number among them, and their text."""

    at: int
    step: Step
    group: Sequence[Step]
    number: int
    text: str

    @property
    def label(self) -> str:
        return self.text if len(self.group) == 1 else f"{self.text} {self.number}/{len(self.group)}"


def _tokens(part: Part) -> Iterator[_Token]:
    for places in characters(part.steps):
        group = part.steps[places.start : places.stop]
        text = _text_of("".join(step.text for step in group), group[-1])
        for number, step in enumerate(group, 1):
            yield _Token(places.start + number - 1, step, group, number, text)
    if part.end is not None:
        yield _Token(len(part.steps), part.end, (part.end,), 1, _text_of("", part.end))


def _text_of(text: str, step: Step) -> str:
    """`text`, or the name of a control token that has none."""
    known = own_candidate(step)
    return blocks.token(text or (known.text if known else ""))


def _shown(parts: Sequence[Part]) -> Iterator[tuple[list[_Token], list[_Token], int]]:
    """Of every part its first and last tokens, and how many lie between: together as many as a view has room for."""
    tokens = [list(_tokens(part)) for part in parts]
    room, shares = FIRST + LAST, {}
    for waiting, place in enumerate(sorted(range(len(parts)), key=lambda place: len(tokens[place]))):
        shares[place] = min(len(tokens[place]), room // (len(parts) - waiting))
        room -= shares[place]
    for place, one in enumerate(tokens):
        left_out = len(one) - shares[place]
        first = shares[place] * FIRST // (FIRST + LAST) if left_out else len(one)
        yield one[:first], one[first + left_out :], left_out


def _head(part: Part) -> tuple[str, ...]:
    after = " → % after sampling, or what cut it" if part.sampled else ""
    return ("at", "token", "id", "probability", "logprob", "rank", "bits ≥", f"candidates: %{after}")


def _view_cells(part: Part, token: _Token) -> tuple[str, ...]:
    step, bits = token.step, entropy(token.step)
    candidates = " · ".join(_candidate(candidate, part.sampled) for candidate in step.top[:LISTED])
    numbers = (str(token.at), token.label, _id(step), *_numbers(step), "" if bits is None else f"{bits:.1f}")
    return (*numbers, candidates)


def _candidate(one: Candidate, sampled: bool) -> str:
    """Its text, its raw probability, and what sampling made of it."""
    known = sampled and (one.cut is not None or one.prob is not None)
    after = f"→{one.cut or _percent(one.prob or 0.0)}" if known else ""
    return f"{shortened(blocks.token(one.text), WIDEST)} {_percent(math.exp(one.logprob))}{after}"


def _percent(share: float) -> str:
    """A share of 1 in percent, without the sign, in about two digits."""
    if 0.0 < share < 0.0001:
        return "<0.01"
    return f"{100 * share:.{0 if share >= 0.0995 else 1 if share >= 0.00995 else 2}f}"


def _lines(view: TokensView) -> list[str]:
    """What is said of the parts as wholes, and the least likely tokens."""
    return [*(_figures(part) for part in view.parts), *_least_likely(view.parts)]


def _figures(part: Part) -> str:
    parts = [f"{part.name}: {count(len(part.steps), 'token')}"]
    if (worth := perplexity(part.steps)) is not None:
        parts.append(f"perplexity {worth:,.2f}")
    known = [step for step in part.steps if step.top]
    if known:
        most = max(len(step.top) for step in known)
        mass = sum(coverage(step) for step in known) / len(known)
        parts.append(f"{count(most, 'candidate')} cover {mass:.1%} of the probability on average")
    return " · ".join(parts)


def _least_likely(parts: Sequence[Part]) -> list[str]:
    """One line that names them, with where they stand and what was before them."""
    tokens = [(part, token) for part in parts for token in _tokens(part) if token.step.logprob is not None]
    found = heapq.nsmallest(LEAST, tokens, key=lambda one: one[1].step.logprob or 0.0)
    told = [_place(part, token) for part, token in found]
    return [f"least likely: {' · '.join(told)}"] if told else []


def _place(part: Part, token: _Token) -> str:
    before = "".join(step.text for step in part.steps[: token.at])
    cut = "…" if len(before) > WIDEST else ""
    after = f", after {cut}{blocks.token(before[-WIDEST:])}" if before else ""
    share = _percent(math.exp(token.step.logprob or 0.0))
    return f"{shortened(token.label, WIDEST)} {share} % ({part.name} {token.at}{after})"


def _body(part: Part, first: Sequence[_Token], last: Sequence[_Token], left_out: int) -> str:
    """The tokens as running text, coloured; inside <code> no formula is typeset."""
    between = element("i", "", f" … {count(left_out, 'token')} left out … ") if left_out else ""
    spans = [_span(token) for token in first if token.number == 1]
    spans += [between, *(_span(token) for token in last if token.number == 1)]
    code = element("code", CODE, "".join(spans))
    return element("div", SAID, escape(part.name)) + element("div", f"{BODY};line-height:1.8", code)


def _span(token: _Token) -> str:
    """A character's tokens, with all that is known of them to hover over."""
    logprob, bits = joint_logprob(token.group), entropy(token.step)
    style = ";".join(_background(logprob) + _underline(bits))
    shown = "↵<br>".join(escape(piece) for piece in _running(token).split("↵"))
    styled = f' style="{style}"' if style else ""
    return f'<span{styled} title="{escape(_title(token, logprob))}">{shown}</span><wbr>'


def _running(token: _Token) -> str:
    """A token in a running text: its blanks are blanks, unless it consists of them."""
    text = "".join(step.text for step in token.group)
    return visible(text).replace("\n", "↵").replace("\t", "⇥") if text.strip() else token.text


def _title(token: _Token, logprob: float | None) -> str:
    several = f" ({count(len(token.group), 'token')} of one character)" if len(token.group) > 1 else ""
    step = token.step
    if logprob is None:
        return f"{token.at}{several}"
    ranks = ", ".join(f"{one.rank:,}" for one in token.group)
    said = f"{token.at}{several}: rank {ranks}, {_percent(math.exp(logprob))} %, logprob {logprob:.2f}"
    if not step.top:
        return said
    candidates = " · ".join(_candidate(candidate, False) for candidate in step.top[:HINTS])
    return f"{said}, ≥{entropy(step):.1f} bits; {candidates}; {len(step.top)} cover {coverage(step):.1%}"


def _background(logprob: float | None) -> list[str]:
    """By powers of ten: nothing where a token was certain."""
    level = 0 if logprob is None else min(STEPS, round(-logprob / math.log(10) * STEPS / POWERS))
    return [blocks.background(STRONGEST * level // STEPS)] if level else []


def _underline(bits: float | None) -> list[str]:
    width = min(BITS, round(bits or 0))
    return [f"border-bottom:{width}px solid #888"] if width else []


def _legend() -> str:
    powers = [(f"{100 / 10**power:g} %", _background(-power * math.log(10))) for power in range(POWERS + 1)]
    widths = [(f"{bits}", _underline(bits)) for bits in range(1, BITS + 1)]
    swatch = [[element("span", ";".join(style), name) for name, style in scale] for scale in (powers, widths)]
    scales = f"probability {' '.join(swatch[0])} or less · entropy {' '.join(swatch[1])} bits or more"
    said = (
        "The background shows the probability of a token, of the raw softmax: how likely it was, not how true. The "
        "underline shows the entropy of the choice. The entropy is at least that, because only the sum of the "
        "probabilities of the tokens that were not recorded is known."
    )
    head = f'<summary style="{SAID};cursor:pointer">{scales}</summary>'
    return element("details", "", head + element("div", SAID, said))


def _details(part: Part, first: Sequence[_Token], last: Sequence[_Token], left_out: int) -> str:
    gap = f"<tr><td></td><td>… {count(left_out, 'token')} left out</td></tr>" if left_out else ""
    rows = [_view_row(part, token) for token in first] + [gap] + [_view_row(part, token) for token in last]
    head = "".join(f"<th>{name}</th>" for name in _head(part))
    table = element("table", TABLE, f"<tr>{head}</tr>{''.join(rows)}")
    return f"<details><summary>{escape(part.name)}, token by token</summary>{table}</details>"


def _view_row(part: Part, token: _Token) -> str:
    *cells, candidates = (as_html(" ".join(cell.split())) for cell in _view_cells(part, token))
    return (
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f'<td style="text-align:left">{candidates}</td></tr>'
    )
