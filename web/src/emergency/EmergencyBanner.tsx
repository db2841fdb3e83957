import { useMemo } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useEmergencies } from '../live/LiveProvider';
import { millis } from '../time';
import { Button } from '../ui/Button';
import { useNow } from '../ui/useNow';
import { audible, useAlarm } from './alarm';
import { isUnanswered } from './state';
import { words } from './words';
import './emergency.css';

/** Above every page for as long as a call for help has no answer: it is seen and heard wherever one is. */
export function EmergencyBanner() {
  const { format } = useWords();
  const t = usePart(words);
  const emergencies = useEmergencies();
  const now = useNow();
  const heard = useCell(audible);
  const unanswered = useMemo(
    () => [...emergencies.values()].filter(isUnanswered).sort((a, b) => (a.id < b.id ? -1 : 1)),
    [emergencies],
  );
  useAlarm(unanswered.length > 0);
  const [oldest] = unanswered;
  if (!oldest) return null;
  return (
    <div className="emergency-banner" role="alert" data-unanswered={unanswered.length}>
      <strong>{t.unanswered(unanswered.length)}</strong>
      <span className="emergency-banner-text">{oldest.description || t.noDescription}</span>
      {oldest.createTime && <span>{t.since(format.span(now - millis(oldest.createTime)))}</span>}
      <Link className="button button-small" href={`/emergencies/${oldest.id}`}>
        {t.look}
      </Link>
      <Button small look="quiet" onClick={() => audible.set(!heard)}>
        {heard ? t.silence : t.sound}
      </Button>
    </div>
  );
}
