"""Ghost text in IPython's terminal: in a %%complete cell the suggestion is the model's, elsewhere the history's."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..session.session import Session
from .mirror import OURS, Place, prose, tail
from .writer import Wish, Writer

LONGEST = 5.0  # seconds that a suggestion is waited for


class Suggestions:
    """Answers prompt_toolkit for one shell. `usual` is what answers in all other cells."""

    def __init__(self, session: Session, usual: Any) -> None:
        self._session, self._usual = session, usual
        self._writer = Writer(session)
        self._asks = 0
        self._newer = threading.Event()  # set where a newer text is wanted

    async def suggest(self, buffer: Any, document: Any) -> Any:
        """The suggestion behind a text; another key ends the one before it."""
        text = document.text
        first = OURS.match(text)
        inside = first is not None and first.end() < len(text) and document.is_cursor_at_the_end
        if not inside or not self._session.config.ghost:
            return await self._usual(buffer, document)
        found = await asyncio.get_running_loop().run_in_executor(None, self.text_after, prose(text))
        from prompt_toolkit.auto_suggest import Suggestion

        return Suggestion(found) if found else None

    def text_after(self, text: str) -> str:
        """What the model writes after a text, as soon as it is whole; nothing if a newer text is wanted."""
        config = self._session.config
        self._newer.set()
        done = self._newer = threading.Event()
        told: list[str] = []

        def tell(message: dict[str, Any]) -> None:
            if message["kind"] == "text":
                told.append(message["text"])
            elif message["kind"] in ("done", "silent"):
                done.set()

        self._asks += 1
        place = Place((), tail(text, 4 * config.ghost_context), "")
        wish = Wish(self._asks, place, config.ghost_threshold, config.ghost_tokens, config.model, others=0)
        self._writer.write(wish, tell)
        done.wait(LONGEST)
        return "".join(told) if done is self._newer else ""


def listen(shell: InteractiveShell, session: Session) -> None:
    """Suggest in the terminal of `shell`, unless its user has switched suggestions off."""
    provider: Any = getattr(shell, "auto_suggest", None)
    if provider is not None:
        leave(shell)
        provider.get_suggestion_async = Suggestions(session, provider.get_suggestion_async).suggest


def leave(shell: InteractiveShell) -> None:
    """Leave the suggestions to IPython again."""
    provider: Any = getattr(shell, "auto_suggest", None)
    if "get_suggestion_async" in getattr(provider, "__dict__", {}):
        del provider.get_suggestion_async
