/**
 * Events as finished WebSocket frames, made into one buffer per write: sending must cost the gateway less than receiving
 * costs anybody. Frames of a server are not masked (RFC 6455 §5.2).
 */
export type EventShape = 'c2c' | 'guild' | 'discord';

export interface EventPlace {
  /** Number in the session. */
  readonly seq: number;
  /** Unique over everything this gateway ever pushed. */
  readonly number: number;
  readonly chat: string;
}

/** About 500 bytes, as a short private message is. */
export function eventText(shape: EventShape, { seq, number, chat }: EventPlace, at: string): string {
  switch (shape) {
    case 'c2c':
      return `{"op":0,"s":${seq},"t":"C2C_MESSAGE_CREATE","id":"C2C_MESSAGE_CREATE:bench${number}","d":{"id":"ROBOT1.0_bench.${number}!","content":"hello there, what is the weather like where you are today?","timestamp":"${at}","author":{"id":"${chat}","user_openid":"${chat}","union_openid":"${chat}"},"message_scene":{"source":"default"},"attachments":[],"message_type":0,"padding":"${PADDING}"}}`;
    case 'guild':
      return `{"op":0,"s":${seq},"t":"AT_MESSAGE_CREATE","id":"AT_MESSAGE_CREATE:bench${number}","d":{"id":"bench-${number}","channel_id":"${chat}","guild_id":"18700000000001","content":"<@!1> hello there, what is the weather like where you are today?","timestamp":"${at}","author":{"id":"1441151880","username":"alice","bot":false,"avatar":"http://127.0.0.1/a.png"},"member":{"nick":"alice","roles":["1"],"joined_at":"${at}"},"seq":${seq},"seq_in_channel":"${seq}"}}`;
    case 'discord':
      return `{"op":0,"s":${seq},"t":"MESSAGE_CREATE","d":{"id":"${number}","channel_id":"${chat}","guild_id":"18700000000001","content":"hello there, what is the weather like where you are today?","timestamp":"${at}","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],"mention_roles":[],"attachments":[],"embeds":[],"pinned":false,"type":0,"author":{"id":"1441151880","username":"alice","discriminator":"0","avatar":null},"padding":"${PADDING}"}}`;
    default:
      return shape satisfies never;
  }
}

const PADDING = 'x'.repeat(60);

/** Collects frames of ASCII text; {@link take} gives what was gathered and begins anew. */
export class FrameBuffer {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #end = 0;

  add(text: string): void {
    const { length } = text;
    if (this.#end + length + 4 > this.#bytes.length) this.#grow(length + 4);
    const bytes = this.#bytes;
    let at = this.#end;
    bytes[at++] = 0x81;
    if (length < 126) {
      bytes[at++] = length;
    } else {
      bytes[at++] = 126;
      bytes[at++] = length >> 8;
      bytes[at++] = length & 0xff;
    }
    this.#end = at + bytes.write(text, at, 'latin1');
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#end);
    this.#bytes = Buffer.allocUnsafe(this.#bytes.length);
    this.#end = 0;
    return taken;
  }

  #grow(by: number): void {
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + by);
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}
