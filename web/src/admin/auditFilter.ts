import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AuditDoor, AuditFilterSchema } from '../gen/gad/v1/audit_pb';
import { timestamp } from '../time';

/** The form as typed. */
export interface AuditDraft {
  /** As `<input type="datetime-local">` has it, in the time zone of the screen. */
  readonly from: string;
  readonly to: string;
  readonly user: string;
  readonly subject: string;
  readonly method: string;
  readonly resource: string;
  readonly outcome: Outcome;
  readonly address: string;
  readonly door: AuditDoor;
}

export const OUTCOMES = ['all', 'ok', 'refused', 'credentials'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const NO_AUDIT_FILTER: AuditDraft = {
  from: '',
  to: '',
  user: '',
  subject: '',
  method: '',
  resource: '',
  outcome: 'all',
  address: '',
  door: 0,
};

const NAMES: Readonly<Record<Outcome, readonly string[]>> = {
  all: [],
  ok: ['OK'],
  refused: ['FORBIDDEN', 'SCOPE_TOO_NARROW', 'STEP_UP_REQUIRED', 'SIGNED_OUT'],
  credentials: ['WRONG_CREDENTIALS', 'WRONG_PROOF'],
};

/** Fields that cannot even be sent. All other rules are the server's. */
export function unsendable({ user, subject }: AuditDraft): readonly ('user' | 'subject')[] {
  const isWrong = (text: string) => !/^([1-9][0-9]{0,17})?$/.test(text.trim());
  return [...(isWrong(user) ? ['user' as const] : []), ...(isWrong(subject) ? ['subject' as const] : [])];
}

export function auditFilterOf(draft: AuditDraft): MessageInitShape<typeof AuditFilterSchema> {
  const { from, to, user, subject, door } = draft;
  return {
    ...(from && { startTime: timestamp(new Date(from).getTime()) }),
    ...(to && { endTime: timestamp(new Date(to).getTime()) }),
    userIds: user.trim() ? [BigInt(user.trim())] : [],
    ...(subject.trim() && { subjectUserId: BigInt(subject.trim()) }),
    method: draft.method.trim(),
    resource: draft.resource.trim(),
    outcomes: [...NAMES[draft.outcome]],
    address: draft.address.trim(),
    doors: door === 0 ? [] : [door],
  };
}

/** A JSON value as people read it: texts without quotes, objects over several lines. */
export function readable(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    if (value === null) return '—';
    return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  } catch {
    return json;
  }
}
