// Loaded before a server's own modules: the wall clock of its process can be moved ahead over IPC, as that of a machine can be set.
// The server itself runs exactly as it is started in earnest, and its monotonic clock goes on. Not here: the database's clock.
const ofTheMachine = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => ofTheMachine() + aheadMs;

process.on("message", (message: { readonly aheadMs?: number }) => {
  if (message.aheadMs === undefined) return;
  ({ aheadMs } = message);
  process.send?.({ aheadMs });
});
// The channel alone must not keep a server alive that wants to end.
process.channel?.unref();
