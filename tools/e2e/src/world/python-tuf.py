"""Asks a signed catalog with python-tuf, which is not ours. One JSON object a line in, one out, until the input ends.

In: folder (of the client's metadata and files), url, token, root (text that is pinned when the folder is new), target, timeout (seconds
without a byte). Out: got (SHA-256 of the target's bytes) or refused (names of the exception and of those that it is), and what is trusted.
"""

import hashlib
import json
import os
import sys

from tuf.ngclient import Updater
from tuf.ngclient._internal.proxy import ProxyEnvironment
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher


class Fetcher(Urllib3Fetcher):
    """The one of python-tuf, with this client's credential."""

    def __init__(self, token, timeout):
        super().__init__(socket_timeout=timeout)
        self._proxy_env = ProxyEnvironment(headers={"Authorization": f"Bearer {token}"})


def ask(asked):
    metadata, targets = (os.path.join(asked["folder"], name) for name in ("metadata", "targets"))
    os.makedirs(targets, exist_ok=True)
    known = os.path.exists(metadata)
    updater = Updater(
        metadata,
        asked["url"] + "/tuf/",
        targets,
        asked["url"] + "/tuf/targets/",
        Fetcher(asked["token"], asked["timeout"]),
        bootstrap=None if known else asked["root"].encode(),
    )
    updater.refresh()
    target = updater.get_targetinfo(asked["target"])
    if target is None:
        return {"refused": ["not found"]}
    with open(updater.download_target(target), "rb") as file:
        return {"got": hashlib.sha256(file.read()).hexdigest()}


for line in sys.stdin:
    try:
        answer = ask(json.loads(line))
    except Exception as error:  # whatever it is, its name is the answer
        answer = {"refused": [kind.__name__ for kind in type(error).__mro__], "why": str(error)}
    print(json.dumps(answer), flush=True)
