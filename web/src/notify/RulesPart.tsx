import { useCallback } from 'react';
import { Link, useLocation } from 'wouter';
import { type PartProps, Sheet } from '../admin/Sheet';
import { bellWords } from '../bell/words';
import type { NotificationRule } from '../gen/gad/v1/notification_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, notifications } from '../rpc/clients';
import { usePages } from '../rpc/usePages';
import { pathId } from '../task/useTask';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Table } from '../ui/Table';
import { useNarrow } from '../ui/useMedia';
import { RulePanel } from './RulePanel';
import { words } from './words';

const BASE = '/admin/rules';

/** Who is told of what, by which ways. */
export default function RulesPart({ nav, openId }: PartProps) {
  const { rules: w } = usePart(words);
  const [, go] = useLocation();
  const close = useCallback(() => go(BASE), [go]);
  const covered = useNarrow();
  const list = usePages(['rules'], async (page, signal) => {
    const answer = await notifications.listNotificationRules({ ...page, pageSize: 200 }, { ...CALL, signal });
    return { rows: answer.rules, nextPageToken: answer.nextPageToken };
  });
  const id = pathId(openId);
  const open = list.data?.find((rule) => rule.id === id);
  return (
    <div className="with-drawer">
      <Sheet nav={nav} title={w.title} inert={covered && openId !== undefined}>
        <p className="muted">{w.text}</p>
        <div className="line">
          <Button look="primary" onClick={() => go(`${BASE}/new`)}>
            {w.create}
          </Button>
        </div>
        <Loaded query={list}>{(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <RuleTable rules={rows} />)}</Loaded>
        <More list={list} />
      </Sheet>
      {(openId === 'new' || open) && (
        <RulePanel key={`${openId}-${open?.etag}`} rule={open} onClose={close} onDone={() => (close(), list.refetch())} />
      )}
    </div>
  );
}

function RuleTable({ rules }: { rules: readonly NotificationRule[] }) {
  const { t } = useWords();
  const { rules: w, channels } = usePart(words);
  const bell = usePart(bellWords);
  const told = (rule: NotificationRule) =>
    [
      rule.audienceTold && w.audienceShort,
      ...rule.levels.map((level) => t.levels[level]),
      ...rule.units,
      rule.userIds.length > 0 && w.people(rule.userIds.length),
    ].filter(Boolean);
  return (
    <div className="scroll">
      <Table
        cards
        caption={w.title}
        head={[w.name, w.events, w.told, w.channels]}
        rows={rules.map((rule) => ({
          key: String(rule.id),
          cells: [
            <span key="name">
              <Link className="row-link" href={`${BASE}/${rule.id}`}>
                {rule.displayName}
              </Link>{' '}
              {rule.disabled && <Badge tone="plain">{w.isDisabled}</Badge>}
            </span>,
            rule.eventTypes.map((type) => bell.events[type] ?? bell.other).join(', '),
            told(rule).join(', '),
            [...rule.channels.map((channel) => channels[channel]), rule.webhookIds.length > 0 && w.webhooks(rule.webhookIds.length)]
              .filter(Boolean)
              .join(', '),
          ],
        }))}
      />
    </div>
  );
}
