import type { MessageInitShape } from '@bufbuild/protobuf';
import type { User, UserFilterSchema } from '../gen/gad/v1/user_pb';
import type { UserLevel } from '../gen/gad/v1/rule_pb';
import { millis } from '../time';

export const STANDINGS = ['all', 'active', 'inactive', 'locked', 'unverified', 'service', 'deleted'] as const;
export type Standing = (typeof STANDINGS)[number];

export interface Filter {
  readonly text: string;
  readonly level: UserLevel;
  readonly standing: Standing;
}

/** The filter as the server takes it. */
export function filterOf({ text, level, standing }: Filter): MessageInitShape<typeof UserFilterSchema> {
  return {
    text: text.trim(),
    levels: level === 0 ? [] : [level],
    ...(standing === 'active' && { active: true }),
    ...(standing === 'inactive' && { active: false }),
    ...(standing === 'locked' && { locked: true }),
    ...(standing === 'unverified' && { verified: false, service: false }),
    ...(standing === 'service' && { service: true }),
    deletedShown: standing === 'deleted',
  };
}

export type BadgeName = 'service' | 'inactive' | 'locked' | 'unverified' | 'deleted' | 'erased' | 'expired' | 'factor';

/** What is to be said of a user beside the name, with its tone. What is the rule is not said. */
export function badgesOf(user: User, now: number): readonly (readonly [BadgeName, string])[] {
  if (user.eraseTime) return [['erased', 'plain']];
  const all: readonly (readonly [BadgeName, string, boolean])[] = [
    ['deleted', 'late', Boolean(user.deleteTime)],
    ['service', 'scheduled', user.service],
    ['inactive', 'late', !user.active && !user.deleteTime],
    ['locked', 'late', isLocked(user, now)],
    ['unverified', 'high', !user.emailVerifyTime && !user.service],
    ['expired', 'high', user.passwordExpired],
    ['factor', 'available', user.secondFactor],
  ];
  return all.flatMap(([name, tone, so]) => (so ? [[name, tone] as const] : []));
}

/** Kept out by an administrator, or for a while by failed attempts. */
export function isLocked(user: User, now: number): boolean {
  return Boolean(user.lockTime) || (user.lockEndTime !== undefined && millis(user.lockEndTime) > now);
}
