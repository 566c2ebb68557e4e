"""A client of Lastcall in another language, on nothing but the proto files.

    pip install grpcio grpcio-tools
    python -m grpc_tools.protoc -I ../../../../proto --python_out=gen --grpc_python_out=gen \
        ../../../../proto/lastcall/common/v1/*.proto ../../../../proto/lastcall/session/v1/*.proto
    PYTHONPATH=gen LASTCALL_ADDR=127.0.0.1:7421 LASTCALL_TOKEN_FILE=client.token \
        LASTCALL_INSTALLATION=berlin python client.py ada

It attaches, shows the notice, says that the user has read it and is ready, is logged off, waits for the reopening and attaches again.
A real client also comes back when its connection is lost, with the resume token of its welcome.
"""

import os
import queue
import sys
import threading

import grpc
from lastcall.session.v1 import attach_pb2 as wire
from lastcall.session.v1 import session_pb2 as calls
from lastcall.session.v1 import session_pb2_grpc as service

INSTALLATION = os.environ["LASTCALL_INSTALLATION"]


def metadata():
    with open(os.environ["LASTCALL_TOKEN_FILE"], encoding="utf-8") as file:
        return [("authorization", f"Bearer {file.read().strip()}")]


def say(*words):
    print(*words, flush=True)


class Session:
    """One stream; its life is the session's life."""

    def __init__(self, stub, user):
        self.up = queue.SimpleQueue()
        self.send(hello=wire.Hello(installation=INSTALLATION, user=user, version="1.0.0", client_kind="terminal"))
        self.down = stub.Attach(iter(self.up.get, None), metadata=metadata())
        self.ended = threading.Event()

    def send(self, **message):
        self.up.put(wire.AttachRequest(**message))

    def beat(self, seconds):
        while not self.ended.wait(seconds):
            self.send(heartbeat=wire.Heartbeat())

    def run(self):
        """Returns whether to come back."""
        try:
            for response in self.down:
                kind = response.WhichOneof("message")
                come_back = getattr(self, f"on_{kind}", lambda _: None)(getattr(response, kind))
                if come_back is not None:
                    return come_back
            return True
        finally:
            self.ended.set()
            self.up.put(None)

    def on_welcome(self, welcome):
        say("logged in as", welcome.session)
        interval = welcome.heartbeat_interval.ToTimedelta().total_seconds()
        threading.Thread(target=self.beat, args=(interval,), daemon=True).start()
        if welcome.HasField("notice"):
            self.on_notice(welcome.notice)

    def on_notice(self, notice):
        say("notice:", notice.text)
        for read in (False, True):  # Shown; and a user who reads fast.
            self.send(acknowledgement=wire.Acknowledgement(notice=notice.notice, read=read))
        if notice.HasField("deadline"):
            self.send(ready=wire.Ready())

    def on_refused(self, refused):
        say("refused:", wire.RefusalReason.Name(refused.reason), refused.text)
        return True

    def on_ended(self, ended):
        say("logged off:", wire.EndReason.Name(ended.reason))
        return ended.come_back


def wait_for_reopening(stub):
    request = calls.WaitForReopeningRequest(name=f"installations/{INSTALLATION}")
    for response in stub.WaitForReopening(request, metadata=metadata()):
        if response.open:
            say("open again")
            return


def main():
    with grpc.insecure_channel(os.environ["LASTCALL_ADDR"]) as channel:
        stub = service.SessionServiceStub(channel)
        while Session(stub, sys.argv[1]).run():
            wait_for_reopening(stub)


main()
