/** The process's own log, for those who watch logs. Always there. */
import type { Logger } from '../../log.ts';
import type { Notification } from '../alert.ts';
import type { Sink } from './sink.ts';

const LEVELS: Readonly<Record<Notification['kind'], 'error' | 'info'>> = {
  firing: 'error',
  repeat: 'error',
  recovered: 'info',
  test: 'info',
};

export function createLogSink(log: Logger): Sink {
  return {
    name: 'log',
    worksWithoutRedis: true,
    async send({ title, text: _, at: alertAt, ...facts }) {
      log[LEVELS[facts.kind]]({ event: 'alert', alertAt, ...facts }, title);
      return { kind: 'sent' };
    },
  };
}
