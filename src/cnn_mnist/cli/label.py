"""cnn-mnist label: label the signs in a folder's pictures, least confident first."""

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnn_mnist.cli.options import ModelOption, extra
from cnn_mnist.terminal import Terminal, count

if TYPE_CHECKING:
    from cnn_mnist.serving.signs import Sign


def label(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures; labels.csv goes there.")],
    single: Annotated[bool, typer.Option("--single", help="One digit per picture.")] = False,
    model: ModelOption = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the page's address.")
    ] = False,
) -> None:
    """Label the signs in a folder's pictures. Opens a page; the least confident come first."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give a folder of pictures")
    import secrets
    import webbrowser

    with extra("serve"):
        from cnn_mnist.serving import labelling, server
        from cnn_mnist.serving.labels import Labels
        from cnn_mnist.serving.settings import Limits

    say, labels = Terminal(as_json=False), Labels(folder)
    with say.progress("Run the same command again to resume.", " pictures"):
        signs = _signs(folder, single, model, say)
    num_missing = len(labels.missing(labelling.place(folder, sign) for sign in signs))
    if not num_missing:
        say.notice(f"All {len(signs)} signs have labels in {labels.path}.")
        return
    token = secrets.token_urlsafe(16)
    create = partial(labelling.create, folder, signs, token)

    def show(url: str) -> None:
        address = f"{url}#{token}"  # a fragment is never sent, so no log has it
        say.row(f"{count(num_missing, 'sign')} to label on {address} (press Ctrl-C to stop)")
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    try:
        listener = server.listen("127.0.0.1", 0)
        server.run(create, listener, 1, Limits().timeout, show, log_level="WARNING")
    finally:
        say.notice(f"{len(labels)} labels are in {labels.path}.")


def _signs(folder: Path, single: bool, model: str | None, say: Terminal) -> list["Sign"]:
    """The signs in all pictures below a folder, least confident first."""
    from cnn_mnist.inference.pictures import files
    from cnn_mnist.inference.pictures.page import ImageError
    from cnn_mnist.inference.reader import Reader
    from cnn_mnist.serving.signs import of_picture

    try:
        paths = files.pictures(folder)
    except ImageError as error:
        raise ValueError(f"{folder}: {error}") from error
    reader = Reader(model)
    signs: list[Sign] = []
    for done, path in enumerate(paths, start=1):
        signs += of_picture(reader, path, single, say.notice)
        say.counted(done, len(paths))
    return sorted(signs, key=lambda sign: sign.confidence)
