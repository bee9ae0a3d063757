/** Files of one bot: what people sent, and what the bot uploaded. A `file_id` is the bot's own. */
import { randomBytes } from 'node:crypto';
import type { File } from '@grammyjs/types';
import { badRequest } from './answers.ts';

export interface KeptFile {
  readonly id: string;
  readonly uniqueId: string;
  /** As in the download URL. */
  readonly path: string;
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** What the platform says of it; larger than {@link bytes} where a test claims so. */
  readonly size: number;
}

/** What getFile gives out at most on the hosted service. */
const longestDownload = 20 * 1024 * 1024;

export interface NewFile {
  readonly folder: string;
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** @defaultValue the length of `bytes` */
  readonly size?: number | undefined;
}

export class Files {
  readonly #byId = new Map<string, KeptFile>();

  add(file: NewFile): KeptFile {
    const extension = file.name.includes('.') ? file.name.slice(file.name.lastIndexOf('.')) : '';
    const kept: KeptFile = {
      id: `AgAC${randomBytes(24).toString('base64url')}`,
      uniqueId: `AQAD${randomBytes(8).toString('base64url')}`,
      path: `${file.folder}/file_${this.#byId.size}${extension}`,
      name: file.name,
      contentType: file.contentType,
      bytes: file.bytes,
      size: file.size ?? file.bytes.length,
    };
    this.#byId.set(kept.id, kept);
    return kept;
  }

  get(id: string): KeptFile | undefined {
    return this.#byId.get(id);
  }

  /** @throws ApiRefusal 400 for a file that is unknown or too large */
  describe(id: string): File {
    const file = this.#byId.get(id);
    if (file === undefined) throw badRequest('wrong file_id or the file is temporarily unavailable');
    if (file.size > longestDownload) throw badRequest('file is too big');
    return { file_id: file.id, file_unique_id: file.uniqueId, file_size: file.size, file_path: file.path };
  }

  at(path: string): KeptFile | undefined {
    return [...this.#byId.values()].find((file) => file.path === path);
  }
}
