// The process: usage is HOST:PORT NAME SLOTS, with MAESTRO_API_KEY where the server asks for a key. It says on standard output
// what it does, takes another number of slots from each line of standard input, and drains on SIGTERM.
package executor;

import java.util.Scanner;

final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    var slots = Integer.parseInt(arguments[2]);
    var apiKey = System.getenv("MAESTRO_API_KEY");
    var executor = new Executor(arguments[0], arguments[1], slots, apiKey, Handlers.ALL);
    var closed = executor.start();
    closed.exceptionally(
        error -> {
          System.err.println(error);
          Runtime.getRuntime().halt(1);
          return null;
        });
    // On SIGTERM the virtual machine waits for its hooks; a drained executor is an orderly end.
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  executor.drain();
                  closed.join();
                  System.out.println("closed");
                  Runtime.getRuntime().halt(0);
                }));
    var lines = new Scanner(System.in);
    while (lines.hasNextInt()) executor.setSlots(lines.nextInt());
  }
}
