"""The magics: a line and a cell to a stream, painted under the cell; what is bound, and what is said of a bad line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display

from ..prompt import compose
from ..protocol.doors import door
from ..protocol.errors import EmptyPrompt, Interrupted
from ..protocol.front_end import in_notebook
from ..protocol.prompt_parts import Text, Value, plain
from ..results.completion import Completion
from ..session.session import Session
from ..session.stream import Stream, hold_interrupts, kept
from . import arguments, background, first_line, new_cell
from .arguments import usage_errors
from .caller import calling_frame, local_names, uses_result
from .history import History
from .model_magics import ModelMagics
from .output_options import OutputOptions, output_options
from .raw_cell import RawCell
from .screen import paint
from .waiting import watch


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
    def complete(self, line: str, cell: str | None = None) -> Completion | None:
        caller = calling_frame()
        with usage_errors():
            if cell is None:
                settings, text = arguments.line_settings(line)
            else:
                settings, text = arguments.cell_settings(line), self.raw_cell.body("complete", line, cell)
            behind = settings.pop("background", False)
            if behind and not in_notebook(self.shell):
                raise UsageError("--background is for notebooks; leave it out here.")
            behind = behind and new_cell.has_reader(self.shell)  # else the text would come when the notebook is written
            chosen = self.session.config.checked(settings)
            output = output_options(settings, self.session.config, behind, self.history.now)
            prompt = self._fill(text, settings, chosen, local_names(caller, self.shell.user_ns))
        with hold_interrupts():
            with usage_errors():
                stream = self._stream(text, prompt, {**settings, "behind": behind})
            if behind:
                self.shell.user_ns.update(dict.fromkeys(output.names, background.promise(stream)))
                unbound = replace(output, names=())  # the promise becomes the completion
                door("background")(stream, output.echo, output.form, lambda done: self._bind(unbound, done))
                return None
            done = self._show(stream, output)
            stream.raise_interrupt(kept(done))
        return done if uses_result(caller) else None

    @no_var_expand
    @line_cell_magic
    def complete_inside(self, line: str, cell: str | None = None) -> None:
        """%%complete_inside [options], or %complete_inside [options] TEXT

        Complete the text and show how that came about: tokens, attention, every layer's guess, the distribution
        and the draw. Options are those of %%complete; -o binds the Inside, which answers more (jc.inside).
        """
        with usage_errors():
            if cell is None:
                settings, text = arguments.line_settings(line)
            else:
                settings, text = arguments.cell_settings(line), self.raw_cell.body("complete_inside", line, cell)
            for name in ("background", "cell", "score", "dry_run"):
                if settings.pop(name, False):
                    raise UsageError(f"%%complete_inside takes no --{name.replace('_', '-')}.")
            chosen = self.session.config.checked(settings)
            output = output_options(settings, self.session.config, False, self.history.now)
            prompt = self._fill(text, settings, chosen, local_names(calling_frame(), self.shell.user_ns))
        with hold_interrupts():
            with usage_errors():
                stream = self._stream(text, prompt, {**settings, "trace": True})
            done = self._show(stream, replace(output, names=()))
        if done.trace is None:
            stream.raise_interrupt(kept(done))
            raise UsageError("No token was decoded, so there is nothing to look into.")
        from ..session.inside import of  # imports every kind of question, which %load_ext does not need

        opened = of(done, self.session)
        if in_notebook(self.shell):
            display(opened)
        else:
            print(opened.view())
        self.shell.user_ns.update(dict.fromkeys(output.names, opened))
        stream.raise_interrupt(kept(done))

    @no_var_expand
    @line_magic
    @hold_interrupts()
    def complete_more(self, line: str) -> Completion | None:
        """%complete_more [N]

        Continue the completion that a cell showed last by up to N tokens (default: Complete.max_new_tokens), from its
        KV cache. The result takes the place of that completion in the variable of its -o. Other variables keep what
        they have, and so do completions and branches made in Python; continue those with c.more(N).
        """
        caller = calling_frame()
        last, how = self._last_output
        if last is None:  # no magic has shown one
            last, how = self.session.last_continued, OutputOptions(form=self.session.config.format)
        if last is None:
            raise UsageError("There is no completion to continue; run a %%complete cell first.")
        if last.alternatives:
            raise UsageError(
                f"The last completion has {1 + len(last.alternatives)} continuations; "
                "continue one of them from Python, as c[0].more(20) or c[1].more(20)."
            )
        with usage_errors():
            words = line.split()
            if len(words) > 1 or (words and not re.fullmatch(r"[0-9]{1,18}", words[0])):
                raise UsageError(f"%complete_more takes a number of tokens, not {line.strip()[:60]!r}.")
            number = int(words[0]) if words else self.session.config.max_new_tokens
            stream = self.session.more(last, max_new_tokens=number)
        names = how.names_of(last, self.shell.user_ns)
        done = self._show(stream, replace(how, names=names, cell=False, number=self.history.now))
        stream.raise_interrupt(kept(done))
        return done if uses_result(caller) else None

    @no_var_expand
    @line_cell_magic
    def complete_panel(self, line: str, cell: str | None = None) -> None:
        if not in_notebook(self.shell):
            raise UsageError("The panel is for notebooks; here %%complete and %complete do the same in text.")
        with usage_errors():
            name, text = arguments.panel_settings(line)
            if cell is not None and text:
                raise UsageError(
                    f"{text[:60]!r} is on the line of %%complete_panel; its text goes into the lines below."
                )
            self.session.config.checked({"name": name} if name else {})
        text = text if cell is None else self.raw_cell.body("complete_panel", line, cell)
        display(door("panel")(self.session, name, text))

    def _fill(self, text: str, settings: dict[str, Any], chosen: Mapping[str, Any], local: Mapping[str, Any]) -> Text:
        """The text with its values, and theirs in the question of `settings`; an expression that takes long may be
        interrupted. `local` are the variables of a function that calls the magic."""
        if text.isspace() and not chosen["error"]:
            raise EmptyPrompt("The cell holds blanks only.", "Write the text to complete.")
        if settings.get("json") in local:
            settings["json"] = local[settings["json"]]
        try:
            if settings.get("question"):
                most = 4 * self.session.config.value_tokens  # for a model's tokens are counted later
                settings["question"] = self.history.question(settings["question"], chosen["raw"], most, local)
            return self.history.fill(text, chosen["raw"], chosen["error"], local)
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
        place = uuid4().hex
        done: Completion = paint(stream, output.echo, output.form, self.session.config.updates_per_second, place)
        if stream.error is None or done.text or done.thinking:
            self._bind(output, done)
            if output.cell:
                self._write(done, output, place)
        if stream.error is not None:
            raise stream.error
        return done

    def _bind(self, output: OutputOptions, done: Completion) -> None:
        """Bind a completion, and remember it as what its cell has to say, and as what %complete_more goes on from."""
        if done.request is not None and done.request.mode == "continue":
            self._last_output = (done, output)
        self.shell.user_ns.update(dict.fromkeys(output.names, done))
        apart = "\n\n" if done.request and done.request.framing.answers else ""
        self.history.record_completion(output.number, done.prompt[done.ahead :] + apart + done.text)

    def _write(self, done: Completion, output: OutputOptions, place: str) -> None:
        """The completion into a new cell: by the page that shows it at `place`, else by a request to the front end."""
        if not done.text.strip():
            return
        prompt = "" if done.request and done.request.framing.answers and not output.echo else done.prompt[done.ahead :]
        cell = new_cell.new_cell(done.text, output.form, prompt, output.echo)
        made = new_cell.has_page(self.shell) and door("cell writer")(
            cell.kind, cell.source, done.bundle(done.prompt if output.echo else "", output.form), place
        )
        if not made and not new_cell.write(self.shell, cell):
            print(new_cell.NOWHERE)
        elif cell.note:
            print(cell.note)


CompleteMagics.complete.__doc__ = arguments.CELL.format_help() + str(arguments.LINE.description)
CompleteMagics.complete_panel.__doc__ = arguments.PANELS.format_help()


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
    first_line.watch(shell)
    magics.history.watch()
    shell.register_magics(magics, ModelMagics(shell, session))
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(_matcher(session))


def unload(shell: InteractiveShell) -> None:
    """Take all of it out again; resident models stay."""
    for magics in shell.magics_manager.magics.values():
        for name in [name for name, function in magics.items() if _is_ours(getattr(function, "__self__", None))]:
            del magics[name]
    shell.magics_manager.registry.pop(ModelMagics.__name__, None)
    if (ours := shell.magics_manager.registry.pop(CompleteMagics.__name__, None)) is not None:
        ours.raw_cell.leave()
        first_line.leave(shell)
        ours.history.leave()
    names = {"Complete", CompleteMagics.__name__, ModelMagics.__name__}  # magics append themselves
    shell.configurables[:] = [one for one in shell.configurables if type(one).__name__ not in names]
    if shell.Completer is not None:
        kept = [
            matcher for matcher in shell.Completer.custom_matchers if not getattr(matcher, "jupyter_complete", False)
        ]
        shell.Completer.custom_matchers[:] = kept


def _is_ours(owner: object) -> bool:
    return type(owner).__name__ in (CompleteMagics.__name__, ModelMagics.__name__)


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
