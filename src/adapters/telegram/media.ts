/** What a message carries besides text. Files are named by reference, never by URL: that would hold the token. */
import type { Attachment } from '../../model.ts';
import type { File, Message } from './shapes.ts';

/** `url` is `telegram:file/<file_id>`: good for getFile, for this bot, for as long as the platform keeps the file. */
export function attachmentsOf(message: Message): Attachment[] {
  const { photo, animation, document, video, audio, voice, video_note: note, sticker } = message;
  // Sizes of one picture; the last one is the largest.
  const picture = photo?.at(-1);
  const found: (Attachment | null)[] = [
    attachment(picture, 'image/jpeg'),
    attachment(animation, 'video/mp4'),
    // An animation comes as a document, too, for older clients.
    animation === undefined ? attachment(document, 'application/octet-stream') : null,
    attachment(video, 'video/mp4'),
    attachment(audio, 'audio/mpeg'),
    attachment(voice, 'audio/ogg'),
    attachment(note, 'video/mp4'),
    attachment(sticker, stickerType(sticker)),
  ];
  return found.filter((each) => each !== null);
}

function attachment(file: File | undefined, usualType: string): Attachment | null {
  if (file === undefined) return null;
  return {
    contentType: file.mime_type ?? usualType,
    url: `telegram:file/${file.file_id}`,
    name: file.file_name ?? null,
  };
}

function stickerType(sticker: Message['sticker']): string {
  if (sticker?.is_animated === true) return 'application/x-tgsticker';
  return sticker?.is_video === true ? 'video/webm' : 'image/webp';
}

/** Messages that are neither text nor file, in words for the agent; `null` for those that say nothing to it. */
export function inWords({ location, venue, contact, dice, poll, sticker }: Message): string | null {
  // A venue has a location, too.
  if (venue !== undefined) return `[venue: ${[venue.title, venue.address].filter(Boolean).join(', ')}]`;
  if (location !== undefined) return `[location: ${location.latitude}, ${location.longitude}]`;
  if (contact !== undefined) return `[contact: ${contact.first_name}, ${contact.phone_number}]`;
  if (dice !== undefined) return `[dice: ${dice.emoji} ${dice.value}]`;
  if (poll !== undefined) return `[poll: ${poll.question}]`;
  return sticker?.emoji === undefined ? null : `[sticker: ${sticker.emoji}]`;
}
