"""Conversations: turns are kept under a name, sent again with the next message, shown, and dropped by name."""

from __future__ import annotations

import echoes
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.session.session import Session


@pytest.fixture
def chatting(session: Session) -> Session:
    """A session whose default model has a chat template."""
    session.models.register("chatty", *echoes.make(kind="instruct"))
    session.config.set_trait("model", "chatty")
    session.config.max_new_tokens = 5
    session.config.seed = 1  # of which each answer has a text
    return session


def test_a_conversation_is_sent_again_with_every_message(chatting: Session) -> None:
    first = chatting.complete("Hi", thread="talk")
    second = chatting.complete("And?", thread="talk")
    assert second.turns == (Turn("user", "Hi"), Turn("assistant", first.text), Turn("user", "And?"))
    assert second.prompt == "And?"
    assert chatting.threads["talk"] == (*second.turns, Turn("assistant", second.text))


def test_the_beginning_of_a_conversation_comes_from_the_kv_cache(chatting: Session) -> None:
    chatting.complete("A long beginning of a conversation", thread="talk")
    assert chatting.complete("And?", thread="talk").usage.cached_tokens > 10


def test_conversations_are_apart(chatting: Session) -> None:
    chatting.complete("Hi", thread="one")
    assert len(chatting.complete("Ho", thread="other").turns) == 1


def test_a_chat_without_a_name_keeps_nothing(chatting: Session) -> None:
    assert chatting.complete("Hi", chat=True).turns == (Turn("user", "Hi"),)
    assert chatting.threads == {}


def test_more_of_the_last_answer_takes_its_place(chatting: Session) -> None:
    longer = chatting.complete("Hi", thread="talk").more(5)
    assert chatting.threads["talk"] == (Turn("user", "Hi"), Turn("assistant", longer.text))


def test_a_branch_of_an_older_answer_leaves_the_conversation(chatting: Session) -> None:
    first = chatting.complete("Hi", thread="talk")
    chatting.complete("And?", thread="talk")
    kept = chatting.threads["talk"]
    first.branch(at=1)
    assert chatting.threads["talk"] == kept


def test_scoring_and_previewing_say_nothing(chatting: Session) -> None:
    chatting.stream("Hi", mode="score", thread="talk").result()
    chatting.stream("Hi", mode="preview", thread="talk").result()
    assert chatting.threads == {}


def test_a_base_model_refuses_a_conversation(chatting: Session) -> None:
    chatting.models.register("base", *echoes.make())
    with pytest.raises(BadOption) as refused:
        chatting.complete("Hi", thread="talk", model="base")
    assert str(refused.value) == "base has no chat template. Leave out --thread, or use an instruct model."
    assert chatting.threads == {}


def test_the_magic_lists_shows_and_drops(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_line_magic("complete_thread", "")
    session.threads["trip"] = (Turn("user", "Where to?"), Turn("assistant", "North."))
    shell.run_line_magic("complete_thread", "")
    shell.run_line_magic("complete_thread", "trip")
    shell.run_line_magic("complete_thread", "trip --drop")
    told = capsys.readouterr().out
    assert told == (
        "No conversation is kept; %%complete --thread NAME begins one.\n"
        "conversation  turns  last said\ntrip          2      North.\n"
        "you: Where to?\n\nmodel: North.\n\n[trip: 2 turns]\n"
        "The conversation trip is dropped.\n"
    )
    assert session.threads == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tripp", "There is no conversation 'tripp'. Did you mean trip?"),
        ("--drop", "%complete_thread --drop needs the name of a conversation."),
        ("a b", "%complete_thread takes one name, not 'a b'."),
        ("--nonsense", "--nonsense is no option of %complete_thread."),
    ],
)
def test_a_bad_line_is_one_sentence(shell: InteractiveShell, session: Session, line: str, said: str) -> None:
    session.threads["trip"] = (Turn("user", "Where to?"),)
    with pytest.raises(UsageError) as refused:
        shell.run_line_magic("complete_thread", line)
    assert str(refused.value).startswith(said)
    assert "trip" in session.threads
