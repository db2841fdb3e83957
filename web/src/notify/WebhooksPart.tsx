import { useCallback, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { type PartProps, Sheet } from '../admin/Sheet';
import type { Webhook } from '../gen/gad/v1/webhook_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { webhooks } from '../rpc/lateClients';
import { usePages } from '../rpc/usePages';
import { pathId } from '../task/useTask';
import { useNames } from '../task/names';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Once } from '../ui/Once';
import { Table } from '../ui/Table';
import { useNarrow } from '../ui/useMedia';
import { WebhookPanel } from './WebhookPanel';
import { words } from './words';

const BASE = '/admin/webhooks';

export interface Secret {
  readonly name: string;
  readonly secret: string;
}

/** Programs that are called when something happens. */
export default function WebhooksPart({ nav, openId }: PartProps) {
  const { webhooks: w } = usePart(words);
  const [, go] = useLocation();
  const close = useCallback(() => go(BASE), [go]);
  const covered = useNarrow();
  const [made, setMade] = useState<Secret | null>(null);
  const list = usePages(['webhooks'], async (page, signal) => {
    const answer = await webhooks.listWebhooks({ ...page, pageSize: 200 }, { ...CALL, signal });
    return { rows: answer.webhooks, nextPageToken: answer.nextPageToken };
  });
  const open = list.data?.find((webhook) => webhook.id === pathId(openId));
  const done = async (secret: Secret | null) => {
    setMade(secret);
    close();
    await list.refetch();
  };
  if (made) {
    return (
      <Sheet nav={nav} title={w.title}>
        <Once
          title={`${w.secretTitle} · ${made.name}`}
          text={w.secretText}
          secret={made.secret}
          kept={w.secretKept}
          onKept={() => setMade(null)}
        />
      </Sheet>
    );
  }
  return (
    <div className="with-drawer">
      <Sheet nav={nav} title={w.title} inert={covered && openId !== undefined}>
        <p className="muted">{w.text}</p>
        <div className="line">
          <Button look="primary" onClick={() => go(`${BASE}/new`)}>
            {w.create}
          </Button>
        </div>
        <Loaded query={list}>
          {(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <WebhookTable webhooks={rows} />)}
        </Loaded>
        <More list={list} />
      </Sheet>
      {(openId === 'new' || open) && <WebhookPanel key={`${openId}-${open?.etag}`} webhook={open} onClose={close} onDone={done} />}
    </div>
  );
}

function WebhookTable({ webhooks: rows }: { webhooks: readonly Webhook[] }) {
  const { format } = useWords();
  const { webhooks: w } = usePart(words);
  const names = useNames();
  const standing = (webhook: Webhook) => {
    if (webhook.disabled) return <Badge tone="plain">{w.isDisabled}</Badge>;
    if (webhook.resumeTime) return <Badge tone="late">{w.rests(format.brief(webhook.resumeTime))}</Badge>;
    if (webhook.failureCount > 0) return <Badge tone="high">{w.failures(webhook.failureCount)}</Badge>;
    return <Badge tone="available">{w.good}</Badge>;
  };
  return (
    <div className="scroll">
      <Table
        cards
        caption={w.title}
        head={[w.name, w.url, w.standing, w.owner]}
        rows={rows.map((webhook) => ({
          key: String(webhook.id),
          cells: [
            <Link key="name" className="row-link" href={`${BASE}/${webhook.id}`}>
              {webhook.displayName}
            </Link>,
            <code key="url" className="long">
              {webhook.url}
            </code>,
            standing(webhook),
            names.user(webhook.ownerUserId),
          ],
        }))}
      />
    </div>
  );
}
