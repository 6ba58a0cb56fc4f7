"""What is made from the results for others to read.

Every claim with its verdict, the schema of that file, a CODECHECK manifest, for the networks themselves the fastest
ways of their depthwise convolutions, and for the book what a cluster survives and how fast it is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sepconv.files import write_atomically
from sepconv.papers import all_papers
from sepconv.report import frames, prose
from sepconv.report.markup import claim_address
from sepconv.results.store import read_all
from sepconv.verdicts.judge import SCHEMA, export
from sepconv.verdicts.rules import Judgement

CODECHECK = "https://codecheck.org.uk/spec/config/1.0/"
_HEADER = "# Made by `sepconv export`. Whoever checks this book adds codechecker and report.\n"
_DOWNLOAD = re.compile(r"(?:,\s*)?\{download\}`[^`<]+<(?P<path>data/[^>]+)>`")


def write(made: Mapping[Path, str]) -> None:
    """Write exports, as :func:`files` makes them."""
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())


def files(results: Path, pages: Path | None = None) -> dict[Path, str]:
    """What the exports say: claims and schema beside the results; all else too where they are the repository's own.

    With ``pages``, the folder of the built book, also each claim with its judgement at ``claims/ID.json`` there, its
    stable address.

    Raises:
        ResultError: there is no such folder of results.
    """
    found = read_all(results)
    exported = export(all_papers(), found)
    made = {results / "claims.json": _json(exported), results / "claims.schema.json": _json(schema())}
    if pages:
        version = {"schema_version": exported["schema_version"]}
        claims = [claim for paper in exported["papers"] for claim in paper["claims"]]
        made |= {pages / claim_address(claim["id"]): _json(version | claim) for claim in claims}
    root = results.absolute().parent
    if results.absolute().name != "results" or not (root / "notebooks").is_dir():
        return made  # of others' results, wherever they lie, the repository keeps nothing
    ways = root / "src" / "sepconv" / "networks" / "depthwise_ways.csv"
    made |= {root / "codecheck.yml": codecheck(root), ways: frames.fastest_ways(found).to_csv(index=False)}
    if found.clusters:
        made[root / "book" / "cluster.csv"] = frames.disturbances(found).to_csv(index=False)
    if found.scalings:
        made[root / "book" / "scaling.csv"] = frames.scaling(found).to_csv(index=False)
        made[root / "book" / "simulation.csv"] = frames.simulated(found).to_csv(index=False)
    return made


def schema() -> dict[str, Any]:
    """JSON Schema of ``claims.json``: a claim's own fields and those of its judgement side by side."""
    judgement = TypeAdapter(Judgement).json_schema(mode="serialization")
    definitions = judgement["$defs"]
    properties = definitions.pop("Claim")["properties"] | judgement["properties"]
    del properties["claim"]
    definitions["JudgedClaim"] = _object(judgement["description"], properties)
    of_paper = {"key": _TEXT, "title": _TEXT, "claims": _list({"$ref": "#/$defs/JudgedClaim"})}
    everything = {
        "schema_version": {"const": SCHEMA},
        "papers": _list(_object("A paper and its claims, in the order of the paper.", of_paper)),
        "problems": _list(_TEXT | {"description": "A paper or result that could not be read, and counts for nothing."}),
    }
    start = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Claims with their verdicts"}
    return start | _object("Made by `sepconv export`.", everything) | {"$defs": definitions}


def codecheck(root: Path) -> str:
    """The repository's ``codecheck.yml``: what a check has to make again, and what each file shows.

    As its authors start it (CODECHECK configuration file 1.0): ``codechecker`` and ``report`` are the checker's to add.
    """
    import yaml  # type: ignore[import-untyped]

    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    manifest = [{"file": "results/claims.json", "comment": "every claim with its verdict, reported and reproduced"}]
    manifest += [{"file": file, "comment": comment} for file, comment in _outputs(root)]
    paper = {"title": citation["title"], "authors": [{"name": author["name"]} for author in citation["authors"]]}
    content = {"version": CODECHECK, "manifest": manifest, "paper": paper}
    options = {"sort_keys": False, "allow_unicode": True, "explicit_start": True, "version": (1, 1), "width": 120}
    return _HEADER + str(yaml.safe_dump(content, **options))


def _outputs(root: Path) -> Iterator[tuple[str, str]]:
    """Each executed notebook with its title, and each of its downloads with the captions that link to it."""
    import jupytext

    for source in sorted((root / "notebooks").glob("*.py")):
        notebook = jupytext.read(source)
        title = next(text for text in prose.texts(notebook) if text.startswith("# ")).splitlines()[0].removeprefix("# ")
        yield f"book/papers/{source.stem}.ipynb", f"executed notebook: {title}"
        shown: dict[str, list[str]] = {}
        for paragraph in "\n\n".join(prose.texts(notebook)).split("\n\n"):
            for link in _DOWNLOAD.finditer(paragraph):
                shown.setdefault(link["path"], []).append(" ".join(_DOWNLOAD.sub("", paragraph).split()))
        yield from ((f"book/papers/{path}", " ".join(comments)) for path, comments in shown.items())


_TEXT = {"type": "string"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties and no other."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
