"""A check that is known to fail has to fail, until its line is removed; a run of all families writes their page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from family_page import PAGE, Findings, page
from family_tables import KNOWN, OF_THE_YEAR
from tiny_family import Family

FOUND = pytest.StashKey[Findings]()
LEFT_OUT = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--families-page", action="store_true", help="write docs/supported-models.md from this run")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = Findings()
    config.stash[LEFT_OUT] = False


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[LEFT_OUT] = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        family = family_of(item)
        if family is None:
            continue
        if family.name not in OF_THE_YEAR:
            item.add_marker(pytest.mark.families)
        if reason := KNOWN.get(family.name, {}).get(check_of(item)):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    family, found = family_of(item), item.config.stash[FOUND]
    if family is not None and (report.when == "call" or call.excinfo is not None):
        (found.passed if call.excinfo is None else found.failed)[family.name].add(check_of(item))
        found.facts[family.name] += report.user_properties
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("families_page", default=False):
        if session.config.stash[LEFT_OUT]:
            raise pytest.UsageError("The page is written by a run of all families: make families.")
        import gguf_families
        import transformers

        known = frozenset(getattr(transformers, case.config).model_type for case in gguf_families.CASES.values())
        PAGE.write_text(page(session.config.stash[FOUND], transformers.__version__, known), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the lines that KNOWN lacks, and those that it has too many."""
    found = config.stash[FOUND]
    failed = {(name, check) for name, checks in found.failed.items() for check in checks}
    known = {(name, check) for name, checks in KNOWN.items() for check in checks}
    passed = {(name, check) for name, checks in found.passed.items() for check in checks}
    for title, lines in (("KNOWN lacks", failed - known), ("KNOWN has, and it passes", known & passed)):
        if lines:
            terminalreporter.section(title)
            for name in sorted({name for name, _ in lines}):
                terminalreporter.line(f"{name}: {sorted(check for one, check in lines if one == name)}")


def family_of(item: pytest.Item) -> Family | None:
    """The family that a check is about."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("family") if isinstance(params.get("family"), Family) else None


def check_of(item: pytest.Item) -> str:
    """The check that a test is: TestText.test_greedy is "text greedy"."""
    kind = item.cls.__name__.removeprefix("Test").lower() if getattr(item, "cls", None) else ""
    name = getattr(item, "originalname", item.name)
    return f"{kind} {name.removeprefix('test_')}".strip()
