import { useState } from 'react';
import { SessionTable } from '../account/SessionTable';
import { usePart } from '../i18n/part';
import { CALL, users } from '../rpc/clients';
import { usePages } from '../rpc/usePages';
import { Check } from '../ui/Check';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { words } from './words';

export function UserSessions({ userId }: { userId: bigint }) {
  const { user: w } = usePart(words);
  const [endedShown, setEndedShown] = useState(false);
  const list = usePages(['userSessions', String(userId), endedShown], async (page, signal) => {
    const answer = await users.listUserSessions({ ...page, userId, endedShown, pageSize: 10 }, { ...CALL, signal });
    return { rows: answer.sessions, nextPageToken: answer.nextPageToken };
  });
  return (
    <>
      <h3>{w.sessions}</h3>
      <Check label={w.endedShown} checked={endedShown} onChange={setEndedShown} />
      <Loaded query={list}>
        {(sessions) =>
          sessions.length === 0 ? <p className="muted">{w.noSessions}</p> : <SessionTable sessions={sessions} />
        }
      </Loaded>
      <More list={list} />
    </>
  );
}
