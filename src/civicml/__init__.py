"""civicml: a twelve-week machine-learning-engineering course for the public service.

This package is the engine. It runs any course laid out like the one in its
repository and holds no course content of its own.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("civicml")
except PackageNotFoundError:  # running from an unpacked source tree
    __version__ = "0+unknown"
