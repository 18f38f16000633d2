"""A pytest plugin: writes what became of each test, one JSON object a line, to the file that NACRE_OUTCOMES names.

{"test": node id, "outcome": "passed" | "failed" | "skipped", "phase": where it failed, "why": the last line of it}
"""

import json
import os

_failed = {}
_skipped = set()


def _why(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # An assertion begins with what it says; anything else ends with it.
    return (lines[0] if crash is not None else lines[-1])[:400] if lines else ""


def _write(test, outcome, phase="", why=""):
    with open(os.environ["NACRE_OUTCOMES"], "a", encoding="utf-8") as out:
        out.write(json.dumps({"test": test, "outcome": outcome, "phase": phase, "why": why}) + "\n")


def pytest_collectreport(report):
    if report.failed:
        _write(report.nodeid, "failed", "collection", _why(report))


def pytest_runtest_logreport(report):
    test = report.nodeid
    if report.failed:
        _failed.setdefault(test, (report.when, _why(report)))
    elif report.skipped:
        _skipped.add(test)
    if report.when == "teardown":
        if test in _failed:
            _write(test, "failed", *_failed.pop(test))
        elif test in _skipped:
            _write(test, "skipped")
        else:
            _write(test, "passed")
