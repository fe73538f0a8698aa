"""What holds for every test: the environment, and what was left out."""

import os
from collections import Counter

# Before torch is imported: spinning threads starve each other where tests run side by side.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, unless this process only distributes the tests: torch loads slowly."""
    if config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("shared")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line of what was left out, and how to get it."""
    skipped = terminalreporter.getreports("skipped")
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        told = "; ".join(f"{count} × {reason}" for reason, count in reasons.items())
        terminalreporter.write_line(f"Left out: {told}")
