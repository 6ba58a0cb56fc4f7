"""A page in a real browser, for tests of what only a browser can tell."""

import json
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sepconv.report.build import ReportError
from sepconv.report.pdf import chromium


def told(page: Path, profile: Path, timeout: int, fragment: str = "") -> Any:
    """The JSON in the page's ``<pre id="told">`` once its scripts have nothing left to do; skips without a browser.

    The browser's clock is virtual: timers do not wait.
    """
    try:
        program = chromium()
    except ReportError as error:
        pytest.skip(str(error))
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        f"--virtual-time-budget={1000 * timeout}", "--dump-dom", page.as_uri() + fragment,
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout).stdout
    return json.loads(unescape(shown.partition('<pre id="told">')[2].partition("</pre>")[0]) or "null")
