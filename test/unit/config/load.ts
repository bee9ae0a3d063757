import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type Config, type LoadOptions, loadConfig } from '../../../src/config.ts';
import { ConfigError } from '../../../src/errors.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A new folder with these files. */
export function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-config-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** Loads `text` as holdfast.yaml. */
export function load(text: string, env: Record<string, string> = {}, options: LoadOptions = {}): Config {
  return loadConfig({ cwd: folderWith({ 'holdfast.yaml': text }), env, ...options });
}

/** The lines of the ConfigError that `run` throws. */
export function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

export const QQ = `
connections:
  - id: qq-main
    platform: qq
    appId: "102000000"
    clientSecret: top-secret-value
`;
