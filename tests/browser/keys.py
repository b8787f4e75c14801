"""What a key costs in a panel: milliseconds until its frame is on the screen, and bytes to the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from lab import Page, press

TIMES = """() => {
  const times = window.__times = [];
  addEventListener("keydown", () => {
    const start = performance.now();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => times.push(performance.now() - start);
      port2.postMessage(0);
    });
  }, true);
}"""
PAUSE = 40  # milliseconds between two keys


@dataclass(frozen=True)
class Keys:
    """The keys that were pressed: the milliseconds of each, sorted, and the bytes that the page sent for all."""

    times: list[float]
    bytes: int

    @property
    def median(self) -> float:
        return self.times[len(self.times) // 2]

    @property
    def p95(self) -> float:
        return self.times[len(self.times) * 95 // 100]

    @property
    def bytes_a_key(self) -> float:
        return self.bytes / len(self.times)

    def __str__(self) -> str:
        frame = f"median {self.median:.1f} ms, 95 of 100 {self.p95:.1f} ms"
        return f"{len(self.times)} keys: a key to its frame {frame}; {self.bytes_a_key:.0f} bytes a key to the kernel"


def typed(window: Page, many: int = 60) -> Keys:
    """Type letters and blanks six lines above the end of the text, where the field has the focus."""
    page = window.page
    press(page, *["ArrowUp"] * 6)
    page.evaluate(TIMES)
    page.wait_for_timeout(1500)  # what was put in before is stored by then
    before = len(window.frames)
    for place in range(many):
        page.keyboard.press("Space" if place % 6 == 5 else "x")
        page.wait_for_timeout(PAUSE)
    page.wait_for_timeout(1500)
    sent = window.frames.since(before).of(sent=True)
    return Keys(sorted(page.evaluate("window.__times")), sent.size)
