// What this executor performs. Put your own functions here.
package executor;

import com.google.protobuf.Struct;
import com.google.protobuf.util.Values;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

final class Handlers {
  private Handlers() {}

  // region handlers

  static final Map<String, Handler> ALL = Map.of("double", Handlers::twice, "await-file", Handlers::awaitFile);

  /** Input {@code {n}}, outputs {@code {n}}. Without a number it fails, and no retry mends that. */
  static Struct twice(Attempt attempt) throws Exception {
    var n = attempt.input().getFieldsOrThrow("n");
    if (!n.hasNumberValue()) throw new IllegalArgumentException("n is no number");
    attempt.tokens += 1;
    return Struct.newBuilder().putFields("n", Values.of(n.getNumberValue() * 2)).build();
  }

  /** Input {@code {path}}: looks until the file is there. An attempt after this one goes on counting where it stopped. */
  static Struct awaitFile(Attempt attempt) throws Exception {
    var path = Path.of(attempt.input().getFieldsOrThrow("path").getStringValue());
    var beganAt = attempt.lastCheckpoint().getFieldsOrDefault("looks", Values.of(0)).getNumberValue();
    var looks = beganAt;
    while (!Files.exists(path)) {
      looks++;
      var checkpoint = Struct.newBuilder().putFields("looks", Values.of(looks)).build();
      attempt.tell(0.5, "looked %.0f times".formatted(looks), checkpoint);
      Thread.sleep(50); // throws InterruptedException when the server says stop
    }
    return Struct.newBuilder()
        .putFields("looks", Values.of(looks))
        .putFields("began_at", Values.of(beganAt))
        .build();
  }

  // endregion handlers
}
