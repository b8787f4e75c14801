"""An urgent message of a widget is taken while a cell runs, by ipykernel 7 and 6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipykernel6
import pytest
from kernels import Kernel

pytestmark = pytest.mark.kernel

LISTEN = """
import time
from jupyter_complete.notebook.control_channel import ControlChannel
came = []
urgent = ControlChannel(lambda payload: came.append((payload, time.monotonic())))
"""
BEGIN = "came.clear(); began = time.monotonic(); print('begun', flush=True)\n"
END = "\nended = time.monotonic()"
RUNNING = {
    "asleep": "time.sleep(3)",
    "busy": "while time.monotonic() - began < 3: pass",
}


@pytest.fixture(scope="module", params=["ipykernel7", "ipykernel6"])
def listening(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """A kernel that listens for urgent messages."""
    if request.param == "ipykernel6":
        kernel = Kernel(ipykernel6.NAME, request.getfixturevalue("ipykernel6_specs"))
    else:
        kernel = Kernel()
    try:
        assert kernel.value("__import__('ipykernel').__version__")[0] == request.param[-1]
        kernel.good(LISTEN)
        yield kernel
    finally:
        kernel.close()


def sent_during(kernel: Kernel, code: str, *messages: dict[str, Any]) -> None:
    """Run a cell and send urgent messages once it runs."""
    key = kernel.value("urgent.key")
    assert key

    def watch(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            for content in messages:
                kernel.control("comm_info_request", {"target_name": key, **content})

    assert not kernel.run(BEGIN + code + END, watch).error


@pytest.mark.parametrize("code", RUNNING.values(), ids=RUNNING)
def test_an_urgent_message_is_taken_while_a_cell_runs(listening: Kernel, code: str) -> None:
    sent_during(listening, code, {"urgent": code, "payload": {"stop": 1}})
    assert listening.value("[(payload, began < at < ended) for payload, at in came]") == [[{"stop": 1}, True]]


def test_what_comes_twice_is_taken_once(listening: Kernel) -> None:
    again = {"urgent": "again", "payload": 1}
    sent_during(listening, "time.sleep(0.5)", again, again, {"urgent": "another", "payload": 2})
    assert listening.value("[payload for payload, _ in came]") == [1, 2]
    listening.good("urgent.receive_ordinary(None, {'urgent': 'again', 'payload': 1}, [])")
    assert listening.value("len(came)") == 2


def test_a_message_that_asks_for_a_reply_gets_one_and_another_none(listening: Kernel) -> None:
    listening.good("came.clear()")
    content = {"target_name": listening.value("urgent.key"), "payload": 4}
    listening.control("comm_info_request", {**content, "urgent": "silent"})
    listening.control("comm_info_request", {**content, "urgent": "answered", "reply": True})
    assert listening.client.get_control_msg(timeout=10)["msg_type"] == "comm_info_reply"
    assert listening.value("[payload for payload, _ in came]") == [4, 4]


def test_a_request_that_is_not_ours_is_answered_as_ever(listening: Kernel) -> None:
    listening.control("comm_info_request", {"target_name": "jupyter.widget"})
    reply = listening.client.get_control_msg(timeout=10)
    assert reply["msg_type"] == "comm_info_reply"
    assert reply["content"] == {"status": "ok", "comms": {}}


def test_a_failing_callback_costs_neither_the_cell_nor_the_next_message(listening: Kernel) -> None:
    listening.good("failing = ControlChannel(lambda payload: 1 / 0)")
    key = listening.value("failing.key")
    listening.control("comm_info_request", {"target_name": key, "urgent": "fails", "payload": 0})
    sent_during(listening, "time.sleep(0.5)", {"urgent": "after", "payload": 3})
    assert listening.value("[payload for payload, _ in came]") == [3]


def test_a_closed_widget_takes_nothing(listening: Kernel) -> None:
    listening.good("gone = ControlChannel(lambda payload: came.append((payload, 0)))\ngone.close()")
    key = listening.value("gone.key")
    listening.good("came.clear()")
    listening.control("comm_info_request", {"target_name": key, "urgent": "late", "payload": 0})
    assert listening.client.get_control_msg(timeout=10)["msg_type"] == "comm_info_reply"
    assert listening.value("came") == []
