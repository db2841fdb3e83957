import { type Emergency, EmergencyState } from '../gen/gad/v1/emergency_pb';
import { usePart } from '../i18n/part';
import { Badge } from '../ui/Badge';
import { words } from './words';

const tones: Readonly<Record<EmergencyState, string>> = {
  [EmergencyState.UNSPECIFIED]: 'plain',
  [EmergencyState.RECEIVED]: 'critical',
  [EmergencyState.SEEN]: 'urgent',
  [EmergencyState.ACKNOWLEDGED]: 'on-task',
  [EmergencyState.ON_SITE]: 'in-progress',
  [EmergencyState.CLOSED]: 'finished',
};

export function EmergencyBadge({ emergency }: { emergency: Emergency }) {
  const t = usePart(words);
  const { state, outcome } = emergency;
  return <Badge tone={tones[state]}>{t.outcomes[outcome] || t.states[state]}</Badge>;
}
