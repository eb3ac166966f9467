// What performs steps of a capability.
package executor;

import com.google.protobuf.Struct;

/** Returns the step's outputs. Its thread is interrupted when the server says stop. */
@FunctionalInterface
interface Handler {
  Struct perform(Attempt attempt) throws Exception;
}
