"""
The simulator: the formulas and the epoch of the book, over thousands of worlds.

`kernels` are float64 twins of the formulas; `epoch` has the stages of
`protocol.epoch`, over blocks of worlds; `demand` is the only source of chance.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from numba import config


def _compiled_home() -> Path:
    """
    Find the folder that keeps the machine code of exactly this source.

    The compiler's cache looks at the file of a function and not at the files of those
    it calls, so that an edited kernel would run on inside its old callers.
    """
    sources = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(source.read_bytes())
    home = getattr(config, "CACHE_DIR", "")
    if not home and sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        home = Path(sys.prefix) / "var" / "coopera"
    if not home:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        home = Path(cache) / "coopera"
    return Path(home) / f"kernels-{sources.hexdigest()[:16]}"


COMPILED = _compiled_home()
"""Where machine code is kept; absent until the first run has made it."""

setattr(config, "CACHE_DIR", str(COMPILED))  # noqa: B010 - untyped


def forget_other_code() -> None:
    """Remove the machine code of other sources, where this one has none yet."""
    if not COMPILED.exists():
        for other in COMPILED.parent.glob("kernels-*"):
            shutil.rmtree(other, ignore_errors=True)
