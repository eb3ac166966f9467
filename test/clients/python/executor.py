"""An executor in Python on stubs generated from the contract, with nothing else of Maestro's.

usage: executor.py HOST:PORT NAME SLOTS     (MAESTRO_API_KEY where the server asks for a key)

It performs the capabilities in HANDLERS, up to SLOTS at once. It says on standard output what it does, takes another
number of slots from each line of standard input, and drains on SIGTERM. Regions are what the guide shows.
"""

import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

import grpc

from maestro.v1 import dispatch_service_pb2 as wire
from maestro.v1.dispatch_pb2 import Outcome, Renewal
from maestro.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from maestro.v1.executor_pb2 import ExecutorSpec
from maestro.v1.payload_pb2 import Payload
from maestro.v1.step_pb2 import ERROR_CLASS_PERMANENT, ERROR_CLASS_TRANSIENT

SIGN_OF_LIFE = 1.0  # seconds between two; the server thinks an executor gone after several seconds of silence
FIRST_WELCOME = 10.0  # seconds that a server may take to say welcome, which names the limit from then on
# Seconds before a new stream. Short at first, because a lease outlives its stream by a short grace only; never long, because a
# server that has started again waits a few seconds for executors before it gives their leases away.
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
# The same hello would get the same answer: these end the executor, everything else is tried again.
FINAL = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}


# region handlers
async def double(attempt):
    """Input `{n}`, outputs `{n}`. An input without a number raises, and is a failure that no retry mends."""
    attempt.tokens += 1  # reported as usage, and booked to the plan's budget
    return {"n": attempt.input["n"] * 2}


async def await_file(attempt):
    """Input `{path}`: looks until the file is there. An attempt after this one goes on counting where it stopped."""
    began_at = (attempt.last_checkpoint or {}).get("looks", 0)
    looks = began_at
    while not Path(attempt.input["path"]).exists():
        looks += 1
        attempt.tell(0.5, f"looked {looks} times", checkpoint={"looks": looks})
        await asyncio.sleep(0.05)  # raises CancelledError when the server says stop
    return {"looks": looks, "began_at": began_at}


HANDLERS = {"double": double, "await-file": await_file}
# endregion handlers


# region attempt
class Attempt:
    """One assignment while it runs. Its lease goes back with the outcome exactly as it came."""

    def __init__(self, assignment):
        self.assignment = assignment  # also: purpose (do or undo), deadline, idempotency_key, remaining_budget
        self.lease = assignment.lease
        self.input = json.loads(assignment.input.json or "null")
        self.last_checkpoint = json.loads(assignment.checkpoint.json or "null")
        self.tokens = 0
        self.lost = False  # the lease is gone: nobody waits for an outcome
        self.task = None
        self.began = time.monotonic()
        self.renewal = Renewal(lease=self.lease)
        self.has_news = False

    def tell(self, progress, message, checkpoint):
        """Travels with the next sign of life, the newest word only."""
        self.renewal.progress, self.renewal.message = progress, message
        self.renewal.checkpoint.json = json.dumps(checkpoint)
        self.has_news = True

    async def perform(self):
        """The outcome, whatever happens."""
        outcome = Outcome(lease=self.lease)
        try:
            handler = HANDLERS.get(self.assignment.capability)
            if handler is None:
                outcome.refusal.explanation = f"no handler for {self.assignment.capability}"
            else:
                outputs = await handler(self)
                outcome.success.SetInParent()
                if outputs is not None:  # A JSON object, or nothing.
                    outcome.success.outputs.CopyFrom(Payload(json=json.dumps(outputs)))
        except asyncio.CancelledError:
            outcome.stopped.message = "told to stop"
        except Exception as error:
            wrong_input = isinstance(error, (KeyError, TypeError, ValueError))
            outcome.failure.error_class = ERROR_CLASS_PERMANENT if wrong_input else ERROR_CLASS_TRANSIENT
            outcome.failure.message = repr(error)
        outcome.usage.tokens = self.tokens
        outcome.usage.wall.FromMilliseconds(int((time.monotonic() - self.began) * 1000))
        return outcome
# endregion attempt


class Executor:
    def __init__(self, name, slots, api_key):
        self.name = name
        self.slots = slots
        self.metadata = [("authorization", f"Bearer {api_key}")] if api_key else []
        self.incarnation = uuid.uuid4().hex
        self.attempts = {}  # running, by lease
        self.unacknowledged = {}  # outcomes that the server has not said to be durable, by lease
        self.outbox = asyncio.Queue()  # what is still to be said on the present stream
        self.draining = False
        self.wait = FIRST_WAIT

    # region hello
    def hello(self):
        """Opens every stream. Leases that it does not list return to the server and are performed elsewhere."""
        unsent = list(self.unacknowledged.values())
        held = [attempt.lease for attempt in self.attempts.values()] + [outcome.lease for outcome in unsent]
        spec = ExecutorSpec(name=self.name, capabilities=list(HANDLERS), slots=max(1, self.slots))
        return wire.Hello(spec=spec, incarnation=self.incarnation, held=held, unsent=unsent)

    def open(self):
        """A new stream knows nothing of what went over the last one."""
        self.outbox = asyncio.Queue()
        self.say(hello=self.hello())
        for attempt in self.attempts.values():
            attempt.has_news = True
        if self.slots == 0:
            self.say(slots=wire.Slots(slots=0))  # a hello cannot say "none"
        if self.draining:
            self.say(drain=wire.Drain())
    # endregion hello

    # region send
    def say(self, **message):
        self.outbox.put_nowait(message)

    async def requests(self):
        """Numbers what is said from 1, on each stream anew."""
        outbox, number = self.outbox, 1
        while True:
            yield wire.AttachRequest(number=number, **await outbox.get())
            number += 1

    async def show_life(self):
        while True:
            await asyncio.sleep(SIGN_OF_LIFE)
            if self.outbox.empty():  # otherwise the network is slow, and more words would not help
                self.renew()

    def renew(self):
        """Leases need no renewal while the stream lives; news of attempts travel in it, and an empty one shows life."""
        news = [attempt for attempt in self.attempts.values() if attempt.has_news]
        for attempt in news:
            attempt.has_news = False
        self.say(renewals=wire.Renewals(renewals=[attempt.renewal for attempt in news]))

    def report(self, outcome):
        """Kept until it is acknowledged: a stream that breaks meanwhile carries it in the next hello."""
        self.unacknowledged[key(outcome.lease)] = outcome
        self.say(outcomes=wire.Outcomes(outcomes=[outcome]))
    # endregion send

    # region perform
    def take(self, assignment):
        lease = key(assignment.lease)
        if lease in self.attempts or lease in self.unacknowledged:
            return  # a server that is not sure whether an assignment arrived sends it again
        self.attempts[lease] = attempt = Attempt(assignment)
        attempt.task = asyncio.create_task(self.run(attempt))

    async def run(self, attempt):
        tell("began", attempt.lease.step, attempt.lease.fencing)
        outcome = await attempt.perform()
        if attempt.has_news and not attempt.lost:
            self.renew()  # the last checkpoint goes first: after the outcome nobody listens to the attempt
        del self.attempts[key(attempt.lease)]
        tell("ended", attempt.lease.step, outcome.WhichOneof("result"))
        if not attempt.lost:
            self.report(outcome)

    def stop(self, lease, outcome_wanted):
        attempt = self.attempts.get(key(lease))
        if attempt is not None:
            attempt.lost = not outcome_wanted
            # Not at once: a task that is cancelled before its first turn would end without a word.
            asyncio.get_running_loop().call_soon(attempt.task.cancel)
    # endregion perform

    # region receive
    def receive(self, response):
        """Acknowledgements come beside any message, or alone. Returns the goodbye, if it was one."""
        for ack in response.acks:
            self.acknowledged(ack)
        kind = response.WhichOneof("message")
        if kind == "welcome":
            self.wait = FIRST_WAIT
            for lease in response.welcome.lost:
                self.stop(lease, outcome_wanted=False)
            tell("attached", response.welcome.executor_id, len(response.welcome.resumed))
        elif kind == "assignments":
            for assignment in response.assignments.assignments:
                self.take(assignment)
        elif kind == "stops":
            for stop in response.stops.stops:
                self.stop(stop.lease, stop.outcome_wanted)
        return response.goodbye if kind == "goodbye" else None

    def acknowledged(self, ack):
        """Durable, or refused for good: forgotten. Refused for now: said again after the delay that it names."""
        outcome = self.unacknowledged.get(key(ack.lease))
        if outcome is not None and ack.WhichOneof("result") == "refusal" and ack.refusal.retryable:
            delay = ack.refusal.retry_after.ToMilliseconds() / 1000 or 1.0
            asyncio.get_running_loop().call_later(delay, self.report_again, outcome)
        else:
            self.unacknowledged.pop(key(ack.lease), None)

    def report_again(self, outcome):
        if key(outcome.lease) in self.unacknowledged:
            self.report(outcome)
    # endregion receive

    # region stream
    async def attach(self, address):
        """One stream, from hello to its end. Returns the server's goodbye if there was one."""
        goodbye, silence_limit = None, FIRST_WELCOME
        # A channel for each stream: one that is kept would add waits of its own to ours.
        async with grpc.aio.insecure_channel(address) as channel:
            self.open()
            life = asyncio.create_task(self.show_life())
            try:
                call = DispatchServiceStub(channel).Attach(self.requests(), metadata=self.metadata)
                while (response := await asyncio.wait_for(call.read(), silence_limit)) is not grpc.aio.EOF:
                    goodbye = self.receive(response) or goodbye
                    if response.HasField("welcome"):
                        silence_limit = response.welcome.silence_limit.ToMilliseconds() / 1000 or FIRST_WELCOME
                    if goodbye:
                        return goodbye
                if (await call.code()) is not grpc.StatusCode.OK:
                    raise grpc.aio.AioRpcError(await call.code(), None, None, await call.details())
            finally:
                life.cancel()
        return goodbye

    async def serve(self, address):
        """Streams, one after the other, until the executor is drained. What runs goes on between them."""
        while not (self.draining and not self.attempts and not self.unacknowledged):
            goodbye = None
            try:
                goodbye = await self.attach(address)
            except grpc.aio.AioRpcError as error:
                if error.code() in FINAL:
                    raise
                tell("detached", error.code().name)
            except asyncio.TimeoutError:
                tell("detached", "SILENCE")
            if goodbye and goodbye.HasField("refusal") and not goodbye.reconnect and not goodbye.refusal.retryable:
                raise SystemExit(f"refused: {goodbye.refusal.explanation}")
            if not (goodbye and goodbye.reconnect):
                # Half of the wait is drawn, so that a fleet does not come back in step.
                await asyncio.sleep(self.wait * random.uniform(0.5, 1))
                self.wait = min(self.wait * 2, LONGEST_WAIT)
        tell("closed")
    # endregion stream

    # region drain
    def drain(self):
        """No new steps; the server says goodbye when the outcomes of those that run are durable."""
        if not self.draining:
            self.draining = True
            tell("draining")
            self.say(drain=wire.Drain())

    def set_slots(self, slots):
        self.slots = slots
        self.say(slots=wire.Slots(slots=slots))
    # endregion drain


def key(lease):
    return (lease.plan_id, lease.ordinal, lease.fencing)


def tell(*words):
    print(*words, flush=True)


async def main():
    address, name, slots = sys.argv[1:]
    executor = Executor(name, int(slots), os.environ.get("MAESTRO_API_KEY"))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, executor.drain)

    def read_slots():
        for line in sys.stdin:
            loop.call_soon_threadsafe(executor.set_slots, int(line))

    threading.Thread(target=read_slots, daemon=True).start()
    await executor.serve(address)


if __name__ == "__main__":
    asyncio.run(main())
