import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { en } from '../i18n/en';
import { explain } from './failure';
import { refusalOf } from './refusal';

const said = (status: number, text: string) => explain(refusalOf({ status, text }), en);

test('a refusal by REST is the same as by gRPC: reason, words and fields', () => {
  const text = JSON.stringify({
    code: 3,
    message: 'invalid',
    details: [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'INVALID_FIELD', domain: 'gad' },
      { '@type': 'type.googleapis.com/google.rpc.LocalizedMessage', locale: 'es', message: 'No se admite.' },
      { '@type': 'type.googleapis.com/google.rpc.BadRequest', field_violations: [{ field: 'note', description: 'too long' }] },
      { '@type': 'type.googleapis.com/somebody.Else', anything: 1 },
    ],
  });
  const failure = said(400, text);
  expect([failure.code, failure.reason, failure.text]).toEqual([Code.InvalidArgument, 'INVALID_FIELD', 'No se admite.']);
  expect(failure.fields.get('note')).toBe('too long');
});

test('a file that the door refuses is said to be too large', () => {
  expect(said(413, 'payload too large').text).toBe(en.reasons.FILE_TOO_LARGE);
});

test('what is no status came from something before the server: nobody knows what became of it', () => {
  expect(said(503, '<html>').text).toBe(en.errors.unreachable);
});
