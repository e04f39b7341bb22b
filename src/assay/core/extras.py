"""Import of libraries that come with an optional extra of assay."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from assay.core.errors import UserError


class MissingLibraryError(UserError):
    """A library of an optional extra is not installed.

    Args:
        library: Name of the package that cannot be imported.
        extra: The extra of assay that installs it.
    """

    code = "missing-library"

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(
            f"The library {library!r} is not installed.",
            hint=f'Install it with: pip install "assay[{extra}]"',
            library=library,
            extra=extra,
        )

    def __reduce__(self) -> tuple[type[MissingLibraryError], tuple[str, str]]:
        """Rebuild from the two fields, as the engines pass errors between processes."""
        return type(self), (self.library, self.extra)


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs.

    Raises:
        MissingLibraryError: Its package is not installed.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingLibraryError(package, extra) from error
