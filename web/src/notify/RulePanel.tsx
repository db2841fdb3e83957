import { create } from '@bufbuild/protobuf';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { bellWords } from '../bell/words';
import { EventType } from '../gen/gad/v1/event_pb';
import { NotificationChannel, type NotificationRule, NotificationRuleSchema } from '../gen/gad/v1/notification_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId, notifications } from '../rpc/clients';
import { webhooks } from '../rpc/lateClients';
import { type Call, useCall } from '../rpc/useCall';
import { PRIORITIES } from '../task/looks';
import { useNames } from '../task/names';
import { Check } from '../ui/Check';
import { Choices } from '../ui/Choices';
import { EditDrawer } from '../ui/EditDrawer';
import { Field, TextArea } from '../ui/Field';
import { linesOf } from '../ui/lines';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { words } from './words';

const CHANNELS = [NotificationChannel.BELL, NotificationChannel.TELEGRAM, NotificationChannel.EMAIL] as const;
const LEVELS = [UserLevel.AGENT, UserLevel.SUPERVISOR, UserLevel.ADMINISTRATOR] as const;
const KINDS = Object.values(TaskKind).filter((kind): kind is TaskKind => typeof kind === 'number' && kind > 0);

const FIRST = { audienceTold: true, channels: [NotificationChannel.BELL] };

interface Props {
  rule: NotificationRule | undefined;
  onClose: () => void;
  onDone: () => unknown;
}

export function RulePanel({ rule, onClose, onDone }: Props) {
  const { t } = useWords();
  const { rules: w } = usePart(words);
  const [draft, setDraft] = useState<NotificationRule>(() => rule ?? create(NotificationRuleSchema, FIRST));
  const [units, setUnits] = useState(draft.units.join('\n'));
  const save = useCall(
    () => {
      const sent = { rule: { ...draft, units: linesOf(units) }, requestId: newRequestId() };
      return rule ? notifications.updateNotificationRule(sent, CALL) : notifications.createNotificationRule(sent, CALL);
    },
    () => {
      toast(t.app.saved);
      return onDone();
    },
  );
  const remove = useCall(
    () => notifications.deleteNotificationRule({ id: draft.id, etag: draft.etag, requestId: newRequestId() }, CALL),
    onDone,
  );
  return (
    <EditDrawer thing={rule} words={w} save={save} remove={remove} onClose={onClose}>
      <Field
        label={w.name}
        maxLength={100}
        value={draft.displayName}
        error={save.fields.get('display_name')}
        onChange={(event) => setDraft({ ...draft, displayName: event.target.value })}
      />
      <What draft={draft} save={save} onChange={setDraft} />
      <Whom draft={draft} save={save} units={units} onUnits={setUnits} onChange={setDraft} />
      <How draft={draft} save={save} onChange={setDraft} />
    </EditDrawer>
  );
}

interface PartProps {
  draft: NotificationRule;
  save: Call<undefined>;
  onChange: (draft: NotificationRule) => void;
}

/** What must have happened. */
function What({ draft, save, onChange }: PartProps) {
  const { t } = useWords();
  const { rules: w } = usePart(words);
  const bell = usePart(bellWords);
  const types = Object.entries(bell.events).map(([type, text]) => [Number(type) as EventType, text ?? ''] as const);
  return (
    <>
      <Choices<EventType>
        label={w.events}
        options={types}
        chosen={draft.eventTypes}
        error={save.fields.get('event_types')}
        onChange={(eventTypes) => onChange({ ...draft, eventTypes })}
      />
      <Choices<TaskKind>
        label={w.kinds}
        hint={w.kindsHint}
        options={KINDS.map((kind) => [kind, t.kinds[kind]] as const)}
        chosen={draft.kinds}
        error={save.fields.get('kinds')}
        onChange={(kinds) => onChange({ ...draft, kinds })}
      />
      <Select<TaskPriority>
        label={w.minPriority}
        value={draft.minPriority}
        options={[[TaskPriority.UNSPECIFIED, w.anyPriority], ...PRIORITIES.map((one) => [one, t.priorities[one]] as const)]}
        onChange={(minPriority) => onChange({ ...draft, minPriority })}
      />
    </>
  );
}

/** Who is told. */
function Whom({ draft, save, units, onUnits, onChange }: PartProps & { units: string; onUnits: (text: string) => void }) {
  const { t } = useWords();
  const { rules: w } = usePart(words);
  const names = useNames();
  const [ids, setIds] = useState(draft.userIds.join(', '));
  const type = (text: string) => {
    setIds(text);
    const numbers = text.match(/[1-9][0-9]{0,17}/g) ?? [];
    onChange({ ...draft, userIds: [...new Set(numbers)].map(BigInt) });
  };
  return (
    <>
      <Check
        label={w.audience}
        hint={w.audienceHint}
        checked={draft.audienceTold}
        onChange={(audienceTold) => onChange({ ...draft, audienceTold })}
      />
      <Choices<UserLevel>
        label={w.levels}
        options={LEVELS.map((level) => [level, t.levels[level]] as const)}
        chosen={draft.levels}
        error={save.fields.get('levels')}
        onChange={(levels) => onChange({ ...draft, levels })}
      />
      <TextArea
        label={w.units}
        hint={w.oneALine}
        rows={2}
        value={units}
        error={save.fields.get('units')}
        onChange={(event) => onUnits(event.target.value)}
      />
      <Field
        label={w.userIds}
        hint={draft.userIds.map(names.user).join(', ') || w.userIdsHint}
        inputMode="numeric"
        value={ids}
        error={save.fields.get('user_ids')}
        onChange={(event) => type(event.target.value)}
      />
    </>
  );
}

/** By which ways. */
function How({ draft, save, onChange }: PartProps) {
  const { rules: w, channels } = usePart(words);
  const { data } = useQuery({
    queryKey: ['webhooks', 'all'],
    queryFn: ({ signal }) => webhooks.listWebhooks({ pageSize: 200 }, { ...CALL, signal }),
  });
  const known = data?.webhooks ?? [];
  return (
    <>
      <Choices<NotificationChannel>
        label={w.channels}
        options={CHANNELS.map((channel) => [channel, channels[channel]] as const)}
        chosen={draft.channels}
        error={save.fields.get('channels')}
        onChange={(chosen) => onChange({ ...draft, channels: chosen })}
      />
      {known.length > 0 && (
        <Choices<bigint>
          label={w.webhookIds}
          options={known.map(({ id, displayName }) => [id, displayName] as const)}
          chosen={draft.webhookIds}
          error={save.fields.get('webhook_ids')}
          onChange={(webhookIds) => onChange({ ...draft, webhookIds })}
        />
      )}
      <Check label={w.disabled} checked={draft.disabled} onChange={(disabled) => onChange({ ...draft, disabled })} />
    </>
  );
}
