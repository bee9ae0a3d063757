import { expect, it } from 'vitest';
import type { Notification } from '../../../src/alerts/alert.ts';
import { deliveriesOf, headsOf, MOST_WAITING, started, surplusOf } from '../../../src/alerts/delivery.ts';

const note = (id: string) => ({ id }) as Notification;

it('each sink gets notifications in the order in which they were made', () => {
  const waiting = new Map([
    ...deliveriesOf([note('late')], ['log', 'hook'], 2_000),
    ...deliveriesOf([note('first'), note('second')], ['log', 'hook'], 1_000),
  ]);
  expect([...headsOf(waiting)]).toEqual([
    ['log', 'first/log'],
    ['hook', 'first/hook'],
  ]);
  waiting.delete('first/hook');
  expect(headsOf(waiting).get('hook')).toBe('second/hook');
});

it('an attempt is counted and put off before it begins, more and more, and within a bound', () => {
  let [delivery] = deliveriesOf([note('a')], ['hook'], 1_000).values();
  const waits: number[] = [];
  for (let n = 0; n < 12; n += 1) {
    if (delivery === undefined) throw new Error('no delivery');
    delivery = started(delivery, 5_000, 0.999);
    waits.push(delivery.nextAt - 5_000);
  }
  expect(delivery).toMatchObject({ attempts: 12, createdAt: 1_000 });
  expect(waits[0]).toBeLessThanOrEqual(1_000);
  expect(waits[3]).toBeGreaterThan(4_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
});

it('of what waits too long for one sink, the oldest is given up, and the other sinks lose nothing', () => {
  const notes = Array.from({ length: MOST_WAITING + 2 }, (_, n) => note(`n${n}`));
  const waiting = deliveriesOf(notes, ['away'], 1_000);
  for (const [name, delivery] of deliveriesOf([note('n0')], ['there'], 1_000)) waiting.set(name, delivery);
  expect(surplusOf(waiting)).toEqual(['n0/away', 'n1/away']);
});
