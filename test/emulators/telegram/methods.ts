/** The methods the emulator knows, each giving the type that the Bot API reference promises for it. */
import type { ApiMethods } from '@grammyjs/types';
import { badRequest, type JsonAnswer, success } from './answers.ts';
import type { CallArguments } from './arguments.ts';
import type { Bot } from './bot.ts';
import type { Journal } from './journal.ts';
import { conflictText } from './poll-desk.ts';
import { type SendDesk, threadOf } from './sends.ts';

/** One call of a bot whose token was found good. */
export interface Call {
  /** Its number in the journal. */
  readonly number: number;
  readonly bot: Bot;
  /** In lower case. */
  readonly method: string;
  readonly args: CallArguments;
}

export interface MethodParts {
  readonly desk: SendDesk;
  readonly journal: Journal;
}

type Method = (call: Call, parts: MethodParts) => JsonAnswer | Promise<JsonAnswer>;

const chatActions: ReadonlySet<string> = new Set([
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'upload_document',
  'choose_sticker',
  'find_location',
  'record_video_note',
  'upload_video_note',
  'cancel',
]);

const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['getme', ({ bot }) => result<'getMe'>(bot.profile())],
  ['getupdates', ({ number, bot, args }) => bot.desk.getUpdates(number, args, bot.webhook.isActive)],
  ['setwebhook', setWebhook],
  ['deletewebhook', setWebhook],
  ['getwebhookinfo', ({ bot }) => result<'getWebhookInfo'>(bot.webhook.info(bot.queue.size, bot.allowed.list()))],
  ['sendmessage', ({ bot, args }, { desk }) => result<'sendMessage'>(desk.sendText(bot, args))],
  ['sendphoto', ({ bot, args }, { desk }) => result<'sendPhoto'>(desk.sendPhoto(bot, args))],
  ['senddocument', ({ bot, args }, { desk }) => result<'sendDocument'>(desk.sendDocument(bot, args))],
  ['editmessagetext', ({ bot, args }, { desk }) => result<'editMessageText'>(desk.editText(bot, args))],
  ['deletemessage', ({ bot, args }, { desk }) => result<'deleteMessage'>(desk.delete(bot, args))],
  ['sendchataction', sendChatAction],
  ['answercallbackquery', answerCallbackQuery],
  ['getfile', ({ bot, args }) => result<'getFile'>(bot.files.describe(args.text('file_id')))],
  ['getchat', ({ bot, args }) => success(JSON.stringify(bot.rooms.find(args.text('chat_id')).chat))],
]);

/** @returns undefined for a method the emulator does not know */
export function methodNamed(name: string): Method | undefined {
  return methods.get(name);
}

/** The compiler holds the emulator to the reference here. */
function result<M extends keyof ApiMethods<never>>(
  value: ReturnType<ApiMethods<never>[M]>,
  description?: string,
): JsonAnswer {
  return success(JSON.stringify(value), description);
}

function setWebhook({ number, bot, args, method }: Call, { journal }: MethodParts): JsonAnswer {
  const { description } = bot.webhook.set(args, method === 'setwebhook' ? 'setwebhook' : 'deletewebhook');
  bot.allowed.update(args.raw('allowed_updates'));
  if (args.flag('drop_pending_updates')) {
    const updateIds = bot.queue.clear();
    if (updateIds.length > 0) journal.append({ kind: 'confirmed', call: number, botId: bot.id, updateIds });
  }
  if (bot.webhook.isActive) bot.desk.terminate(conflictText.setWebhook);
  return method === 'setwebhook' ? result<'setWebhook'>(true, description) : result<'deleteWebhook'>(true, description);
}

function sendChatAction({ bot, args }: Call, { journal }: MethodParts): JsonAnswer {
  const action = args.text('action').toLowerCase();
  if (!chatActions.has(action)) throw badRequest('wrong parameter action in request');
  const room = bot.rooms.find(args.text('chat_id'));
  room.checkWritable();
  const thread = threadOf(room, args);
  journal.append({ kind: 'chat-action', botId: bot.id, chatId: room.id, action, thread });
  return result<'sendChatAction'>(true);
}

function answerCallbackQuery({ bot, args }: Call, { journal }: MethodParts): JsonAnswer {
  const queryId = args.text('callback_query_id');
  bot.callbacks.answer(queryId);
  journal.append({ kind: 'callback-answered', botId: bot.id, queryId, text: args.raw('text') ?? null });
  return result<'answerCallbackQuery'>(true);
}
