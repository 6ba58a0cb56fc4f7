"""Every built page in a real browser: axe finds nothing serious, the policy blocks nothing, no page is too long.

It needs a built book (``make report``), Chromium, and the npm package axe-core (``npm install --no-save axe-core``).
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import browser
from sepconv.report import build

ROOT = Path(__file__).parent.parent
MOST_PIXELS = 10_000  # of a page's height in a desktop's window, before anything is unfolded
WINDOWS = {"light": 1280, "dark": 390}  # pixels of width
TIMEOUT = 900  # seconds for all pages on a busy machine

# Shows one page after another in a frame, and waits for what each has to say.
HOST = """\
<!DOCTYPE html><meta charset="utf-8"><title>host</title><pre id="told"></pre>
<script>
const found = [];
async function show(page, theme, width) {
  const frame = document.createElement("iframe");
  Object.assign(frame, { width, height: 900, src: `${page}?${theme}` });
  const told = new Promise((tell) => addEventListener("message", tell, { once: true }));
  document.body.append(frame);
  found.push({ page, theme, ...(await told).data });
  frame.remove();
}
(async () => {
  for (const [theme, width] of Object.entries(WINDOWS)) for (const page of PAGES) await show(page, theme, width);
  document.getElementById("told").textContent = JSON.stringify(found);
})();
</script>
"""
WATCH = """\
const SETTLED = 2000; // ms, which a browser with a virtual clock does not wait for
const blocked = [];
addEventListener("securitypolicyviolation", (event) => blocked.push(`${event.violatedDirective} ${event.blockedURI}`));
addEventListener("load", async () => {
  document.documentElement.dataset.theme = location.search.slice(1);
  await new Promise((settle) => setTimeout(settle, SETTLED)); // the theme's scripts and ours
  const height = document.documentElement.scrollHeight;
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  const faults = violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  parent.postMessage({ blocked, height, faults }, "*");
});
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the browser says of each page: a record a page and window."""
    axe, html = _axe(), build.html(ROOT)
    if not (html / "index.html").is_file():
        pytest.skip("no built book: run make report first")
    folder = tmp_path_factory.mktemp("book") / "html"
    shutil.copytree(html, folder, ignore=shutil.ignore_patterns("_sources"))
    shutil.copy(axe, folder / "axe.js")
    (folder / "watch.js").write_text(WATCH)
    pages = [path for path in sorted(folder.rglob("*.html")) if "<head>" in path.read_text()]
    for page in pages:
        up = "../" * (len(page.relative_to(folder).parts) - 1)
        scripts = f'<script src="{up}axe.js"></script><script src="{up}watch.js"></script>'
        page.write_text(page.read_text().replace('<meta charset="utf-8" />', f'<meta charset="utf-8" />{scripts}', 1))
    names = [page.relative_to(folder).as_posix() for page in pages]
    host = folder / "host.html"
    host.write_text(HOST.replace("WINDOWS", json.dumps(WINDOWS)).replace("PAGES", json.dumps(names)))
    records = browser.told(host, tmp_path_factory.mktemp("profile"), TIMEOUT)
    assert len(records) == len(WINDOWS) * len(names), "the browser did not get to every page"
    return records


def _axe():
    folders = [ROOT / "node_modules"]
    if npm := shutil.which("npm"):
        folders.append(Path(subprocess.run([npm, "root", "-g"], capture_output=True, text=True).stdout.strip()))
    found = (folder / "axe-core" / "axe.min.js" for folder in folders)
    return next((path for path in found if path.is_file()), None) or pytest.skip(
        "needs the npm package axe-core: npm install --no-save axe-core"
    )


def test_axe_finds_nothing_serious(found):
    faults = [f"{r['page']} ({r['theme']}): {fault}" for r in found for fault in r["faults"]]
    assert not faults, "\n".join(faults)


def test_the_policy_blocks_nothing_of_ours(found):
    blocked = [f"{r['page']}: {what}" for r in found for what in r["blocked"]]
    assert not blocked, "\n".join(sorted(set(blocked)))


def test_no_page_is_too_long(found):
    heights = {r["page"]: r["height"] for r in found if WINDOWS[r["theme"]] >= 1280}
    assert not {page: height for page, height in heights.items() if height > MOST_PIXELS}
