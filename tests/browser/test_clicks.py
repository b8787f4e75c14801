"""A click in a widget reaches Python within a second, whatever the kernel does, in both front ends, by both kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, Page, click, ended, opened, run, shows, status_of

import jupyter_complete.widgets

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STATIC = Path(jupyter_complete.widgets.__file__).parent / "static"
PROBE = f"""
import time
from pathlib import Path
import anywidget, traitlets
from jupyter_complete.notebook.control_channel import ControlChannel

class Probe(anywidget.AnyWidget):
    _esm = Path({str(STATIC / "control_channel.js")!r}).read_text() + \"\"\"
        export default {{ render({{ model, el }}) {{
            const button = document.createElement("button");
            button.className = "probe";
            button.textContent = "Stop";
            button.onclick = () => sendUrgent(model, {{ clicked: Date.now() / 1000 }});
            const note = document.createElement("span");
            model.on("change:note", () => (note.textContent = model.get("note")));
            el.append(button, note);
        }} }};
    \"\"\"
    _urgent = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)

    def __init__(self):
        self.came = []
        self.urgent = ControlChannel(self.called)
        super().__init__(_urgent=self.urgent.key)
        self.on_msg(self.urgent.receive_ordinary)

    def called(self, payload):
        self.came.append(time.time() - payload["clicked"])
        self.note = f"stopped {{len(self.came)}}"

probe = Probe()
"""
RUNNING = {
    "asleep": "print('begun', flush=True); time.sleep(3)",
    "busy": "print('begun', flush=True); end = time.time() + 3\nwhile time.time() < end: pass",
}
DELAYS = "print('delays', ' '.join(f'{delay:.3f}' for delay in probe.came))"


def server_says(lab: Lab, notebook: str) -> str:
    """What the server, which may shut idle kernels down, thinks that a notebook's kernel does."""
    (state,) = [one["kernel"]["execution_state"] for one in lab.ask("api/sessions") if one["path"] == notebook]
    return str(state)


def test_a_stop_button_is_heard_while_a_cell_sleeps_or_computes(
    lab: Lab, window: Page, front: str, kernel: str
) -> None:
    # the widget is shown by a cell that goes on running, too
    shown = PROBE + "display(probe)\n" + RUNNING["asleep"]
    name = f"urgent-{front}-{kernel}.ipynb"
    page = opened(window, lab.notebook(name, shown, *RUNNING.values(), DELAYS, front=front, kernel=kernel))
    for cell in (0, 1, 2):
        run(page, cell)
        shows(page, cell, "begun")
        click(page, 0, ".probe")
        assert shows(page, 0, f"stopped {cell + 1}", 5) < 1
        assert status_of(page) == "busy"
        # when the widget is new, the front end's own request for a subshell makes the server think so
        assert cell == 0 or server_says(lab, name) == "busy"
        ended(page, cell)
    click(page, 0, ".probe")
    shows(page, 0, "stopped 4", 5)

    run(page, 3)
    delays = [float(delay) for delay in ended(page, 3).split()[1:]]
    assert len(delays) == 4, delays
    assert max(delays) < 1, delays


SEND = """async ([source, kernel]) => {
    const { sendUrgent } = await import("data:text/javascript," + encodeURIComponent(source));
    const sent = [];
    const kernels = {
        absent: undefined,
        "another kind": {},
        dead: { sendControlMessage() { throw new Error("Kernel is dead"); } },
        listening: { sendControlMessage: (_, reply) => (sent.push(`control ${reply}`), { done: Promise.resolve() }) },
        deaf: { sendControlMessage() { sent.push("control"); } },
    };
    const widget_manager = kernel === "no manager" ? undefined : { kernel: kernels[kernel] };
    const get = () => (kernel === "deaf" ? "" : "key");
    const model = { get, widget_manager, send: (content) => sent.push(content) };
    for (let time = 0; time < 2; time += 1) {
        sendUrgent(model, { stop: time });
        await Promise.resolve();
    }
    return sent;
}"""


@pytest.mark.parametrize("lent", ["no manager", "absent", "another kind", "dead", "deaf"])
def test_where_the_control_channel_cannot_be_used_the_ordinary_message_is_sent(window: Page, lent: str) -> None:
    source = (STATIC / "control_channel.js").read_text() + "export { sendUrgent };"
    sent = window.page.evaluate(SEND, [source, lent])
    assert [content["payload"] for content in sent] == [{"stop": 0}, {"stop": 1}]
    assert all(len(content["urgent"]) > 10 for content in sent)


def test_once_the_control_channel_was_answered_it_is_used_alone(window: Page) -> None:
    source = (STATIC / "control_channel.js").read_text() + "export { sendUrgent };"
    first, ordinary, second = window.page.evaluate(SEND, [source, "listening"])
    assert (first, ordinary["payload"], second) == ("control true", {"stop": 0}, "control false")
