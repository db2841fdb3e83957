import { expect, test } from 'vitest';
import { AuditDoor } from '../gen/gad/v1/audit_pb';
import { auditFilterOf, NO_AUDIT_FILTER, readable, unsendable } from './auditFilter';

test('an empty form asks for everything', () => {
  expect(auditFilterOf(NO_AUDIT_FILTER)).toEqual({
    userIds: [],
    method: '',
    resource: '',
    outcomes: [],
    address: '',
    doors: [],
  });
});

test('what is filled in is asked for', () => {
  const draft = { ...NO_AUDIT_FILTER, user: ' 7 ', subject: '8', outcome: 'ok', door: AuditDoor.REST } as const;
  expect(auditFilterOf(draft)).toMatchObject({ userIds: [7n], subjectUserId: 8n, outcomes: ['OK'], doors: [AuditDoor.REST] });
});

test('numbers that are none are not sent', () => {
  expect(unsendable({ ...NO_AUDIT_FILTER, user: 'ana', subject: '0' })).toEqual(['user', 'subject']);
  expect(unsendable({ ...NO_AUDIT_FILTER, user: '12' })).toEqual([]);
});

test.each([
  ['null', '—'],
  ['"Ana"', 'Ana'],
  ['12', '12'],
  ['{"a":1}', '{\n  "a": 1\n}'],
  ['not json', 'not json'],
])('%s reads as %s', (json, text) => {
  expect(readable(json)).toBe(text);
});
