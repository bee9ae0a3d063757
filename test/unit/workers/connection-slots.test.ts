import { describe, expect, it } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { ConnectionSlots } from '../../../src/workers/connection-slots.ts';

const a = connectionId('a');
const b = connectionId('b');
const entered = (slots: ConnectionSlots, id = a) =>
  Array.from({ length: 10 }, () => slots.enter(id)).filter(Boolean).length;

describe('ConnectionSlots', () => {
  it('gives a connection as many slots as it asks for', () => {
    expect(entered(new ConnectionSlots())).toBe(10);
  });

  it('gives few to one whose sends fail in a row, and the others all', () => {
    const slots = new ConnectionSlots();
    for (let n = 0; n < 3; n += 1) slots.failed(a);
    expect(entered(slots)).toBe(4);
    expect(entered(slots, b)).toBe(10);
  });

  it('lets the next one in when one leaves', () => {
    const slots = new ConnectionSlots();
    for (let n = 0; n < 3; n += 1) slots.failed(a);
    entered(slots);
    slots.leave(a);
    expect(entered(slots)).toBe(1);
  });

  it('forgets the trouble with the first answer', () => {
    const slots = new ConnectionSlots();
    for (let n = 0; n < 9; n += 1) slots.failed(a);
    slots.answered(a);
    expect(entered(slots)).toBe(10);
  });
});
