"""An executor on generated stubs: it shows that the contract can be met from outside, with nothing of ours.

usage: executor.py ADDRESS NAME SLOTS
Performs capability `py.double`: doubles `input.n`, after `input.seconds` if given. Drains on SIGTERM.
The first stream is cut on purpose when an input says `cut`, to show that the lease outlives it.
"""

import json
import queue
import signal
import sys
import threading
import time
import uuid

import grpc

from maestro.v1 import dispatch_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc, payload_pb2, step_pb2

ADDRESS, NAME, SLOTS = sys.argv[1], sys.argv[2], int(sys.argv[3])
INCARNATION = uuid.uuid4().hex
draining = threading.Event()


def key(lease):
    return (lease.plan_id, lease.ordinal, lease.fencing)


class Executor:
    def __init__(self):
        self.lock = threading.Lock()
        self.running = {}  # lease key -> (lease, stop event)
        self.unacknowledged = {}  # lease key -> outcome
        self.out = None  # messages of the present stream
        self.call = None

    def hello(self):
        spec = {"name": NAME, "capabilities": ["py.double"], "slots": SLOTS}
        with self.lock:
            held = [lease for lease, _ in self.running.values()] + [o.lease for o in self.unacknowledged.values()]
            unsent = list(self.unacknowledged.values())
        return {"hello": dispatch_service_pb2.Hello(spec=spec, incarnation=INCARNATION, held=held, unsent=unsent)}

    def messages(self, out):
        """Numbered from 1 on each stream; a sign of life when there is nothing else to say."""
        number, message = 1, self.hello()
        while message is not None:
            yield dispatch_service_pb2.AttachRequest(number=number, **message)
            number += 1
            try:
                message = out.get(timeout=1)
            except queue.Empty:
                message = {"renewals": dispatch_service_pb2.Renewals()}

    def perform(self, assignment, stopped):
        outcome = dispatch_pb2.Outcome(lease=assignment.lease)
        try:
            value = json.loads(assignment.input.json)
            if value.get("cut") and assignment.attempt == 1:
                self.call.cancel()
            print(json.dumps({"began": assignment.lease.step, "fencing": assignment.lease.fencing}), flush=True)
            if stopped.wait(value.get("seconds", 0)):
                outcome.stopped.message = "told to stop"
            else:
                outputs = payload_pb2.Payload(json=json.dumps({"n": value["n"] * 2}))
                outcome.success.outputs.CopyFrom(outputs)
        except Exception as error:  # whatever goes wrong is an outcome
            outcome.failure.error_class = step_pb2.ERROR_CLASS_PERMANENT
            outcome.failure.message = repr(error)
        with self.lock:
            self.running.pop(key(assignment.lease))
            self.unacknowledged[key(assignment.lease)] = outcome
            self.out.put({"outcomes": dispatch_service_pb2.Outcomes(outcomes=[outcome])})

    def take(self, assignments):
        for assignment in assignments:
            stopped = threading.Event()
            with self.lock:
                if key(assignment.lease) in self.running:
                    continue
                self.running[key(assignment.lease)] = (assignment.lease, stopped)
            threading.Thread(target=self.perform, args=(assignment, stopped), daemon=True).start()

    def attach(self, stub):
        """One stream; True when the executor is done."""
        self.out = queue.Queue()
        if draining.is_set():
            self.drain()
        self.call = stub.Attach(self.messages(self.out))
        for message in self.call:
            for ack in message.acks:
                retry = ack.WhichOneof("result") == "refusal" and ack.refusal.retryable
                with self.lock:
                    outcome = self.unacknowledged.get(key(ack.lease)) if retry else self.unacknowledged.pop(key(ack.lease), None)
                if retry and outcome:
                    self.out.put({"outcomes": dispatch_service_pb2.Outcomes(outcomes=[outcome])})
            kind = message.WhichOneof("message")
            if kind == "welcome":
                print(json.dumps({"attached": message.welcome.executor_id, "resumed": len(message.welcome.resumed)}), flush=True)
            elif kind == "assignments":
                self.take(message.assignments.assignments)
            elif kind == "stops":
                for stop in message.stops.stops:
                    _, stopped = self.running.get(key(stop.lease), (None, threading.Event()))
                    stopped.set()
            elif kind == "goodbye" and not message.goodbye.reconnect:
                return True
        return False

    def drain(self):
        if self.out is not None:
            self.out.put({"drain": dispatch_service_pb2.Drain()})


def run(executor):
    while True:
        try:
            with grpc.insecure_channel(ADDRESS) as channel:
                if executor.attach(dispatch_service_pb2_grpc.DispatchServiceStub(channel)):
                    break
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT):
                raise
            time.sleep(0.2)
    print(json.dumps({"closed": True}), flush=True)


def main():
    # A thread that waits for the stream does not hear signals; this one does.
    executor = Executor()
    signal.signal(signal.SIGTERM, lambda *_: draining.set())
    streaming = threading.Thread(target=run, args=(executor,))
    streaming.start()
    while streaming.is_alive() and not draining.is_set():
        streaming.join(0.2)
    executor.drain()
    streaming.join()


main()
