/** `holdfast data accept`: Redis has less than was there, and that is what is to be gone on with. */
import { acceptData } from '../state/data-loss.ts';
import { printable } from '../text/printable.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';

export async function acceptDataCommand(file: string | undefined): Promise<number> {
  const loss = await withReader(file, ({ client, keys }) => acceptData(client, keys));
  process.stdout.write(
    loss === null
      ? 'Nothing was missing: what Redis has is what is gone on with.\n'
      : `Accepted: ${printable(loss.reason)}. What Redis has now is what is gone on with.\n`,
  );
  return EXIT.ok;
}
