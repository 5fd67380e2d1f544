"""Put faults into a copy of the program, one at a time, and see whether the tests that name the module notice.

    python bench/planted.py [WORD ...]

Prints a table: what was changed, where, and the first test that failed. With words only the faults that hold one of
them are put in. Returns 1 when one of them was not noticed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
FAILED = re.compile(r"^(?:FAILED|ERROR) \S*/(\w+\.py)(?:::(\w+))?", re.MULTILINE)
LONGEST_S = 300.0
"""A fault that makes the tests endless is noticed, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One change of one file."""

    what: str
    file: str
    old: str
    new: str
    tests: list[str] = field(default_factory=list)  # that judge it; none: those that name the module

    def put_into(self, text: str) -> str:
        """Return the text of the file with the fault in it.

        Raises:
            ValueError: when what is to be changed stands there not at all, or more than once.
        """
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.what}: found {text.count(self.old)} times")
        return text.replace(self.old, self.new)

    def judges(self, root: Path) -> list[str]:
        """Return the test files that import the module of the fault, those of its name first.

        One that no test imports is judged by the tests of the modules that do.
        """
        if self.tests:
            return self.tests
        module = self.file.removesuffix(".py").replace("/", ".")
        tests = importers((root / "tests").glob("*/test_*.py"), {module})
        if not tests:
            above = importers(root.glob("[a-z]*/**/*.py"), {module})
            users = {str(path.relative_to(root)).removesuffix(".py").replace("/", ".") for path in above}
            tests = importers((root / "tests").glob("*/test_*.py"), users)
        name = module.rpartition(".")[2]
        return [
            str(path.relative_to(root))
            for path in sorted(tests, key=lambda path: (name not in path.stem, path.parent.name != "unit", path))
        ]


def importers(files: Iterable[Path], modules: AbstractSet[str]) -> list[Path]:
    """Return the files that import one of some modules."""
    ways = [
        rf"from {one} import|from {one.rpartition('.')[0]} import [^\n]*\b{one.rpartition('.')[2]}\b" for one in modules
    ]
    imports = re.compile(rf"^\s*({'|'.join(ways)})", re.MULTILINE) if ways else None
    return [path for path in files if imports and imports.search(text_of(path))]


@cache
def text_of(path: Path) -> str:
    """Return what stands in a file that no fault is put into while it is asked for."""
    return path.read_text(encoding="utf-8")


def faults() -> list[Fault]:
    """Return all of them, in the order of their list."""
    return [Fault(**row) for row in tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]]


def copy_to(folder: Path) -> None:
    """Copy what git knows or would know of the program."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    for name in told.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def noticed_by(fault: Fault, root: Path) -> str:
    """Return the first test that fails with the fault in the copy; empty when none does."""
    path, judges = root / fault.file, fault.judges(root)
    whole = path.read_text(encoding="utf-8")
    if not judges:
        return ""
    path.write_text(fault.put_into(whole), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *judges]
    try:
        told = subprocess.run(  # noqa: S603 - our own words
            command, cwd=root, check=False, capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return "endless"
    finally:
        path.write_text(whole, encoding="utf-8")
    found = FAILED.search(told.stdout)
    return ": ".join(part for part in found.groups() if part) if found else ""


def main(words: Sequence[str]) -> int:
    """Put in what was asked for; print the table."""
    chosen = [one for one in faults() if not words or any(word in one.what or word in one.file for word in words)]
    missed = 0
    print("| change | file | noticed by |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        copy_to(Path(folder))
        for fault in chosen:
            test = noticed_by(fault, Path(folder))
            missed += not test
            print(f"| {fault.what} | `{fault.file}` | {f'`{test}`' if test else 'nobody'} |", flush=True)
    print(f"\n{len(chosen)} faults, {missed} not noticed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
