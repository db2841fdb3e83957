import { Code } from '@connectrpc/connect';
import { EndReason } from '../gen/gad/v1/event_pb';

/** How one call of Watch came to its end. */
export type Outcome =
  | { readonly kind: 'end'; readonly reason: EndReason }
  | { readonly kind: 'refused'; readonly code: Code; readonly reason: string; readonly retryAfterMillis: number }
  /** Cut off: network, proxy, or too long a silence. */
  | { readonly kind: 'cut' };

export type Step =
  /** Only with a fresh token, which may let the person see other things. */
  | { readonly kind: 'renew'; readonly waitMillis: number }
  | { readonly kind: 'watch'; readonly from: 'cursor' | 'snapshot'; readonly waitMillis: number };

const FIRST_MILLIS = 500;
const LONGEST_MILLIS = 20_000;

/** Exponential; half of the wait is chance, so that screens do not come back all at once. */
export function pace(failures: number, chance: number): number {
  const full = Math.min(FIRST_MILLIS * 2 ** Math.min(failures, 16), LONGEST_MILLIS);
  return full / 2 + (full / 2) * chance;
}

/** What to do after `outcome`; `failures` counts the calls in a row that never went live; `chance` is from 0 to 1. */
export function nextStep(outcome: Outcome, failures: number, chance: number): Step {
  const waitMillis = pace(failures, chance);
  if (outcome.kind === 'cut') return { kind: 'watch', from: 'cursor', waitMillis };
  if (outcome.kind === 'end') return afterEnd(outcome.reason, waitMillis);
  if (outcome.code === Code.Unauthenticated) return { kind: 'renew', waitMillis };
  const from = isCursorUseless(outcome.reason) ? 'snapshot' : 'cursor';
  return { kind: 'watch', from, waitMillis: Math.max(waitMillis, outcome.retryAfterMillis) };
}

function afterEnd(reason: EndReason, waitMillis: number): Step {
  if (reason === EndReason.AUTH_REVOKED) return { kind: 'renew', waitMillis };
  return { kind: 'watch', from: reason === EndReason.CURSOR_EXPIRED ? 'snapshot' : 'cursor', waitMillis };
}

function isCursorUseless(reason: string): boolean {
  return reason === 'CURSOR_EXPIRED' || reason === 'INVALID_CURSOR';
}
