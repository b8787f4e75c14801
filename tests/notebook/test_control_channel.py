"""Urgent messages where no kernel listens, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_complete.notebook.control_channel import ControlChannel


def test_without_a_kernel_there_is_no_key_and_ordinary_messages_are_taken_once() -> None:
    came: list[Any] = []
    urgent = ControlChannel(came.append)
    assert urgent.key == ""
    for _ in range(2):
        urgent.receive_ordinary(None, {"urgent": "a", "payload": {"stop": 1}}, [])
    assert came == [{"stop": 1}]
    urgent.close()


@pytest.mark.parametrize("content", [None, "stop", [], {}, {"urgent": 1}, {"payload": "stop"}])
def test_what_is_not_urgent_is_left_to_others(content: Any) -> None:
    came: list[Any] = []
    assert not ControlChannel(came.append).receive(content)
    assert not came


def test_a_kernel_of_another_kind_is_left_alone() -> None:
    class Other:
        control_handlers = None

    assert ControlChannel(print, Other()).key == ""
    assert Other.control_handlers is None


def test_many_widgets_share_one_handler() -> None:
    class Kernel:
        control_handlers = {"comm_info_request": lambda *_: "usual"}

    came: list[tuple[str, Any]] = []
    first = ControlChannel(lambda payload: came.append(("first", payload)), Kernel())
    second = ControlChannel(lambda payload: came.append(("second", payload)), Kernel())
    handler: Any = Kernel.control_handlers["comm_info_request"]
    for n, one in enumerate((second, first)):
        assert handler(None, None, {"content": {"target_name": one.key, "urgent": str(n), "payload": n}}) is None
    assert came == [("second", 0), ("first", 1)]
    assert handler(None, None, {"content": {}}) == "usual"
    second.close()
    assert handler(None, None, {"content": {"target_name": second.key, "urgent": "2", "payload": 2}}) == "usual"
