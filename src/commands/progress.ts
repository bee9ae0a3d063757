/** Something to look at while a command takes longer than a moment. */
import yoctoSpinner from 'yocto-spinner';

/** What is done sooner needs no spinner, ms. */
const AFTER_MS = 500;

/** On stderr, and only when that is a terminal: what a script reads stays clean. @throws what `run` throws */
export async function withProgress<T>(text: string, run: () => Promise<T>): Promise<T> {
  if (process.stderr.isTTY !== true) return await run();
  const spinner = yoctoSpinner({ text, stream: process.stderr });
  const timer = setTimeout(() => spinner.start(), AFTER_MS);
  try {
    return await run();
  } finally {
    clearTimeout(timer);
    spinner.stop();
  }
}
