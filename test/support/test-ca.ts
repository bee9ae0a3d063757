/**
 * A certificate authority for one test, and a certificate for 127.0.0.1 signed by it, made by openssl. Processes trust it
 * through `NODE_EXTRA_CA_CERTS`, as users with a private endpoint do.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsIdentity } from '../emulators/listener.ts';

export interface TestCa extends AsyncDisposable {
  /** PEM file of the authority, for `NODE_EXTRA_CA_CERTS`. */
  readonly caFile: string;
  readonly server: TlsIdentity;
  /** The same as PEM files, for servers that are no part of this process. */
  readonly files: { readonly key: string; readonly cert: string };
}

const run = promisify(execFile);
/** Elliptic keys: quick to make, and what platforms use. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

/**
 * @param names - what the certificate is for, in openssl's spelling. @defaultValue `IP:127.0.0.1,DNS:localhost`
 * @throws Error when openssl is not installed
 */
export async function makeTestCa(names = 'IP:127.0.0.1,DNS:localhost'): Promise<TestCa> {
  const dir = await mkdtemp(join(tmpdir(), 'hf-ca-'));
  const at = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => run('openssl', args);
  const caFile = at('ca.pem');
  await openssl(
    'req',
    '-x509',
    ...NEW_KEY,
    '-subj',
    '/CN=Test CA',
    '-days',
    '2',
    '-keyout',
    at('ca.key'),
    '-out',
    caFile,
  );
  await openssl('req', ...NEW_KEY, '-subj', '/CN=test server', '-keyout', at('server.key'), '-out', at('server.csr'));
  await writeFile(at('names'), `subjectAltName=${names}\n`);
  const signed = ['-CA', caFile, '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('names')];
  await openssl('x509', '-req', '-in', at('server.csr'), ...signed, '-out', at('server.pem'));
  return {
    caFile,
    files: { key: at('server.key'), cert: at('server.pem') },
    server: { key: await readFile(at('server.key'), 'utf8'), cert: await readFile(at('server.pem'), 'utf8') },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
