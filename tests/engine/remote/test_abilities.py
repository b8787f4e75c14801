"""What a server says of itself: its models, windows and program."""

from __future__ import annotations

from threading import Event

import pytest
from scripted import MODEL, Scripted, Wire, scripted

from jupyter_complete.engine.remote.abilities import discover, list_models
from jupyter_complete.engine.remote.connection import Connection
from jupyter_complete.protocol.errors import BadReply, UnknownModel
from jupyter_complete.sources.server import Server


def nothing(wire: Wire) -> None:
    wire.refuse(404)


def find(server: Scripted, model: str = "") -> tuple[str, object, str]:
    connection = Connection(Server(server.url))
    id, known = connection.run(discover(connection, model), Event())
    return id, known.window, known.program


def test_the_only_model_needs_no_name() -> None:
    with scripted(nothing) as server:
        assert find(server) == (MODEL, None, "")


def test_one_of_several_models_has_to_be_named() -> None:
    with scripted(nothing) as server:
        server.models = {"data": [{"id": "a", "max_model_len": 4096, "owned_by": "vllm"}, {"id": "b"}]}
        with pytest.raises(UnknownModel, match="has 2 models: a, b"):
            find(server)
        assert find(server, "a") == ("a", 4096, "vLLM")


def test_a_model_that_is_not_listed_is_asked_for_all_the_same() -> None:
    with scripted(nothing) as server:
        assert find(server, "hidden") == ("hidden", None, "")


def test_a_file_is_found_by_its_name() -> None:
    with scripted(nothing) as server:
        entry = {"id": "/models/small.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 2048, "n_params": 7}}
        server.models = {"data": [entry, {"id": "b"}]}
        assert find(server, "small.gguf") == ("/models/small.gguf", 2048, "llama.cpp")
        assert [one.short for one in list_models(Server(server.url), Event())] == ["small.gguf", "b"]


@pytest.mark.parametrize("listed", [{}, {"data": 7}, {"models": []}])
def test_a_list_that_is_none_is_a_bad_reply(listed: object) -> None:
    with scripted(nothing) as server:
        server.models = listed
        with pytest.raises(BadReply, match="lists no models"):
            list_models(Server(server.url), Event())
