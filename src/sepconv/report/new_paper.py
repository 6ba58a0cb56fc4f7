"""Everything that another paper needs, written in one go: module, page, excerpts, reference and line of contents.

What is written is valid from the start, so the book builds, and holds what the author then replaces.
"""

import re
from datetime import date
from keyword import iskeyword
from pathlib import Path
from string import Template

from sepconv.files import write_atomically
from sepconv.spec import InputError

_TEMPLATES = Path(__file__).parent / "templates"
_RESERVED = ("all", "machines")  # `sepconv run all`, and the results folder of measurements of machines
_CONTENTS, _REFERENCES = Path("_toc.yml"), Path("book", "references.bib")
_NEEDED = (_CONTENTS, _REFERENCES, Path("notebooks"), Path("src", "sepconv", "papers"), Path("tests", "excerpts"))
_PAGE = "- file: papers/{}\n"


class NewPaperError(InputError):
    """Another paper cannot be written here or under that name."""


def write(root: Path, key: str) -> tuple[Path, ...]:
    """Write the files of a new paper ``key`` in the checkout ``root``; return the paths that were made or changed.

    Raises:
        NewPaperError: a name that cannot be one or is taken, a folder that is no checkout, or one that cannot be
            written; nothing is written then.
    """
    texts = {root / path: text for path, text in files(root, key).items()}
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    written = []
    try:
        for path, text in texts.items():
            write_atomically(path, text.encode())
            written.append(path)
    except OSError as error:
        for path in written:
            _restore(path, before[path])
        raise NewPaperError(f"{root}: expected a checkout to write to, got: {error}") from None
    return tuple(texts)


def files(root: Path, key: str) -> dict[Path, str]:
    """The text of each file that a new paper makes or changes, by its path below ``root``.

    Raises:
        NewPaperError: as :func:`write`.
    """
    if not re.fullmatch("[a-z][a-z0-9]*", key) or iskeyword(key) or key in _RESERVED:
        raise NewPaperError(f"expected a name of lower-case letters and digits, such as nova2030; got {key!r}")
    if absent := [str(path) for path in _NEEDED if not (root / path).exists()]:
        raise NewPaperError(f"{root}: expected a checkout, found no {', '.join(absent)}; run it in the repository")
    made = {
        Path("src", "sepconv", "papers", f"{key}.py"): _filled("paper.py", key),
        Path("notebooks", f"{key}.py"): _filled("notebook.py", key),
        Path("tests", "excerpts", f"{key}.md"): _filled("excerpts.md", key),
    }
    references, contents = (root / _REFERENCES).read_text(), (root / _CONTENTS).read_text()
    taken = [str(path) for path in made if (root / path).exists()]
    taken += [str(_REFERENCES)] * bool(re.search(rf"^@\w+\{{{key},", references, re.MULTILINE))
    taken += [str(_CONTENTS)] * (_PAGE.format(key) in contents)
    if taken:
        raise NewPaperError(f"expected a name that is not taken, got {key}, which {', '.join(taken)} has already")
    return made | {_REFERENCES: references + _filled("reference.bib", key), _CONTENTS: _listed(root, contents, key)}


def _listed(root: Path, contents: str, key: str) -> str:
    """The table of contents with the new page below the last of the other papers' pages."""
    papers = {_PAGE.format(path.stem) for path in (root / "src" / "sepconv" / "papers").glob("*.py")}
    lines = contents.splitlines(keepends=True)
    pages = [number for number, line in enumerate(lines) if line.lstrip() in papers]
    if not pages:
        raise NewPaperError(f"{root / _CONTENTS}: expected the page of a paper, found none; add one by hand")
    indent = lines[pages[-1]].partition("-")[0]
    return "".join([*lines[: pages[-1] + 1], indent + _PAGE.format(key), *lines[pages[-1] + 1 :]])


def _filled(template: str, key: str) -> str:
    """A template with the new paper's name in it; the year is the one that the name ends in, or this one."""
    year = re.search(r"(19|20)\d\d$", key)
    text = Template((_TEMPLATES / f"{template}.txt").read_text())
    quote = "The sentence of the paper that this claim quotes, word for word."
    return text.substitute(key=key, year=year[0] if year else date.today().year, title=f"Title of {key}", quote=quote)


def _restore(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, content)
