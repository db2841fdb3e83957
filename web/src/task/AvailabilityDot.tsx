import { type Agent, Availability } from '../gen/gad/v1/agent_pb';
import { useWords } from '../i18n';

export const availabilityTone: Readonly<Record<Availability, string>> = {
  [Availability.UNSPECIFIED]: 'plain',
  [Availability.AVAILABLE]: 'available',
  [Availability.ON_TASK]: 'on-task',
  [Availability.OFF_DUTY]: 'off-duty',
  [Availability.UNAVAILABLE]: 'unavailable',
};

export function AvailabilityDot({ agent }: { agent: Agent | undefined }) {
  const { t } = useWords();
  const availability = agent?.availability ?? Availability.UNSPECIFIED;
  const text = t.availabilities[availability];
  return (
    <span className={`dot tone-${availabilityTone[availability]}`} title={text}>
      <span className="only-heard">{text}</span>
    </span>
  );
}
