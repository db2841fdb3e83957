import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { User } from '../gen/gad/v1/user_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useZones } from '../map/useZones';
import { CALL, newRequestId, users } from '../rpc/clients';
import { takeUser } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { toast } from '../ui/toast';
import { NationalId } from './NationalId';
import { PROFILE_PATHS, type Profile, ProfileFields, profileOf } from './ProfileFields';
import { useMe } from './useMe';
import { words } from './words';

export function ProfilePart() {
  const me = useMe();
  return (
    <Loaded query={me}>
      {(user) => (
        <>
          <Standing user={user} />
          <ProfileForm key={user.etag} user={user} />
          <NationalId userId={0n} />
        </>
      )}
    </Loaded>
  );
}

function Standing({ user }: { user: User }) {
  const { t, format } = useWords();
  const w = usePart(words);
  const zones = useZones().filter(({ id }) => user.zoneIds.includes(id));
  return (
    <dl className="facts">
      <div>
        <dt>{w.profile.email}</dt>
        <dd>
          {user.email}{' '}
          <Badge tone={user.emailVerifyTime ? 'available' : 'high'}>
            {user.emailVerifyTime ? w.profile.verified : w.profile.notVerified}
          </Badge>
          <span className="field-hint">{w.profile.emailHint}</span>
        </dd>
      </div>
      <div>
        <dt>{w.profile.level}</dt>
        <dd>{t.levels[user.level]}</dd>
      </div>
      <div>
        <dt>{w.profile.zones}</dt>
        <dd>{zones.map(({ displayName }) => displayName).join(', ') || w.profile.everywhere}</dd>
      </div>
      <div>
        <dt>{w.profile.lastLogin}</dt>
        <dd>{user.lastLoginTime ? format.moment(user.lastLoginTime) : t.app.never}</dd>
      </div>
    </dl>
  );
}

function ProfileForm({ user }: { user: User }) {
  const { t } = useWords();
  const w = usePart(words);
  const queries = useQueryClient();
  const [draft, setDraft] = useState(() => profileOf(user));
  const save = useCall(
    (profile: Profile) =>
      users.updateMe(
        { user: profile, updateMask: { paths: [...PROFILE_PATHS] }, etag: user.etag, requestId: newRequestId() },
        CALL,
      ),
    (saved) => {
      takeUser(saved);
      queries.setQueryData(['me'], saved);
      toast(t.app.saved);
    },
  );
  return (
    <Form failure={save.failure} onSubmit={() => save.run(draft)} label={w.parts.profile}>
      <ProfileFields draft={draft} errors={save.fields} onChange={setDraft} />
      <div className="form-end">
        <Button look="primary" type="submit" busy={save.busy}>
          {t.app.save}
        </Button>
      </div>
    </Form>
  );
}
