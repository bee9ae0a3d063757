/** Keys whose values are secret, wherever they stand. Each may be given as `<key>File`: the path of a file with the value. */
export const SECRET_KEYS: ReadonlySet<string> = new Set([
  'clientSecret',
  'token',
  'secret',
  'apiKey',
  'adminToken',
  'proxy',
  'webhookUrl',
]);

/** `redis.url` may hold a password, so it too may come from a file. */
export const FILE_KEYS: ReadonlySet<string> = new Set([...SECRET_KEYS, 'url']);
