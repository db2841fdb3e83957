import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { NationalId } from '../account/NationalId';
import { PROFILE_PATHS, ProfileFields, profileOf } from '../account/ProfileFields';
import type { User } from '../gen/gad/v1/user_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useZones } from '../map/useZones';
import { CALL, newRequestId, users } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Drawer } from '../ui/Drawer';
import { Field, TextArea } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { toast } from '../ui/toast';
import { LevelFields } from './LevelFields';
import { UserActions } from './UserActions';
import { UserBadges } from './UsersPart';
import { UserSessions } from './UserSessions';
import { words } from './words';

/** Everything about one person, and what may be done about them. */
export function UserPanel({ id, onClose }: { id: bigint; onClose: () => void }) {
  const { t } = useWords();
  const w = usePart(words);
  const queries = useQueryClient();
  const user = useQuery({
    queryKey: ['user', String(id)],
    queryFn: ({ signal }) => users.getUser({ id }, { ...CALL, signal }),
  });
  const put = async (changed: User) => {
    queries.setQueryData(['user', String(id)], changed);
    await Promise.all([
      queries.invalidateQueries({ queryKey: ['users'] }),
      queries.invalidateQueries({ queryKey: ['userSessions', String(id)] }),
    ]);
  };
  return (
    <Drawer title={user.data?.displayName ?? t.app.loading} subject={String(id)} onClose={onClose}>
      <Loaded query={user}>
        {(shown) => (
          <>
            <UserBadges user={shown} />
            <Facts user={shown} />
            <p>
              <Link href={`/admin/audit/${id}`}>{w.user.audit}</Link>
            </p>
            <h3>{w.user.actions}</h3>
            <UserActions user={shown} onChanged={put} onGone={() => void Promise.all([user.refetch(), queries.invalidateQueries({ queryKey: ['users'] })])} />
            {!shown.deleteTime && !shown.eraseTime && (
              <>
                <h3>{w.user.edit}</h3>
                <EditForm key={`edit ${shown.etag}`} user={shown} onSaved={put} />
                <h3>{w.user.authority}</h3>
                <LevelForm key={`level ${shown.etag}`} user={shown} onSaved={put} />
                <NationalId userId={shown.id} />
                <UserSessions userId={shown.id} />
              </>
            )}
          </>
        )}
      </Loaded>
    </Drawer>
  );
}

function Facts({ user }: { user: User }) {
  const { t, format } = useWords();
  const { users: list, user: w, invite } = usePart(words);
  const zones = useZones().filter(({ id }) => user.zoneIds.includes(id));
  const when = (time: User['createTime']) => time && format.moment(time);
  const facts: readonly (readonly [string, ReactNode])[] = [
    [w.number, String(user.id)],
    [list.email, user.email],
    [invite.level, t.levels[user.level]],
    [w.zones, zones.map(({ displayName }) => displayName).join(', ')],
    [list.lastLogin, when(user.lastLoginTime)],
    [w.verified, when(user.emailVerifyTime)],
    [w.lockedUntil, when(user.lockEndTime)],
    [w.lockReason, user.lockReason],
    [w.created, when(user.createTime)],
    [w.updated, when(user.updateTime)],
    [w.deleted, when(user.deleteTime)],
    [w.erased, when(user.eraseTime)],
  ];
  return (
    <dl className="facts">
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

interface FormProps {
  user: User;
  onSaved: (user: User) => Promise<void>;
}

const EDIT_PATHS = ['email', 'telegram_id', ...PROFILE_PATHS];

function EditForm({ user, onSaved }: FormProps) {
  const { t } = useWords();
  const { invite: w } = usePart(words);
  const [draft, setDraft] = useState(() => ({
    ...profileOf(user),
    email: user.email,
    telegram: user.telegramId === undefined ? '' : String(user.telegramId),
  }));
  const [wrong, setWrong] = useState(false);
  const save = useCall(
    ({ telegram, ...rest }: typeof draft) => {
      const changed = { ...rest, id: user.id, ...(telegram !== '' && { telegramId: BigInt(telegram) }) };
      return users.updateUser(
        { user: changed, updateMask: { paths: EDIT_PATHS }, etag: user.etag, requestId: newRequestId() },
        CALL,
      );
    },
    async (saved) => {
      toast(t.app.saved);
      await onSaved(saved);
    },
  );
  const submit = () => {
    const telegram = draft.telegram.trim();
    const isWrong = !/^[0-9]{0,18}$/.test(telegram);
    setWrong(isWrong);
    if (!isWrong) save.run({ ...draft, telegram, email: draft.email.trim() });
  };
  return (
    <Form failure={save.failure} onSubmit={submit}>
      <Field
        label={w.email}
        type="email"
        autoComplete="off"
        value={draft.email}
        error={save.fields.get('email')}
        onChange={(event) => setDraft({ ...draft, email: event.target.value })}
      />
      <ProfileFields draft={draft} errors={save.fields} onChange={setDraft} />
      <Field
        label={w.telegram}
        hint={w.telegramHint}
        inputMode="numeric"
        value={draft.telegram}
        error={wrong ? w.telegramHint : save.fields.get('telegram_id')}
        onChange={(event) => setDraft({ ...draft, telegram: event.target.value })}
      />
      <div className="form-end">
        <Button type="submit" busy={save.busy}>
          {t.app.save}
        </Button>
      </div>
    </Form>
  );
}

function LevelForm({ user, onSaved }: FormProps) {
  const { t } = useWords();
  const { user: w } = usePart(words);
  const [draft, setDraft] = useState({ level: user.level, zoneIds: user.zoneIds as readonly bigint[], reason: '' });
  const save = useCall(
    ({ level, zoneIds, reason }: typeof draft) =>
      users.setUserLevel(
        { id: user.id, level, zoneIds: [...zoneIds], reason: reason.trim(), etag: user.etag, requestId: newRequestId() },
        CALL,
      ),
    async (saved) => {
      toast(t.app.saved);
      await onSaved(saved);
    },
  );
  return (
    <Form failure={save.failure} onSubmit={() => save.run(draft)}>
      <LevelFields draft={draft} errors={save.fields} onChange={setDraft} />
      <TextArea
        label={t.app.reason}
        hint={t.app.reasonHint}
        rows={2}
        maxLength={500}
        value={draft.reason}
        error={save.fields.get('reason')}
        onChange={(event) => setDraft({ ...draft, reason: event.target.value })}
      />
      <div className="form-end">
        <Button type="submit" busy={save.busy}>
          {w.setLevel}
        </Button>
      </div>
    </Form>
  );
}
