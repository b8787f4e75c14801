"""The magics: a line and a cell to a stream, painted under the cell; what is bound, and what is said of a bad line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display

from ..prompt import compose
from ..protocol.doors import door
from ..protocol.errors import BadOption, EmptyPrompt, Interrupted
from ..protocol.phrases import near
from ..protocol.prompt_parts import Text, Value, plain
from ..render import conversation as thread_view
from ..render import plan as plan_view
from ..render import tables as models_view
from ..render import tasks as tasks_view
from ..render.html import visible
from ..results.completion import TOKENS, Completion
from ..session import model_list, status
from ..session.session import Session
from ..session.stream import Stream, hold_interrupts, kept
from . import arguments, background, new_cell
from .history import History
from .raw_cell import RawCell
from .screen import paint, wait
from .waiting import watch

# what is in a room above this one, and needs a library that only panels need
_IPYTHONS = re.compile(r"_+|_i+|_i?\d+|_[iod]h")  # its own names for results and inputs


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a completion is shown: bound to `names`, after its prompt (`echo`), in a form, written into a new cell;
    `number` is that of the cell that asked for it."""

    names: tuple[str, ...] = ()
    echo: bool = False
    form: str = "text"
    cell: bool = False
    number: int = 0


@magics_class
class CompleteMagics(Magics):
    """%%complete and %complete, and the magics whose names begin so, of one session."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self.shell: InteractiveShell = shell
        self.session = session
        self.raw_cell = RawCell(shell)
        self.history = History(shell)
        self._last_output: tuple[Completion | None, OutputOptions] = (None, OutputOptions())

    @no_var_expand
    @line_cell_magic
    def complete(self, line: str, cell: str | None = None) -> None:
        with _usage_errors():
            if cell is None:
                settings, text = arguments.line_settings(line)
            else:
                settings, text = arguments.cell_settings(line), self.raw_cell.body("complete", line, cell)
            behind = settings.pop("background", False)
            if behind and not hasattr(self.shell, "kernel"):
                raise UsageError("--background is for notebooks; leave it out here.")
            behind = behind and new_cell.has_reader(self.shell)  # else the text would come when the notebook is written
            chosen = self.session.config.checked(settings)
            output = self._output_options(settings, behind)
            prompt = self._fill(text, settings, chosen)
        with hold_interrupts():
            with _usage_errors():
                stream = self._stream(text, prompt, {**settings, "behind": behind})
            if behind:
                self.shell.user_ns.update(dict.fromkeys(output.names, background.promise(stream)))
                unbound = replace(output, names=())  # the promise becomes the completion
                door("background")(stream, output.echo, output.form, lambda done: self._bind(unbound, done))
            else:
                stream.raise_interrupt(kept(self._show(stream, output)))

    @no_var_expand
    @cell_magic
    def complete_inside(self, line: str, cell: str) -> None:
        """%%complete_inside [options]

        Complete the cell's text and show how that came about: tokens, attention, every layer's guess, the distribution
        and the draw. Options are those of %%complete; -o binds the Inside, which answers more (jc.inside).
        """
        with _usage_errors():
            settings, text = arguments.cell_settings(line), self.raw_cell.body("complete_inside", line, cell)
            for name in ("background", "cell", "score", "dry_run"):
                if settings.pop(name, False):
                    raise UsageError(f"%%complete_inside takes no --{name.replace('_', '-')}.")
            chosen = self.session.config.checked(settings)
            output = self._output_options(settings, behind=False)
            prompt = self._fill(text, settings, chosen)
        with hold_interrupts():
            with _usage_errors():
                stream = self._stream(text, prompt, {**settings, "trace": True})
            done = self._show(stream, replace(output, names=()))
        if done.trace is None:
            stream.raise_interrupt(kept(done))
            raise UsageError("No token was decoded, so there is nothing to look into.")
        from ..session.inside import of  # imports every kind of question, which %load_ext does not need

        opened = of(done, self.session)
        if hasattr(self.shell, "kernel"):
            display(opened)
        else:
            print(opened.view())
        self.shell.user_ns.update(dict.fromkeys(output.names, opened))
        stream.raise_interrupt(kept(done))

    @no_var_expand
    @line_magic
    @hold_interrupts()
    def complete_more(self, line: str) -> None:
        """%complete_more [N]

        Continue the last completion by up to N tokens (default: Complete.max_new_tokens), from its KV cache.
        The result takes the place of the last completion and of the variable it was bound to.
        """
        last = self.session.last_continued
        if last is None:
            raise UsageError("There is no completion to continue; run a %%complete cell first.")
        if last.alternatives:
            raise UsageError(
                f"The last completion has {1 + len(last.alternatives)} continuations; "
                "continue one of them from Python, as c.more(20) or c.alternatives[0].more(20)."
            )
        with _usage_errors():
            words = line.split()
            if len(words) > 1 or (words and not re.fullmatch(r"[0-9]{1,18}", words[0])):
                raise UsageError(f"%complete_more takes a number of tokens, not {line.strip()[:60]!r}.")
            number = int(words[0]) if words else self.session.config.max_new_tokens
            stream = self.session.more(last, max_new_tokens=number)
        names = [name for name, value in self.shell.user_ns.items() if value is last and not _IPYTHONS.fullmatch(name)]
        shown, how = self._last_output
        how = how if shown is last else OutputOptions(form=self.session.config.format)
        how = replace(how, names=tuple(names), cell=False, number=self.history.now)
        stream.raise_interrupt(kept(self._show(stream, how)))

    @no_var_expand
    @line_magic
    def complete_thread(self, line: str) -> None:
        with _usage_errors():
            name, settings = arguments.thread_settings(line)
        threads = self.session.threads
        if not name and settings:
            raise UsageError("%complete_thread --drop needs the name of a conversation.")
        if not name:
            if threads:
                self._table(status.THREADS, status.threads(self.session))
            else:
                print("No conversation is kept; %%complete --thread NAME begins one.")
            return
        if name not in threads:
            raise UsageError(f"There is no conversation {name!r}. {near(name, threads) or '--thread begins one.'}")
        if settings.get("drop"):
            del threads[name]
            print(f"The conversation {name} is dropped.")
            return
        self._tell(thread_view.bundle(name, threads[name]))

    @no_var_expand
    @line_magic
    def complete_tasks(self, line: str) -> None:
        """%complete_tasks [NAME]

        What --task can name: what each is for and what it needs; with a name, the prompts that it puts to each kind of
        model, and the options that it sets.
        """
        name, *others = line.split() or [""]
        if others:
            raise UsageError(f"%complete_tasks takes one name, not {line.strip()[:60]!r}.")
        with _usage_errors():
            if name:
                self._tell(tasks_view.bundle(self.session.tasks.find(name)))
                return
            self._table(status.TASKS, status.tasks(self.session))
            for trouble in self.session.tasks.troubles:
                print(visible(trouble))

    @no_var_expand
    @line_magic
    def complete_panel(self, line: str) -> None:
        """%complete_panel [PROMPT]

        Open the panel, where a text is written by you and the model in turn: complete, stop, look at what was weighed,
        branch, undo. There is one a notebook; run this again to have it here.
        """
        if not hasattr(self.shell, "kernel"):
            raise UsageError("The panel is for notebooks; here %%complete and %complete do the same in text.")
        display(door("panel")(self.session, line))

    @no_var_expand
    @line_magic
    def complete_model(self, line: str) -> None:
        with _usage_errors():
            word, name, settings = arguments.model_settings(line)
            if word in ("use", "load", "unload") and not name:
                raise UsageError(f"%complete_model {word} needs a name; %complete_model list shows them.")
            if word in ("list", "status") and name:
                raise UsageError(f"%complete_model {word} takes no name.")
            if not line.strip() and hasattr(self.shell, "kernel"):
                display(door("models panel")(self.session))
                return
            getattr(self, f"_{word}")(name, self.session.config.checked(settings))

    def _output_options(self, settings: dict[str, Any], behind: bool) -> OutputOptions:
        """Take out of `settings` what says where a completion is shown and bound; raises UsageError."""
        defaults = self.session.config
        out = arguments.out_name(settings.pop("out", defaults.out))
        echo, form = settings.pop("echo", defaults.echo), settings.get("format", defaults.format)
        cell = settings.pop("cell", False)
        for other in ("score", "dry_run", "inspect"):
            if cell and settings.get(other):
                raise UsageError(f"--cell writes a completion, and --{other.replace('_', '-')} is something else.")
        if cell and (behind or settings.get("num", defaults.num) > 1):
            raise UsageError("--cell writes one completion when it is done; leave out --background and -n.")
        form = TOKENS if settings.get("inspect") else form
        return OutputOptions((out,) if out else (), echo, form, cell, self.history.now)

    def _fill(self, text: str, settings: dict[str, Any], chosen: Mapping[str, Any]) -> Text:
        """The text with its values, and theirs in the question of `settings`; an expression that takes long may be
        interrupted."""
        try:
            if settings.get("question"):
                most = 4 * self.session.config.value_tokens  # for a model's tokens are counted later
                settings["question"] = self.history.question(settings["question"], chosen["raw"], most)
            return self.history.fill(text, chosen["raw"], chosen["error"])
        except KeyboardInterrupt:
            raise Interrupted("The prompt was not whole, and the model was not asked.") from None

    def _stream(self, text: str, prompt: Text, settings: dict[str, Any]) -> Stream:
        """Begin to complete a text, after as many earlier cells as were asked for."""
        defaults = self.session.config
        settings = {"context": defaults.context, "raw": defaults.raw, **settings}
        excerpts = self.history.excerpts(settings["context"])
        mode = defaults.mode(settings)
        if not any(isinstance(part, Value) for part in prompt):
            settings["raw"] |= plain(prompt) != text  # braces that were escaped are text now
            return self.session.stream(compose.check(plain(prompt)), mode=mode, excerpts=excerpts, **settings)
        return self.session.stream(prompt, mode=mode, source=text or None, excerpts=excerpts, **settings)

    def _show(self, stream: Stream, output: OutputOptions) -> Completion:
        """Paint a stream and bind its completion; a failure is raised when what there is has been kept."""
        done: Completion = paint(stream, output.echo, output.form, self.session.config.updates_per_second)
        if stream.error is None or done.text or done.thinking:
            self._bind(output, done)
            if done is self.session.last_continued:
                self._last_output = (done, output)
            if output.cell:
                self._write(done, output)
        if stream.error is not None:
            raise stream.error
        return done

    def _bind(self, output: OutputOptions, done: Completion) -> None:
        """Bind a completion, and remember it as what its cell has to say."""
        self.shell.user_ns.update(dict.fromkeys(output.names, done))
        framing = done.request.framing if done.request else None
        apart = framing is not None and bool(framing.chat or framing.thread or framing.task)
        self.history.record_completion(output.number, done.prompt[done.ahead :] + "\n\n" * apart + done.text)

    def _write(self, done: Completion, output: OutputOptions) -> None:
        """The completion into a new cell, with its own text ahead of it where that was echoed."""
        before = done.prompt[done.ahead :] if output.echo else ""
        if done.text.strip() and not new_cell.write(self.shell, before + done.text, output.form):
            print(new_cell.NOWHERE)

    def _use(self, name: str, settings: dict[str, Any]) -> None:
        wait(self.session.models.load(name, settings["dtype"], settings["device"]))
        self.session.config.model = name
        self._status(name, settings)

    def _load(self, name: str, settings: dict[str, Any]) -> None:
        wait(self.session.models.load(name, settings["dtype"], settings["device"]))
        self._status(name, settings)

    def _plan(self, name: str, settings: dict[str, Any]) -> None:
        name, wanted = name or self.session.config.model, (settings["dtype"], settings["device"])
        plan = self.session.models.plan(name, *wanted)
        self._table(plan_view.head(plan), plan_view.rows(plan))
        if said := status.residence(self.session, name, *wanted):
            print(said)

    def _unload(self, name: str, settings: dict[str, Any]) -> None:
        print(status.given_back(self.session.models.unload(name, self.shell.user_ns)))

    def _list(self, name: str, settings: dict[str, Any]) -> None:
        self._tell(models_view.bundle(model_list.tables(self.session), f"{model_list.note()} {status.ALSO}"))

    def _status(self, name: str, settings: dict[str, Any]) -> None:
        residents = [one for one in self.session.models if not name or one is self.session.models.get(name)]
        if not residents:
            print(f"No model is resident; %%complete loads {self.session.config.model}.")
            return
        self._table(status.HEAD, [status.row(self.session, resident) for resident in residents])
        for said in [said for resident in residents for said in status.notes(resident)]:
            print(said)

    def _tell(self, said: Mapping[str, str]) -> None:
        if hasattr(self.shell, "kernel"):
            display(dict(said), raw=True)
        else:
            print(said["text/plain"])

    def _table(self, head: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
        html = models_view.table_html(head, rows)
        self._tell({"text/plain": models_view.table_plain(head, rows), "text/html": html})


CompleteMagics.complete.__doc__ = arguments.CELL.format_help() + str(arguments.LINE.description)
CompleteMagics.complete_thread.__doc__ = arguments.THREADS.format_help()
CompleteMagics.complete_model.__doc__ = arguments.MODELS.format_help()


@contextmanager
def _usage_errors() -> Iterator[None]:
    """A value out of bounds or an empty prompt is a bad line: one sentence."""
    try:
        yield
    except (BadOption, EmptyPrompt) as error:
        raise arguments.usage_error(error) from None


def load(shell: InteractiveShell, session: Session) -> None:
    """Put the magics, their settings and their Tab completions into `shell`; a second time changes nothing."""
    unload(shell)
    session.namespace, session.watch = shell.user_ns, watch
    session.config.parent = shell
    session.config.unobserve_all("preload")
    for refused in session.config.adopt(shell.config):
        print(refused, file=sys.stderr)
    shell.configurables.append(session.config)  # type: ignore[arg-type]  # it takes any Configurable
    if session.config.preload:
        session.preload()
    session.config.observe(lambda change: session.preload() if change["new"] else None, "preload")
    magics = CompleteMagics(shell, session)
    magics.raw_cell.watch()
    magics.history.watch()
    shell.register_magics(magics)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(_matcher(session))


def unload(shell: InteractiveShell) -> None:
    """Take all of it out again; resident models stay."""
    for magics in shell.magics_manager.magics.values():
        for name in [name for name, function in magics.items() if _is_ours(getattr(function, "__self__", None))]:
            del magics[name]
    if (ours := shell.magics_manager.registry.pop(CompleteMagics.__name__, None)) is not None:
        ours.raw_cell.leave()
        ours.history.leave()
    shell.configurables[:] = [one for one in shell.configurables if type(one).__name__ != "Complete"]
    if shell.Completer is not None:
        kept = [
            matcher for matcher in shell.Completer.custom_matchers if not getattr(matcher, "jupyter_complete", False)
        ]
        shell.Completer.custom_matchers[:] = kept


def _is_ours(owner: object) -> bool:
    return type(owner).__name__ == CompleteMagics.__name__


def _matcher(session: Session) -> Any:
    @context_matcher()  # type: ignore[untyped-decorator]
    def complete_matcher(context: CompletionContext) -> SimpleMatcherResult:
        before = context.line_with_cursor[: context.cursor_position]
        if not before.startswith(("%%complete", "%complete")):
            return {"completions": []}
        found = arguments.completions(before, session.known())
        token = before.rpartition(" ")[2]
        rest = len(token) - len(context.token)  # IPython's token may begin after a dash
        return {
            "completions": [SimpleCompletion(value[rest:] if rest > 0 else value) for value in found],
            "suppress": bool(found),
        }

    complete_matcher.jupyter_complete = True
    return complete_matcher
