// One attempt of a step: what its handler is given, what it has to tell, and the outcome that it comes to.
package executor;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.util.Durations;
import com.google.protobuf.util.JsonFormat;
import java.util.Optional;
import maestro.v1.Amounts;
import maestro.v1.Assignment;
import maestro.v1.ErrorClass;
import maestro.v1.ExecutorRefusal;
import maestro.v1.Failure;
import maestro.v1.Outcome;
import maestro.v1.Payload;
import maestro.v1.Renewal;
import maestro.v1.Stopped;
import maestro.v1.Success;

// region attempt

/** One assignment while it runs. Its lease goes back with the outcome exactly as it came. */
final class Attempt {
  /** Also: purpose (do or undo), deadline, idempotency key, remaining budget. */
  final Assignment assignment;

  /** Reported as usage, and booked to the plan's budget. */
  long tokens;

  /** The lease is gone: nobody waits for an outcome. Known to the executor's thread alone. */
  boolean lost;

  private final long beganNanos = System.nanoTime();
  private Thread thread;
  private boolean stopped;
  private Renewal told;
  private boolean hasNews;

  Attempt(Assignment assignment) {
    this.assignment = assignment;
  }

  Struct input() throws InvalidProtocolBufferException {
    return parse(assignment.getInput());
  }

  /** Where an earlier attempt stopped; empty for a first one. */
  Struct lastCheckpoint() throws InvalidProtocolBufferException {
    return parse(assignment.getCheckpoint());
  }

  /** Travels with the next sign of life, the newest word only. A later attempt begins with the checkpoint. */
  synchronized void tell(double progress, String message, Struct checkpoint) throws InvalidProtocolBufferException {
    told =
        Renewal.newBuilder()
            .setLease(assignment.getLease())
            .setProgress(progress)
            .setMessage(message)
            .setCheckpoint(print(checkpoint))
            .build();
    hasNews = true;
  }

  synchronized Optional<Renewal> takeNews() {
    if (!hasNews) return Optional.empty();
    hasNews = false;
    return Optional.of(told);
  }

  synchronized void tellAgain() {
    hasNews = told != null;
  }

  synchronized void interrupt() {
    stopped = true;
    if (thread != null) thread.interrupt();
  }

  /** The outcome, whatever happens. */
  Outcome perform(Handler handler) {
    var outcome = Outcome.newBuilder().setLease(assignment.getLease());
    if (handler == null) {
      var explanation = "no handler for " + assignment.getCapability();
      return outcome.setRefusal(ExecutorRefusal.newBuilder().setExplanation(explanation)).build();
    }
    try {
      begin();
      outcome.setSuccess(Success.newBuilder().setOutputs(print(handler.perform(this))));
    } catch (InterruptedException interrupted) {
      outcome.setStopped(Stopped.newBuilder().setMessage("told to stop"));
    } catch (IllegalArgumentException | InvalidProtocolBufferException wrongInput) {
      outcome.setFailure(failure(ErrorClass.ERROR_CLASS_PERMANENT, wrongInput));
    } catch (Exception trouble) {
      outcome.setFailure(failure(ErrorClass.ERROR_CLASS_TRANSIENT, trouble));
    } finally {
      finish();
    }
    var wallMs = (System.nanoTime() - beganNanos) / 1_000_000;
    return outcome
        .setUsage(Amounts.newBuilder().setTokens(tokens).setWall(Durations.fromMillis(wallMs)))
        .build();
  }

  private synchronized void begin() throws InterruptedException {
    if (stopped) throw new InterruptedException();
    thread = Thread.currentThread();
  }

  /** An interruption that comes too late must not reach the thread's next attempt. */
  private synchronized void finish() {
    thread = null;
    Thread.interrupted();
  }

  private static Failure failure(ErrorClass errorClass, Exception error) {
    return Failure.newBuilder().setErrorClass(errorClass).setMessage(String.valueOf(error)).build();
  }

  private static Struct parse(Payload payload) throws InvalidProtocolBufferException {
    var value = Struct.newBuilder();
    if (payload.hasJson()) JsonFormat.parser().merge(payload.getJson(), value);
    return value.build();
  }

  private static Payload print(Struct value) throws InvalidProtocolBufferException {
    return Payload.newBuilder().setJson(JsonFormat.printer().print(value)).build();
  }
}
// endregion attempt
