/**
 * Loaded into each process of the demonstration before Holdfast itself (`node --import`): when the demonstration is
 * gone, even by SIGKILL, the channel to it closes, and the process drains as if an operator had asked.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening alone must not keep a drained process alive.
process.channel?.unref();
