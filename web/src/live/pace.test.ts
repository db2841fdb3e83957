import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { EndReason } from '../gen/gad/v1/event_pb';
import { nextStep, pace } from './pace';

test('waits grow twofold up to a bound, half of each by chance', () => {
  expect([0, 1, 2, 3].map((failures) => pace(failures, 1))).toEqual([500, 1000, 2000, 4000]);
  expect(pace(0, 0)).toBe(250);
  expect(pace(1000, 1)).toBe(20_000);
});

test('the server may ask for more patience, not for less', () => {
  const refused = (retryAfterMillis: number) =>
    nextStep({ kind: 'refused', code: Code.ResourceExhausted, reason: 'RATE_LIMITED', retryAfterMillis }, 2, 1);
  expect(refused(9000)).toEqual({ kind: 'watch', from: 'cursor', waitMillis: 9000 });
  expect(refused(10)).toEqual({ kind: 'watch', from: 'cursor', waitMillis: 2000 });
});

test('a lost token is renewed', () => {
  expect(nextStep({ kind: 'end', reason: EndReason.AUTH_REVOKED }, 0, 0)).toEqual({ kind: 'renew', waitMillis: 250 });
  const refused = { kind: 'refused', code: Code.Unauthenticated, reason: '', retryAfterMillis: 0 } as const;
  expect(nextStep(refused, 0, 0)).toEqual({ kind: 'renew', waitMillis: 250 });
});
