import { type Emergency, EmergencyState } from '../gen/gad/v1/emergency_pb';

/** Nobody has said that they take care of it. */
export function isUnanswered({ state }: Emergency): boolean {
  return state === EmergencyState.RECEIVED || state === EmergencyState.SEEN;
}

export function isOngoing({ state }: Emergency): boolean {
  return state !== EmergencyState.CLOSED;
}
