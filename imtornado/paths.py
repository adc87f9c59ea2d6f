"""Where the files that come with the program lie."""

from pathlib import Path


def bundled(name: str) -> Path:
    """The folder `templates` or `static`, in a wheel, a single file, an editable install and a checkout.

    In a wheel and in a PyInstaller file (`--add-data static:imtornado/static`) the folders lie inside this
    package, in a checkout and an editable install beside it. The inner one is asked first: beside an
    installed package lie folders of strangers. Raises: FileNotFoundError.
    """
    package = Path(__file__).resolve().parent
    for place in (package / name, package.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name}/ did not come with this installation of imtornado")
