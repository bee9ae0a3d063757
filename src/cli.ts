#!/usr/bin/env node
/** argv → one command; every command's result is an exit code (docs/cli.md). */
import { Command, CommanderError, Option } from 'commander';
import { complain } from './commands/complain.ts';
import { connectionsCommand } from './commands/connections.ts';
import { acceptDataCommand } from './commands/data.ts';
import { EXIT } from './commands/exit-codes.ts';
import { deadMessages, retryMessage, sendMessage } from './commands/messages.ts';
import type { ServeFlags } from './commands/serve.ts';
import { statusCommand } from './commands/status.ts';
import { lines } from './commands/terminal.ts';
import type { RoleName } from './run/role.ts';

const program = new Command('holdfast')
  .description('A chat-platform gateway whose connections cannot silently die.')
  .option('-c, --config <file>', 'configuration file (default: HOLDFAST_CONFIG, ./holdfast.yaml, else environment)')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

/** Runs a command and leaves with its code; whatever it throws is told in words, without a stack. */
function leaveWith(run: () => Promise<number>): () => Promise<void> {
  return async () => {
    let code: number;
    try {
      code = await run();
    } catch (error) {
      code = complain(error);
    }
    // A pipe takes what is written bit by bit, and exit() drops the rest: a status of hundreds of connections was cut.
    await new Promise((resolve) => process.stdout.write('', resolve));
    process.exit(code);
  };
}

/** Until its end; a person ends it with Ctrl-D. */
async function readStandardInput(): Promise<string> {
  const { text } = await import('node:stream/consumers');
  return await text(process.stdin);
}

const configFile = (): string | undefined => program.opts<{ config?: string }>().config;

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new CommanderError(
      EXIT.cannotTell,
      'holdfast.invalidNumber',
      `error: ${text} is not a positive whole number`,
    );
  }
  return value;
}

function roleList(text: string): RoleName[] {
  const known = ['connections', 'agent', 'delivery'];
  const roles = text.split(',').map((role) => role.trim());
  const unknown = roles.find((role) => !known.includes(role));
  if (unknown !== undefined) {
    throw new CommanderError(
      EXIT.cannotTell,
      'holdfast.unknownRole',
      `error: unknown role "${unknown}"; use some of ${known.join(', ')}`,
    );
  }
  return roles as RoleName[];
}

const capacity = () =>
  new Option('--capacity <n>', 'most connections this worker holds').argParser(positiveInteger).default(500);

const maxTenure = () =>
  new Option('--max-tenure <seconds>', 'hand everything over and leave after this').argParser(positiveInteger);

interface Flags {
  capacity: number;
  processes: number;
  maxTenure?: number;
  supervised?: boolean;
}

function toServeFlags({ capacity, processes, maxTenure, supervised }: Flags): ServeFlags {
  const maxTenureMs = maxTenure === undefined ? null : maxTenure * 1_000;
  return { capacity, processes, maxTenureMs, supervised: supervised === true };
}

// The commands that serve load BullMQ and all adapters; `status` must not wait for those.
program
  .command('up')
  .description('run everything in the foreground: connections (in child processes), scheduler, agent, delivery, web')
  .addOption(capacity())
  .addOption(
    new Option('--processes <n>', 'child processes that hold connections').argParser(positiveInteger).default(1),
  )
  .addOption(maxTenure())
  .action((flags: Flags) =>
    leaveWith(async () => (await import('./commands/serve.ts')).up(configFile(), toServeFlags(flags)))(),
  );

program
  .command('worker')
  .description('run some roles in the foreground')
  .option('--roles <list>', 'connections, agent, delivery', roleList, ['connections', 'agent', 'delivery'])
  .addOption(capacity())
  .addOption(
    new Option('--processes <n>', 'do the roles in n restartable child processes')
      .argParser(positiveInteger)
      .default(0),
  )
  .addOption(maxTenure())
  .addOption(new Option('--supervised').hideHelp())
  .action((flags: Flags & { roles: RoleName[] }) =>
    leaveWith(async () =>
      (await import('./commands/serve.ts')).worker(configFile(), flags.roles, toServeFlags(flags)),
    )(),
  );

program
  .command('scheduler')
  .description('judge connections and keep their jobs in the queue; any number may run')
  .action(leaveWith(async () => (await import('./commands/serve.ts')).scheduler(configFile())));

program
  .command('web')
  .description('answer HTTP: health checks, API, queues; any number may run')
  .action(leaveWith(async () => (await import('./commands/serve.ts')).web(configFile())));

program
  .command('status')
  .description('what every connection does, by evidence; exit code 0 all well, 1 not, 2 could not tell')
  .option('--json', 'the document and nothing else on stdout')
  .option('-w, --watch', 'again every 2 s until interrupted; through a pipe only what changed, with --json every look')
  .action((options: { json?: boolean; watch?: boolean }) =>
    leaveWith(() => statusCommand(configFile(), { json: options.json === true, watch: options.watch === true }))(),
  );

const connections = program.command('connections').description('look at connections and ask for changes');
connections
  .command('list')
  .description('one line per connection')
  .option('--json', 'the connections of the status document')
  .action((options: { json?: boolean }) =>
    leaveWith(() => connectionsCommand.list(configFile(), options.json === true))(),
  );
connections
  .command('show <id>')
  .description('everything about one connection, with its recent history')
  .option('--json', 'as JSON')
  .action((id: string, options: { json?: boolean }) =>
    leaveWith(() => connectionsCommand.show(configFile(), id, options.json === true))(),
  );
connections
  .command('add <id> <keys...>')
  .description('add one while it runs: platform=telegram tokenFile=bot-2; secrets are named by file or variable')
  .option('--replace', 'also when there is one of this id that was added at run time')
  .action((id: string, keys: string[], { replace }: { replace?: boolean }) =>
    leaveWith(() => connectionsCommand.add(configFile(), id, keys, replace === true))(),
  );
connections
  .command('set <id> <keys...>')
  .description('change keys of one that was added at run time: key=value; "key=" takes it away')
  .action((id: string, keys: string[]) => leaveWith(() => connectionsCommand.set(configFile(), id, keys))());
connections
  .command('remove <id>')
  .description('remove one that was added at run time')
  .action((id: string) => leaveWith(() => connectionsCommand.remove(configFile(), id))());
for (const [verb, text] of [
  ['pause', 'take it down until it is resumed; the platform keeps the session'],
  ['resume', 'let a paused or parked connection run'],
  ['restart', 'start it afresh (its session is kept); also ends a parking'],
] as const) {
  connections
    .command(`${verb} <id>`)
    .description(text)
    .action((id: string) => leaveWith(() => connectionsCommand.ask(configFile(), id, verb))());
}

connections
  .command('handoff <id>')
  .description('move it to another worker without losing its session')
  .option('--to <worker>', 'the worker that should have it, as status names it (default: any other)')
  .action((id: string, { to }: { to?: string }) =>
    leaveWith(() => connectionsCommand.ask(configFile(), id, 'handoff', to ?? null))(),
  );

program
  .command('login')
  .description('print a link that logs a browser in to the pages, once')
  .action(() => leaveWith(async () => (await import('./commands/login.ts')).loginCommand(configFile()))());

program
  .command('doctor')
  .description(
    'what is wrong, what it means and what to do; exit code 0 nothing failed, 1 something did, 2 could not look',
  )
  .option('--json', 'the report and nothing else on stdout')
  .option('--alerts', 'really send a test notification to each alert sink')
  .action((options: { json?: boolean; alerts?: boolean }) =>
    leaveWith(async () =>
      (await import('./commands/doctor.ts')).doctorCommand(configFile(), {
        json: options.json === true,
        alerts: options.alerts === true,
      }),
    )(),
  );

program
  .command('data')
  .description('what Redis has')
  .command('accept')
  .description('go on with what Redis has, after it began empty, with other data or with older ones')
  .action(leaveWith(() => acceptDataCommand(configFile())));

const messages = program
  .command('messages')
  .description('look at messages that could not be answered or sent, or send one');
messages
  .command('dead')
  .description('dead letters and sends with an unknown outcome, with their text')
  .option('--json', 'as JSON')
  .action((options: { json?: boolean }) => leaveWith(() => deadMessages(configFile(), options.json === true))());
messages
  .command('retry <letter>')
  .description('try a dead letter again, by the id that "messages dead" shows')
  .action((letter: string) => leaveWith(() => retryMessage(configFile(), letter))());
messages
  .command('send <connection> <conversation> [text]')
  .description(
    'say something in a conversation (text from standard input without one), such as: messages send tg-main chat:4711 "The backup is done."',
  )
  .option('--key <key>', 'the same key within 7 days sends nothing again')
  .action((connection: string, conversation: string, text: string | undefined, { key }: { key?: string }) =>
    leaveWith(async () =>
      sendMessage(configFile(), {
        connection,
        conversation,
        text: text ?? (await readStandardInput()),
        ...(key === undefined ? {} : { key }),
      }),
    )(),
  );

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong with the arguments; help and version end with 0.
  if (!(error instanceof CommanderError)) throw error;
  if (error.code.startsWith('holdfast.')) process.stderr.write(`${lines(error.message)}\n`);
  process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.cannotTell);
}
