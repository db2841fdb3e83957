import { Code, ConnectError } from '@connectrpc/connect';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  LocalizedMessageSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb';
import type { Messages } from '../i18n/es';
import { durationMillis } from '../time';

/** An error as the pages use it. */
export interface Failure {
  readonly code: Code;
  /** `google.rpc.ErrorInfo.reason`; empty if there is none. */
  readonly reason: string;
  readonly text: string;
  /** Texts by field: snake_case, without the name of the resource, such as `planned_end_time`. */
  readonly fields: ReadonlyMap<string, string>;
  readonly retryAfterMillis: number;
}

export function explain(error: unknown, t: Messages): Failure {
  const refusal = ConnectError.from(error);
  const reason = reasonOf(refusal);
  const wait = refusal.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    code: refusal.code,
    reason,
    text: text(refusal, reason, t),
    fields: fieldTexts(refusal),
    retryAfterMillis: wait ? durationMillis(wait) : 0,
  };
}

/** `google.rpc.ErrorInfo.reason` of an error; empty if there is none. */
export function reasonOf(error: unknown): string {
  return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason ?? '';
}

function text(refusal: ConnectError, reason: string, t: Messages): string {
  const localized = refusal.findDetails(LocalizedMessageSchema)[0]?.message;
  if (localized) return localized;
  const byReason: Readonly<Record<string, string>> = t.reasons;
  return byReason[reason] ?? (isUnreachable(refusal) ? t.errors.unreachable : refusal.rawMessage || t.errors.unknown);
}

/** No answer came: nobody knows whether the call was done. */
export function isUnreachable(error: unknown): boolean {
  const refusal = ConnectError.from(error);
  return refusal.code === Code.Unavailable || refusal.code === Code.DeadlineExceeded || refusal.cause instanceof TypeError;
}

function fieldTexts(refusal: ConnectError): Map<string, string> {
  const fields = new Map<string, string>();
  for (const violation of refusal.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations)) {
    const name = fieldName(violation.field);
    if (!fields.has(name)) fields.set(name, violation.localizedMessage?.message || violation.description);
  }
  return fields;
}

/** Whose field it is. */
const RESOURCE = /^(task|agent|user|apiToken|api_token|filter|policy|template|rule|webhook|geofence|zone)\./;

/** `task.plannedEndTime` → `planned_end_time`. */
export function fieldName(path: string): string {
  const inner = path.replace(RESOURCE, '').split('.')[0] ?? '';
  return inner.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same call may well succeed a moment later. */
export function isWorthRetrying(error: unknown): boolean {
  const refusal = ConnectError.from(error);
  return isUnreachable(refusal) || refusal.code === Code.ResourceExhausted || refusal.code === Code.Aborted;
}
