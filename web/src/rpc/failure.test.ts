import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  LocalizedMessageSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb';
import { es } from '../i18n/es';
import { explain, fieldName } from './failure';

const info = (reason: string) => ({ desc: ErrorInfoSchema, value: { reason, domain: 'gad' } });
const refuse = (code: Code, ...details: NonNullable<ConstructorParameters<typeof ConnectError>[3]>) =>
  explain(new ConnectError('in English', code, undefined, details), es);

test("the server's own words come first, then those of the reason, then the bare message", () => {
  const localized = { desc: LocalizedMessageSchema, value: { locale: 'es', message: 'No se puede' } };
  expect(refuse(Code.FailedPrecondition, info('ILLEGAL_STEP'), localized).text).toBe('No se puede');
  expect(refuse(Code.FailedPrecondition, info('ILLEGAL_STEP')).text).toBe(es.reasons.ILLEGAL_STEP);
  expect(refuse(Code.FailedPrecondition, info('SOMETHING_NEW')).text).toBe('in English');
});

test('a server that cannot be reached is said in words', () => {
  expect(refuse(Code.Unavailable).text).toBe(es.errors.unreachable);
  expect(explain(new TypeError('Failed to fetch'), es).text).toBe(es.errors.unreachable);
});

test('violations are found by the name of the field, the first one of each', () => {
  const violations = {
    desc: BadRequestSchema,
    value: {
      fieldViolations: [
        { field: 'task.planned_end_time', description: 'after the start' },
        { field: 'task.plannedEndTime', description: 'again' },
        { field: 'task.location.latitude', description: 'up to 90' },
        { field: 'reason', description: 'bad', localizedMessage: { locale: 'es', message: 'mal' } },
      ],
    },
  };
  expect([...refuse(Code.InvalidArgument, violations).fields]).toEqual([
    ['planned_end_time', 'after the start'],
    ['location', 'up to 90'],
    ['reason', 'mal'],
  ]);
  expect(fieldName('title')).toBe('title');
});

test('the wait that the server asks for is known', () => {
  const retry = { desc: RetryInfoSchema, value: { retryDelay: { seconds: 2n, nanos: 500_000_000 } } };
  expect(refuse(Code.ResourceExhausted, retry).retryAfterMillis).toBe(2500);
});
