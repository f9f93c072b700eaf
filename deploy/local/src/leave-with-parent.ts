// Preloaded into every service's process: when the runner is gone (also by kill -9), the service stops in order.
if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
