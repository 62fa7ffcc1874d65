"""nacre: unsupervised learning over rows that are too many for memory, arrive every day, or both.

The front door: at most 40 names, each loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from nacre import errors as errors
    from nacre import evaluate as evaluate
    from nacre import laws as laws
    from nacre.exchange.incoming import from_sklearn as from_sklearn
    from nacre.learn.chain import Chain as Chain
    from nacre.learn.chain import chain as chain
    from nacre.learn.cluster.kmeans import KMeans as KMeans
    from nacre.learn.cluster.micro import Micro as Micro
    from nacre.learn.count.histogram import Histogram as Histogram
    from nacre.learn.count.moments import Moments as Moments
    from nacre.learn.count.quantiles import Quantiles as Quantiles
    from nacre.learn.count.sample import Sample as Sample
    from nacre.learn.prepare.clip import Clip as Clip
    from nacre.learn.prepare.dedup import Dedup as Dedup
    from nacre.learn.prepare.hashing import Hashing as Hashing
    from nacre.learn.prepare.impute import Impute as Impute
    from nacre.learn.prepare.onehot import OneHot as OneHot
    from nacre.learn.prepare.robust import RobustScale as RobustScale
    from nacre.learn.prepare.scale import Scale as Scale
    from nacre.learn.reduce.pca import PCA as PCA
    from nacre.live.merging import merge as merge
    from nacre.live.model import Live as Live
    from nacre.live.opening import open as open
    from nacre.settings import use as use
    from nacre.source.read import read as read
    from nacre.store.local import load as load
    from nacre.store.local import save as save

__version__ = "0.1.0.dev0"

# name -> the module that has it; a module stands for itself
_HOME = {
    "Chain": "nacre.learn.chain",
    "Clip": "nacre.learn.prepare.clip",
    "Dedup": "nacre.learn.prepare.dedup",
    "Hashing": "nacre.learn.prepare.hashing",
    "Histogram": "nacre.learn.count.histogram",
    "Impute": "nacre.learn.prepare.impute",
    "KMeans": "nacre.learn.cluster.kmeans",
    "Micro": "nacre.learn.cluster.micro",
    "Live": "nacre.live.model",
    "Moments": "nacre.learn.count.moments",
    "OneHot": "nacre.learn.prepare.onehot",
    "PCA": "nacre.learn.reduce.pca",
    "Quantiles": "nacre.learn.count.quantiles",
    "RobustScale": "nacre.learn.prepare.robust",
    "Sample": "nacre.learn.count.sample",
    "Scale": "nacre.learn.prepare.scale",
    "chain": "nacre.learn.chain",
    "errors": "nacre.errors",
    "evaluate": "nacre.evaluate",
    "from_sklearn": "nacre.exchange.incoming",
    "laws": "nacre.laws",
    "load": "nacre.store.local",
    "merge": "nacre.live.merging",
    "open": "nacre.live.opening",
    "read": "nacre.source.read",
    "save": "nacre.store.local",
    "use": "nacre.settings",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise _unknown(name)
    module = importlib.import_module(_HOME[name])
    value = module if _HOME[name] == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


def _unknown(name: str) -> AttributeError:
    import difflib

    from nacre.errors import UnknownName

    known = {known.lower(): known for known in _HOME}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return UnknownName(
        got=f"nacre.{name}",
        wanted="a name that nacre has",
        do=f"Did you mean nacre.{known[near[0]]}?" if near else "See dir(nacre).",
    )
