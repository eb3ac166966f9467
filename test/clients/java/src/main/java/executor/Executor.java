// An executor in Java on stubs generated from the contract, with nothing else of Maestro's: the protocol. Not here: what it
// performs (Handlers.java), one attempt (Attempt.java), the process (Main.java). Regions are what the guide shows.
package executor;

import com.google.protobuf.util.Durations;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import maestro.v1.Assignment;
import maestro.v1.AttachRequest;
import maestro.v1.AttachResponse;
import maestro.v1.DispatchServiceGrpc;
import maestro.v1.Drain;
import maestro.v1.ExecutorSpec;
import maestro.v1.Goodbye;
import maestro.v1.Hello;
import maestro.v1.Lease;
import maestro.v1.Outcome;
import maestro.v1.OutcomeAck;
import maestro.v1.Outcomes;
import maestro.v1.Renewals;
import maestro.v1.Slots;

/** Keeps all of its state in one thread, `turn`; streams and handlers only post to it. */
final class Executor {
  /** Between two; the server thinks an executor gone after several seconds of silence. */
  private static final long SIGN_OF_LIFE_MS = 1_000;

  /** That a server may take to say welcome, which names the limit from then on. */
  private static final long FIRST_WELCOME_MS = 10_000;

  /**
   * Before a new stream. Short at first, because a lease outlives its stream by a short grace only; never long, because a
   * server that has started again waits a few seconds for executors before it gives their leases away.
   */
  private static final long FIRST_WAIT_MS = 100;

  private static final long LONGEST_WAIT_MS = 2_000;

  /** The same hello would get the same answer: these end the executor, everything else is tried again. */
  private static final Set<Status.Code> FINAL =
      Set.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.NOT_FOUND,
          Status.Code.PERMISSION_DENIED,
          Status.Code.UNAUTHENTICATED,
          Status.Code.UNIMPLEMENTED);

  private final String address;
  private final String name;
  private final String apiKey;
  private final Map<String, Handler> handlers;
  private final String incarnation = UUID.randomUUID().toString();
  private final ScheduledExecutorService turn = Executors.newSingleThreadScheduledExecutor();
  private final ExecutorService workers = Executors.newCachedThreadPool();
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  /** Running, by lease. */
  private final Map<Lease, Attempt> attempts = new LinkedHashMap<>();

  /** The server has not said that they are durable; by lease. */
  private final Map<Lease, Outcome> unacknowledged = new LinkedHashMap<>();

  private int slots;
  private boolean draining;
  private long waitMs = FIRST_WAIT_MS;

  /** Null between two streams. */
  private Stream stream;

  Executor(String address, String name, int slots, String apiKey, Map<String, Handler> handlers) {
    this.address = address;
    this.name = name;
    this.slots = slots;
    this.apiKey = apiKey;
    this.handlers = handlers;
  }

  /** Completes when the executor is drained; fails when the server will not have it. */
  CompletableFuture<Void> start() {
    post(this::attach);
    turn.scheduleWithFixedDelay(this::showLife, SIGN_OF_LIFE_MS, SIGN_OF_LIFE_MS, TimeUnit.MILLISECONDS);
    return closed;
  }

  /** The next turn; a bug in it ends the executor instead of being kept in a future that nobody looks at. */
  private void post(Runnable task) {
    turn.execute(
        () -> {
          try {
            task.run();
          } catch (RuntimeException bug) {
            close(bug);
          }
        });
  }

  private void close(Exception error) {
    turn.shutdownNow();
    workers.shutdownNow();
    if (error == null) closed.complete(null);
    else closed.completeExceptionally(error);
  }

  // region hello

  /** Opens every stream. Leases that it does not list return to the server and are performed elsewhere. */
  private Hello hello() {
    var spec =
        ExecutorSpec.newBuilder()
            .setName(name)
            .addAllCapabilities(handlers.keySet())
            .setSlots(Math.max(1, slots));
    return Hello.newBuilder()
        .setSpec(spec)
        .setIncarnation(incarnation)
        .addAllHeld(attempts.keySet())
        .addAllHeld(unacknowledged.keySet())
        .addAllUnsent(unacknowledged.values())
        .build();
  }

  /** A channel for each stream: one that is kept would add waits of its own to ours. */
  private void attach() {
    stream = new Stream(Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build());
    say(AttachRequest.newBuilder().setHello(hello()));
    // A new stream knows nothing of what went over the last one.
    attempts.values().forEach(Attempt::tellAgain);
    if (slots == 0) setSlots(0); // a hello cannot say "none"
    if (draining) say(AttachRequest.newBuilder().setDrain(Drain.getDefaultInstance()));
  }

  // endregion hello

  // region send

  /** What a broken stream did not carry, the next hello does. */
  private void say(AttachRequest.Builder request) {
    if (stream != null) stream.say(request);
  }

  /** When the network is slow, more words would not help. */
  private void showLife() {
    if (stream != null && stream.call.isReady()) renew();
  }

  /** Tells the news of attempts; without any it shows life. Leases need nothing else while the stream lives. */
  private void renew() {
    if (stream == null) return;
    var renewals = Renewals.newBuilder();
    attempts.values().forEach(attempt -> attempt.takeNews().ifPresent(renewals::addRenewals));
    say(AttachRequest.newBuilder().setRenewals(renewals));
  }

  /** Kept until it is acknowledged: a stream that breaks meanwhile carries it in the next hello. */
  private void report(Outcome outcome) {
    unacknowledged.put(outcome.getLease(), outcome);
    say(AttachRequest.newBuilder().setOutcomes(Outcomes.newBuilder().addOutcomes(outcome)));
  }

  // endregion send

  // region perform

  private void take(Assignment assignment) {
    var lease = assignment.getLease();
    // A server that is not sure whether an assignment arrived sends it again.
    if (attempts.containsKey(lease) || unacknowledged.containsKey(lease)) return;
    System.out.println("began " + lease.getStep() + " " + lease.getFencing());
    var attempt = new Attempt(assignment);
    attempts.put(lease, attempt);
    workers.execute(
        () -> {
          var outcome = attempt.perform(handlers.get(assignment.getCapability()));
          post(() -> ended(attempt, outcome));
        });
  }

  private void ended(Attempt attempt, Outcome outcome) {
    var lease = outcome.getLease();
    System.out.println("ended " + lease.getStep() + " " + outcome.getResultCase().name().toLowerCase());
    if (!attempt.lost) {
      renew(); // the last checkpoint goes first: after the outcome nobody listens to the attempt
      report(outcome);
    }
    attempts.remove(lease);
  }

  private void stop(Lease lease, boolean outcomeWanted) {
    var attempt = attempts.get(lease);
    if (attempt == null) return;
    attempt.lost = !outcomeWanted;
    attempt.interrupt();
  }

  // endregion perform

  // region receive

  /** Acknowledgements come beside any message, or alone. */
  private void receive(AttachResponse response) {
    response.getAcksList().forEach(this::acknowledged);
    switch (response.getMessageCase()) {
      case WELCOME -> {
        var welcome = response.getWelcome();
        waitMs = FIRST_WAIT_MS;
        welcome.getLostList().forEach(lease -> stop(lease, false));
        System.out.println("attached " + welcome.getExecutorId() + " " + welcome.getResumedCount());
      }
      case ASSIGNMENTS -> response.getAssignments().getAssignmentsList().forEach(this::take);
      case STOPS ->
          response.getStops().getStopsList().forEach(stop -> stop(stop.getLease(), stop.getOutcomeWanted()));
      default -> {}
    }
  }

  /** Durable, or refused for good: forgotten. Refused for now: said again after the delay that it names. */
  private void acknowledged(OutcomeAck ack) {
    var outcome = unacknowledged.get(ack.getLease());
    if (outcome == null || !ack.getRefusal().getRetryable()) {
      unacknowledged.remove(ack.getLease());
      return;
    }
    var refusal = ack.getRefusal();
    var delayMs = refusal.hasRetryAfter() ? Durations.toMillis(refusal.getRetryAfter()) : 1_000;
    turn.schedule(
        () -> {
          if (unacknowledged.containsKey(ack.getLease())) report(outcome);
        },
        delayMs,
        TimeUnit.MILLISECONDS);
  }

  // endregion receive

  // region stream

  /** One stream: numbers what is said, posts what is heard, and breaks when the server is silent for too long. */
  private final class Stream implements ClientResponseObserver<AttachRequest, AttachResponse> {
    private final ManagedChannel channel;
    private ClientCallStreamObserver<AttachRequest> call;
    private long number;
    private long limitMs = FIRST_WELCOME_MS;
    private ScheduledFuture<?> silence;
    private Goodbye goodbye;

    Stream(ManagedChannel channel) {
      this.channel = channel;
      listen();
      DispatchServiceGrpc.newStub(channel).withInterceptors(authorization()).attach(this);
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<AttachRequest> call) {
      this.call = call;
    }

    void say(AttachRequest.Builder request) {
      call.onNext(request.setNumber(++number).build());
    }

    @Override
    public void onNext(AttachResponse response) {
      post(
          () -> {
            if (stream != this) return;
            if (response.hasWelcome()) limitMs = Durations.toMillis(response.getWelcome().getSilenceLimit());
            if (response.hasGoodbye()) goodbye = response.getGoodbye();
            listen();
            receive(response);
            if (goodbye != null) end(Status.OK);
          });
    }

    @Override
    public void onError(Throwable error) {
      post(() -> end(Status.fromThrowable(error)));
    }

    @Override
    public void onCompleted() {
      post(() -> end(Status.OK));
    }

    private void listen() {
      if (silence != null) silence.cancel(false);
      silence = turn.schedule(() -> end(Status.UNAVAILABLE), limitMs, TimeUnit.MILLISECONDS);
    }

    private void end(Status status) {
      if (stream != this) return;
      stream = null;
      silence.cancel(false);
      channel.shutdownNow();
      detached(status, goodbye == null ? Goodbye.getDefaultInstance() : goodbye);
    }
  }

  private ClientInterceptor authorization() {
    var headers = new Metadata();
    if (apiKey != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + apiKey);
    }
    return MetadataUtils.newAttachHeadersInterceptor(headers);
  }

  /** What runs goes on between two streams. */
  private void detached(Status status, Goodbye goodbye) {
    var refused = goodbye.hasRefusal() && !goodbye.getReconnect() && !goodbye.getRefusal().getRetryable();
    if (FINAL.contains(status.getCode())) close(status.asException());
    else if (refused) close(new IllegalStateException(goodbye.getRefusal().getExplanation()));
    else if (draining && attempts.isEmpty() && unacknowledged.isEmpty()) close(null);
    else if (goodbye.getReconnect()) attach();
    else {
      System.out.println("detached " + status.getCode());
      // Half of the wait is drawn, so that a fleet does not come back in step.
      var drawnMs = ThreadLocalRandom.current().nextLong(waitMs / 2, waitMs);
      turn.schedule(this::attach, drawnMs, TimeUnit.MILLISECONDS);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  // endregion stream

  // region drain

  /** Takes no new steps; the server says goodbye when the outcomes of those that run are durable. */
  void drain() {
    post(
        () -> {
          if (draining) return;
          draining = true;
          System.out.println("draining");
          say(AttachRequest.newBuilder().setDrain(Drain.getDefaultInstance()));
        });
  }

  /** Changes how many steps it performs at once; 0 pauses. */
  void setSlots(int slots) {
    post(
        () -> {
          this.slots = slots;
          say(AttachRequest.newBuilder().setSlots(Slots.newBuilder().setSlots(slots)));
        });
  }

  // endregion drain
}
