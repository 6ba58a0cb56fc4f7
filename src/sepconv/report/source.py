"""The package's own source, shown on a page: one text, which the page quotes and the program runs."""

import ast
from dataclasses import dataclass
from importlib.resources import files
from textwrap import dedent

from sepconv.spec import SpecError


@dataclass(frozen=True)
class Code:
    """Python source that a notebook shows as code; as text only its length, or each page would hold it twice."""

    text: str

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"

    def __repr__(self) -> str:
        return f"Code({len(self.text.splitlines())} lines)"


def source(path: str, name: str) -> Code:
    """The definition of ``name`` as it stands in a module, below a comment that says in which.

    The module is read and not imported, so a page shows a network without loading a deep-learning framework.

    Args:
        path: the module's, below the package, such as ``networks/layers.py``.
        name: of a function, a method, a class or a variable of the module, or the id of a claim that it states.

    Raises:
        SpecError: the module does not define the name.
    """
    text = files("sepconv").joinpath(path).read_text()
    for node in ast.walk(ast.parse(text)):
        if name in _names(node):
            found = ast.get_source_segment(text, node, padded=True) or ""
            return Code(f"# sepconv/{path}\n{dedent(found)}")
    raise SpecError(f"sepconv/{path}: expected a definition of {name}, found none")


def _names(node: ast.AST) -> set[object]:
    """What a piece of syntax defines; a call defines the claim whose id it is given."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign():
            return {target.id for target in node.targets if isinstance(target, ast.Name)}
        case ast.Call():
            return {k.value.value for k in node.keywords if k.arg == "id" and isinstance(k.value, ast.Constant)}
    return set()
