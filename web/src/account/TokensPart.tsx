import { useState } from 'react';
import { useCell } from '../cell';
import type { ApiToken, CreateApiTokenResponse } from '../gen/gad/v1/api_token_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { apiTokens } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { millis } from '../time';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Confirm } from '../ui/Confirm';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Once } from '../ui/Once';
import { Table } from '../ui/Table';
import { useNow } from '../ui/useNow';
import { TokenForm } from './TokenForm';
import { words } from './words';

export function TokensPart() {
  const { tokens: w } = usePart(words);
  const mine = useCell(session);
  const userId = mine.token === null ? 0n : mine.user.id;
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<CreateApiTokenResponse | null>(null);
  const [endedShown, setEndedShown] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken | null>(null);
  const list = usePages(['apiTokens', String(userId), endedShown], async (page, signal) => {
    const answer = await apiTokens.listApiTokens({ ...page, userId, endedShown }, { ...CALL, signal });
    return { rows: answer.apiTokens, nextPageToken: answer.nextPageToken };
  });
  const revoke = useCall(
    (reason: string) => apiTokens.revokeApiToken({ id: revoking?.id ?? 0n, reason, requestId: newRequestId() }, CALL),
    async () => {
      setRevoking(null);
      await list.refetch();
    },
  );
  const take = async (answer: CreateApiTokenResponse) => {
    setMade(answer);
    setMaking(false);
    await list.refetch();
  };
  if (made) {
    const title = `${w.madeTitle} · ${made.apiToken?.displayName}`;
    return <Once title={title} text={w.madeText} secret={made.token} kept={w.made} onKept={() => setMade(null)} />;
  }
  return (
    <>
      <p className="muted">{w.text}</p>
      {making ? (
        <TokenForm onMade={take} onClose={() => setMaking(false)} />
      ) : (
        <div className="line">
          <Button look="primary" onClick={() => setMaking(true)}>
            {w.create}
          </Button>
          <Check label={w.ended} checked={endedShown} onChange={setEndedShown} />
        </div>
      )}
      <Loaded query={list}>
        {(tokens) =>
          tokens.length === 0 ? <p className="muted">{w.none}</p> : <TokenTable tokens={tokens} onRevoke={setRevoking} />
        }
      </Loaded>
      <More list={list} />
      {revoking && (
        <Confirm
          title={w.revokeTitle(revoking.displayName)}
          act={w.revoke}
          danger
          reason="welcome"
          call={revoke}
          onClose={() => setRevoking(null)}
        >
          <p>{w.revokeText}</p>
        </Confirm>
      )}
    </>
  );
}

function TokenTable({ tokens, onRevoke }: { tokens: readonly ApiToken[]; onRevoke: (token: ApiToken) => void }) {
  const { t, format } = useWords();
  const { tokens: w } = usePart(words);
  const now = useNow();
  const rows = tokens.map((token) => {
    const isOver = token.expireTime !== undefined && millis(token.expireTime) <= now;
    const end = token.endTime ? (
      <Badge tone="plain">{w.revoked}</Badge>
    ) : isOver ? (
      <Badge tone="plain">{w.expired}</Badge>
    ) : (
      (token.expireTime && format.moment(token.expireTime)) || t.app.never
    );
    const isOpen = !token.endTime && !isOver;
    return {
      key: String(token.id),
      cells: [
        <span className="device" key="name">
          {token.displayName}
        </span>,
        <code key="prefix">{token.prefix}…</code>,
        token.scopes.join(', '),
        token.lastUseTime ? format.moment(token.lastUseTime) : t.app.never,
        end,
        isOpen && (
          <Button small look="danger" aria-label={w.revokeTitle(token.displayName)} onClick={() => onRevoke(token)}>
            {w.revoke}
          </Button>
        ),
      ],
    };
  });
  return (
    <div className="scroll">
      <Table cards caption={w.token} head={[w.name, w.prefix, w.scopes, w.lastUse, w.expires, '']} rows={rows} />
    </div>
  );
}
