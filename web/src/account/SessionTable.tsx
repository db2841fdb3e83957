import type { Session } from '../gen/gad/v1/session_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Table } from '../ui/Table';
import { deviceName } from './device';
import { words } from './words';

interface Props {
  sessions: readonly Session[];
  /** Ends one; without it they can only be looked at. */
  onRevoke?: (session: Session) => void;
  busyId?: string | undefined;
}

export function SessionTable({ sessions, onRevoke, busyId }: Props) {
  const { format } = useWords();
  const { sessions: w, ends } = usePart(words);
  const rows = sessions.map((session) => {
    const device = deviceName(session.userAgent) || w.unknownDevice;
    const time = (at: typeof session.createTime) => (at ? format.moment(at) : '');
    const end = session.endTime ? `${ends[session.endReason]} · ${time(session.endTime)}` : time(session.expireTime);
    const revoke = onRevoke && !session.current && !session.endTime && (
      <Button small look="danger" busy={busyId === session.id} aria-label={w.revokeOf(device)} onClick={() => onRevoke(session)}>
        {w.revoke}
      </Button>
    );
    return {
      key: session.id,
      cells: [
        <span className="device" title={session.userAgent} key="device">
          {device} {session.current && <Badge tone="available">{w.current}</Badge>}
        </span>,
        session.address,
        time(session.lastUseTime),
        time(session.createTime),
        end,
        ...(onRevoke ? [revoke || null] : []),
      ],
    };
  });
  const head = [w.device, w.address, w.lastUse, w.begun, w.ends, ...(onRevoke ? [''] : [])];
  return (
    <div className="scroll">
      <Table cards caption={w.text} head={head} rows={rows} />
    </div>
  );
}
