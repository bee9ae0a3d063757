/**
 * What the OpenAPI's error codes mean for a send. Codes and meanings: tencent-connect/bot-docs,
 * `docs/develop/api-v2/dev-prepare/error-trace/openapi.md`, and the wiki bot.q.qq.com, openapi/error/error (2026), both
 * read 2026-11-22; an issue's number stands where only the field shows the code. The class is ours.
 */
export type ApiClass =
  /** the access token is missing, wrong or expired: a fresh one, and once more */
  | 'token'
  /** not done, and passes by itself */
  | 'retry'
  /** the platform failed within: it may have been done */
  | 'internal'
  | 'rate-limited'
  /** taken, and waiting for the platform's audit */
  | 'audit'
  /** this (msg_id, msg_seq) was used before */
  | 'duplicate'
  /** the reply window or quota is over; a message of its own may still go out */
  | 'too-late'
  | 'too-long'
  /** permanent for what the text says; another wording may pass */
  | 'text-refused'
  /** permanent for this message */
  | 'rejected'
  /** permanent until a person changes something */
  | 'operator'
  /** this host's address is not on the bot's list: another host may do better */
  | 'ip-not-listed';

export interface ApiCode {
  readonly class: ApiClass;
  readonly meaning: string;
}

const rows: ReadonlyArray<readonly [codes: readonly number[], cls: ApiClass, meaning: string]> = [
  [[11241, 11242, 11243, 11244], 'token', 'access token missing, wrong or expired'],
  [[11245], 'operator', 'the old Bot token scheme is switched off (satorijs/satori #381)'],
  [[11298, 40023002], 'ip-not-listed', 'the source IP is not on the whitelist (openclaw-qqbot #240)'],
  [[11251, 11261, 11275], 'operator', 'wrong app id'],
  [[11252, 11263, 11281], 'retry', "the platform's permission service failed"],
  [[11253, 11254, 11264, 11265, 11282], 'operator', 'no permission for this interface'],
  [[11255, 40011028], 'rejected', 'the target does not exist for this bot'],
  [[20028], 'rate-limited', 'channel rate limit'],
  [[22006], 'text-refused', 'msg_type and content do not fit'],
  [[22009], 'rate-limited', 'message limit exceeded'],
  [[50006, 50035, 50037, 50041, 50055, 50056, 50057, 50059], 'text-refused', 'bad content'],
  [[304003], 'text-refused', 'a URL that is not registered for the bot'],
  [[304018], 'retry', 'the bot has no gateway connection (guild)'],
  [[304022], 'rejected', 'pushes are not allowed at this time'],
  [[304023, 304024], 'audit', 'waiting for audit'],
  [[304025], 'text-refused', 'blocked'],
  [[304026, 304028], 'rejected', 'bad msg_id'],
  [[304027, 304103], 'too-late', 'msg_id expired'],
  [[304036, 304037], 'operator', 'no permission for markdown or keyboards'],
  [[304045, 304046, 304047, 304048, 304049, 304050], 'rejected', 'quota of active messages used up'],
  [[304061, 304064, 304080], 'rejected', 'bad file_info'],
  [[304082, 304083], 'retry', 'media could not be fetched or converted'],
  [[40034004], 'retry', 'media transfer failed'],
  [[40034005], 'too-late', 'msg_id expired'],
  [[40034006], 'text-refused', 'content violation'],
  [[40034008, 40034009, 40034010, 40034011, 40034124, 40034127], 'rejected', 'faulty markdown'],
  [[40034024], 'too-late', 'msg_id invalid, or of another chat'],
  [[40034025], 'rejected', 'event_id invalid'],
  [[40034026], 'too-late', 'event_id expired'],
  [[40034027], 'rejected', 'this event cannot be replied to'],
  [[40034029], 'rejected', 'keyboard too large'],
  [[40034100], 'rate-limited', 'rate limit of active messages'],
  [[40034101], 'rejected', 'not a member of the group'],
  [[40034102, 40034105], 'rejected', 'active messages are not permitted'],
  [[40034122, 40034123], 'rejected', 'limit of wake-up messages'],
  [[40034128], 'too-late', 'the reply window or the number of replies is used up'],
  [[40054002], 'rejected', 'the bot is muted'],
  [[40054003], 'rejected', 'the bot is not in the group'],
  [[40054004], 'rejected', 'not a friend'],
  [[40054005], 'duplicate', 'this msg_seq was used for this msg_id before'],
  [[40054006], 'retry', 'please retry'],
  [[40054007, 40054018], 'too-long', 'message too long'],
  [[40054010], 'text-refused', 'URLs are not allowed (QwenPaw #1399: in private chats, too)'],
  [[40054013], 'rejected', 'the user refuses messages'],
  [[40054016], 'retry', 'the bot is offline'],
  [[50055001, 50055002, 50055006], 'internal', 'transient error of the platform'],
  [[1100100], 'rate-limited', 'anti-abuse rate strike'],
  [[1100101, 1100103, 1100104, 1100308], 'text-refused', 'content or risk strike'],
  [[1100300], 'internal', 'internal error of the platform'],
  [[1000001], 'too-long', 'message too long (guild; comes with HTTP 500)'],
  [[850018, 850019, 850031], 'rejected', 'media not allowed'],
  [[850026, 850027], 'retry', 'media download failed'],
  [[40093001], 'retry', 'upload part not ready'],
  [[40093002], 'rejected', 'daily upload quota used up'],
  [[306003, 306005, 306006, 50065001], 'retry', 'recall: transient error'],
  [[306009, 306011, 40061001, 40061002, 40062003, 40064004], 'rejected', 'recall not allowed'],
];

export const API_CODES: ReadonlyMap<number, ApiCode> = new Map(
  rows.flatMap(([codes, cls, meaning]) => codes.map((code) => [code, { class: cls, meaning }] as const)),
);
