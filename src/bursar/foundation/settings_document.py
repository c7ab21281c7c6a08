"""The table of settings as Markdown. `python -m bursar.foundation.settings_document > docs/settings.md`."""

from __future__ import annotations

from typing import Final

from bursar.foundation.settings import SETTINGS, Setting

_INTRODUCTION: Final = """\
# Settings

Each setting is an environment variable, or a key of the TOML file that `BURSAR_CONFIG` (or `--config`) names: the
same name in lower case without `BURSAR_`. The command line wins over the environment, the environment over the file.
A wrong value or an unknown key in the file stops the start with one line that names it. Upstreams and prices are
read again on SIGHUP.

"""


def settings_table() -> str:
    """A Markdown table with a row for each setting."""
    rows = ["| setting | meaning | default |", "|---|---|---|"]
    rows += [f"| `{setting.variable}` | {setting.meaning} | {_default(setting)} |" for setting in SETTINGS]
    return "\n".join(rows) + "\n"


def settings_document() -> str:
    """The whole of docs/settings.md."""
    return _INTRODUCTION + settings_table()


def _default(setting: Setting) -> str:
    if setting.shown_default is not None:
        return setting.shown_default
    if isinstance(setting.default, bool):
        return f"`{str(setting.default).lower()}`"
    return f"`{setting.default}`"


if __name__ == "__main__":
    print(settings_document(), end="")
