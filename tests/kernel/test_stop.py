"""Stop stops: what was written is kept and bound, one line says so, and what was queued behind it does not run."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
import tiny
from kernels import Kernel, Ran, text_begins
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.kernel

KEPT = "Interrupted: The text so far is kept; %complete_more continues it."
INTERRUPTED = "jc.last().finish_reason == 'interrupted' and bool(jc.last().text)"

CELLS = {
    "a cell": "%%complete -N 200 -t 0\nThe mean",
    "a line": "%complete -N 200 -t 0 The mean",
    "more": "%complete_more 200",
    "a task": "%%complete -N 200 -t 0 --task again\nThe mean",
    "beams": "%%complete -N 200 --beams 2\nThe mean",
}
CALLS = {
    "complete": "jc.complete('The mean', temperature=0, max_new_tokens=200)",
    "more": "begun.more(200)",
    "branch": "begun.branch(1, max_new_tokens=200)",
    "stream": "for piece in jc.stream('The mean', temperature=0, max_new_tokens=200): pass",
}


def prints_begun(message: dict[str, Any]) -> bool:
    return message["msg_type"] == "stream" and "begun" in message["content"]["text"]


def last_line(ran: Ran) -> list[str]:
    """What a cell shows of the interrupt."""
    (error,) = ran.of("error")
    lines: list[str] = error["content"]["traceback"]
    return lines


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_that_is_stopped_keeps_its_text_and_ends_in_one_line(kernel: Kernel, cell: str) -> None:
    kernel.good("jc.task('again', '{{ text }}')\n%complete -N 3 -t 0 The mean")
    moment = text_begins if cell != "beams" else lambda message: "searching" in str(message["content"].get("data"))
    ran = kernel.interrupted_at(CELLS[cell], moment)
    assert last_line(ran) == [KEPT]
    assert ran.reply["status"] == "error"
    assert kernel.value(INTERRUPTED)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_from_python_that_is_stopped_ends_in_one_line(kernel: Kernel, call: str) -> None:
    kernel.good("begun = jc.complete('The mean', temperature=0, max_new_tokens=3)")
    code = f"import threading\nthreading.Timer(0.5, lambda: print('begun', flush=True)).start()\n{CALLS[call]}"
    ran = kernel.interrupted_at(code, prints_begun)
    assert last_line(ran) == [KEPT]
    assert kernel.value(INTERRUPTED)


def test_a_loop_ends(kernel: Kernel) -> None:
    kernel.interrupted_at("for turn in range(5):\n    %complete -N 200 -t 0 The mean", text_begins)
    assert kernel.value("turn") == 0


def test_python_catches_it_as_an_interrupt(kernel: Kernel) -> None:
    code = "try:\n    %complete -N 200 -t 0 The mean\nexcept KeyboardInterrupt:\n    caught = True"
    ran = kernel.interrupted_at(code, text_begins)
    assert ran.error == ""
    assert kernel.value("caught")


def test_cells_that_wait_behind_it_do_not_run(kernel: Kernel) -> None:
    kernel.good("later = None")
    asked = kernel.client.execute("%%complete -N 200 -t 0 -o c\nThe mean")
    behind = kernel.client.execute("later = 'ran'")
    while not text_begins(kernel.client.get_iopub_msg(timeout=60)):
        pass
    kernel.interrupt()
    assert kernel.reply_to(asked)["status"] == "error"
    assert kernel.reply_to(behind)["status"] in ("aborted", "error")
    assert kernel.value("[later, c.finish_reason]") == [None, "interrupted"]


def test_the_inside_of_what_was_written_is_bound(kernel: Kernel) -> None:
    ran = kernel.interrupted_at("%%complete_inside -N 200 -t 0 -o seen\nThe mean", text_begins)
    assert last_line(ran) == [KEPT]
    assert kernel.value("len(seen.trace) > 0")


def test_what_is_stopped_from_a_panel_is_no_interrupt_of_a_cell(kernel: Kernel) -> None:
    ran = kernel.good(
        "p = jc.panel('The mean')\np.do_complete([['you', 'The mean']], {'max_new_tokens': 200})\n"
        "import time; time.sleep(0.5); p.do_stop(); p.wait()"
    )
    assert ran.reply["status"] == "ok"
    assert kernel.value("p.completion.finish_reason") == "interrupted"


def test_nbclient_ends_the_notebook() -> None:
    stopping = "import os, signal, threading\nthreading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()"
    cells = [
        "%load_ext jupyter_complete",
        tiny.cell(0.02),
        f"{stopping}\n%complete -N 200 -t 0 The mean",
        "print('ran')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    with pytest.raises(CellExecutionError, match="The text so far is kept"):
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    assert "interrupted" in notebook.cells[2].outputs[0].data["text/plain"]
    assert notebook.cells[3].outputs == []
