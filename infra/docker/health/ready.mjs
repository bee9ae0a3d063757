/**
 * Health check of a container that answers HTTP (`up`, `web`): asks its own /readyz, which judges by evidence. Exit code 0
 * ready, 1 not, with the reasons on stdout, where `docker inspect` shows them.
 */
const url = process.env.HOLDFAST_READY_URL ?? 'http://127.0.0.1:8420/readyz';

try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  const { reasons = [] } = await answer.json();
  console.log(answer.ok ? 'ready' : `not ready: ${reasons.join('; ')}`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(`${url} does not answer: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
