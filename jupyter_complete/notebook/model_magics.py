"""The magics that show and change what a session holds: models, conversations, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from ..protocol.doors import door
from ..protocol.front_end import in_notebook
from ..protocol.phrases import count, near
from ..render import conversation as thread_view
from ..render import tables as models_view
from ..render import tasks as tasks_view
from ..render.html import visible
from ..session import status
from ..session.session import Session
from . import arguments
from .arguments import usage_errors
from .screen import wait


@magics_class
class ModelMagics(Magics):
    """%complete_model, %complete_thread and %complete_tasks of one session."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self.shell: InteractiveShell = shell
        self.session = session

    @no_var_expand
    @line_magic
    def complete_thread(self, line: str) -> None:
        with usage_errors():
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
        with usage_errors():
            if name:
                self._tell(tasks_view.bundle(self.session.tasks.find(name)))
                return
            self._table(status.TASKS, status.tasks(self.session))
            for trouble in self.session.tasks.troubles:
                print(visible(trouble))

    @no_var_expand
    @line_magic
    def complete_model(self, line: str) -> None:
        with usage_errors():
            word, name, settings = arguments.model_settings(line)
            if word == "unload" and not name:
                name = self._only_resident()
            if word == "connect" and not name:
                raise UsageError("%complete_model connect needs the address of a server: http://localhost:8000/v1.")
            if word in ("use", "load") and not name:
                raise UsageError(f"%complete_model {word} needs a name; %complete_model list shows them.")
            if word in ("list", "status") and name:
                raise UsageError(f"%complete_model {word} takes no name.")
            if not line.strip() and in_notebook(self.shell):
                display(door("models panel")(self.session))
                return
            getattr(self, f"_{word}")(name, self.session.config.checked(settings))

    def _only_resident(self) -> str:
        """The name of the one model that is resident; raises UsageError where there are more or none."""
        names = [resident.name for resident in self.session.models]
        if len(names) == 1:
            return names[0]
        held = f"Resident are {', '.join(names)}." if names else "No model is resident."
        raise UsageError(f"%complete_model unload needs a name. {held}")

    def _use(self, name: str, settings: dict[str, Any]) -> None:
        wait(self.session.models.load(name, settings["dtype"], settings["device"]))
        self.session.config.model = name
        self._status(name, settings)

    def _load(self, name: str, settings: dict[str, Any]) -> None:
        wait(self.session.models.load(name, settings["dtype"], settings["device"]))
        self._status(name, settings)

    def _plan(self, name: str, settings: dict[str, Any]) -> None:
        from ..render import plan as plan_view

        name, wanted = name or self.session.config.model, (settings["dtype"], settings["device"])
        plan = self.session.models.plan(name, *wanted)
        self._table(plan_view.head(plan), plan_view.rows(plan))
        if said := status.residence(self.session, name, *wanted):
            print(said)

    def _connect(self, name: str, settings: dict[str, Any]) -> None:
        from ..session import connect
        from ..sources.server import Server

        server = Server(name, settings["key_env"])
        listing = connect.Listing(server)
        wait(listing.stream)
        rows = listing.add(self.session)
        print(f"{server.host} has {count(len(rows), 'model')}." + " Use one with -m NAME." * bool(rows))
        self._table(connect.HEAD, rows)

    def _unload(self, name: str, settings: dict[str, Any]) -> None:
        print(status.given_back(self.session.models.unload(name, self.shell.user_ns)))

    def _list(self, name: str, settings: dict[str, Any]) -> None:
        from ..session import model_list  # imports every way to fetch a model

        self._tell(models_view.bundle(model_list.tables(self.session), f"{model_list.note()} {status.ALSO}"))

    def _status(self, name: str, settings: dict[str, Any]) -> None:
        residents = [one for one in self.session.models if not name or one is self.session.models.get(name)]
        if not residents:
            print(f"No model is resident; %%complete loads {self.session.config.model}.")
            return
        rows = [status.row(self.session, resident) for resident in residents]
        said = [*(one for resident in residents for one in status.notes(resident)), status.memory(self.session)]
        self._tell(models_view.bundle([(status.HEAD, rows)], "\n".join(said)))

    def _tell(self, said: Mapping[str, str]) -> None:
        if in_notebook(self.shell):
            display(dict(said), raw=True)
        else:
            print(said["text/plain"])

    def _table(self, head: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
        html = models_view.table_html(head, rows)
        self._tell({"text/plain": models_view.table_plain(head, rows), "text/html": html})


ModelMagics.complete_thread.__doc__ = arguments.THREADS.format_help()
ModelMagics.complete_model.__doc__ = arguments.MODELS.format_help()
