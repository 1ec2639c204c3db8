"""Bring up the native liboqs library, or say why not.

liboqs-python looks for the native library while it is imported. When it finds none it clones and
builds one from the network, and when that fails it ends the process. So the library is found and
loaded *here* first, in the same places and the same order as the wrapper's own search; only then is
the wrapper imported, with its logger (which writes to stdout) switched off.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from qrfld.crypto.errors import ProviderError

# What tells liboqs-python from another distribution that ships a module of that name.
_NEEDED = ("KeyEncapsulation", "Signature", "native")


def bring_up(environ: Mapping[str, str] = os.environ) -> ModuleType:
    """The imported `oqs` module over a native library that loads; ProviderError otherwise."""
    found = next(filter(_loads, _candidates(environ)), None)
    if found is None:
        raise ProviderError(
            "liboqs not installed: no native library found",
            hint="set OQS_INSTALL_PATH to its prefix, or use the openssl provider",
        )
    return _import_wrapper(found)


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    """Where liboqs-python 0.14 and later look: the linker's names, then the install prefix."""
    for name in ("liboqs", "oqs"):
        if library := ctypes.util.find_library(name):
            yield library
    prefix = Path(environ.get("OQS_INSTALL_PATH") or Path.home() / "_oqs")
    for directory in ("lib", "lib64"):
        yield str(prefix.absolute() / directory / "liboqs.so")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _import_wrapper(library: str) -> ModuleType:
    # The wrapper adds a handler on stdout and logs while it is imported; a disabled logger stays
    # disabled through both. It warns when its version and the library's differ: the checks below
    # and in liboqs.py ask for what is needed instead.
    logging.getLogger("oqs.oqs").disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            oqs = importlib.import_module("oqs")
    except (Exception, SystemExit) as error:
        raise ProviderError(
            f"liboqs-python cannot use {library}: {type(error).__name__}: {error}",
            hint="install liboqs-python and liboqs of one version",
        ) from error
    missing = [name for name in _NEEDED if not hasattr(oqs, name)]
    if missing:
        raise ProviderError(
            f"the module oqs at {oqs.__file__} is not liboqs-python: it has no {missing[0]}",
            hint="install liboqs-python >= 0.14.1",
        )
    return oqs
