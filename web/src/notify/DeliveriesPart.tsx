import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { type PartProps, Sheet } from '../admin/Sheet';
import { bellWords } from '../bell/words';
import { type Delivery, DeliveryState, NotificationChannel } from '../gen/gad/v1/notification_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId, notifications } from '../rpc/clients';
import { webhooks } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { useNames } from '../task/names';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Select } from '../ui/Select';
import { Table } from '../ui/Table';
import { toast } from '../ui/toast';
import { words } from './words';

const STATES = [
  DeliveryState.DEAD,
  DeliveryState.WITHHELD,
  DeliveryState.WAITING,
  DeliveryState.SENT,
  DeliveryState.UNSPECIFIED,
] as const;
const CHANNELS = [
  NotificationChannel.UNSPECIFIED,
  NotificationChannel.TELEGRAM,
  NotificationChannel.EMAIL,
  NotificationChannel.WEBHOOK,
] as const;

const tones: Readonly<Record<DeliveryState, string>> = {
  [DeliveryState.UNSPECIFIED]: 'plain',
  [DeliveryState.WAITING]: 'high',
  [DeliveryState.SENT]: 'available',
  [DeliveryState.DEAD]: 'critical',
  [DeliveryState.WITHHELD]: 'plain',
};

/** Messages on their way and given up; what was given up is tried again from here. */
export default function DeliveriesPart({ nav }: PartProps) {
  const { deliveries: w, channels, states } = usePart(words);
  const { t } = useWords();
  const [state, setState] = useState<DeliveryState>(DeliveryState.DEAD);
  const [channel, setChannel] = useState<NotificationChannel>(NotificationChannel.UNSPECIFIED);
  const [replaying, setReplaying] = useState<Delivery | null>(null);
  const list = usePages(['deliveries', state, channel], async (page, signal) => {
    const answer = await notifications.listDeliveries({ ...page, state, channel }, { ...CALL, signal });
    return { rows: answer.deliveries, nextPageToken: answer.nextPageToken };
  });
  const replay = useCall(
    (reason: string) => notifications.replayDelivery({ id: replaying?.id ?? 0n, reason, requestId: newRequestId() }, CALL),
    async () => {
      setReplaying(null);
      toast(w.replayed);
      await list.refetch();
    },
  );
  return (
    <Sheet nav={nav} title={w.title}>
      <p className="muted">{w.text}</p>
      <div className="filter-row">
        <Select<DeliveryState>
          label={w.state}
          value={state}
          options={STATES.map((one) => [one, states[one] || w.all] as const)}
          onChange={setState}
        />
        <Select<NotificationChannel>
          label={w.channel}
          value={channel}
          options={CHANNELS.map((one) => [one, channels[one] || w.all] as const)}
          onChange={setChannel}
        />
        <Button onClick={() => void list.refetch()}>{t.assign.refresh}</Button>
      </div>
      <Loaded query={list}>
        {(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <DeliveryTable deliveries={rows} onReplay={setReplaying} />)}
      </Loaded>
      <More list={list} />
      {replaying && (
        <Confirm
          title={w.replayTitle(String(replaying.id))}
          act={w.replay}
          reason="welcome"
          call={replay}
          onClose={() => setReplaying(null)}
        >
          <p>{w.replayText}</p>
        </Confirm>
      )}
    </Sheet>
  );
}

function DeliveryTable({ deliveries, onReplay }: { deliveries: readonly Delivery[]; onReplay: (delivery: Delivery) => void }) {
  const { format } = useWords();
  const { deliveries: w, channels, states } = usePart(words);
  const bell = usePart(bellWords);
  const whom = useReader();
  return (
    <div className="scroll">
      <Table
        cards
        caption={w.title}
        head={[w.when, w.what, w.channel, w.whom, w.state, w.attempts, w.failure, '']}
        rows={deliveries.map((one) => ({
          key: String(one.id),
          cells: [
            one.createTime && format.moment(one.createTime),
            <What key="what" delivery={one} text={one.messageId !== 0n ? w.message : (bell.events[one.eventType] ?? bell.other)} />,
            channels[one.channel],
            whom(one),
            <Badge key="state" tone={tones[one.state]}>
              {states[one.state]}
            </Badge>,
            String(one.attemptCount),
            <span key="failure" className="long">
              {[one.httpStatus > 0 && `HTTP ${one.httpStatus}`, one.failure, one.nextTime && w.next(format.brief(one.nextTime))]
                .filter(Boolean)
                .join(' · ')}
            </span>,
            (one.state === DeliveryState.DEAD || one.state === DeliveryState.WITHHELD) && (
              <Button key="replay" small aria-label={w.replayTitle(String(one.id))} onClick={() => onReplay(one)}>
                {w.replay}
              </Button>
            ),
          ],
        }))}
      />
    </div>
  );
}

function What({ delivery, text }: { delivery: Delivery; text: string }) {
  const { emergencyId, taskId } = delivery;
  if (emergencyId !== 0n) return <Link href={`/emergencies/${emergencyId}`}>{text}</Link>;
  return taskId !== 0n ? <Link href={`/board/${taskId}`}>{text}</Link> : text;
}

/** Names of webhooks and people. */
function useReader(): (delivery: Delivery) => string {
  const names = useNames();
  const { data } = useQuery({
    queryKey: ['webhooks', 'all'],
    queryFn: ({ signal }) => webhooks.listWebhooks({ pageSize: 200 }, { ...CALL, signal }),
  });
  return ({ userId, webhookId }) =>
    userId !== 0n ? names.user(userId) : (data?.webhooks.find(({ id }) => id === webhookId)?.displayName ?? `#${webhookId}`);
}
