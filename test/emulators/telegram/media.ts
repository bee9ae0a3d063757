/** What people show: the fields of a message for each kind of media, with a file behind it that the bot can download. */
import type { Message } from '@grammyjs/types';
import type { Files, KeptFile } from './files.ts';

export type MediaKind =
  | 'photo'
  | 'document'
  | 'video'
  | 'animation'
  | 'audio'
  | 'voice'
  | 'video_note'
  | 'sticker'
  | 'location';

export interface MediaOptions {
  readonly caption?: string;
  /** @defaultValue a few bytes of text */
  readonly bytes?: Buffer;
  /** Size the platform claims, for files too large to download. @defaultValue that of the bytes */
  readonly size?: number;
  /** @defaultValue a name with the usual ending */
  readonly name?: string;
  /** Set by {@link ChatHandle.album}. */
  readonly mediaGroupId?: string;
}

const plain: Readonly<Record<Exclude<MediaKind, 'location'>, { readonly name: string; readonly contentType: string }>> =
  {
    photo: { name: 'photo.jpg', contentType: 'image/jpeg' },
    document: { name: 'document.txt', contentType: 'text/plain' },
    video: { name: 'video.mp4', contentType: 'video/mp4' },
    animation: { name: 'animation.mp4', contentType: 'video/mp4' },
    audio: { name: 'audio.mp3', contentType: 'audio/mpeg' },
    voice: { name: 'voice.oga', contentType: 'audio/ogg' },
    video_note: { name: 'note.mp4', contentType: 'video/mp4' },
    sticker: { name: 'sticker.webp', contentType: 'image/webp' },
  };

export function mediaFields(files: Files, kind: MediaKind, options: MediaOptions): Partial<Message> {
  if (kind === 'location') return { location: { latitude: 52.52, longitude: 13.405 } };
  const { name, contentType } = plain[kind];
  const file = files.add({
    folder: kind === 'photo' ? 'photos' : `${kind}s`,
    name: options.name ?? name,
    contentType,
    bytes: options.bytes ?? Buffer.from(`the emulator's ${kind}`),
    size: options.size,
  });
  const group = options.mediaGroupId === undefined ? {} : { media_group_id: options.mediaGroupId };
  return { ...fieldsOf(kind, file), ...group };
}

function fieldsOf(kind: Exclude<MediaKind, 'location'>, file: KeptFile): Partial<Message> {
  const ids = { file_id: file.id, file_unique_id: file.uniqueId, file_size: file.size };
  const named = { ...ids, file_name: file.name, mime_type: file.contentType };
  const frame = { width: 640, height: 480, duration: 3 };
  switch (kind) {
    case 'photo':
      return {
        photo: [
          { file_id: `${file.id}s`, file_unique_id: `${file.uniqueId}s`, file_size: 900, width: 90, height: 67 },
          { ...ids, width: 640, height: 480 },
        ],
      };
    case 'document':
      return { document: named };
    case 'video':
      return { video: { ...named, ...frame } };
    case 'animation':
      // For older clients the platform says document as well.
      return { animation: { ...named, ...frame }, document: named };
    case 'audio':
      return { audio: { ...named, duration: 3 } };
    case 'voice':
      return { voice: { ...ids, duration: 3, mime_type: file.contentType } };
    case 'video_note':
      return { video_note: { ...ids, length: 240, duration: 3 } };
    case 'sticker':
      return {
        sticker: { ...ids, type: 'regular', width: 512, height: 512, is_animated: false, is_video: false, emoji: '🙂' },
      };
    default:
      return kind satisfies never;
  }
}
