import { expect, test } from 'vitest';
import { momentOf, NO_RHYTHM, rhythmOf, ruleOf, wallTime } from './recurrence';

test('a rule comes back from the form as it went in', () => {
  for (const rule of ['FREQ=DAILY', 'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH', 'FREQ=MONTHLY;COUNT=10', 'FREQ=HOURLY;INTERVAL=6', '']) {
    expect(ruleOf(rhythmOf(rule))).toBe(rule);
  }
});

test('what the form has no fields for stays as it is written', () => {
  const rule = 'FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20270101T000000Z';
  expect(rhythmOf(rule)).toMatchObject({ every: 'rule', rule });
  expect(ruleOf(rhythmOf(rule))).toBe(rule);
});

test('days are in the order of the week, however they were chosen', () => {
  expect(ruleOf({ ...NO_RHYTHM, every: 'weeks', days: ['FR', 'MO'] })).toBe('FREQ=WEEKLY;BYDAY=MO,FR');
});

test('a time is that of the clocks of its zone, in summer and in winter', () => {
  expect(momentOf('2026-11-22T08:00', 'America/Bogota')).toBe(Date.UTC(2026, 10, 22, 13));
  expect(momentOf('2026-07-01T08:00', 'Europe/Madrid')).toBe(Date.UTC(2026, 6, 1, 6));
  expect(momentOf('2026-12-01T08:00', 'Europe/Madrid')).toBe(Date.UTC(2026, 11, 1, 7));
  expect(wallTime(Date.UTC(2026, 6, 1, 6), 'Europe/Madrid')).toBe('2026-07-01T08:00');
  expect(momentOf('2026-12-01T08:00', 'Nowhere/At_All')).toBeNaN();
});
