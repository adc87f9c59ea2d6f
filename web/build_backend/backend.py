"""The PEP 517 and PEP 660 hooks: setuptools, after the web client was built.

So `pip install .` alone gives a server with its pages, on a machine that has only Python. A source
distribution holds the sources of the client, a wheel the built client.
"""

import shutil
from collections.abc import Mapping

import client
from setuptools import build_meta

Settings = Mapping[str, str | list[str] | None] | None

build_sdist = build_meta.build_sdist
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *_node()]


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    client.build()
    # setuptools packs what it finds there, also assets of an earlier build.
    shutil.rmtree(client.ROOT / "build" / "lib", ignore_errors=True)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    client.build()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def _node() -> list[str]:
    """Node weighs 60 MB: asked for only when there is a client to build."""
    return [] if client.skipped() or client.is_current() else [client.NODE_REQUIREMENT]
