"""The whole book as one PDF: one HTML page by Sphinx's own builder, printed by whatever Chromium there is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sepconv.report.build import ReportError, jupyter_book, printed_book

_CHROMIUM_SETTING = "SEPCONV_CHROMIUM"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def write(root: Path) -> Path:
    """Print the book of ``root`` from its executed notebooks, then build the pages again, which offer the PDF.

    Returns:
        The PDF, where :func:`sepconv.report.build.printed_book` says.

    Raises:
        ReportError: no Chromium is found, jupyter-book warned or failed, or the browser wrote no PDF.
    """
    browser = chromium()
    jupyter_book(root, "--builder", "custom", "--custom-builder", "singlehtml")
    pages = root / "book" / "_build" / "singlehtml"
    # Sphinx writes the page into its first page's folder, but its addresses as from the folder above.
    whole = shutil.copyfile(pages / "papers" / "index.html", pages / "whole.html")
    target = printed_book(root)
    with TemporaryDirectory() as folder:
        printed = Path(folder, target.name)
        options = ["--headless=new", "--disable-gpu", f"--user-data-dir={folder}/profile", "--no-pdf-header-footer"]
        if sys.platform == "linux" and os.geteuid() == 0:
            options.append("--no-sandbox")  # without which Chromium refuses to start as root
        command = [browser, *options, f"--print-to-pdf={printed}", whole.absolute().as_uri()]
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if not printed.is_file():
            last = (ran.stdout.strip().splitlines() or ["nothing"])[-1]
            raise ReportError(f"{browser} was to print {whole}, and wrote no PDF (exit code {ran.returncode}): {last}")
        shutil.move(printed, target)
    jupyter_book(root, "--all")
    return target


def chromium() -> str:
    """The program that prints: what the setting ``SEPCONV_CHROMIUM`` names, or the first browser of its family found.

    Raises:
        ReportError: there is none.
    """
    if given := os.environ.get(_CHROMIUM_SETTING):
        if found := shutil.which(given):
            return found
        raise ReportError(f"{_CHROMIUM_SETTING}={given}: expected a program that can be started; name another")
    for name in (*_BROWSERS, str(_ON_MACOS)):
        if found := shutil.which(name):
            return found
    raise ReportError(
        f"a PDF is printed by Chromium, Chrome or Edge, and none was found ({', '.join(_BROWSERS)}); "
        f"install one, or name it: {_CHROMIUM_SETTING}=/path/to/chrome make pdf"
    )
