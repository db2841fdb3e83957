import { useEffect, useState } from 'react';
import { useWords } from '../i18n';
import { useFeedStatus, useLive } from '../live/LiveProvider';
import { Button } from '../ui/Button';

/** Always on the screen: whether what it shows is live. */
export function Connection() {
  const { t } = useWords();
  const { phase } = useFeedStatus();
  return (
    <span className={`connection connection-${phase}`} role="status" data-phase={phase}>
      <span className="connection-dot" aria-hidden="true" />
      {t.live[phase]}
    </span>
  );
}

/** A server that restarts is back sooner than this: no reason to push the page down and up again. */
const BLIP_MILLIS = 1500;

/** Too large to overlook, since an old board looks exactly like a live one. */
export function StaleBanner() {
  const { t, format } = useWords();
  const { feed } = useLive();
  const { phase, lastLiveAt } = useFeedStatus();
  const lasting = useLasting(phase === 'reconnecting');
  if (phase !== 'offline' && !lasting) return null;
  return (
    <div className={`stale stale-${phase}`} role="alert">
      <span>{lastLiveAt === null ? t.live.neverLive : t.live.stale(format.clockSeconds(lastLiveAt))}</span>
      <Button small onClick={feed.retryNow}>
        {t.live.retry}
      </Button>
    </div>
  );
}

function useLasting(now: boolean): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!now) return setLasting(false);
    const timer = setTimeout(() => setLasting(true), BLIP_MILLIS);
    return () => clearTimeout(timer);
  }, [now]);
  return now && lasting;
}
